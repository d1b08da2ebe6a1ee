"""Routes in the configuration file: where alarms go, and how the way is made safe."""

from typing import Annotated, Any, Literal

import msgspec

from edge_agent.config.values import Addresses, Identifier, Port, Text, seconds


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


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; an IPv6 address stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
