"""JetLinks, the official MQTT protocol: events up, functions down.

```
/{product}/{device}/event/{id}          up    {"messageId", "timestamp", "data"}
/{product}/{device}/properties/report   up    vital signs
/{product}/{device}/function/invoke     down  {"messageId", "functionId", "inputs"} -> .../reply
/{product}/{device}/time-sync           up    -> .../reply {"messageId", "timestamp"}
```
There is no business reply to an event: the PUBACK is all there is. The login is signed with the
time, and the platform refuses one that is five minutes off (401): behind a clock that nobody
vouches for, the route waits for another source of time.

Source: jetlinks/jetlinks-official-protocol, document-mqtt.md, JetLinksAuthenticator.java,
TopicMessageCodec.java.
"""

import hashlib
from typing import Annotated, Any

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.command import Response
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
from edge_agent.relay.profiles.fields import Measured, Value
from edge_agent.relay.profiles.platform import MAX_TIME_MS, PlatformProfile

_Level = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]


class JetLinksSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to JetLinks is told."""

    product_id: _Level
    device_id: _Level
    secure_id: Annotated[str, msgspec.Meta(pattern="^[^|]{1,128}$")]
    secure_key: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    event: _Level = "alarm"
    drills: bool = False


class _Input(msgspec.Struct):
    name: str
    value: Any = None


class _Invoke(msgspec.Struct):
    message_id: str = msgspec.field(name="messageId")
    function_id: str = msgspec.field(name="functionId")
    inputs: Annotated[list[_Input], msgspec.Meta(max_length=16)] = []


class _Time(msgspec.Struct):
    timestamp: Annotated[int, msgspec.Meta(gt=0, le=MAX_TIME_MS)]


class JetLinksProfile(PlatformProfile):
    """Events up, functions down, the platform's time on request."""

    def __init__(self, settings: JetLinksSettings, route: str) -> None:
        super().__init__(route, drills=settings.drills)
        self._settings = settings
        self._prefix = f"/{settings.product_id}/{settings.device_id}/"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        return (self._prefix + "function/invoke", self._prefix + "time-sync/reply")

    def login(self, stamp: Stamp) -> Login:
        """Return the login signed with the time; lower-case hex, the server compares letters."""
        one = self._settings
        username = f"{one.secure_id}|{round(stamp.utc_s * 1000)}"
        signed = f"{username}|{one.secure_key}".encode()
        # The platform's rule is MD5; it is no secret's only guard where the route has TLS.
        return Login(one.device_id, username, hashlib.md5(signed).hexdigest())  # noqa: S324

    def ask_time(self, stamp: Stamp) -> Publication | None:
        """Return the question for the time."""
        return self._publication("time-sync", {"messageId": str(stamp.number)})

    def alarm(self, event: AlarmEvent, fields: dict[str, Value], stamp: Stamp) -> Delivery:
        """Return an event."""
        message = {"messageId": str(stamp.number), "timestamp": fields["at_ms"], "data": fields}
        return Delivery((self._publication(f"event/{self._settings.event}", message),))

    def measured(self, measured: Measured, stamp: Stamp) -> Delivery:
        """Return properties."""
        message = {
            "messageId": str(stamp.number),
            "timestamp": round(measured.utc_s * 1000),
            "properties": measured.values,
        }
        return Delivery((self._publication("properties/report", message),))

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read a function that is invoked, or the time.

        Raises:
            PeerError: it is neither.
        """
        if retained:
            raise CommandError("a retained command is refused")
        if topic == self._prefix + "time-sync/reply":
            return TimeTold(decode(payload, _Time).timestamp / 1000)
        if topic != self._prefix + "function/invoke":
            raise PeerError(f"no such topic {topic[:80]!r}")
        call = decode(payload, _Invoke)
        try:
            inputs = {one.name: one.value for one in call.inputs}
            parameters = msgspec.convert(inputs, Parameters, strict=False)
        except msgspec.ValidationError as error:
            raise CommandError(f"inputs: {error}"[:200]) from None
        command = make_command(call.function_id, self._route, call.message_id, parameters)
        return Asked(command, topic + "/reply", call.message_id)

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to a function."""
        if response.ok:
            body: dict[str, Any] = {
                "messageId": asked.reply_id,
                "success": True,
                "output": response.state or "ok",
            }
        else:
            body = {
                "messageId": asked.reply_id,
                "success": False,
                "code": "refused",
                "message": response.error,
            }
        return Publication(asked.reply_topic, msgspec.json.encode(body))

    def _publication(self, name: str, body: dict[str, Any]) -> Publication:
        return Publication(self._prefix + name, msgspec.json.encode(body))
