"""The rules of Huawei IoTDA: the hour signs the secret, properties with a time, commands."""

import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.relay.profiles.huawei import HuaweiSettings
from edge_agent.simulator.platforms.rules import (
    Connect,
    FormError,
    Heard,
    Kind,
    Sent,
    check_alarm,
    check_vitals,
    dump,
    get,
    read_object,
)

_CLIENT = re.compile(r"(?P<device>.+)_0_(?P<check>[01])_(?P<hour>\d{10})")
_TIMES = ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%S.%fZ")
NEAR = timedelta(hours=1)


class HuaweiRules:
    """One device."""

    has_replies = False

    def __init__(self, settings: HuaweiSettings) -> None:
        self._settings = settings
        self._prefix = f"$oc/devices/{settings.device_id}/sys/"

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Check the digest, and the hour where the client wants that."""
        match = _CLIENT.fullmatch(connect.client_id)
        if match is None or match["device"] != self._settings.device_id:
            return "the client id is not device_0_(0|1)_YYYYMMDDHH"
        if connect.username != self._settings.device_id:
            return "the user name is not the device's id"
        hour, secret = match["hour"].encode(), self._settings.secret.encode()
        if hmac.digest(hour, secret, "sha256").hex() != connect.password:
            return "wrong password"
        if match["check"] == "1":
            said = datetime.strptime(match["hour"], "%Y%m%d%H").replace(tzinfo=UTC)
            if abs(datetime.fromtimestamp(utc_s, UTC) - said) > NEAR + NEAR:
                return "the hour is not this hour"
        return None

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check properties, an answer or the question for the time."""
        body = read_object(payload)
        if topic.startswith(self._prefix + "commands/response/request_id="):
            return Heard(Kind.ANSWER, ok=get(body, "result_code", int) == 0)
        services = get(body, "services", list)
        if len(services) != 1:
            raise FormError(f"{len(services)} services, not one")
        (service,) = services
        name = get(service, "service_id", str)
        _check_time(get(service, "event_time", str))
        if topic == self._prefix + "events/up" and name == "$time_sync":
            return Heard(Kind.OTHER, always=self._time(service, utc_s))
        if topic != self._prefix + "properties/report":
            raise FormError(f"no such topic {topic[:80]!r}")
        properties = get(service, "properties", dict)
        if name == self._settings.alarm_service:
            alarm_id, state = check_alarm(properties)
            return Heard(Kind.ALARM, alarm_id, state)
        if name == self._settings.vitals_service:
            check_vitals(properties)
            return Heard(Kind.VITALS)
        raise FormError(f"no service {name[:40]!r} in the product model")

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return a command."""
        body = {
            "object_device_id": self._settings.device_id,
            "command_name": name,
            "service_id": self._settings.alarm_service,
            "paras": {"alarm_id": alarm_id, "reason": "visited"},
        }
        return Sent(f"{self._prefix}commands/request_id=r-{number}", dump(body))

    def _time(self, service: dict[str, Any], utc_s: float) -> Sent:
        now = str(round(utc_s * 1000))
        answer = {
            "service_id": "$time_sync",
            "event_type": "time_sync_response",
            "event_time": datetime.fromtimestamp(utc_s, UTC).strftime(_TIMES[0]),
            "paras": {
                "device_send_time": get(service, "paras.device_send_time", str),
                "server_recv_time": now,
                "server_send_time": now,
            },
        }
        body = {"object_device_id": self._settings.device_id, "services": [answer]}
        return Sent(self._prefix + "events/down", dump(body))


def _check_time(text: str) -> None:
    """Check one of the two forms; the real platform would take its own time without a word."""
    for form in _TIMES:
        try:
            datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return
    raise FormError(f"event_time {text[:40]!r} would silently become the platform's time")
