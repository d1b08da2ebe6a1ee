"""The pendant's radio for tests: Bumble's host stack and virtual controller behind a socket.

```
 firmware in the VM -- host_bluetooth.py -- socket -- Radio: Bumble host -- controller --+
                                                                                         | Air
 agent -- bleak -- central.py: a bleak backend ------ Bumble host -- controller ---------+
```
Real are ATT, GATT, L2CAP, SMP with its cryptography, and the frames of the link layer. Modelled
are the memory for notifications and the connection events at which it comes back (`pace`), and the
time after which who hears nothing more hangs up. Absent are the air, NimBLE's and BlueZ's own code.
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from bumble import att, core, gatt, hci, ll
from bumble.controller import Controller
from bumble.device import Connection, Device
from bumble.host import Host
from bumble.keys import KeyStore, PairingKeys
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.smp import PairingMethod
from bumble.transport.common import AsyncPipeSink

ADDRESS = "F1:F1:F1:F1:F1:F1"
PEER_SECRET = 2

_CONNECT, _DISCONNECT = 1, 2
_MTU_EXCHANGED = 21
_ENCRYPTION_UPDATE = 28
_GET_SECRET, _SET_SECRET = 29, 30
_PASSKEY_ACTION = 31
_DISPLAY = 3
_WRITE_AUTHENTICATED = 0x2000
_ANSWER_S = 5.0
_SUPERVISION_S = 0.5


class Air(LocalLink):
    """Loses frames to who is gone; their sender hangs up after the supervision timeout.

    Bumble's own link raises in the sender's controller instead, which then never answers its host.
    """

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        self._supervise(sender_address, receiver_address)
        with contextlib.suppress(core.InvalidArgumentError):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: core.PhysicalTransport,
        data: bytes,
    ) -> None:
        self._supervise(sender_controller.random_address, destination_address)
        super().send_acl_data(sender_controller, destination_address, transport, data)

    def _supervise(self, sender: hci.Address, receiver: hci.Address) -> None:
        if not any(sender in one.le_connections for one in self.controllers):
            asyncio.get_running_loop().call_later(_SUPERVISION_S, self._hang_up, sender, receiver)

    def _hang_up(self, sender: hci.Address, receiver: hci.Address) -> None:
        if any(sender in one.le_connections for one in self.controllers):
            return
        for one in self.controllers:
            connection = one.le_connections.get(receiver)
            if connection is not None and connection.self_address == sender:
                one.on_le_disconnected(connection, hci.HCI_CONNECTION_TIMEOUT_ERROR)


def make_device(link: LocalLink, address: str) -> tuple[Device, Controller]:
    """Return a host stack on a controller of its own, on a link in the air."""
    controller = Controller(address, link=link, public_address=address)
    host = Host(controller, AsyncPipeSink(controller))
    return Device(name=address, address=hci.Address(address), host=host), controller


class Radio:
    """Waits for one program at a time; a program that ends is a power cut.

    Attributes:
        buffers: notifications that the stack takes before it says ENOMEM.
        pace_s: time from one connection event to the next.
        burst: notifications that one connection event takes.
    """

    def __init__(self, link: LocalLink, path: Path, address: str = ADDRESS) -> None:
        self.link = link
        self.address = address
        self.buffers = 8
        self.pace_s = 0.0075
        self.burst = 4
        self.notified: list[int] = []
        self.advertised_us: list[int] = []
        self.connections: dict[int, Connection] = {}
        self._nowhere = Air()
        self._path = path
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._controllers: list[Controller] = []

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    async def close(self) -> None:
        """Wait until the program, which must have ended, has no radio any more."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._sessions)

    async def die(self) -> None:
        """Fail: whoever used the radio loses it, until it is started again."""
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def hang_up(self, reason: int = hci.HCI_CONNECTION_TIMEOUT_ERROR) -> None:
        """Break every connection; both ends are told that it timed out."""
        for connection in list(self.connections.values()):
            with contextlib.suppress(core.BaseBumbleError, asyncio.CancelledError):
                await connection.disconnect(reason)

    def leave(self) -> None:
        """Carry the pendant out of range: after a while both ends find that nothing comes."""
        for controller in self._controllers:
            self.link.remove_controller(controller)
            controller.link = self._nowhere
            self._nowhere.add_controller(controller)
        for controller in [*self._controllers, *self.link.controllers]:
            for connection in list(controller.le_connections.values()):
                controller.on_le_disconnected(connection, hci.HCI_CONNECTION_TIMEOUT_ERROR)

    def come_back(self) -> None:
        """Carry it back."""
        for controller in self._controllers:
            self._nowhere.remove_controller(controller)
            self.link.add_controller(controller)
            controller.link = self.link

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.create_task(self._serve(reader, writer))
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device, controller = make_device(self.link, self.address)
        self._controllers = [controller]
        stack = _Stack(self, device, writer)
        device.keystore = stack
        device.pairing_config_factory = stack.pairing
        device.on(Device.EVENT_CONNECTION, stack.on_connection)
        await device.power_on()
        stack.tell(buffers=self.buffers)
        air = asyncio.create_task(stack.run_air())
        work = asyncio.create_task(stack.run_work())
        try:
            while line := await reader.readline():
                stack.take(json.loads(line))
        except ConnectionError:
            pass
        finally:
            air.cancel()
            work.cancel()
            await self.hang_up()
            self.link.controllers.discard(controller)
            writer.close()


