"""What a county route is told, and what can be checked of it before the first alarm."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from edge_agent.relay.profiles.condition import Condition
from edge_agent.relay.profiles.fields import Value
from edge_agent.relay.profiles.template import check_paths, names_in

OF_EVENT = frozenset(
    {
        *("alarm_id", "event", "condition", "state", "priority", "level", "region", "home"),
        *("place", "unit", "person", "source", "onset", "onset_ms", "at", "at_ms", "clock"),
        *("late_s", "score", "text", "text_en", "flags", "trigger", "ieee"),
    }
)
"""Placeholders of the event; see `event_fields`."""
OF_MOMENT = frozenset(
    {"onset_local", "at_local", "now_local", "now_s", "now_ms", "number", "message_id"}
)
OF_SIGNATURE = frozenset({"secret_id", "secret", "window", "body"})

PRINTABLE = re.compile(r"[\x20-\x7e]*")
_HeaderName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{1,64}$")]
_Template = Annotated[str, msgspec.Meta(max_length=400)]


class MapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A placeholder of one's own: the platform's word for each of ours."""

    of: str
    values: dict[str, Value]
    otherwise: Value | None = None


class SignatureSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a request is signed: a hash of a text, or an HMAC of it with the secret.

    `window` in the text is the UNIX time divided by `window_s`, rounded down.
    """

    kind: Literal["md5", "sha1", "sha256", "hmac-md5", "hmac-sha1", "hmac-sha256"]
    text: _Template
    place: Annotated[
        str,
        msgspec.Meta(
            pattern="^(header|query|field):[A-Za-z0-9_.-]{1,64}$",
            description="header:NAME, query:NAME or field:PATH",
        ),
    ]
    encoding: Literal["hex", "HEX", "base64"] = "hex"
    window_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 10


class CountySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to a county platform is told."""

    url: Annotated[str, msgspec.Meta(max_length=500, description="http:// or https://")]
    fields: Annotated[dict[str, Value], msgspec.Meta(min_length=1, max_length=64)]
    success: str
    retry: str | None = None
    method: Literal["POST", "PUT"] = "POST"
    headers: Annotated[dict[_HeaderName, _Template], msgspec.Meta(max_length=16)] = {}
    map: Annotated[dict[str, MapSettings], msgspec.Meta(max_length=16)] = {}
    signature: SignatureSettings | None = None
    secret_id: str = ""
    secret: str = ""
    time_format: Annotated[str, msgspec.Meta(max_length=40)] = "yyyy-MM-dd HH:mm:ss"
    states: list[
        Literal["acknowledged", "dispatched", "arrived", "recovered", "cancelled", "closed"]
    ] = []
    """What is told besides: the ends, where the platform pairs on and off. One that knows alarms
    only would take each of them for another alarm."""
    can_retract: bool = False
    """Whether the platform takes a suspicion back; if not, alarms begin at `confirmed`."""
    plain: bool = False
    """Whether http:// without TLS is meant."""
    timeout_s: Annotated[float, msgspec.Meta(ge=1, le=60)] = 10.0
    drills: bool = False


def read_condition(key: str, text: str) -> Condition:
    """Parse an expression.

    Raises:
        ValueError: naming the key.
    """
    try:
        return Condition(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def check_url(settings: CountySettings) -> None:
    """Check the address.

    Raises:
        ValueError: naming the key.
    """
    try:
        url = urlsplit(settings.url)
        fits = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        fits = False
    if not fits or not PRINTABLE.fullmatch(settings.url) or " " in settings.url:
        raise ValueError("url: not an http:// or https:// address")
    if url.username is not None or url.fragment:
        raise ValueError("url: no user and no fragment may stand in it")
    if url.scheme == "http" and not settings.plain:
        raise ValueError("url: http:// shows alarms to everybody on the way; plain = true if meant")


def check_names(settings: CountySettings) -> None:
    """Check every placeholder, path and signature.

    Raises:
        ValueError: naming the key.
    """
    known: frozenset[str] = OF_EVENT | OF_MOMENT
    for name, mapped in settings.map.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in known | OF_SIGNATURE:
            raise ValueError(f"map.{name}: not a new name of small letters")
        if mapped.of not in OF_EVENT:
            raise ValueError(f"map.{name}.of: no field {mapped.of!r}")
    known |= settings.map.keys()
    sign = settings.signature
    templates: dict[str, tuple[Any, frozenset[str]]] = {
        **{f"fields.{path}": (text, known) for path, text in settings.fields.items()},
        **{f"headers.{name}": (text, known) for name, text in settings.headers.items()},
    }
    paths = list(settings.fields)
    if sign is not None:
        kind, _, place = sign.place.partition(":")
        if kind == "field":
            paths.append(place)
        of_body = {"body"} if kind == "field" else set()
        templates["signature.text"] = (sign.text, (known | OF_SIGNATURE) - of_body)
        if "secret" not in names_in(sign.text) and not sign.kind.startswith("hmac-"):
            raise ValueError("signature.text: without {secret} anybody can sign")
        if not settings.secret:
            raise ValueError("secret: a signature needs one")
    for key, (text, allowed) in templates.items():
        unknown = sorted(names_in(text) - allowed)
        if unknown:
            raise ValueError(f"{key}: no placeholder {{{unknown[0]}}}")
    try:
        check_paths(paths)
    except ValueError as error:
        raise ValueError(f"fields: {error}") from None
