"""Aliyun IoT, Alink JSON: alarms are events of the thing model, commands its services.

```
/sys/{pk}/{dn}/thing/event/{identifier}/post     up, answered on .../post_reply with a code
/sys/{pk}/{dn}/thing/event/property/post         up, vital signs
/sys/{pk}/{dn}/thing/service/{name}              down: ack dispatch ...; answered on ..._reply
```
The PUBACK says nothing: what does not fit the thing model is dropped by the platform with a code
on the reply topic, and only 200 there is acceptance. A float goes with a decimal (`10.0`).

Source: aliyun/iotkit-embedded v3.2.0, src/dev_sign/dev_sign_mqtt.c (login);
help.aliyun.com/document_detail/89301.html (Alink messages).
"""

import hashlib
import hmac
from typing import Annotated

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.command import CommandName, Response
from edge_agent.relay.profile import (
    REPLY_S,
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
from edge_agent.relay.profiles.platform import OK, PlatformProfile, answer_of

LOGIN_TIMESTAMP_MS = 2_524_608_000_000
"""The platform signs it and does not compare it: the SDK's own constant needs no clock."""

ID_RANGE = 2**32
"""`id` is a number as text, once a day for a device; milliseconds modulo this are that."""

_Key = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_:@.-]{1,64}$")]
_Word = Annotated[str, msgspec.Meta(pattern="^([A-Za-z0-9_]{1,30}:)?[A-Za-z0-9_]{1,50}$")]


class AliyunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to Aliyun is told."""

    product_key: _Key
    device_name: _Key
    device_secret: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    tls: bool = True
    """Whether the connection has TLS; the platform wants it said in the login."""
    event: _Word = "alarm"
    """Identifier of the event in the thing model; `block:alarm` in a module of its own."""
    drills: bool = False


class _Reply(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(max_length=32)]
    code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
    message: str = ""


class _Service(msgspec.Struct):
    id: str
    params: Parameters = msgspec.field(default_factory=Parameters)


class AliyunProfile(PlatformProfile):
    """Events up and their codes back, services down."""

    reply_s: float | None = REPLY_S

    def __init__(self, settings: AliyunSettings, route: str) -> None:
        super().__init__(route, drills=settings.drills)
        self._settings = settings
        self._prefix = f"/sys/{settings.product_key}/{settings.device_name}/thing/"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        return (
            self._prefix + "event/+/post_reply",
            *(f"{self._prefix}service/{name}" for name in CommandName),
        )

    def login(self, stamp: Stamp) -> Login:
        """Return the signed login: HMAC-SHA256 over the names in alphabetical order."""
        one = self._settings
        identity = f"{one.product_key}.{one.device_name}"
        source = (
            f"clientId{identity}deviceName{one.device_name}"
            f"productKey{one.product_key}timestamp{LOGIN_TIMESTAMP_MS}"
        )
        sign = hmac.new(one.device_secret.encode(), source.encode(), hashlib.sha256).hexdigest()
        mode = 2 if one.tls else 3
        return Login(
            f"{identity}|securemode={mode},signmethod=hmacsha256,timestamp={LOGIN_TIMESTAMP_MS}|",
            f"{one.device_name}&{one.product_key}",
            sign.upper(),
        )

    def alarm(self, event: AlarmEvent, fields: dict[str, Value], stamp: Stamp) -> Delivery:
        """Return an event of the thing model."""
        params = {"value": fields, "time": fields["at_ms"]}
        return self._post(self._settings.event, params, stamp)

    def measured(self, measured: Measured, stamp: Stamp) -> Delivery:
        """Return properties; the thing model's bool is 0 or 1."""
        at_ms = round(measured.utc_s * 1000)
        params = {
            name: {"value": int(value) if isinstance(value, bool) else value, "time": at_ms}
            for name, value in measured.values.items()
        }
        return self._post("property", params, stamp)

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read a code, or a service that is called.

        Raises:
            PeerError: it is neither.
        """
        if not topic.startswith(self._prefix):
            raise PeerError(f"not a topic of this device: {topic[:80]!r}")
        rest = topic.removeprefix(self._prefix)
        if rest.startswith("event/") and rest.endswith("/post_reply"):
            reply = decode(payload, _Reply)
            return Verdict(answer_of(reply.code), reply.id, f"{reply.code} {reply.message}"[:120])
        if rest.startswith("service/"):
            if retained:
                raise CommandError("a retained command is refused")
            call = decode(payload, _Service)
            name = rest.removeprefix("service/")
            command = make_command(name, self._route, call.id, call.params)
            return Asked(command, topic + "_reply", call.id)
        raise PeerError(f"no such topic {topic[:80]!r}")

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to a service."""
        body = {
            "id": asked.reply_id,
            "code": OK if response.ok else 400,
            "data": {} if response.state is None else {"state": response.state},
            "message": "success" if response.ok else response.error,
        }
        return Publication(asked.reply_topic, msgspec.json.encode(body))

    def _post(self, identifier: str, params: object, stamp: Stamp) -> Delivery:
        key = str(stamp.number % ID_RANGE)
        body = {
            "id": key,
            "version": "1.0",
            "sys": {"ack": 1},
            "params": params,
            "method": f"thing.event.{identifier}.post",
        }
        topic = f"{self._prefix}event/{identifier}/post"
        return Delivery((Publication(topic, msgspec.json.encode(body)),), key)
