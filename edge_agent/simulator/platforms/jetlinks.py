"""The rules of JetLinks: a login that goes stale after five minutes, events, functions."""

import hashlib
from typing import Any

from edge_agent.relay.profiles.jetlinks import JetLinksSettings
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

STALE_MS = 5 * 60_000


class JetLinksRules:
    """One device of one product."""

    has_replies = False

    def __init__(self, settings: JetLinksSettings) -> None:
        self._settings = settings
        self._prefix = f"/{settings.product_id}/{settings.device_id}"

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Check the digest, and that it is of these five minutes."""
        one = self._settings
        secure_id, _, at = (connect.username or "").partition("|")
        if connect.client_id != one.device_id:
            return "the client id is not the device's"
        if secure_id != one.secure_id or not at.isdecimal() or len(at) != 13:
            return "the user name is not secureId|milliseconds"
        if abs(int(at) - utc_s * 1000) > STALE_MS:
            return "设备时间不同步"
        digest = hashlib.new("md5", usedforsecurity=False)
        for part in (secure_id, "|", at, "|", one.secure_key):
            digest.update(part.encode())
        return None if digest.hexdigest() == connect.password else "密钥错误"

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check an event, properties, an answer or the question for the time."""
        body = read_object(payload)
        get(body, "messageId", str)
        if topic == f"{self._prefix}/time-sync":
            answer = {"messageId": body["messageId"], "timestamp": round(utc_s * 1000)}
            return Heard(Kind.OTHER, always=Sent(topic + "/reply", dump(answer)))
        if topic == f"{self._prefix}/function/invoke/reply":
            return Heard(Kind.ANSWER, ok=body.get("success", True) is True and "output" in body)
        check_ms(get(body, "timestamp", int), utc_s)
        if topic == f"{self._prefix}/event/{self._settings.event}":
            alarm_id, state = check_alarm(get(body, "data", dict))
            return Heard(Kind.ALARM, alarm_id, state)
        if topic == f"{self._prefix}/properties/report":
            check_vitals(get(body, "properties", dict))
            return Heard(Kind.VITALS)
        raise FormError(f"no such topic {topic[:80]!r}")

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return a function that is invoked."""
        inputs: list[dict[str, Any]] = [
            {"name": "alarm_id", "value": alarm_id},
            {"name": "reason", "value": "visited"},
        ]
        body = {"messageId": str(number), "functionId": name, "inputs": inputs}
        return Sent(f"{self._prefix}/function/invoke", dump(body))