class _Stack(KeyStore):
    """One program's session with its radio."""

    def __init__(self, radio: Radio, device: Device, writer: asyncio.StreamWriter) -> None:
        self._radio = radio
        self._device = device
        self._writer = writer
        self._config: dict[str, Any] = {}
        self._values: dict[int, gatt.Characteristic[bytes]] = {}
        self._out: list[tuple[int, int, bytes]] = []
        self._has_out = asyncio.Event()
        self._work: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._passkey: asyncio.Future[int] | None = None
        self._bonds: dict[str, PairingKeys] = {}

    # To the program

    def tell(self, **values: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(values).encode() + b"\n")

    def irq(self, event: int, *values: Any) -> None:
        self.tell(irq=event, values=values)

    async def ask(self, **values: Any) -> Any:
        number = len(self._asked)
        self._asked[number] = asyncio.get_running_loop().create_future()
        self.tell(**values, id=number)
        async with asyncio.timeout(_ANSWER_S):
            return await self._asked[number]

    # From the program

    def take(self, told: dict[str, Any]) -> None:
        match told["do"]:
            case "answer":
                future = self._asked[told["id"]]
                if not future.done():
                    future.set_result(told["value"])
            case "passkey":
                if self._passkey is not None and not self._passkey.done():
                    self._passkey.set_result(told["passkey"])
            case "notify":
                self._out.append((told["conn"], told["handle"], bytes.fromhex(told["data"])))
                self._has_out.set()
            case "config":
                self._config |= told["values"]
                self._device.gatt_server.max_mtu = self._config.get("mtu", 256)
            case "register":
                self._register(told["services"])
            case _:
                self._work.put_nowait(told)

    async def run_work(self) -> None:
        while True:
            told = await self._work.get()
            connection = self._radio.connections.get(told.get("conn", -1))
            with contextlib.suppress(core.BaseBumbleError):
                if told["do"] == "advertise":
                    await self._advertise(told)
                elif connection is not None and told["do"] == "disconnect":
                    await connection.disconnect()
                elif connection is not None and told["do"] == "pair":
                    connection.request_pairing()

    async def run_air(self) -> None:
        """Send what waits at every connection event, and give its memory back."""
        while True:
            await self._has_out.wait()
            await asyncio.sleep(self._radio.pace_s)
            sent, self._out = self._out[: self._radio.burst], self._out[self._radio.burst :]
            for conn, handle, data in sent:
                connection = self._radio.connections.get(conn)
                if connection is not None:
                    self._radio.notified.append(min(len(data), connection.att_mtu - 3))
                    await self._device.gatt_server.notify_subscriber(
                        connection, self._values[handle], data, force=True
                    )
            self.tell(sent=len(sent))
            if not self._out:
                self._has_out.clear()

    async def _advertise(self, told: dict[str, Any]) -> None:
        await self._device.stop_advertising()
        if told["interval_us"] is not None:
            self._radio.advertised_us.append(told["interval_us"])
            await self._device.start_advertising(
                advertising_data=bytes.fromhex(told["adv"]),
                scan_response_data=bytes.fromhex(told["rsp"]),
                advertising_interval_min=told["interval_us"] / 1000,
                advertising_interval_max=told["interval_us"] / 1000,
            )

    def _register(self, services: list[Any]) -> None:
        for uuid, characteristics in services:
            made = []
            for name, flags, handle in characteristics:
                permissions = att.Attribute.READABLE | att.Attribute.WRITEABLE
                if flags & _WRITE_AUTHENTICATED:
                    permissions |= att.Attribute.WRITE_REQUIRES_AUTHENTICATION

                async def write(connection: Connection, value: bytes, handle: int = handle) -> None:
                    await self._written(connection, handle, value)

                self._values[handle] = gatt.Characteristic(
                    core.UUID(name),
                    gatt.Characteristic.Properties(flags & 0x3F),
                    permissions,
                    gatt.CharacteristicValue(write=write),
                )
                made.append(self._values[handle])
            self._device.add_service(gatt.Service(core.UUID(uuid), made))

    async def _written(self, connection: Connection, handle: int, value: bytes) -> None:
        """Let the program see a write; the central has its answer when the handler is back."""
        await self.ask(write=handle, conn=connection.handle, data=value.hex())

    # From the air

    def on_connection(self, connection: Connection) -> None:
        handle = connection.handle
        self._radio.connections[handle] = connection
        address = bytes(reversed(bytes(connection.peer_address)))
        kind = int(connection.peer_address.address_type)

        def lost(_: int) -> None:
            self._radio.connections.pop(handle, None)
            left = [one for one in self._out if one[0] != handle]
            self.tell(sent=len(self._out) - len(left))
            self._out = left
            self.irq(_DISCONNECT, handle, kind, address.hex())

        def mtu() -> None:
            self.irq(_MTU_EXCHANGED, handle, connection.att_mtu)

        def encrypted() -> None:
            connection.authenticated = self._is_authenticated(connection)
            size = connection.encryption_key_size
            values = (connection.is_encrypted, connection.authenticated, True, size)
            self.irq(_ENCRYPTION_UPDATE, handle, *map(int, values))

        def paired(keys: PairingKeys) -> None:
            # Bumble calls every finished pairing authenticated; a real stack looks at how
            connection.authenticated = keys.ltk is not None and keys.ltk.authenticated

        connection.on(Connection.EVENT_DISCONNECTION, lost)
        connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, mtu)
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, encrypted)
        connection.on(Connection.EVENT_PAIRING, paired)
        self.irq(_CONNECT, handle, kind, address.hex())

    def _is_authenticated(self, connection: Connection) -> bool:
        session = self._device.smp_manager.sessions.get(connection.handle)
        if session is not None:
            return bool(session.pairing_method != PairingMethod.JUST_WORKS)
        keys = self._bonds.get(str(connection.peer_address))
        return keys is not None and keys.ltk is not None and keys.ltk.authenticated

    def pairing(self, connection: Connection) -> PairingConfig:
        delegate = _Label(PairingDelegate.IoCapability(self._config.get("io", 3)), self, connection)
        return PairingConfig(
            sc=self._config.get("le_secure", False),
            mitm=self._config.get("mitm", False),
            bonding=self._config.get("bond", False),
            delegate=delegate,
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )

    async def show_passkey(self, connection: Connection) -> int:
        self._passkey = asyncio.get_running_loop().create_future()
        self.irq(_PASSKEY_ACTION, connection.handle, _DISPLAY, 0)
        return await self._passkey

    # The bonds are the program's to keep

    async def update(self, name: str, keys: PairingKeys) -> None:
        self._bonds[name] = keys
        value = json.dumps(keys.to_dict()).encode().hex()
        await self.ask(irq=_SET_SECRET, values=[PEER_SECRET, name.encode().hex(), value])

    async def get(self, name: str) -> PairingKeys | None:
        values = [PEER_SECRET, 0, name.encode().hex()]
        found = await self.ask(irq=_GET_SECRET, values=values)
        if found is None:
            return None
        self._bonds[name] = PairingKeys.from_dict(json.loads(bytes.fromhex(found)))
        return self._bonds[name]


class _Label(PairingDelegate):
    """Shows what the program says is on its label."""

    def __init__(
        self, io: PairingDelegate.IoCapability, stack: _Stack, connection: Connection
    ) -> None:
        super().__init__(io)
        self._stack = stack
        self._connection = connection

    async def generate_passkey(self) -> int:
        return await self._stack.show_passkey(self._connection)
