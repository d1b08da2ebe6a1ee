"""What one key of the configuration file says about another."""

from edge_agent.config.file import Config
from edge_agent.config.home import RadarConfig, UnitConfig
from edge_agent.config.reading import ConfigError
from edge_agent.config.routes import split_address


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
    beds = [unit.bed for unit in config.unit if unit.bed is not None]
    ports: set[str] = set()
    for number, unit in enumerate(config.unit):
        _check_unit(f"unit[{number}]", unit, places, beds)
        if unit.port in ports:
            raise ConfigError(f"unit[{number}].port", f"{unit.port!r} is another unit's port")
        ports.add(unit.port)


def _check_unit(key: str, unit: UnitConfig, places: list[str], beds: list[str]) -> None:
    _check_named(f"{key}.place", "place", unit.place, places)
    for at, one in enumerate(unit.input):
        if one.place is not None:
            _check_named(f"{key}.input[{at}].place", "place", one.place, places)
        if one.channel in [other.channel for other in unit.input[:at]]:
            why = f"channel {one.channel} is there twice"
            raise ConfigError(f"{key}.input[{at}].channel", why)
    if unit.tag is not None:
        _check_named(f"{key}.tag.bed", "bed", unit.tag.bed, beds)
        if not any(unit.tag.up):
            raise ConfigError(f"{key}.tag.up", "not a direction")
    if unit.port.startswith("ble:") and unit.key_file is None:
        raise ConfigError(f"{key}.key_file", "required: anyone can reach a radio")
    if unit.radar is not None:
        _check_spans(f"{key}.radar", unit.radar)


def _check_named(key: str, what: str, name: str, known: list[str]) -> None:
    if name not in known:
        allowed = ", ".join(known) or "none is defined"
        raise ConfigError(key, f"no {what} {name!r}; {what}s: {allowed}")


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
