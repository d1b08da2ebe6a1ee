"""The one configuration file: TOML to frozen values, every mistake in one line.

A mistake is a `ConfigError` that names the key and what is allowed there.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import msgspec

MAX_FILE_BYTES = 1_000_000

_T = TypeVar("_T")

Identifier = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="1 to 64 letters, digits, _ or -",
    ),
]
Label = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=40,
        pattern=r"^(?!(.|\n)*\d([\s._-]?\d){5})",
        description="1 to 40 characters of text, and no 6 digits in a row: these words go to "
        "platforms, and a telephone, an identity number or an address must not",
    ),
]
"""Words for people, in alarms and on topics."""
Text = Annotated[
    str, msgspec.Meta(min_length=1, max_length=255, description="1 to 255 characters of text")
]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535, description="a port, 1 to 65535")]
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$",
        description="HOST:PORT",
    ),
]
Addresses = Annotated[list[Address], msgspec.Meta(max_length=8)]
Minute = Annotated[
    str,
    msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM, 00:00 to 23:59"),
]


def seconds(low: float, high: float) -> msgspec.Meta:
    """Return the limits of a duration."""
    return msgspec.Meta(ge=low, le=high, description=f"seconds, {low:g} to {high:g}")


def per_minute(low: float, high: float) -> msgspec.Meta:
    """Return the limits of a rate."""
    return msgspec.Meta(ge=low, le=high, description=f"a minute, {low:g} to {high:g}")


class ConfigError(Exception):
    """The operator's file is wrong: `key` names the place, `why` what is allowed there."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


class HomeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose home this is: no name and no address, only codes."""

    region: Annotated[
        str, msgspec.Meta(pattern="^[0-9]{12}$", description="region code of 12 digits")
    ]
    home: Identifier


class PlaceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A room, with the words that alarms use."""

    id: Identifier
    zh: Label
    en: Label
    stay: bool = False
    """Whether a long stay here is to be noticed (a bathroom, a toilet)."""


class PersonConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person by a code, and what their units must protect them against.

    Persons that only units name need no table: what is expected of their units is then what the
    units have ever done.
    """

    id: Identifier
    watch: Annotated[list[Literal["fall", "call"]], msgspec.Meta(min_length=1, max_length=2)]


class InputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an input of a unit is: a contact, a PIR, the presence of a radar."""

    channel: Annotated[int, msgspec.Meta(ge=0, le=255, description="a channel, 0 to 255")]
    kind: Literal["motion", "use", "contact", "room_door", "front_door", "rest", "presence"]
    place: Identifier | None = None


Metres = Annotated[float, msgspec.Meta(ge=-20, le=20, description="metres, -20 to 20")]


Axis = Annotated[float, msgspec.Meta(ge=-100, le=100, description="a number, -100 to 100")]


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rectangle of the floor on the radar's axes: x to its right, y ahead of it."""

    kind: Literal["bed", "seat", "door"]
    x_m: tuple[Metres, Metres]
    y_m: tuple[Metres, Metres]


class RadarConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The room that a radar looks at; what it sees outside is no person."""

    x_m: tuple[Metres, Metres] = (-6.0, 6.0)
    y_m: tuple[Metres, Metres] = (-6.0, 8.0)
    zone: Annotated[list[ZoneConfig], msgspec.Meta(max_length=16)] = []


class TagConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accelerometer on the breastbone: whoever wears it sleeps in `bed`.

    `up` is the wearer's long axis towards the head in the sensor's frame, any length.
    """

    bed: Identifier
    up: tuple[Axis, Axis, Axis]


class UnitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One unit: the line it hangs on, where it is and whom it covers."""

    id: Identifier
    port: Text
    place: Identifier
    person: Identifier | None = None
    bed: Identifier | None = None
    source: Identifier = "unit"
    baud: Annotated[
        int, msgspec.Meta(ge=9600, le=4_000_000, description="bits a second, 9600 to 4000000")
    ] = 115200
    input: Annotated[list[InputConfig], msgspec.Meta(max_length=32)] = []
    radar: RadarConfig | None = None
    tag: TagConfig | None = None
    key_file: Text | None = None
    """32 bytes in hexadecimal: a frame without the tag of this key is refused, whoever sends it."""
    worn: bool | None = None
    """Whether its person carries it from place to place; by default a source `pendant` is."""


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS to the broker: the one CA that is trusted, and who we are."""

    ca_file: Text
    cert_file: Text | None = None
    key_file: Text | None = None


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker of the native route."""

    host: Text
    port: Port = 1883
    fallback: Addresses = []
    """Further addresses of the same broker, tried in turn."""
    client_id: Identifier | None = None
    username: Text | None = None
    password_file: Text | None = None
    keepalive_s: Annotated[int, seconds(5, 600)] = 60
    protocol: Literal["auto", "3.1.1", "5"] = "auto"
    """The version of MQTT; `auto` is 5 where the broker has it."""
    tls: TlsConfig | None = None


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more platform that gets every alarm, in its own words.

    `host`, `port`, `keepalive_s`, `protocol` are of MQTT; a county route has `settings.url`
    instead, and the profile `apprise` (a family) a file of addresses, `settings.urls_file`.
    """

    name: Annotated[
        str,
        msgspec.Meta(
            pattern="^[A-Za-z0-9_-]{1,32}$", description="1 to 32 letters, digits, _ or -"
        ),
    ]
    profile: Literal[
        "native", "thingsboard", "aliyun", "jetlinks", "huawei", "onenet", "county", "apprise"
    ]
    host: Text | None = None
    port: Port | None = None
    fallback: Addresses = []
    keepalive_s: Annotated[int, seconds(5, 600)] | None = None
    protocol: Literal["auto", "3.1.1", "5"] | None = None
    """The version of MQTT; without it `auto` for native, 3.1.1 for what others document."""
    tls: TlsConfig | None = None
    reserve: bool = False
    """Whether it only goes for what no other platform has accepted within 30 s."""
    commands: Annotated[tuple[Identifier, ...], msgspec.Meta(max_length=16)] = (
        "ack",
        "dispatch",
        "arrive",
        "close",
    )
    """What the platform may ask."""
    settings: dict[str, Any] = {}
    """The profile's own keys, checked when the route is made."""


class AlarmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays. None of them can switch a life-critical condition off."""

    fall_confirm_s: Annotated[float, seconds(3, 60)] = 10.0
    escalate_s: Annotated[float, seconds(30, 600)] = 90.0
    remind_s: Annotated[float, seconds(60, 3600)] = 600.0
    arrival_s: Annotated[float, seconds(300, 14400)] = 1800.0
    bed_return_s: Annotated[float, seconds(60, 7200)] = 900.0
    night_start: Minute = "20:00"
    night_end: Minute = "08:00"


Ruled = Literal[
    "bed_exit_not_returned",
    "bathroom_stay",
    "heart_rate_high",
    "heart_rate_low",
    "respiration_high",
    "respiration_low",
    "water_leak",
    "wandering",
    "unit_lost",
    "battery_low",
    "mains_lost",
    "sensor_stuck",
    "sensor_fault",
    "pendant_not_worn",
    "vitals_unavailable",
    "platform_unreachable",
    "certificate_expiring",
    "storage_low",
    "tamper",
]
"""Conditions that take a rule. None of those that protect a life is here, nor the last nets under
them (`inactivity`, `protection_lost`), nor what says that a call or a clock does not work."""


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When some conditions count, how long they must last, and how often they may come.

    Equal hours are the whole day.
    """

    conditions: Annotated[list[Ruled], msgspec.Meta(min_length=1, max_length=32)]
    effective_start: Minute = "00:00"
    effective_end: Minute = "00:00"
    on_delay_s: Annotated[float, seconds(0, 3600)] = 0.0
    off_delay_s: Annotated[float, seconds(0, 3600)] = 0.0
    silence_s: Annotated[float, seconds(0, 86_400)] = 0.0


class ActivityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long silence and a stay may last; learnt limits lie between floor and ceiling.

    No floor lies above its ceiling, and no limit is endless.
    """

    residents: Annotated[int, msgspec.Meta(ge=1, le=8, description="people, 1 to 8")] = 1
    day_floor_s: Annotated[float, seconds(7200, 21_600)] = 14_400.0
    day_ceiling_s: Annotated[float, seconds(21_600, 43_200)] = 28_800.0
    night_floor_s: Annotated[float, seconds(14_400, 36_000)] = 28_800.0
    night_ceiling_s: Annotated[float, seconds(36_000, 50_400)] = 43_200.0
    out_floor_s: Annotated[float, seconds(14_400, 43_200)] = 43_200.0
    out_ceiling_s: Annotated[float, seconds(43_200, 86_400)] = 57_600.0
    stay_day_s: Annotated[float, seconds(600, 3600)] = 1800.0
    stay_night_s: Annotated[float, seconds(600, 3600)] = 1200.0


class BedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bed occupancy from load cells."""

    occupied_kg: Annotated[float, msgspec.Meta(ge=5, le=60, description="kilograms, 5 to 60")] = (
        20.0
    )
    off_delay_s: Annotated[float, seconds(0, 300)] = 0.4
    """All of the load is gone for this long; where some is left, for 1 s or more."""
    on_delay_s: Annotated[float, seconds(0, 300)] = 2.0
    strip_off_delay_s: Annotated[float, seconds(1, 60)] = 3.0
    strip_on_delay_s: Annotated[float, seconds(1, 60)] = 3.0


class VitalsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and delays of heart and breath in bed; `breathing_stopped` knows none of them."""

    heart_rate_high_bpm: Annotated[float, per_minute(90, 148)] = 130.0
    heart_rate_low_bpm: Annotated[float, per_minute(38, 60)] = 40.0
    respiration_high_rpm: Annotated[float, per_minute(18, 39)] = 24.0
    respiration_low_rpm: Annotated[float, per_minute(6, 14)] = 9.0
    heart_rate_deadband_bpm: Annotated[float, per_minute(0, 20)] = 5.0
    respiration_deadband_rpm: Annotated[float, per_minute(0, 5)] = 1.0
    heart_rate_on_delay_s: Annotated[float, seconds(0, 600)] = 60.0
    heart_rate_off_delay_s: Annotated[float, seconds(0, 3600)] = 120.0
    respiration_on_delay_s: Annotated[float, seconds(0, 600)] = 60.0
    respiration_off_delay_s: Annotated[float, seconds(0, 3600)] = 120.0
    unavailable_s: Annotated[float, seconds(60, 3600)] = 600.0
    available_s: Annotated[float, seconds(0, 600)] = 10.0
    latching: Annotated[
        list[Literal["heart_rate_high", "heart_rate_low", "respiration_high", "respiration_low"]],
        msgspec.Meta(max_length=4),
    ] = []


class ConsentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the installation's consent lets leave the home (health data are sensitive)."""

    vitals: bool = False


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    home: HomeConfig
    place: Annotated[list[PlaceConfig], msgspec.Meta(max_length=64)]
    unit: Annotated[list[UnitConfig], msgspec.Meta(max_length=256)]
    person: Annotated[list[PersonConfig], msgspec.Meta(max_length=64)] = []
    mqtt: MqttConfig | None = None
    route: Annotated[list[RouteConfig], msgspec.Meta(max_length=8)] = []
    alarm: AlarmConfig = AlarmConfig()
    rule: Annotated[list[RuleConfig], msgspec.Meta(max_length=32)] = []
    bed: BedConfig = BedConfig()
    vitals: VitalsConfig = VitalsConfig()
    consent: ConsentConfig = ConsentConfig()
    activity: ActivityConfig = ActivityConfig()
    state_dir: Text = "/var/lib/anzhen"
    control_socket: Text | None = None
    simulated: bool = False


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read or something in it is wrong.
    """
    return parse(read_toml(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of bounded size.

    Raises:
        ConfigError: it cannot be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(str(path), f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"byte {error.start} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(path), f"not TOML: {error}") from None


def parse(tree: dict[str, Any]) -> Config:
    """Check a tree of TOML values.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    config = convert(tree, Config)
    check_references(config)
    return config


def convert(tree: dict[str, Any], table: type[_T]) -> _T:
    """Convert a tree of TOML values to a struct.

    Raises:
        ConfigError: naming the first key that is wrong and what is allowed there.
    """
    try:
        return msgspec.convert(tree, table)
    except msgspec.ValidationError as error:
        raise _explain(str(error), table) from None


def check_references(config: Config) -> None:
    """Check what one key says about another.

    Raises:
        ConfigError: a name that is there twice or nowhere.
    """
    places = [place.id for place in config.place]
    _check_unique("place", places)
    _check_unique("unit", [unit.id for unit in config.unit])
    _check_unique("person", [person.id for person in config.person])
    _check_routes(config)
    _check_rules(config)
    named = {unit.person for unit in config.unit}
    for number, person in enumerate(config.person):
        if person.id not in named:
            raise ConfigError(f"person[{number}].id", f"no unit is for {person.id!r}")
    ports = [unit.port for unit in config.unit]
    for number, unit in enumerate(config.unit):
        if unit.place not in places:
            allowed = ", ".join(places) or "none is defined"
            raise ConfigError(
                f"unit[{number}].place", f"no place {unit.place!r}; places: {allowed}"
            )
        for at, one in enumerate(unit.input):
            if one.place is not None and one.place not in places:
                key = f"unit[{number}].input[{at}].place"
                raise ConfigError(key, f"no place {one.place!r}; places: {', '.join(places)}")
            if one.channel in [other.channel for other in unit.input[:at]]:
                key = f"unit[{number}].input[{at}].channel"
                raise ConfigError(key, f"channel {one.channel} is there twice")
        if unit.tag is not None:
            beds = [one.bed for one in config.unit if one.bed is not None]
            if unit.tag.bed not in beds:
                allowed = ", ".join(beds) or "none is defined"
                why = f"no bed {unit.tag.bed!r}; beds: {allowed}"
                raise ConfigError(f"unit[{number}].tag.bed", why)
            if not any(unit.tag.up):
                raise ConfigError(f"unit[{number}].tag.up", "not a direction")
        if unit.port.startswith("ble:") and unit.key_file is None:
            raise ConfigError(f"unit[{number}].key_file", "required: anyone can reach a radio")
        if unit.radar is not None:
            _check_spans(f"unit[{number}].radar", unit.radar)
        if unit.port in ports[:number]:
            raise ConfigError(f"unit[{number}].port", f"{unit.port!r} is another unit's port")


