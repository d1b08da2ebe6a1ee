"""OneNET (China Mobile), the OneJSON thing model: events up with a reply, services down.

```
$sys/{pid}/{name}/thing/event/post, property/post    up    answered on .../post/reply with a code
$sys/{pid}/{name}/thing/service/{id}/invoke          down  answered on .../invoke_reply
```
`id` is a number as text of at most 13 digits, so it cannot be the alarm's own: the route keeps
which id was which row. The PUBACK says nothing; code 200 on the reply topic is acceptance.

Source: the token of iot.10086.cn device access documents (version 2018-10-31); the OneNET
white-label manual (host, user's name, topics).
"""

import base64
import binascii
import hashlib
import hmac
from typing import Annotated
from urllib.parse import quote

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

TOKEN_VERSION = "2018-10-31"  # noqa: S105 (a version)
TOKEN_LIFE_S = 7 * 86_400
TOKEN_FOR_EVER_S = 4_102_444_800
"""2100-01-01: while nobody vouches for the clock, a token that ends "soon" may have ended."""
ID_RANGE = 10**13

_Level = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class OneNetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to OneNET is told."""

    product_id: _Level
    device_name: _Level
    device_key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9+/]{4,128}={0,2}$")]
    """Base64, as the platform shows it."""
    event: _Level = "alarm"
    drills: bool = False

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.device_key, validate=True)
        except binascii.Error:
            raise ValueError("device_key is not base64") from None


class _Reply(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(max_length=32)]
    code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
    msg: str = ""


class _Invoke(msgspec.Struct):
    id: str
    params: Parameters = msgspec.field(default_factory=Parameters)


class OneNetProfile(PlatformProfile):
    """Events up and their codes back, services down."""

    reply_s: float | None = REPLY_S

    def __init__(self, settings: OneNetSettings, route: str) -> None:
        super().__init__(route, drills=settings.drills)
        self._settings = settings
        self._prefix = f"$sys/{settings.product_id}/{settings.device_name}/thing/"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        return (
            self._prefix + "event/post/reply",
            self._prefix + "property/post/reply",
            *(f"{self._prefix}service/{name}/invoke" for name in CommandName),
        )

    def login(self, stamp: Stamp) -> Login:
        """Return the token: HMAC-SHA256 over end, method, resource and version, by lines."""
        one = self._settings
        ends_s = int(stamp.utc_s) + TOKEN_LIFE_S if stamp.is_trusted else TOKEN_FOR_EVER_S
        return Login(
            one.device_name,
            one.product_id,
            token(one.product_id, one.device_name, one.device_key, ends_s),
        )

    def alarm(self, event: AlarmEvent, fields: dict[str, Value], stamp: Stamp) -> Delivery:
        """Return an event of the thing model."""
        params = {self._settings.event: {"value": fields, "time": fields["at_ms"]}}
        return self._post("event", params, stamp)

    def measured(self, measured: Measured, stamp: Stamp) -> Delivery:
        """Return properties."""
        at_ms = round(measured.utc_s * 1000)
        params = {name: {"value": value, "time": at_ms} for name, value in measured.values.items()}
        return self._post("property", params, stamp)

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read a code, or a service that is invoked.

        Raises:
            PeerError: it is neither.
        """
        if not topic.startswith(self._prefix):
            raise PeerError(f"not a topic of this device: {topic[:80]!r}")
        rest = topic.removeprefix(self._prefix)
        if rest in ("event/post/reply", "property/post/reply"):
            reply = decode(payload, _Reply)
            return Verdict(answer_of(reply.code), reply.id, f"{reply.code} {reply.msg}"[:120])
        if rest.startswith("service/") and rest.endswith("/invoke"):
            if retained:
                raise CommandError("a retained command is refused")
            call = decode(payload, _Invoke)
            name = rest.removeprefix("service/").removesuffix("/invoke")
            command = make_command(name, self._route, call.id, call.params)
            return Asked(command, topic + "_reply", call.id)
        raise PeerError(f"no such topic {topic[:80]!r}")

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to a service."""
        body = {
            "id": asked.reply_id,
            "code": OK if response.ok else 400,
            "msg": "success" if response.ok else response.error,
            "data": {} if response.state is None else {"state": response.state},
        }
        return Publication(asked.reply_topic, msgspec.json.encode(body))

    def _post(self, kind: str, params: object, stamp: Stamp) -> Delivery:
        key = str(stamp.number % ID_RANGE)
        body = {"id": key, "version": "1.0", "params": params}
        publication = Publication(f"{self._prefix}{kind}/post", msgspec.json.encode(body))
        return Delivery((publication,), key)


def token(product_id: str, device_name: str, device_key: str, ends_s: int) -> str:
    """Return a device's token that ends at a UNIX time."""
    resource = f"products/{product_id}/devices/{device_name}"
    source = f"{ends_s}\nsha256\n{resource}\n{TOKEN_VERSION}"
    digest = hmac.new(base64.b64decode(device_key), source.encode(), hashlib.sha256).digest()
    sign = base64.b64encode(digest).decode()
    return (
        f"version={TOKEN_VERSION}&res={quote(resource, safe='')}&et={ends_s}"
        f"&method=sha256&sign={quote(sign, safe='')}"
    )
