"""A bare peripheral with the Nordic UART service, on Bumble: what the agent's side is tested on."""

import asyncio
from collections.abc import Callable

from bumble import gatt
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.link import LocalLink

from edge_agent.link.ble import FROM_UNIT, SERVICE, TO_UNIT
from tests.ble.radio import ADDRESS, make_device


class UartPeripheral:
    """A unit's radio without a unit: keeps what is written, notifies what it is told to."""

    def __init__(
        self, link: LocalLink, name: str, address: str = ADDRESS, service: str = SERVICE
    ) -> None:
        self.device, _ = make_device(link, address)
        self.name = name
        self.written: list[bytes] = []
        self.connection: Connection | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.on_written: Callable[[], None] = lambda: None
        self._tx: gatt.Characteristic[bytes] = gatt.Characteristic(
            UUID(FROM_UNIT), gatt.Characteristic.Properties.NOTIFY, gatt.Characteristic.READABLE
        )
        rx: gatt.Characteristic[bytes] = gatt.Characteristic(
            UUID(TO_UNIT),
            gatt.Characteristic.Properties.WRITE,
            gatt.Characteristic.WRITEABLE,
            gatt.CharacteristicValue(write=self._write),
        )
        self.device.add_service(gatt.Service(UUID(service), [rx, self._tx]))
        self.device.on(Device.EVENT_CONNECTION, self._connected)

    async def show(self) -> None:
        """Switch on and advertise."""
        if not self.device.powered_on:
            self.device.gatt_server.max_mtu = 247
            await self.device.power_on()
        shown = AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())])
        await self.device.start_advertising(
            advertising_data=bytes(shown), advertising_interval_min=20, advertising_interval_max=20
        )

    async def notify(self, data: bytes) -> None:
        assert self.connection is not None
        await self.device.gatt_server.notify_subscriber(self.connection, self._tx, data)

    async def drop(self) -> None:
        assert self.connection is not None
        await self.connection.disconnect()

    def _connected(self, connection: Connection) -> None:
        self.connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)

    def _gone(self, _: int) -> None:
        self.connection = None

    async def _write(self, _: Connection, data: bytes) -> None:
        self.written.append(data)
        self.on_written()
        await self.may_answer.wait()
