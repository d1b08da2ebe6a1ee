"""The rules of Aliyun IoT: a signed login, a thing model that drops what does not fit, codes."""

import hmac
from typing import Any

from edge_agent.relay.profiles.aliyun import AliyunSettings
from edge_agent.simulator.platforms.rules import (
    Connect,
    FormError,
    Heard,
    Kind,
    Reaction,
    Sent,
    check_alarm,
    check_ms,
    check_vitals,
    dump,
    get,
    read_object,
)

PARAMETER_ERROR = 460
LARGEST_ID = 4_294_967_295


class AliyunRules:
    """One device of one product."""

    has_replies = True

    def __init__(self, settings: AliyunSettings) -> None:
        self._settings = settings
        self._thing = f"/sys/{settings.product_key}/{settings.device_name}/thing/"
        self._ids: set[str] = set()

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Check the signature over whatever the client id says."""
        one = self._settings
        if connect.username != f"{one.device_name}&{one.product_key}":
            return "the user name is not deviceName&productKey"
        identity, _, rest = connect.client_id.partition("|")
        said = dict(part.partition("=")[::2] for part in rest.rstrip("|").split(","))
        if not connect.client_id.endswith("|") or said.get("securemode") not in ("2", "3"):
            return "the client id is not id|securemode=2 or 3,...|"
        if said.get("signmethod") != "hmacsha256":
            return "signmethod is not hmacsha256"
        signed = {
            "productKey": one.product_key,
            "deviceName": one.device_name,
            "clientId": identity,
        }
        if "timestamp" in said:
            signed["timestamp"] = said["timestamp"]
        text = "".join(name + signed[name] for name in sorted(signed))
        mac = hmac.digest(one.device_secret.encode(), text.encode(), "sha256").hex()
        return None if mac == (connect.password or "").lower() else "wrong signature"

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check an event, properties or an answer; what is wrong gets its code."""
        if not topic.startswith(self._thing):
            raise FormError(f"topic of another device: {topic[:80]!r}")
        rest = topic.removeprefix(self._thing)
        body = read_object(payload)
        number = get(body, "id", str)
        if rest.startswith("service/") and rest.endswith("_reply"):
            return Heard(Kind.ANSWER, ok=get(body, "code", int) == 200)
        try:
            return self._post(rest, topic, body, number, utc_s)
        except FormError as error:
            error.reply = _reply(topic, body, PARAMETER_ERROR, str(error))
            raise

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return a service that is called."""
        body = {
            "id": str(number),
            "version": "1.0",
            "params": {"alarm_id": alarm_id, "reason": "visited"},
            "method": f"thing.service.{name}",
        }
        return Sent(f"{self._thing}service/{name}", dump(body))

    def _post(
        self, rest: str, topic: str, body: dict[str, Any], number: str, utc_s: float
    ) -> Heard:
        if not number.isdecimal() or int(number) > LARGEST_ID:
            raise FormError(f"id {number[:40]!r} is not a number up to {LARGEST_ID}")
        if number in self._ids:
            raise FormError(f"id {number} was used before")
        self._ids.add(number)
        if get(body, "version", str) != "1.0":
            raise FormError("version is not 1.0")
        identifier = rest.removeprefix("event/").removesuffix("/post")
        if rest != f"event/{identifier}/post" or "/" in identifier:
            raise FormError(f"no such topic {rest[:80]!r}")
        if get(body, "method", str) != f"thing.event.{identifier}.post":
            raise FormError("the method is not the topic's")
        params = get(body, "params", dict)
        replies = {
            Reaction.ACCEPT: _reply(topic, body, 200, "success"),
            Reaction.REJECT: _reply(topic, body, PARAMETER_ERROR, "request parameter error"),
        }
        if get(body, "sys.ack", int) != 1:
            replies = {}
        if identifier == "property":
            for name in params:
                check_ms(get(params, f"{name}.time", int), utc_s)
            values = {name: params[name].get("value") for name in params}
            if "occupied" in values:  # the thing model's bool is 0 or 1
                values["occupied"] = {0: False, 1: True}.get(get(values, "occupied", int))
            check_vitals(values)
            return Heard(Kind.VITALS, replies=replies)
        if identifier != self._settings.event:
            raise FormError(f"no event {identifier[:40]!r} in the thing model")
        check_ms(get(params, "time", int), utc_s)
        alarm_id, state = check_alarm(get(params, "value", dict))
        return Heard(Kind.ALARM, alarm_id, state, replies)


def _reply(topic: str, body: dict[str, Any], code: int, message: str) -> Sent:
    answer: dict[str, Any] = {
        "code": code,
        "data": {},
        "id": body.get("id"),
        "message": message,
        "method": body.get("method"),
        "version": "1.0",
    }
    return Sent(topic + "_reply", dump(answer))
