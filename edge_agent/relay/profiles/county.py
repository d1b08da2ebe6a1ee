"""A county platform over HTTP, described in the configuration and not in code.

```
[[route]]                                       POST /api.BedCall/ReceiveBedCallMsg
profile = "county"                              {"DeviceNum": "pendant-1", "Alarm": "..."}
[route.settings]                                <- 200 {"Success": true, "Msg": "..."}
url = "https://.../ReceiveBedCallMsg"
success = "Success == true"
fields.DeviceNum = "{unit}"
fields.Alarm = "{text}"
```
A 200 is no acceptance: the flag in the body is (`success`). What is not JSON comes from a captive
portal or a proxy and is tried again. Times go in the platform's form, in Asia/Shanghai. There is
no way down: acknowledgements come by another route or the local page.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import msgspec

from edge_agent.alarm.alarm import Trigger
from edge_agent.relay.profile import (
    MAX_INCOMING_BYTES,
    Answer,
    RowError,
    Stamp,
    Verdict,
)
from edge_agent.relay.profiles.county_settings import (
    PRINTABLE,
    CountySettings,
    SignatureSettings,
    check_names,
    check_url,
    read_condition,
)
from edge_agent.relay.profiles.fields import (
    CHINA_OFFSET_S,
    Value,
    event_fields,
    format_time,
    read_event,
    to_ms,
    why_skipped,
)
from edge_agent.relay.profiles.template import as_text, build, fill

PASSING_STATUS = frozenset({408, 425, 429})
"""Statuses below 500 that pass by themselves (RFC 9110, RFC 8470, RFC 6585)."""

RAISING = frozenset(
    {None, Trigger.CONFIRM, Trigger.REPEAT, Trigger.ESCALATE, Trigger.REMIND, Trigger.UNSHELVE}
)
"""What makes an event that somebody is to act on: it always goes."""

_HASHES = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class Request:
    """One request for an HTTP server."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Handing:
    """What a row becomes: a request, or why there is none."""

    request: Request | None = None
    skipped: str | None = None


class CountyProfile:
    """Rows to requests, responses to verdicts."""

    def __init__(self, settings: CountySettings, route: str) -> None:
        """Check all that can be checked before the first alarm.

        Raises:
            ValueError: `key: why`, the first key that is wrong.
        """
        self._settings = settings
        self.route = route
        self.timeout_s = settings.timeout_s
        self._success = read_condition("success", settings.success)
        self._retry = None if settings.retry is None else read_condition("retry", settings.retry)
        check_url(settings)
        check_names(settings)

    def deliver(self, body: bytes, stamp: Stamp) -> Handing:
        """Return the request for an alarm event.

        Raises:
            RowError: the body is no alarm event, or a header would not be printable ASCII.
        """
        event = read_event(body)
        one = self._settings
        skipped = why_skipped(event, drills=one.drills, can_retract=one.can_retract)
        if skipped is None and event.trigger not in RAISING and event.state not in one.states:
            skipped = f"the platform does not ask for {event.state}"
        if skipped is not None:
            return Handing(skipped=skipped)
        values = event_fields(event) | {
            "onset_local": self._local(to_ms(event.onset) / 1000),
            "at_local": self._local(to_ms(event.at) / 1000),
            "now_local": self._local(stamp.utc_s),
            "now_s": int(stamp.utc_s),
            "now_ms": round(stamp.utc_s * 1000),
            "number": stamp.number,
            "message_id": f"{event.alarm_id}-{event.event}",
        }
        for name, mapped in one.map.items():
            word = mapped.values.get(as_text(values.get(mapped.of, "")), mapped.otherwise)
            if word is not None:
                values[name] = word
        return Handing(self._request(values, stamp))

    def verdict(self, status: int, body: bytes) -> Verdict:
        """Return what a response means."""
        if status >= 500 or status in PASSING_STATUS or 300 <= status < 400 or status < 200:
            return Verdict(Answer.RETRY, reason=f"HTTP {status}")
        if status >= 400:
            return Verdict(Answer.REJECTED, reason=f"HTTP {status}")
        if len(body) > MAX_INCOMING_BYTES:
            return Verdict(Answer.RETRY, reason=f"an answer over {MAX_INCOMING_BYTES} bytes")
        try:
            answer = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return Verdict(Answer.RETRY, reason=f"HTTP {status}, but the answer is not JSON")
        if self._success.holds(answer):
            return Verdict(Answer.ACCEPTED, reason=f"HTTP {status}")
        said = body[:120].decode("utf-8", "replace")
        if self._retry is not None and self._retry.holds(answer):
            return Verdict(Answer.RETRY, reason=said)
        return Verdict(Answer.REJECTED, reason=said)

    def _request(self, values: dict[str, Value], stamp: Stamp) -> Request:
        one = self._settings
        sign = one.signature
        kind, _, place = ("", "", "") if sign is None else sign.place.partition(":")
        fields = dict(one.fields)
        if sign is not None and kind == "field":
            fields[place] = self._sign(sign, values, stamp, b"")
        body = msgspec.json.encode(build(fields, values))
        url = one.url
        headers = {name: as_text(fill(text, values) or "") for name, text in one.headers.items()}
        if sign is not None and kind != "field":
            signed = self._sign(sign, values, stamp, body)
            if kind == "header":
                headers[place] = signed
            else:
                url += ("&" if urlsplit(url).query else "?") + f"{place}={quote(signed, safe='')}"
        for name, text in headers.items():
            if not PRINTABLE.fullmatch(text):
                raise RowError(f"header {name} would not be printable ASCII")
        return Request(one.method, url, tuple(headers.items()), body)

    def _sign(
        self, sign: SignatureSettings, values: dict[str, Value], stamp: Stamp, body: bytes
    ) -> str:
        one = self._settings
        secrets: dict[str, Value] = {
            "secret_id": one.secret_id,
            "secret": one.secret,
            "window": int(stamp.utc_s // sign.window_s),
            "body": body.decode(),
        }
        text = as_text(fill(sign.text, values | secrets) or "").encode()
        digest = _HASHES[sign.kind.removeprefix("hmac-")]
        if sign.kind.startswith("hmac-"):
            raw = hmac.new(one.secret.encode(), text, digest).digest()
        else:
            raw = digest(text).digest()
        if sign.encoding == "base64":
            return base64.b64encode(raw).decode()
        return raw.hex().upper() if sign.encoding == "HEX" else raw.hex()

    def _local(self, utc_s: float) -> str:
        return format_time(utc_s, self._settings.time_format, CHINA_OFFSET_S)
