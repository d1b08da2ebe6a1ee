"""A unit over Bluetooth LE: the Nordic UART service, through bleak.

```
 start --> connected already, or seen in a search --> connect --> subscribe --> write: open
   ^                                                                             |
   +-- 0.5 s, longer each time, at most 15 s <-- not there, refused, too slow    +--> lost
```
A port tries for ever until it is open, and is lost once after that. The unit is silent until it has
been written to: the first byte is an empty frame. `unit.port` is `ble:` and the unit's name or its
address. Searches and connections of several units take turns, as a controller does one at a time.

Pairing is done once at installation, with the passkey of the unit's label (`bluetoothctl`, then
`pair` and `trust`); later connections are encrypted with that bond by the operating system.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner
from bleak.exc import BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode

from edge_agent.link.link import LinkError

_log = logging.getLogger(__name__)

SCHEME = "ble:"
SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
TO_UNIT = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
FROM_UNIT = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
NAME_LENGTH = 26
"""As much of its name as a unit can show."""
MAX_UNSENT = 65_536
"""More than this unsent means that nobody reads: the line is called broken."""
EMPTY_FRAME = b"\xc0"

NOT_PAIRED = "not paired: bluetoothctl, `pair` with the passkey of its label, `trust` (running.md)"

_NOT_PAIRED_CODES = (
    BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION_KEY_SIZE,
)
_NOT_PAIRED_WORDS = ("not paired", "org.bluez.error.authentication")
"""BlueZ says these codes as `NotPermitted` and "Not paired" (its src/gatt-client.c)."""

SEARCH_S = 15.0
CONNECT_S = 20.0
WRITE_S = 10.0
AGAIN_FIRST_S = 0.5
AGAIN_SLOWEST_S = 15.0


class BleRadio:
    """This machine's Bluetooth controller.

    The arguments are bleak's backends; None for the operating system's.
    """

    def __init__(
        self,
        scanner: type[BaseBleakScanner] | None = None,
        client: type[BaseBleakClient] | None = None,
        adapter: type[BaseBleakAdapter] | None = None,
    ) -> None:
        self._scanner = scanner
        self._client = client
        self._adapter = adapter
        self._turn = asyncio.Lock()

    def open(self, port: str) -> "BlePort":
        """Return the line to a unit; it begins to search when it is started.

        Raises:
            LinkError: nothing stands after `ble:`.
        """
        return BlePort(self, port)

    async def connect(self, name: str, on_lost: Callable[[], None]) -> BleakClient:
        """Return a connection to the unit of this name or address, once.

        Raises:
            BleakError: it is not there, refuses, or the controller is away.
            TimeoutError: it took too long.
            Exception: whatever else bleak's backend has to say.
        """
        async with self._turn:
            device = await self._find(name)
            if device is None:
                raise BleakError("not found")
            client = BleakClient(
                device, lambda _: on_lost(), timeout=CONNECT_S, backend=self._client
            )
            try:
                async with asyncio.timeout(CONNECT_S):
                    await client.connect()
            except BaseException:
                await _disconnect(client)
                raise
            return client

    def release(self, client: BleakClient) -> None:
        """Disconnect in the background, before anybody connects again."""
        task = asyncio.create_task(self._release(client), name="ble release")
        _lingering.add(task)
        task.add_done_callback(_lingering.discard)

    async def _release(self, client: BleakClient) -> None:
        async with self._turn:
            await _disconnect(client)

    async def _find(self, name: str) -> BLEDevice | None:
        def is_wanted(device: BLEDevice, shown: str | None) -> bool:
            return device.address.lower() == name.lower() or shown == name[:NAME_LENGTH]

        for device in await self._connected():
            if is_wanted(device, device.name):
                return device
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEARCH_S), BleakScanner(backend=self._scanner) as scanner:
                async for device, told in scanner.advertisement_data():
                    if is_wanted(device, told.local_name):
                        return device
        return None

    async def _connected(self) -> list[BLEDevice]:
        """Return what is connected since before we began: it does not show itself in a search."""
        try:
            adapter = await BleakAdapter.get(backend=self._adapter)
            return await adapter.get_connected_devices([SERVICE])
        except NotImplementedError:
            return []


class BlePort:
    """The line to one unit."""

    def __init__(self, radio: BleRadio, port: str) -> None:
        """Name the unit.

        Raises:
            LinkError: nothing stands after `ble:`.
        """
        self._radio = radio
        self._port = port
        self._name = port.removeprefix(SCHEME).strip()
        if not self._name:
            raise LinkError(f"{port}: expected a unit's name or address after {SCHEME}")
        self._unsent = bytearray()
        self._has_unsent = asyncio.Event()
        self._is_open = False
        self._task: asyncio.Task[None] | None = None
        self._on_bytes: Callable[[bytes], None] | None = None
        self._on_lost: Callable[[str], None] | None = None
        self.bytes_read = 0
        self.bytes_written = 0

    @property
    def is_open(self) -> bool:
        """Return True while the unit is connected and listens."""
        return self._is_open

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        """Begin to search; `on_lost` is called once when the line breaks, with the reason."""
        self._on_bytes, self._on_lost = on_bytes, on_lost
        self._task = asyncio.create_task(self._run(), name=self._port)

    def write(self, data: bytes) -> None:
        """Send bytes; they wait in a bounded buffer, and go nowhere before the line is open."""
        if not self._is_open:
            return
        self._unsent += data
        self._has_unsent.set()
        if len(self._unsent) > MAX_UNSENT:
            self._lose("nobody reads the other end")

    def close(self) -> None:
        """Close the line; no callback comes after this."""
        self._on_bytes = self._on_lost = None
        self._is_open = False
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        connected = await self._connect()
        if connected is None:
            return
        client, broken = connected
        try:
            why = await self._serve(client, broken)
        finally:
            self._radio.release(client)
        self._lose(why)

    async def _serve(self, client: BleakClient, broken: asyncio.Event) -> str:
        """Send until the connection breaks or the line is closed; return what went wrong."""
        if self._on_lost is None:
            return "closed"
        waiting = asyncio.create_task(broken.wait())
        sending = asyncio.create_task(self._send(client))
        try:
            await asyncio.wait({waiting, sending}, return_when=asyncio.FIRST_COMPLETED)
            return sending.result() if sending.done() else "disconnected"
        finally:
            waiting.cancel()
            sending.cancel()

    async def _connect(self) -> tuple[BleakClient, asyncio.Event] | None:
        """Return an open connection and what tells its end, trying until the line is closed.

        What is wrong is said when it changes. That the line is closed is looked at too: a
        cancellation can be lost on its way through the layers of Bluetooth.
        """
        wait_s = AGAIN_FIRST_S
        complained = ""
        while self._on_lost is not None:
            broken = asyncio.Event()
            try:
                client = await self._radio.connect(self._name, broken.set)
                try:
                    await self._open(client)
                except BaseException:
                    self._radio.release(client)
                    raise
            except Exception as error:  # bleak lets those of its backends out as they come
                why = _reason(error)
                if why != complained:
                    complained = why
                    _log.warning("%s: %s; trying again for ever", self._port, why)
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 (only spreads)
                wait_s = min(2 * wait_s, AGAIN_SLOWEST_S)
                continue
            if complained:
                _log.warning("%s: connected", self._port)
            return client, broken
        return None

    async def _open(self, client: BleakClient) -> None:
        """Listen first, then let the unit know."""
        self._unsent.clear()
        self._has_unsent.clear()
        self._is_open = True  # the unit may speak before its answer to our first byte is here
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.start_notify(FROM_UNIT, self._receive)
                await client.write_gatt_char(TO_UNIT, EMPTY_FRAME, response=True)
        except BaseException:
            self._is_open = False
            raise

    async def _send(self, client: BleakClient) -> str:
        """Write what there is, a packet at a time; return what went wrong."""
        characteristic = client.services.get_characteristic(TO_UNIT)
        if characteristic is None:
            return "no Nordic UART service"
        while True:
            await self._has_unsent.wait()
            packet = bytes(self._unsent[: characteristic.max_write_without_response_size])
            try:
                async with asyncio.timeout(WRITE_S):
                    await client.write_gatt_char(characteristic, packet, response=True)
            except Exception as error:  # likewise
                return _reason(error)
            self.bytes_written += len(packet)
            del self._unsent[: len(packet)]
            if not self._unsent:
                self._has_unsent.clear()

    def _receive(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        if self._on_bytes is not None and self._is_open:
            self.bytes_read += len(data)
            self._on_bytes(bytes(data))

    def _lose(self, reason: str) -> None:
        on_lost = self._on_lost
        self._on_bytes = self._on_lost = None
        self._is_open = False
        if on_lost is not None:
            on_lost(f"{self._port}: {reason}")


async def _disconnect(client: BleakClient) -> None:
    """Disconnect, whatever state the connection is in."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(WRITE_S):
            await client.disconnect()


def _reason(error: Exception) -> str:
    """Return what an error of bleak's means to whoever installs the home."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return f"no Bluetooth service on this machine ({error.strerror or error})"
    refused = isinstance(error, BleakGATTProtocolError) and error.code in _NOT_PAIRED_CODES
    if refused or any(words in str(error).lower() for words in _NOT_PAIRED_WORDS):
        return NOT_PAIRED
    return str(error) or type(error).__name__


_lingering: set[asyncio.Task[None]] = set()
"""Disconnections under way; a task that nobody holds may be collected."""
