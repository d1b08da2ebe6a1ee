# ruff: noqa: N802 (the names and arguments of MicroPython's `bluetooth`)
"""`bluetooth` for the MicroPython VM: the stack's half that a program sees, on a socket.

At the other end of the socket is a radio with a host stack of its own. Lines of JSON, bytes in hex:

```
 program -> radio   {"do": "notify", "conn": 1, "handle": 2, "data": "c0.."}   likewise every call
 radio -> program   {"irq": 1, "values": [1, 0, "f0f0.."]}      an event and its values
                    {"irq": 29, "values": [..], "id": 7}        an event that wants an answer
                    {"write": 1, "conn": 1, "data": "..", "id": 8}   answered when handled
                    {"buffers": 8}, {"sent": 2}                 room for notifications, again
```
As on an ESP32: a value holds 20 bytes until `gatts_set_buffer`, and what is too long for it is cut
in silence; a notification beyond the room raises ENOMEM, and one longer than the MTU is cut; the
bytes of an event are gone when the handler returns; an event may come within any call, but never
within the handler. Unlike there, none comes between two bytecodes of a program that calls nothing.
"""

import asyncio
import errno
import io
import json
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[[int, tuple[Any, ...]], object]

FLAG_READ = 0x0002
FLAG_WRITE_NO_RESPONSE = 0x0004
FLAG_WRITE = 0x0008
FLAG_NOTIFY = 0x0010
FLAG_INDICATE = 0x0020

path = ""
"""The radio's socket; the board sets it."""

_CENTRAL_CONNECT = 1
_CENTRAL_DISCONNECT = 2
_GATTS_WRITE = 3
_DEFAULT_BYTES = 20
_GET_FILENO = 10
_AF_UNIX = 1
_PIECE = 4096


class UUID:
    """A UUID, as a number of 16 bits or as text."""

    def __init__(self, value: "int | str") -> None:
        self.value = value


class _Value:
    """A value in the stack's database."""

    def __init__(self) -> None:
        self.data = b""
        self.size = _DEFAULT_BYTES
        self.append = False

    def write(self, data: bytes) -> None:
        self.data = (self.data + data if self.append else data)[: self.size]


