"""Routes out of the configuration: a `[[route]]` table or `[mqtt]` to something that runs."""

import re
from importlib.util import find_spec

import msgspec

from edge_agent.alarm.command import CommandName
from edge_agent.clock import Clock
from edge_agent.config.home import HomeConfig
from edge_agent.config.reading import ConfigError, convert
from edge_agent.config.routes import MqttConfig, RouteConfig, split_address
from edge_agent.outbox.outbox import Outbox
from edge_agent.relay.conversation import Conversation
from edge_agent.relay.family import FamilyRelay
from edge_agent.relay.http_relay import HttpRelay
from edge_agent.relay.mqtt import Broker
from edge_agent.relay.profile import Login, Profile
from edge_agent.relay.profiles.county import CountyProfile
from edge_agent.relay.profiles.family import FamilyProfile, FamilySettings
from edge_agent.relay.profiles.native import NativeProfile
from edge_agent.relay.profiles.table import (
    HTTP_PROFILES,
    Address,
    make_http_profile,
    make_mqtt_profile,
    read_family,
    read_secret,
    read_secrets,
)
from edge_agent.relay.relay import Relay
from edge_agent.relay.route import Hooks, Presence, Standing
from edge_agent.relay.tls import Tls, make_tls
from edge_agent.relay.turn import Turn

NATIVE = "mqtt"
"""The name of the route that `[mqtt]` describes."""

FAMILY = "apprise"
"""The profile of which each address is a route of its own."""

KEEPALIVE_S = 60


class NativeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a further route of the native contract is told."""

    client_id: str | None = None
    username: str | None = None
    password: str | None = None


class Maker:
    """Makes the routes of one home."""

    def __init__(self, home: HomeConfig, outbox: Outbox, clock: Clock, hooks: Hooks) -> None:
        self._home = home
        self._outbox = outbox
        self._clock = clock
        self._hooks = hooks

    def native(self, config: MqttConfig, presence: Presence) -> tuple[Relay, Tls | None]:
        """Return the route of `[mqtt]`.

        Raises:
            ConfigError: naming the key that is wrong.
        """
        password = None
        if config.password_file is not None:
            password = read_secret("mqtt.password_file", config.password_file)
        tls = None if config.tls is None else make_tls(config.tls, "mqtt.tls")
        profile = self._native_profile(NATIVE, config.client_id, config.username, password)
        addresses = [(config.host, config.port), *map(split_address, config.fallback)]
        return self._relay(
            NATIVE,
            addresses,
            config.keepalive_s,
            tls,
            profile,
            presence,
            tuple(CommandName),
            protocol=config.protocol,
        ), tls

    def route(
        self, config: RouteConfig, number: int, presence: Presence
    ) -> tuple[Relay | HttpRelay, Tls | None]:
        """Return the route of a `[[route]]` table, which speaks its platform's profile.

        Raises:
            ConfigError: naming the key that is wrong.
        """
        key = f"route[{number}]"
        tls = None if config.tls is None else make_tls(config.tls, f"{key}.tls")
        try:
            if config.profile in HTTP_PROFILES:
                county = make_http_profile(config.profile, config.settings, config.name)
            else:
                county, profile = None, self._profile(config)
        except ConfigError as error:
            raise ConfigError(f"{key}.settings.{error.key}", error.why) from None
        if county is not None:
            return self._http_relay(config, key, county, tls), tls
        assert config.host is not None  # the configuration was checked
        port = config.port or (1883 if tls is None else 8883)
        return self._relay(
            config.name,
            [(config.host, port), *map(split_address, config.fallback)],
            config.keepalive_s or KEEPALIVE_S,
            tls,
            profile,
            presence if config.profile == "native" else None,
            _commands(config.commands, key),
            protocol=config.protocol or ("auto" if config.profile == "native" else "3.1.1"),
            is_reserve=config.reserve,
        ), tls

    def family(self, config: RouteConfig, number: int, *, is_only: bool) -> list[FamilyRelay]:
        """Return a route for each address of a family.

        Args:
            config: its table.
            number: which one.
            is_only: whether there is no platform that could accept an alarm.

        Raises:
            ConfigError: naming the key that is wrong, or what has to be installed.
        """
        settings, addresses = _read_family(config, number)
        if find_spec("apprise") is None:
            why = "apprise is not installed: pip install 'anzhen[apprise]'"
            raise ConfigError(f"route[{number}].profile", why)
        return [
            FamilyRelay(
                name := f"{config.name}-{address.label}",
                address.url,
                FamilyProfile(settings),
                self._turn(name, is_reserve=config.reserve, has_telemetry=False),
                self._outbox,
                self._clock,
                self._hooks,
                is_only=is_only,
            )
            for address in addresses
        ]

    def _profile(self, config: RouteConfig) -> Profile:
        if config.profile == "native":
            one = convert(read_secrets(config.settings), NativeSettings)
            return self._native_profile(config.name, one.client_id, one.username, one.password)
        settings = config.settings
        if config.profile == "aliyun":  # the platform wants it said in the login, too
            has_tls = config.tls is not None
            if settings.get("tls", has_tls) is not has_tls:
                raise ConfigError("tls", "it goes by the table [route.tls]: leave it out")
            settings = {**settings, "tls": has_tls}
        return make_mqtt_profile(config.profile, settings, config.name)

    def _native_profile(
        self, route: str, client_id: str | None, username: str | None, password: str | None
    ) -> NativeProfile:
        region, home = self._home.region, self._home.home
        client_id = client_id or re.sub(r"[^0-9A-Za-z]", "", f"anzhen{region}{home}")
        return NativeProfile(region, home, route, Login(client_id, username, password))

    def _http_relay(
        self, config: RouteConfig, key: str, profile: CountyProfile, tls: Tls | None
    ) -> HttpRelay:
        is_https = config.settings["url"].startswith("https:")
        if is_https and tls is None:
            raise ConfigError(f"{key}.tls", "https:// needs ca_file: the authority to trust")
        if not is_https and tls is not None:
            raise ConfigError(f"{key}.tls", "the url is http://")
        turn = self._turn(config.name, is_reserve=config.reserve, has_telemetry=False)
        return HttpRelay(
            config.name, profile, tls, turn, self._outbox, self._clock, self._hooks, config.fallback
        )

    def _relay(
        self,
        name: str,
        addresses: list[tuple[str, int]],
        keepalive_s: int,
        tls: Tls | None,
        profile: Profile,
        presence: Presence | None,
        commands: tuple[CommandName, ...],
        *,
        protocol: str,
        is_reserve: bool = False,
    ) -> Relay:
        standing = Standing()
        conversation = Conversation(
            name,
            profile,
            self._turn(name, is_reserve=is_reserve),
            self._outbox,
            self._clock,
            self._hooks,
            standing,
            presence,
            commands,
        )
        brokers = [
            Broker(host, port, "", keepalive_s=keepalive_s, tls=tls) for host, port in addresses
        ]
        return Relay(
            name, brokers, profile, self._clock, conversation, standing, presence, protocol
        )

    def _turn(self, name: str, *, is_reserve: bool, has_telemetry: bool = True) -> Turn:
        return Turn(
            name,
            self._outbox,
            self._clock,
            self._hooks,
            is_reserve=is_reserve,
            has_telemetry=has_telemetry,
        )


def names_of(config: RouteConfig, number: int) -> list[str]:
    """Return what the routes of a `[[route]]` table are called.

    Raises:
        ConfigError: the addresses of a family cannot be read.
    """
    if config.profile != FAMILY:
        return [config.name]
    _, addresses = _read_family(config, number)
    return [f"{config.name}-{address.label}" for address in addresses]


def _read_family(config: RouteConfig, number: int) -> tuple[FamilySettings, list[Address]]:
    try:
        return read_family(config.settings)
    except ConfigError as error:
        raise ConfigError(f"route[{number}].settings.{error.key}", error.why) from None


def _commands(names: tuple[str, ...], key: str) -> tuple[CommandName, ...]:
    for number, name in enumerate(names):
        if name not in list(CommandName):
            known = ", ".join(CommandName)
            raise ConfigError(f"{key}.commands[{number}]", f"no command {name!r}; {known}")
    return tuple(CommandName(name) for name in names)
