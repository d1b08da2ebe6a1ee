"""A bleak backend on Bumble: the real `BleakClient` and `BleakScanner` on a virtual controller.

What BlueZ does for bleak on a Raspberry Pi is done here by `Central`: it exchanges the MTU, answers
a security request, asks its user for the passkey, keeps the bonds, and encrypts or pairs when an
attribute demands it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError
from bumble import att, core, hci
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate

from tests.ble.radio import make_device

ADDRESS = "F0:F0:F0:F0:F0:F0"
_MTU = 517
_REFUSED = (att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR, att.ATT_INSUFFICIENT_ENCRYPTION_ERROR)


class Central:
    """The agent's machine: controller, host stack and, at its keyboard, whoever pairs.

    Attributes:
        passkey: what is typed when a passkey is asked for, None for nobody there.
        just_works: pair without a passkey, as a stranger's gadget would.
    """

    def __init__(self, link: LocalLink, address: str = ADDRESS) -> None:
        self.device, self._controller = make_device(link, address)
        self.device.on(Device.EVENT_CONNECTION, self._connected)
        self.device.pairing_config_factory = self._pairing
        self.passkey: int | None = None
        self.just_works = False
        self.pairings: list[bool] = []
        self.connections: dict[str, Connection] = {}
        self.names: dict[str, str] = {}
        self._wanted: str | None = None
        self._given_up: asyncio.Future[Connection] | None = None
        self._securing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self.device.power_on()

    async def connect(self, address: str, timeout_s: float) -> Connection:
        known = self.connections.get(address)
        if known is not None:
            return known
        if self._given_up is not None:
            await asyncio.wait({self._given_up})
        self._wanted = address
        connecting = asyncio.ensure_future(self.device.connect(hci.Address(address), timeout=None))
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(connecting)
        except BaseException:
            if address in self.connections:
                self._spawn(self.connections[address].disconnect())
            raise
        finally:
            self._wanted = None
            if not connecting.done():
                self._give_up(connecting)
        return self.connections[address]

    def _give_up(self, connecting: "asyncio.Future[Connection]") -> None:
        """Connect no more; what is connected in this moment all the same is disconnected."""
        self._controller.pending_le_connection = None  # its own cancel command does nothing
        self._given_up = connecting
        connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        asyncio.get_running_loop().call_later(0.05, connecting.cancel)

    def _connected(self, connection: Connection) -> None:
        address = str(connection.peer_address).split("/")[0]
        if address != self._wanted:  # given up in the last moment
            self._spawn(connection.disconnect())
            return
        self.connections[address] = connection
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self.connections.pop(address, None))
        connection.on(
            Connection.EVENT_SECURITY_REQUEST, lambda _: self._spawn(self.secure(connection))
        )

    async def secure(self, connection: Connection) -> None:
        """Encrypt with the bond's key, or pair. Raises BleakError."""
        async with self._securing:
            if connection.is_encrypted:
                return
            assert self.device.keystore is not None
            try:
                if await self.device.keystore.get(str(connection.peer_address)) is not None:
                    await connection.encrypt()
                elif self.passkey is not None or self.just_works:
                    await connection.pair()
                    self.pairings.append(True)
                else:
                    raise BleakError("not paired, and nobody there to type a passkey")
            except (core.BaseBumbleError, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                self.pairings.append(False)
                raise BleakError(f"pairing failed: {error}") from None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            with contextlib.suppress(BleakError, core.BaseBumbleError, asyncio.CancelledError):
                await work

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pairing(self, _: Connection) -> PairingConfig:
        kind = PairingConfig.AddressType.RANDOM
        if self.just_works:
            return PairingConfig(mitm=False, delegate=PairingDelegate(), identity_address_type=kind)
        return PairingConfig(delegate=_Keyboard(self), identity_address_type=kind)


class _Keyboard(PairingDelegate):
    def __init__(self, central: Central) -> None:
        super().__init__(PairingDelegate.IoCapability.KEYBOARD_INPUT_ONLY)
        self._central = central

    async def get_number(self) -> int | None:
        return self._central.passkey


def scanner_of(central: Central) -> type[BaseBleakScanner]:
    """Return the scanner class of a machine, as `BleakScanner(backend=...)` takes it."""

    class BumbleScanner(BaseBleakScanner):
        def __init__(
            self,
            detection_callback: Any,
            service_uuids: list[str] | None,
            scanning_mode: str,
            **_: Any,
        ) -> None:
            super().__init__(detection_callback, service_uuids)

        async def start(self) -> None:
            self.seen_devices = {}
            central.device.on(Device.EVENT_ADVERTISEMENT, self._seen)
            await central.device.start_scanning()

        async def stop(self) -> None:
            central.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._seen)
            await central.device.stop_scanning()

        def _seen(self, advertisement: Advertisement) -> None:
            address = str(advertisement.address).split("/")[0]
            name = advertisement.data.get(core.AdvertisingData.COMPLETE_LOCAL_NAME)
            if name is not None:
                central.names[address] = str(name)
            uuids = advertisement.data.get(
                core.AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
            )
            told = AdvertisementData(
                central.names.get(address),
                {},
                {},
                [str(uuid).lower() for uuid in uuids or []],
                None,
                advertisement.rssi,
                (),
            )
            device = self.create_or_update_device(
                address, address, told.local_name, advertisement, told
            )
            self.call_detection_callbacks(device, told)

    return BumbleScanner