class _Line(io.IOBase):
    """Lets asyncio wait for the socket without reading it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ioctl(self, request: int, argument: int) -> int:
        return self._fd if request == _GET_FILENO else -errno.EINVAL

    def readinto(self, buf: bytearray) -> int:
        return 0


class _Ble:
    """The one radio of the VM."""

    def __init__(self) -> None:
        self._socket: "socket.socket | None" = None
        self._handler: "Handler | None" = None
        self._is_in_handler = False
        self._line = b""
        self._values: "dict[int, _Value]" = {}
        self._conns: "list[int]" = []
        self._room = 0

    def active(self, active: "bool | None" = None) -> bool:
        if active and self._socket is None:
            radio = socket.socket(_AF_UNIX)
            radio.connect(struct.pack("<H", _AF_UNIX) + path.encode() + b"\0")
            self._socket = radio
            asyncio.create_task(self._run(_Line(radio.fileno())))  # noqa: RUF006
        return self._socket is not None

    def config(self, *asked: str, **values: object) -> None:
        if asked:
            raise ValueError("unknown config param")  # none is asked for by this firmware
        for key, value in values.items():
            if isinstance(value, bytes):
                values[key] = value.hex()
        self._tell("config", values=values)

    def irq(self, handler: "Handler") -> None:
        self._handler = handler

    def gap_advertise(
        self,
        interval_us: "int | None",
        adv_data: bytes = b"",
        *,
        resp_data: bytes = b"",
        connectable: bool = True,
    ) -> None:
        self._pull()
        if len(adv_data) > 31 or len(resp_data) > 31:
            raise OSError(errno.EINVAL)
        if interval_us is not None and self._conns:
            raise OSError(errno.EALREADY)
        shown, asked = adv_data.hex(), resp_data.hex()
        self._tell("advertise", interval_us=interval_us, adv=shown, rsp=asked)

    def gap_disconnect(self, conn_handle: int) -> bool:
        self._pull()
        if conn_handle not in self._conns:
            return False
        self._tell("disconnect", conn=conn_handle)
        return True

    def gap_pair(self, conn_handle: int) -> None:
        self._check(conn_handle)
        self._tell("pair", conn=conn_handle)

    def gap_passkey(self, conn_handle: int, action: int, passkey: int) -> None:
        self._check(conn_handle)
        self._tell("passkey", conn=conn_handle, action=action, passkey=passkey)

    def gatts_register_services(self, services: "Any") -> "tuple[tuple[int, ...], ...]":
        handles = []
        told = []
        for uuid, characteristics in services:
            own = []
            rows = []
            for characteristic in characteristics:
                handle = len(self._values) + 1
                self._values[handle] = _Value()
                own.append(handle)
                rows.append((characteristic[0].value, characteristic[1], handle))
            handles.append(tuple(own))
            told.append((uuid.value, rows))
        self._tell("register", services=told)
        return tuple(handles)

    def gatts_set_buffer(self, value_handle: int, length: int, append: bool = False) -> None:
        value = self._values[value_handle]
        value.size = length
        value.append = append

    def gatts_read(self, value_handle: int) -> bytes:
        self._pull()
        value = self._values[value_handle]
        data = value.data
        if value.append:
            value.data = b""
        return data

    def gatts_notify(
        self, conn_handle: int, value_handle: int, data: "bytes | memoryview | None" = None
    ) -> None:
        self._pull()
        self._check(conn_handle)
        if self._room <= 0:
            raise OSError(errno.ENOMEM)
        self._room -= 1
        told = self._values[value_handle].data if data is None else bytes(data)
        self._tell("notify", conn=conn_handle, handle=value_handle, data=told.hex())

    def _check(self, conn_handle: int) -> None:
        if conn_handle not in self._conns:
            raise OSError(errno.ENOTCONN)

    async def _run(self, line: _Line) -> None:
        stream = asyncio.StreamReader(line)
        while self._socket is not None:
            await stream.readinto(bytearray(1))
            self._pull()

    def _tell(self, do: str, **values: object) -> None:
        if self._socket is None:
            raise OSError(errno.ENODEV)
        values["do"] = do
        self._socket.setblocking(True)
        self._socket.sendall(json.dumps(values).encode() + b"\n")

    def _pull(self) -> None:
        """Take what the radio says, and hand the events over; never within the handler."""
        while self._socket is not None and not self._is_in_handler:
            self._socket.setblocking(False)
            try:
                piece = self._socket.recv(_PIECE)
            except OSError:
                break
            if not piece:
                self._reset()
                break
            self._line += piece
        while not self._is_in_handler and b"\n" in self._line:
            line, self._line = self._line.split(b"\n", 1)
            self._take(json.loads(line))

    def _reset(self) -> None:
        """The radio is gone: as good as switched off, and nobody is connected any more."""
        self._socket = None
        self._line = b""
        self._values = {}
        for conn in self._conns:
            self._raise(_CENTRAL_DISCONNECT, (conn, 0, memoryview(bytearray(6))))
        self._conns = []

    def _take(self, told: "dict[str, Any]") -> None:
        if "sent" in told:
            self._room += told["sent"]
        elif "buffers" in told:
            self._room = told["buffers"]
        elif "write" in told:
            self._values[told["write"]].write(bytes.fromhex(told["data"]))
            self._raise(_GATTS_WRITE, (told["conn"], told["write"]))
            self._tell("answer", id=told["id"], value=None)
        else:
            values = tuple(_value(value) for value in told["values"])
            if told["irq"] == _CENTRAL_CONNECT:
                self._conns.append(values[0])
            elif told["irq"] == _CENTRAL_DISCONNECT:
                self._conns.remove(values[0])
            answer = self._raise(told["irq"], values)
            if "id" in told:
                value = answer.hex() if isinstance(answer, bytes) else answer
                self._tell("answer", id=told["id"], value=value)

    def _raise(self, event: int, values: "tuple[Any, ...]") -> object:
        if self._handler is None:
            return None
        self._is_in_handler = True
        try:
            return self._handler(event, values)
        finally:
            self._is_in_handler = False
            for value in values:
                if isinstance(value, memoryview):
                    value[:] = bytes(len(value))  # it was the stack's, and is used again


def _value(value: "Any") -> "Any":
    """Return a value as the stack gives it: bytes are a view of its own memory."""
    return memoryview(bytearray.fromhex(value)) if isinstance(value, str) else value


_radio = _Ble()


def BLE() -> _Ble:
    """Return the one radio."""
    return _radio
