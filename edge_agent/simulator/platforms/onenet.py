"""The rules of OneNET: a token that ends, ids of 13 digits, codes."""

import base64
import hmac
import re
from typing import Any
from urllib.parse import unquote

from edge_agent.relay.profiles.onenet import OneNetSettings
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


class OneNetRules:
    """One device of one product."""

    has_replies = True

    def __init__(self, settings: OneNetSettings) -> None:
        self._settings = settings
        self._thing = f"$sys/{settings.product_id}/{settings.device_name}/thing/"

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Check what the token says of itself, its end, and its signature."""
        one = self._settings
        if connect.client_id != one.device_name or connect.username != one.product_id:
            return "the client id is not the device's name, or the user name not the product"
        said = dict(part.partition("=")[::2] for part in (connect.password or "").split("&"))
        if set(said) != {"version", "res", "et", "method", "sign"}:
            return "the token is not version, res, et, method, sign"
        if any(sign in said["res"] + said["sign"] for sign in "/+="):
            return "res and sign are not URL-encoded"
        resource = unquote(said["res"])
        if resource != f"products/{one.product_id}/devices/{one.device_name}":
            return "res is not this device"
        if not said["et"].isdecimal() or int(said["et"]) <= utc_s:
            return "the token has ended"
        if said["method"] not in ("md5", "sha1", "sha256"):
            return "no such method"
        text = "\n".join((said["et"], said["method"], resource, said["version"]))
        mac = hmac.digest(base64.b64decode(one.device_key), text.encode(), said["method"])
        return None if base64.b64encode(mac).decode() == unquote(said["sign"]) else "wrong sign"

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check an event, properties or an answer; what is wrong gets its code."""
        if not topic.startswith(self._thing):
            raise FormError(f"topic of another device: {topic[:80]!r}")
        rest = topic.removeprefix(self._thing)
        body = read_object(payload)
        if rest.startswith("service/") and rest.endswith("/invoke_reply"):
            return Heard(Kind.ANSWER, ok=get(body, "code", int) == 200)
        try:
            return self._post(rest, topic, body, utc_s)
        except FormError as error:
            error.reply = _reply(topic, body, 2402, str(error))
            raise

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return a service that is invoked."""
        body = {
            "id": str(number),
            "version": "1.0",
            "params": {"alarm_id": alarm_id, "reason": "visited"},
        }
        return Sent(f"{self._thing}service/{name}/invoke", dump(body))

    def _post(self, rest: str, topic: str, body: dict[str, Any], utc_s: float) -> Heard:
        if not re.fullmatch(r"\d{1,13}", get(body, "id", str)):
            raise FormError("id is not 1 to 13 digits")
        if get(body, "version", str) != "1.0":
            raise FormError("version is not 1.0")
        params = get(body, "params", dict)
        for name in params:
            check_ms(get(params, f"{name}.time", int), utc_s)
        replies = {
            Reaction.ACCEPT: _reply(topic, body, 200, "success"),
            Reaction.REJECT: _reply(topic, body, 2402, "request parameter error"),
        }
        if rest == "property/post":
            check_vitals({name: params[name].get("value") for name in params})
            return Heard(Kind.VITALS, replies=replies)
        if rest != "event/post":
            raise FormError(f"no such topic {rest[:80]!r}")
        if set(params) != {self._settings.event}:
            raise FormError(f"not the event {self._settings.event!r} of the thing model")
        alarm_id, state = check_alarm(get(params, f"{self._settings.event}.value", dict))
        return Heard(Kind.ALARM, alarm_id, state, replies)


def _reply(topic: str, body: dict[str, Any], code: int, message: str) -> Sent:
    return Sent(topic + "/reply", dump({"id": body.get("id"), "code": code, "msg": message}))
