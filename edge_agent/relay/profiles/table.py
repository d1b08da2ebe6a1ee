"""The profiles by name, and how a table of the configuration becomes one.

Secrets never stand in the configuration: `access_token_file` names a file that only its owner may
read, and what is in it becomes `access_token`. The addresses of a family are secrets, too.
"""

import hashlib
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edge_agent.config.reading import ConfigError, convert
from edge_agent.relay.profile import Profile
from edge_agent.relay.profiles.aliyun import AliyunProfile, AliyunSettings
from edge_agent.relay.profiles.county import CountyProfile
from edge_agent.relay.profiles.county_settings import CountySettings
from edge_agent.relay.profiles.family import FamilySettings
from edge_agent.relay.profiles.huawei import HuaweiProfile, HuaweiSettings
from edge_agent.relay.profiles.jetlinks import JetLinksProfile, JetLinksSettings
from edge_agent.relay.profiles.onenet import OneNetProfile, OneNetSettings
from edge_agent.relay.profiles.thingsboard import ThingsBoardProfile, ThingsBoardSettings

SECRETS = (
    "access_token",
    "device_secret",
    "device_key",
    "secure_key",
    "secret",
    "password",
)
"""Settings that come out of a file of their own."""
MAX_SECRET_BYTES = 4096
MAX_ADDRESSES = 8

_URL = re.compile(r"([A-Za-z][A-Za-z0-9]{1,15})://\S+")

_S = TypeVar("_S")
_P = TypeVar("_P")


def _of(
    settings: type[_S], profile: Callable[[_S, str], _P]
) -> Callable[[dict[str, Any], str], _P]:
    def make(tree: dict[str, Any], route: str) -> _P:
        return profile(convert(tree, settings), route)

    return make


MQTT_PROFILES: dict[str, Callable[[dict[str, Any], str], Profile]] = {
    "thingsboard": _of(ThingsBoardSettings, ThingsBoardProfile),
    "aliyun": _of(AliyunSettings, AliyunProfile),
    "jetlinks": _of(JetLinksSettings, JetLinksProfile),
    "huawei": _of(HuaweiSettings, HuaweiProfile),
    "onenet": _of(OneNetSettings, OneNetProfile),
}
HTTP_PROFILES: dict[str, Callable[[dict[str, Any], str], CountyProfile]] = {
    "county": _of(CountySettings, CountyProfile),
}


def make_mqtt_profile(profile: str, tree: Mapping[str, Any], route: str) -> Profile:
    """Return a profile of a table like `{product_id = ..., device_key_file = ...}`.

    Raises:
        ConfigError: naming the key that is wrong, or the file that others may read.
    """
    return MQTT_PROFILES[profile](read_secrets(tree), route)


def make_http_profile(profile: str, tree: Mapping[str, Any], route: str) -> CountyProfile:
    """Return a profile over HTTP.

    Raises:
        ConfigError: naming the key that is wrong, or the file that others may read.
    """
    try:
        return HTTP_PROFILES[profile](read_secrets(tree), route)
    except ValueError as error:
        key, _, why = str(error).partition(": ")
        raise ConfigError(key, why) from None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a family is told: `label` says which one it is and gives nothing away."""

    label: str
    url: str = field(repr=False)


def read_family(tree: Mapping[str, Any]) -> tuple[FamilySettings, list[Address]]:
    """Return what a family's table says, and the addresses in its file.

    Blank lines and those that begin with `#` are left out. A label goes with its address, not with
    its line: the outbox keeps verdicts by it.

    Raises:
        ConfigError: naming the key that is wrong, and the line, never what is in it.
    """
    settings = convert(dict(tree), FamilySettings)
    key = "urls_file"
    found: list[Address] = []
    for number, line in enumerate(read_secret(key, settings.urls_file).splitlines(), 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        match = _URL.fullmatch(url)
        if match is None:
            raise ConfigError(key, f"line {number} is no address: SERVICE://...")
        scheme, digest = match[1].lower(), hashlib.sha256(url.encode()).hexdigest()
        address = Address(f"{scheme}-{digest[:6]}", url)
        if address in found:
            raise ConfigError(key, f"line {number} is there twice")
        found.append(address)
    if not 0 < len(found) <= MAX_ADDRESSES:
        raise ConfigError(key, f"{len(found)} addresses; 1 to {MAX_ADDRESSES} are allowed")
    return settings, found


def read_secrets(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with its `..._file` keys replaced by what is in the files.

    Raises:
        ConfigError: a secret stands in the table itself, or its file is not for its owner alone.
    """
    found = dict(tree)
    for name in SECRETS:
        if name in found:
            raise ConfigError(name, f"a secret has a file of its own: {name}_file")
        key = f"{name}_file"
        if key in found:
            found[name] = read_secret(key, found.pop(key))
    return found


def read_secret(key: str, path: Any) -> str:
    """Return what is in a secret's file.

    Raises:
        ConfigError: naming the key: it cannot be read, is empty, or not for its owner alone.
    """
    if not isinstance(path, str):
        raise ConfigError(key, "expected the path of a file")
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(Path(path).stat().st_mode)
            raw = file.read(MAX_SECRET_BYTES + 1)
            text = raw.decode("ascii").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(key, f"cannot be read ({error})") from None
    if mode & 0o077:
        raise ConfigError(key, "others may read it: chmod 600")
    if len(raw) > MAX_SECRET_BYTES:
        raise ConfigError(key, f"longer than {MAX_SECRET_BYTES} bytes")
    if not text:
        raise ConfigError(key, "is empty")
    return text
