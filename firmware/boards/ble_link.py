# ruff: noqa: D102 (documented in board.py)
"""The link over Bluetooth LE: a peripheral with the layout of the Nordic UART service.

```
 nobody --> connected --> encrypted with the passkey of the label --> written to: open
   ^            |                          |                              |
   +---- gone, or put off: 60 s without a byte, or paired without the passkey
```
The IRQ handler only notes what happened; everything else is done by who calls `open`, `readinto`
and `write`. The unit says nothing before the agent has subscribed and written its first byte, so
that no greeting goes to nobody. What the agent writes is gathered by the Bluetooth stack itself
(an appending buffer), so that a write takes no memory of the heap.

A unit without a key does not show itself: anyone can reach a radio.

On an ESP32 the handler runs in the Bluetooth host's own task, with the interpreter's lock: it
must not raise. Whether that task wakes the program's is not known; its next beat does.

Weakness: the central chooses the connection interval, `bluetooth` has no call to ask for another.
A full receive buffer is cut by the stack without a word; it is counted as an overflow, and the
damaged frame is refused by its checksum. Who has paired and keeps writing holds the only place.

Source: docs.micropython.org/en/latest/library/bluetooth.html; Bluetooth Core 5.4, volume 3, part C,
11 (advertising data) and part H, 2.3.5 (pairing). The UUIDs are Nordic Semiconductor's.
"""

import errno
import io
import json
import select

import bluetooth

from firmware import flash
from protocol.passkey import passkey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.boards.ble import Ble
    from firmware.boards.board import Board, Buffer

NAME_LENGTH = 26
"""As much of the unit's name as fits into an advertisement of 31 bytes beside its flags."""

_UART = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E"
_RX = "6E400002-B5A3-F393-E0A9-E50E24DCCA9E"
_TX = "6E400003-B5A3-F393-E0A9-E50E24DCCA9E"
_UART_LITTLE = b"\x9e\xca\xdc\x24\x0e\xe5\xa9\xe0\x93\xf3\xa3\xb5\x01\x00\x40\x6e"
_WRITE = 0x0008 | 0x1000 | 0x2000
"""Write with response, and only over a link that is encrypted and authenticated."""
_NOTIFY = 0x0010

_MTU = 247
"""One packet on the air: 251 bytes, of which L2CAP takes 4."""
_PACKET = _MTU - 3
_SHORTEST_PACKET = 20
_BATCH_BYTES = 200
_REOPEN_MS = 200
"""A connection is noticed so soon: connecting takes less than the second of a wire."""
_RX_BYTES = 1024
_FAST_US = 100_000
_SLOW_US = 1_000_000
_FAST_MS = 30_000
"""After a loss the unit is easy to find for half a minute, then it saves its battery."""
SILENT_MS = 60_000
"""An agent says something every 15 s, and who types a passkey is done by then."""
_MAX_SECRETS = 16
_SECRETS = "/ble.json"

_CENTRAL_CONNECT = 1
_CENTRAL_DISCONNECT = 2
_GATTS_WRITE = 3
_MTU_EXCHANGED = 21
_ENCRYPTION_UPDATE = 28
_GET_SECRET = 29
_SET_SECRET = 30
_PASSKEY_ACTION = 31
_DISPLAY_ONLY = 0
_DISPLAY = 3
_POLL = 3
_NOBODY = -1
_TICKS_MASK = (1 << 30) - 1