_MQTT_KEYS = ("host", "port", "keepalive_s", "protocol")
_FOREIGN_KEYS = {
    "county": (_MQTT_KEYS, "not of a county route: settings.url says it"),
    "apprise": (
        (*_MQTT_KEYS, "fallback", "tls"),
        "not of a family's route: settings.urls_file says it",
    ),
}
"""Keys of a route that are none of some profiles, and why."""


def _check_routes(config: Config) -> None:
    names = ["mqtt"]  # of the native route, in the outbox and in `status`
    if config.mqtt is not None:
        _check_addresses("mqtt", config.mqtt.fallback)
    for number, route in enumerate(config.route):
        key = f"route[{number}]"
        if route.name in names:
            raise ConfigError(f"{key}.name", f"{route.name!r} is there twice")
        names.append(route.name)
        _check_addresses(key, route.fallback)
        foreign = _FOREIGN_KEYS.get(route.profile)
        if foreign is None:
            if route.host is None:
                raise ConfigError(f"{key}.host", "required key is missing")
            continue
        keys, why = foreign
        for name in keys:
            if getattr(route, name) not in (None, []):
                raise ConfigError(f"{key}.{name}", why)
    is_reserved = [route.reserve for route in config.route]
    if config.mqtt is None and is_reserved and all(is_reserved):
        raise ConfigError("route[0].reserve", "some route must go at once")


def _check_addresses(key: str, addresses: list[str]) -> None:
    for number, address in enumerate(addresses):
        if not 0 < split_address(address)[1] < 65_536:
            raise ConfigError(f"{key}.fallback[{number}]", "a port is 1 to 65535")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; an IPv6 address stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _check_rules(config: Config) -> None:
    seen: set[str] = set()
    for number, rule in enumerate(config.rule):
        for name in rule.conditions:
            if name in seen:
                raise ConfigError(f"rule[{number}].conditions", f"{name!r} is there twice")
            seen.add(name)


def _check_spans(key: str, radar: RadarConfig) -> None:
    spans = {f"{key}.x_m": radar.x_m, f"{key}.y_m": radar.y_m}
    for at, zone in enumerate(radar.zone):
        spans |= {f"{key}.zone[{at}].x_m": zone.x_m, f"{key}.zone[{at}].y_m": zone.y_m}
    for name, (low, high) in spans.items():
        if not low < high:
            raise ConfigError(name, f"{low:g} is not below {high:g}")


def _check_unique(key: str, names: list[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(f"{key}[{number}].id", f"{name!r} is there twice")


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_FIELD = re.compile(r"field `(?P<name>[^`]*)`")


def _explain(message: str, root: type) -> ConfigError:
    match = _AT.match(message)
    assert match is not None
    what, path = match["what"], (match["path"] or "").lstrip(".")
    field = _FIELD.search(what)
    hint = _hint(root, path)
    if field is not None:
        key = f"{path}.{field['name']}".lstrip(".")
        if "missing" in what:
            return ConfigError(key, "required key is missing")
        allowed = ", ".join(getattr(hint, "__struct_fields__", ()))
        return ConfigError(key, f"unknown key; allowed here: {allowed}")
    notes = (note.description for note in getattr(hint, "__metadata__", ()))
    description = next((note for note in notes if note), None)
    what = what[0].lower() + what[1:]
    return ConfigError(path or "file", f"{what}; allowed: {description}" if description else what)


def _hint(root: type, path: str) -> Any:
    """Return the annotated type that a path like `unit[0].baud` leads to."""
    hint: Any = root
    for name in re.findall(r"[A-Za-z_]+", path.replace("[...]", "[]")):
        hint = get_type_hints(_table_of(hint), include_extras=True).get(name, str)
    return hint if hasattr(hint, "__metadata__") and not _is_list(hint) else _table_of(hint)


def _is_list(hint: Any) -> bool:
    return any(getattr(arg, "__origin__", None) is list for arg in get_args(hint))


def _table_of(hint: Any) -> Any:
    """Return the table inside Annotated, list or optional; the hint itself when it is none."""
    for arg in get_args(hint):
        inner = _table_of(arg)
        if hasattr(inner, "__struct_fields__") or hasattr(inner, "__metadata__"):
            return inner
    return hint
