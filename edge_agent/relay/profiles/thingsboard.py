"""ThingsBoard, as a device of its own or as a gateway for one device a unit.

```
device    v1/devices/me/telemetry {"ts": ms, "values": {...}}       v1/devices/me/rpc/request/{id}
gateway   v1/gateway/telemetry {"h1-pendant-1": [{"ts", "values"}]}  v1/gateway/rpc
```
Without `ts` the server stamps what arrives with its own time, so `ts` always goes. There is no
business reply: the PUBACK is all there is. Alarms are made by the rule chain out of the keys
(`fall` is `confirmed`, and `alarm_id`); a suspicion can be taken back there.

Source: thingsboard/thingsboard-python-client-sdk, tb_device_mqtt.py and tb_gateway_mqtt.py
(topics); thingsboard/thingsboard#13978 (`ts`).
"""

from typing import Annotated, Any

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.command import Response
from edge_agent.relay.profile import (
    Answer,
    Asked,
    CommandError,
    Delivery,
    Incoming,
    Login,
    Parameters,
    PeerError,
    Publication,
    Stamp,
    Verdict,
    decode,
    make_command,
)
from edge_agent.relay.profiles.fields import Measured, Value
from edge_agent.relay.profiles.platform import PlatformProfile

DEVICE = "v1/devices/me/"
GATEWAY = "v1/gateway/"
RATE_LIMITED = 150
"""`reason` of a disconnect that the server sends when a device says too much."""


class ThingsBoardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to ThingsBoard is told."""

    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    client_id: str = "anzhen"
    gateway: bool = False
    device: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")] = "home"
    """Begins the name of every device behind the gateway: the home's code."""
    drills: bool = False


class _Rpc(msgspec.Struct):
    method: str
    params: Parameters = msgspec.field(default_factory=Parameters)


class _GatewayCall(msgspec.Struct):
    id: int
    method: str
    params: Parameters = msgspec.field(default_factory=Parameters)


class _GatewayRpc(msgspec.Struct):
    device: str
    data: _GatewayCall


class _Disconnect(msgspec.Struct):
    device: str
    reason: int = 0


class ThingsBoardProfile(PlatformProfile):
    """Telemetry with time up, RPC down."""

    def __init__(self, settings: ThingsBoardSettings, route: str) -> None:
        super().__init__(route, drills=settings.drills)
        self._settings = settings

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        if self._settings.gateway:
            return (GATEWAY + "rpc", GATEWAY + "disconnect")
        return (DEVICE + "rpc/request/+",)

    def login(self, stamp: Stamp) -> Login:
        """Return the access token as the user's name; there is no password."""
        return Login(self._settings.client_id, self._settings.access_token, "")

    def greet(self, units: tuple[str, ...], stamp: Stamp) -> tuple[Publication, ...]:
        """Connect every device behind the gateway, so that its commands come."""
        if not self._settings.gateway:
            return ()
        names = [self._name(unit) for unit in (*units, None)]
        return tuple(_publication(GATEWAY + "connect", {"device": name}) for name in names)

    def alarm(self, event: AlarmEvent, fields: dict[str, Value], stamp: Stamp) -> Delivery:
        """Return telemetry."""
        values = {event.condition: str(event.state), **fields}
        return self._telemetry(event.unit, int(fields["at_ms"]), values)

    def measured(self, measured: Measured, stamp: Stamp) -> Delivery:
        """Return telemetry."""
        return self._telemetry(measured.unit, round(measured.utc_s * 1000), measured.values)

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read an RPC, or that the server threw a device out.

        Raises:
            PeerError: it is neither.
        """
        if retained:
            raise CommandError("a retained command is refused")
        head, _, number = topic.rpartition("/")
        if not self._settings.gateway and head == DEVICE + "rpc/request" and number.isdecimal():
            call = decode(payload, _Rpc)
            command = make_command(call.method, self._route, number, call.params)
            return Asked(command, f"{DEVICE}rpc/response/{number}")
        if self._settings.gateway and topic == GATEWAY + "rpc":
            rpc = decode(payload, _GatewayRpc)
            if rpc.device != self._settings.device and not rpc.device.startswith(
                self._settings.device + "-"
            ):
                raise CommandError("a command for a device that is not ours")
            identity = str(rpc.data.id)
            command = make_command(rpc.data.method, self._route, identity, rpc.data.params)
            return Asked(command, topic, msgspec.json.encode([rpc.device, rpc.data.id]).decode())
        if self._settings.gateway and topic == GATEWAY + "disconnect":
            gone = decode(payload, _Disconnect)
            why = "rate limit" if gone.reason == RATE_LIMITED else f"reason {gone.reason}"
            return Verdict(Answer.RETRY, reason=f"a device was disconnected: {why}")
        raise PeerError(f"no such topic {topic[:80]!r}")

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to an RPC."""
        answer = {"success": response.ok, "error": response.error, "state": response.state}
        if not asked.reply_id:
            return _publication(asked.reply_topic, answer)
        device, number = msgspec.json.decode(asked.reply_id)
        return _publication(asked.reply_topic, {"device": device, "id": number, "data": answer})

    def _name(self, unit: str | None) -> str:
        return self._settings.device if unit is None else f"{self._settings.device}-{unit}"

    def _telemetry(self, unit: str | None, ts_ms: int, values: dict[str, Value]) -> Delivery:
        sample = {"ts": ts_ms, "values": values}
        if not self._settings.gateway:
            return Delivery((_publication(DEVICE + "telemetry", sample),))
        name = self._name(unit)
        return Delivery(
            (
                _publication(GATEWAY + "connect", {"device": name}),
                _publication(GATEWAY + "telemetry", {name: [sample]}),
            )
        )


def _publication(topic: str, body: dict[str, Any]) -> Publication:
    return Publication(topic, msgspec.json.encode(body))
