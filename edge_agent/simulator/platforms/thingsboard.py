"""The rules of ThingsBoard: a token, telemetry with its own time, RPC."""

from typing import Any

from edge_agent.relay.profiles.thingsboard import ThingsBoardSettings
from edge_agent.simulator.platforms.rules import (
    Connect,
    FormError,
    Heard,
    Kind,
    Sent,
    check_alarm,
    check_ms,
    check_vitals,
    dump,
    get,
    read_object,
)


class ThingsBoardRules:
    """A device, or a gateway with its devices."""

    has_replies = False

    def __init__(self, settings: ThingsBoardSettings) -> None:
        self._settings = settings
        self._devices: set[str] = set()

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Refuse all but the token as the user's name, with an empty password."""
        if not connect.username:
            return "no user name: the access token goes there"
        if connect.username != self._settings.access_token:
            return "no such access token"
        return "the password must be empty" if connect.password else None

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check telemetry, a connect or an answer."""
        body = read_object(payload)
        if not self._settings.gateway:
            if topic == "v1/devices/me/telemetry":
                return _telemetry(body, utc_s)
            if topic.startswith("v1/devices/me/rpc/response/"):
                return Heard(Kind.ANSWER, ok=get(body, "success", bool))
        elif topic == "v1/gateway/connect":
            self._devices.add(get(body, "device", str))
            return Heard(Kind.OTHER)
        elif topic == "v1/gateway/telemetry":
            return self._gateway_telemetry(body, utc_s)
        elif topic == "v1/gateway/rpc":
            get(body, "device", str)
            get(body, "id", int)
            return Heard(Kind.ANSWER, ok=get(body, "data.success", bool))
        raise FormError(f"no such topic {topic[:80]!r}")

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return an RPC."""
        call = {"method": name, "params": {"alarm_id": alarm_id, "reason": "visited"}}
        if not self._settings.gateway:
            return Sent(f"v1/devices/me/rpc/request/{number}", dump(call))
        device = min(self._devices, default=self._settings.device)
        return Sent("v1/gateway/rpc", dump({"device": device, "data": {"id": number, **call}}))

    def _gateway_telemetry(self, body: dict[str, Any], utc_s: float) -> Heard:
        if len(body) != 1:
            raise FormError(f"{len(body)} devices, not one")
        ((device, samples),) = body.items()
        if device not in self._devices:
            raise FormError(f"device {device!r} was not connected")
        if not isinstance(samples, list) or len(samples) != 1:
            raise FormError("not an array of one sample")
        return _telemetry(samples[0], utc_s)


def _telemetry(sample: Any, utc_s: float) -> Heard:
    check_ms(get(sample, "ts", int), utc_s)
    values = dict(get(sample, "values", dict))
    if "alarm_id" not in values:
        check_vitals(values)
        return Heard(Kind.VITALS)
    condition, state = get(values, "condition", str), get(values, "state", str)
    if values.pop(condition, None) != state:
        raise FormError(f"no key {condition!r} with the state: no rule would see the alarm")
    alarm_id, state = check_alarm(values)
    return Heard(Kind.ALARM, alarm_id, state)