class BleLink(io.IOBase):
    """The radio of one unit, with one agent at a time."""

    batch_bytes = _BATCH_BYTES
    """What is worth a packet: two blocks of samples at 100 Hz."""
    reopen_ms = _REOPEN_MS

    def __init__(self, board: "Board") -> None:
        self._board = board
        self._name = board.unit_id.encode()[:NAME_LENGTH]
        key = board.unique_key()
        self._has_key = bool(key)
        self._passkey = passkey(key)
        self._secrets = _Secrets(board.flash_root)
        self._ble: "Ble" = bluetooth.BLE()  # type: ignore[assignment]
        self._rx = self._tx = 0
        self._advertised_us = 0
        self._away_ms = board.ticks_ms()
        self._conn = _NOBODY
        self._connected_ms = 0
        self._is_secure = False
        self._is_insecure = False
        self._is_heard = False
        self._is_broken = False
        self._is_readable = False
        self._rest = memoryview(b"")
        self._packet = _SHORTEST_PACKET
        self.overflows = 0
        """Times that the receive buffer was full, and bytes were probably lost."""
        self.refused = 0
        """Writes that the Bluetooth stack had no memory for; they are tried again."""

    def open(self) -> bool:
        if not self._has_key:
            return False
        try:
            return self._open()
        except OSError:
            return False  # the radio is busy, or refuses: the next call tries again

    def readinto(self, buf: "Buffer") -> "int | None":
        self._secrets.save()
        if self._is_broken or not self._is_heard:
            return None
        if not self._rest:
            self._is_readable = False  # first: a write that comes now makes it true again
            data = self._ble.gatts_read(self._rx)
            self.overflows += len(data) >= _RX_BYTES
            self._rest = memoryview(data)
        count = min(len(buf), len(self._rest))
        memoryview(buf)[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        if count:
            self._connected_ms = self._board.ticks_ms()
        return count

    def write(self, buf: "bytes | memoryview") -> "int | None":
        if self._is_broken or not self._is_heard:
            return 0
        if self._age_ms(self._connected_ms) > SILENT_MS:
            self._put_off()
            return 0
        piece = memoryview(buf)[: self._packet]
        try:
            self._ble.gatts_notify(self._conn, self._tx, piece)
        except OSError:  # ENOMEM while the air is slower than we are, or nobody is there
            self.refused += 1
            return 0
        return len(piece)

    def ioctl(self, request: int, argument: int) -> int:
        """Tell MicroPython's poll whether there is something to read, or to find out."""
        if request != _POLL:
            return -errno.EINVAL
        ready = self._is_broken or self._is_readable or len(self._rest) > 0
        return argument & select.POLLIN if ready else 0

    def _open(self) -> bool:
        if not self._ble.active():
            self._switch_on()
        self._secrets.save()
        was_broken = self._is_broken
        if was_broken:
            self._is_broken = False
            self._rest = memoryview(b"")
            self._away_ms = self._board.ticks_ms()
        if self._conn == _NOBODY:
            self._advertise()
        elif self._is_insecure or self._age_ms(self._connected_ms) > SILENT_MS:
            self._put_off()
        else:
            return self._is_heard and not was_broken
        return False

    def _switch_on(self) -> None:
        ble = self._ble
        ble.active(True)
        ble.irq(self._handle_irq)
        ble.config(gap_name=self._name, mtu=_MTU)
        ble.config(bond=True, mitm=True, le_secure=True, io=_DISPLAY_ONLY)
        uuid = bluetooth.UUID
        service = (uuid(_UART), ((uuid(_RX), _WRITE), (uuid(_TX), _NOTIFY)))
        ((rx, tx),) = ble.gatts_register_services((service,))
        self._rx, self._tx = rx, tx
        ble.gatts_set_buffer(rx, _RX_BYTES, True)

    def _advertise(self) -> None:
        interval_us = _FAST_US if self._age_ms(self._away_ms) < _FAST_MS else _SLOW_US
        if interval_us != self._advertised_us:
            shown = b"\x02\x01\x06" + bytes((1 + len(self._name), 0x09)) + self._name
            asked = b"\x11\x07" + _UART_LITTLE
            self._ble.gap_advertise(interval_us, adv_data=shown, resp_data=asked)
            self._advertised_us = interval_us

    def _put_off(self) -> None:
        try:
            self._ble.gap_disconnect(self._conn)
        except OSError:
            pass  # is going already

    def _age_ms(self, since_ms: int) -> int:
        return (self._board.ticks_ms() - since_ms) & _TICKS_MASK

    def _handle_irq(self, event: int, values: "tuple[Any, ...]") -> object:
        if event == _GATTS_WRITE:
            self._is_heard = self._is_secure
            self._is_readable = True
        elif event == _CENTRAL_CONNECT:
            self._begin(values[0])
        elif event == _CENTRAL_DISCONNECT:
            self._conn = _NOBODY
            self._is_secure = self._is_insecure = self._is_heard = False
            self._is_broken = True
        elif event == _MTU_EXCHANGED:
            self._packet = min(values[1] - 3, _PACKET)
        elif event == _ENCRYPTION_UPDATE:
            self._is_secure = bool(values[1] and values[2])
            self._is_insecure = bool(values[1] and not values[2])
            self._is_heard = self._is_heard and self._is_secure
        elif event == _PASSKEY_ACTION:
            self._show_passkey(values[0], values[1])
        elif event == _GET_SECRET:
            return self._secrets.get(*values)
        elif event == _SET_SECRET:
            return self._secrets.put(*values)
        return None

    def _begin(self, conn: int) -> None:
        """Note that a central is there; what another one left in the buffer is not its own."""
        self._conn = conn
        self._connected_ms = self._board.ticks_ms()
        self._packet = _SHORTEST_PACKET
        self._advertised_us = 0
        self._is_readable = False
        try:
            self._ble.gatts_read(self._rx)
            self._ble.gap_pair(conn)
        except OSError:
            pass  # gone again, or the central has begun to pair itself

    def _show_passkey(self, conn: int, action: int) -> None:
        """Say what is on the label; another way of pairing than this is never agreed to."""
        if action != _DISPLAY:
            return
        try:
            self._ble.gap_passkey(conn, action, self._passkey)
        except OSError:
            pass  # given up meanwhile


class _Secrets:
    """What the Bluetooth stack wants to find again: bonds, as they are, by type and key.

    They are written to the flash by `save`, outside of the IRQ handler that hands them over.
    """

    def __init__(self, root: str) -> None:
        self._path = root + _SECRETS
        self._rows: "list[tuple[int, bytes, bytes]]" = []
        self._is_changed = False
        rows = flash.read_checked(self._path)
        if isinstance(rows, list):
            for kind, key, value in rows:
                self._rows.append((kind, bytes.fromhex(key), bytes.fromhex(value)))

    def get(self, kind: int, index: int, key: "bytes | None") -> "bytes | None":
        """Return one value: by its key, or without one the index'th of its type."""
        for row in self._rows:
            if row[0] == kind and (key is None or row[1] == bytes(key)):
                if key is not None or index == 0:
                    return row[2]
                index -= 1
        return None

    def put(self, kind: int, key: bytes, value: "bytes | None") -> bool:
        """Keep a value, or forget it when it is None; the oldest of too many gives way."""
        key = bytes(key)
        rows = [row for row in self._rows if row[:2] != (kind, key)]
        known = len(rows) < len(self._rows)
        if value is not None:
            rows.append((kind, key, bytes(value)))
        self._rows = rows[-_MAX_SECRETS:]
        self._is_changed = True
        return known or value is not None

    def save(self) -> None:
        """Write them when they have changed; a failing flash is tried again next time."""
        if not self._is_changed:
            return
        self._is_changed = False
        rows = [(kind, key.hex(), value.hex()) for kind, key, value in self._rows]
        try:
            flash.write_checked(self._path, json.dumps(rows))
        except OSError:
            self._is_changed = True