def adapter_of(central: Central) -> type[BaseBleakAdapter]:
    """Return the adapter class of a machine, as `BleakAdapter.get(backend=...)` takes it."""

    class BumbleAdapter(BaseBleakAdapter):
        @classmethod
        async def get(cls, **_: Any) -> "BumbleAdapter":
            return cls()

        async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:
            return [
                BLEDevice(address, central.names.get(address), connection)
                for address, connection in central.connections.items()
            ]

    return BumbleAdapter


def client_of(central: Central) -> type[BaseBleakClient]:
    """Return the client class of a machine, as `BleakClient(backend=...)` takes it."""

    class BumbleClient(BaseBleakClient):
        def __init__(self, device: BLEDevice | str, **options: Any) -> None:
            super().__init__(
                device,
                disconnected_callback=options["disconnected_callback"],
                timeout=options["timeout"],
            )
            self._connection: Connection | None = None
            self._peer: Peer | None = None

        @property
        def name(self) -> str:
            return central.names.get(self.address, self.address)

        @property
        def mtu_size(self) -> int:
            return 23 if self._connection is None else self._connection.att_mtu

        @property
        def is_connected(self) -> bool:
            return self._connection is not None

        async def connect(self, pair: bool, **_: Any) -> None:
            with _bleak_errors():
                self._connection = await central.connect(self.address, self._timeout)
                self._connection.on(Connection.EVENT_DISCONNECTION, self._lost)
                self._peer = Peer(self._connection)
                if self._connection.att_mtu == att.ATT_DEFAULT_MTU:
                    await self._peer.request_mtu(_MTU)
                await self._discover(self._peer)

        async def disconnect(self) -> None:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(core.BaseBumbleError, asyncio.CancelledError):
                    await connection.disconnect()

        async def pair(self, *_: Any, **__: Any) -> None:
            assert self._connection is not None
            await central.secure(self._connection)

        async def unpair(self) -> None:
            assert central.device.keystore is not None
            await central.device.keystore.delete(self.address)

        async def read_gatt_char(
            self, characteristic: BleakGATTCharacteristic, **_: Any
        ) -> bytearray:
            return bytearray(await self._demand(lambda: characteristic.obj.read_value()))

        async def write_gatt_char(
            self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
        ) -> None:
            await self._demand(
                lambda: characteristic.obj.write_value(bytes(data), with_response=response)
            )

        async def start_notify(
            self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any
        ) -> None:
            await self._demand(
                lambda: characteristic.obj.subscribe(lambda data: callback(bytearray(data)))
            )

        async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
            await self._demand(lambda: characteristic.obj.unsubscribe())

        async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_: Any) -> Any:
            raise NotImplementedError

        async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
            raise NotImplementedError

        async def _demand(self, do: Callable[[], Any]) -> Any:
            """Do something with an attribute; secure the connection when it demands that."""
            if self._connection is None:
                raise BleakError("not connected")
            with _bleak_errors():
                try:
                    return await self._connection.cancel_on_disconnection(do())
                except att.ATT_Error as error:
                    if error.error_code not in _REFUSED:
                        raise BleakGATTProtocolError(error.error_code) from None
                try:
                    await central.secure(self._connection)
                    return await do()
                except att.ATT_Error as error:
                    raise BleakGATTProtocolError(error.error_code) from None

        async def _discover(self, peer: Peer) -> None:
            found = BleakGATTServiceCollection()
            for service in await peer.discover_services():
                ours = BleakGATTService(service, service.handle, _long(service.uuid))
                found.add_service(ours)
                for one in await service.discover_characteristics():
                    found.add_characteristic(
                        BleakGATTCharacteristic(
                            one,
                            one.handle,
                            _long(one.uuid),
                            [],
                            lambda: self.mtu_size - 3,
                            ours,
                        )
                    )
            self.services = found

        def _lost(self, _: int) -> None:
            if self._connection is not None:
                self._connection = None
                if self._disconnected_callback is not None:
                    self._disconnected_callback()

    return BumbleClient


@contextlib.contextmanager
def _bleak_errors() -> Any:
    """Let Bumble's errors out as bleak's."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BleakError("disconnected") from error
    except core.BaseBumbleError as error:
        raise BleakError(str(error) or type(error).__name__) from None


def _long(uuid: core.UUID) -> str:
    text = str(uuid.to_hex_str("-")).lower()
    return f"0000{text}-0000-1000-8000-00805f9b34fb" if len(text) == 4 else text
