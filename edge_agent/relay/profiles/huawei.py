"""Huawei IoTDA: alarms as properties of a service, commands down, its time on request.

```
$oc/devices/{id}/sys/properties/report                 up    {"services": [{service_id, ...}]}
$oc/devices/{id}/sys/commands/request_id={rid}         down  -> .../response/request_id={rid}
$oc/devices/{id}/sys/events/up, .../down               $time_sync
```
There is no business reply to a property: the PUBACK is all there is. An `event_time` that is
missing or of another form is replaced by the platform's own time without a word, so it always
goes, as `yyyy-MM-dd'T'HH:mm:ss.SSS'Z'`. In the login the time is the key and the secret the text.

Source: huaweicloud/huaweicloud-iot-device-sdk-python, iot_util.py (login);
support.huaweicloud.com/api-iothub, iot_06_v5_3010 (properties), iot_06_v5_3004 (topics).
"""

import hashlib
import hmac
from typing import Annotated, Any

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.command import Response
from edge_agent.clock import format_utc
from edge_agent.relay.profile import (
    Asked,
    CommandError,
    Delivery,
    Incoming,
    Login,
    Parameters,
    PeerError,
    Publication,
    Stamp,
    TimeTold,
    decode,
    make_command,
)
from edge_agent.relay.profiles.fields import Measured, Value, format_time
from edge_agent.relay.profiles.platform import MAX_TIME_MS, PlatformProfile

_Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class HuaweiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to IoTDA is told."""

    device_id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,128}$")]
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    alarm_service: _Name = "Alarm"
    vitals_service: _Name = "Vitals"
    drills: bool = False


class _Order(msgspec.Struct):
    command_name: str
    paras: Parameters = msgspec.field(default_factory=Parameters)


class _TimeParas(msgspec.Struct):
    server_recv_time: Annotated[int, msgspec.Meta(gt=0, le=MAX_TIME_MS)]
    server_send_time: Annotated[int, msgspec.Meta(gt=0, le=MAX_TIME_MS)]


class _EventDown(msgspec.Struct):
    event_type: str
    paras: msgspec.Raw = msgspec.Raw(b"{}")


class _EventsDown(msgspec.Struct):
    services: Annotated[list[_EventDown], msgspec.Meta(max_length=16)]


class HuaweiProfile(PlatformProfile):
    """Properties up, commands down, the platform's time on request."""

    def __init__(self, settings: HuaweiSettings, route: str) -> None:
        super().__init__(route, drills=settings.drills)
        self._settings = settings
        self._prefix = f"$oc/devices/{settings.device_id}/sys/"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        return (self._prefix + "commands/+", self._prefix + "events/down")

    def login(self, stamp: Stamp) -> Login:
        """Return the login of this hour; the hour is only to be checked when it is right."""
        hour = format_time(stamp.utc_s, "yyyyMMddHH")
        one = self._settings
        sign = hmac.new(hour.encode(), one.secret.encode(), hashlib.sha256).hexdigest()
        check = int(stamp.is_trusted)
        return Login(f"{one.device_id}_0_{check}_{hour}", one.device_id, sign)

    def ask_time(self, stamp: Stamp) -> Publication | None:
        """Return the question for the time."""
        service = {
            "service_id": "$time_sync",
            "event_type": "time_sync_request",
            "event_time": format_time(stamp.utc_s, "yyyyMMddTHHmmssZ"),
            "paras": {"device_send_time": str(round(stamp.utc_s * 1000))},
        }
        body = {"object_device_id": self._settings.device_id, "services": [service]}
        return self._publication("events/up", body)

    def alarm(self, event: AlarmEvent, fields: dict[str, Value], stamp: Stamp) -> Delivery:
        """Return a report of the alarm service."""
        return self._report(self._settings.alarm_service, fields, int(fields["at_ms"]) / 1000)

    def measured(self, measured: Measured, stamp: Stamp) -> Delivery:
        """Return a report of the service of vital signs."""
        return self._report(self._settings.vitals_service, measured.values, measured.utc_s)

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read a command, or the time.

        Raises:
            PeerError: it is neither.
        """
        if retained:
            raise CommandError("a retained command is refused")
        if topic == self._prefix + "events/down":
            return _read_time(payload)
        head = self._prefix + "commands/request_id="
        request = topic.removeprefix(head)
        if request == topic or not 0 < len(request) <= 64 or "/" in request:
            raise PeerError(f"no such topic {topic[:80]!r}")
        order = decode(payload, _Order)
        command = make_command(order.command_name, self._route, request, order.paras)
        return Asked(command, f"{self._prefix}commands/response/request_id={request}")

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to a command."""
        said = {"state": response.state, "error": response.error}
        body = {
            "result_code": 0 if response.ok else 1,
            "response_name": str(asked.command.name),
            "paras": {name: word for name, word in said.items() if word is not None},
        }
        return Publication(asked.reply_topic, msgspec.json.encode(body))

    def _report(self, service: str, properties: dict[str, Value], at_s: float) -> Delivery:
        one = {"service_id": service, "properties": properties, "event_time": format_utc(at_s)}
        return Delivery((self._publication("properties/report", {"services": [one]}),))

    def _publication(self, name: str, body: dict[str, Any]) -> Publication:
        return Publication(self._prefix + name, msgspec.json.encode(body))


def _read_time(payload: bytes) -> TimeTold:
    for service in decode(payload, _EventsDown).services:
        if service.event_type == "time_sync_response":
            try:
                paras = msgspec.json.decode(service.paras, type=_TimeParas, strict=False)
            except (msgspec.DecodeError, RecursionError) as error:
                raise PeerError(f"not a time: {error}"[:200]) from None
            return TimeTold(paras.server_send_time / 1000)
    raise PeerError("a system event that nobody asked for")
