"""`anzhen platform PROFILE`: run a fake platform, or check what a broker carries."""

import argparse
import asyncio
import json
from typing import Any

from edge_agent.clock import SystemClock
from edge_agent.config.reading import convert, read_toml
from edge_agent.console import ABSENT, NO, OK, WRONG_INPUT, say, show
from edge_agent.relay.profiles.aliyun import AliyunSettings
from edge_agent.relay.profiles.county import CountyProfile
from edge_agent.relay.profiles.county_settings import CountySettings
from edge_agent.relay.profiles.huawei import HuaweiSettings
from edge_agent.relay.profiles.jetlinks import JetLinksSettings
from edge_agent.relay.profiles.onenet import OneNetSettings
from edge_agent.relay.profiles.thingsboard import ThingsBoardSettings
from edge_agent.simulator.platforms.aliyun import AliyunRules
from edge_agent.simulator.platforms.county import BODIES, SHIPPED, CountyServer
from edge_agent.simulator.platforms.huawei import HuaweiRules
from edge_agent.simulator.platforms.jetlinks import JetLinksRules
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from edge_agent.simulator.platforms.native import NativeRules
from edge_agent.simulator.platforms.native_check import AbsentError, check_broker
from edge_agent.simulator.platforms.onenet import OneNetRules
from edge_agent.simulator.platforms.platform import FakePlatform
from edge_agent.simulator.platforms.rules import ORDERS, Reaction, Rules
from edge_agent.simulator.platforms.thingsboard import ThingsBoardRules

EXAMPLES: dict[str, dict[str, Any]] = {
    "thingsboard": {"access_token": "A1_TEST_TOKEN"},
    "aliyun": {
        "product_key": "a1X2bEnP82z",
        "device_name": "example1",
        "device_secret": "ga7XA6KdlEeiPXQPpRbAjOZXwG8ydgSe",
    },
    "jetlinks": {
        "product_id": "bed",
        "device_id": "h0001",
        "secure_id": "admin",
        "secure_key": "admin",
    },
    "huawei": {"device_id": "5fdb75cccbfe2f02ce81d4bf_mybed001", "secret": "123456789"},
    "onenet": {
        "product_id": "123123",
        "device_name": "78329710",
        "device_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    },
    "county": SHIPPED,
}
"""What a platform is told when nothing else is said: public examples, no secrets of anybody."""


def run_platform(options: argparse.Namespace) -> int:
    """Run until the time is over or interrupted; 1 when anything was not of the platform's form."""
    if options.check:
        return _check(options)
    try:
        if options.profile == "county":
            return asyncio.run(_run_county(options))
        return asyncio.run(_run_mqtt(options))
    except OSError as error:
        return say(f"cannot listen on {options.host}:{options.port}: {error.strerror}", ABSENT)


def _check(options: argparse.Namespace) -> int:
    if options.profile != "native":
        return say("--check reads the native contract only", WRONG_INPUT)
    host, _, port = options.broker.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        return say(f"--broker {options.broker!r} is not HOST:PORT", WRONG_INPUT)
    try:
        seen, wrong = asyncio.run(check_broker(host, int(port), options.seconds, _tell))
    except AbsentError as error:
        return say(str(error), ABSENT)
    return say(f"{seen} messages, {wrong} wrong", NO if wrong else OK)


async def _run_mqtt(options: argparse.Namespace) -> int:
    orders = [name for name in options.commands.split(",") if name not in ("", "none")]
    unknown = set(orders) - set(ORDERS)
    if unknown:
        return say(f"no command {min(unknown)!r}; commands: {', '.join(ORDERS)}", WRONG_INPUT)
    rules = make_rules(options.profile, _settings(options))
    if options.answer in (Reaction.LATE, Reaction.OTHER) and not rules.has_replies:
        return say(
            f"{options.profile} has no answer of its own to be {options.answer}", WRONG_INPUT
        )
    clock = SystemClock()
    platform = FakePlatform(
        rules, options.answer, lambda: clock.now().utc_s, _tell, orders, options.pace
    )
    async with MqttServer(platform, options.host, options.port) as port:
        say(f"{options.profile}: MQTT on {options.host}:{port}")
        await _wait(options.seconds)
    return NO if platform.wrong else OK


async def _run_county(options: argparse.Namespace) -> int:
    settings = convert(_settings(options), CountySettings)
    if options.answer not in BODIES and options.answer is not Reaction.SILENT:
        return say(f"an HTTP answer is never {options.answer}", WRONG_INPUT)
    try:
        profile = CountyProfile(settings, "county")
    except ValueError as error:
        return say(f"{options.settings}: {error}", WRONG_INPUT)
    bodies = dict(BODIES)
    if options.bodies is not None:
        try:
            said = json.loads(options.bodies.read_text("utf-8"))
            bodies = {one: said[one] for one in (Reaction.ACCEPT, Reaction.REJECT)}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            return say(f"{options.bodies}: not an object with accept, reject: {error}", WRONG_INPUT)
    for reaction, body in bodies.items():
        verdict = profile.verdict(200, json.dumps(body).encode())
        if (verdict.answer == "accepted") is not (reaction is Reaction.ACCEPT):
            why = f"success = {settings.success!r} takes the body of {reaction!s} for another"
            return say(f"{why}: give --bodies", WRONG_INPUT)
    clock = SystemClock()
    server = CountyServer(
        settings,
        options.answer,
        bodies,
        lambda: clock.now().utc_s,
        _tell,
        options.host,
        options.port,
    )
    async with server as port:
        say(f"county: HTTP on {options.host}:{port}")
        await _wait(options.seconds)
    return NO if server.wrong else OK


def make_rules(profile: str, tree: dict[str, Any]) -> Rules:
    """Return a platform's rules for a table of settings.

    Raises:
        ConfigError: naming the key that is wrong.
    """
    match profile:
        case "thingsboard":
            return ThingsBoardRules(convert(tree, ThingsBoardSettings))
        case "aliyun":
            return AliyunRules(convert(tree, AliyunSettings))
        case "jetlinks":
            return JetLinksRules(convert(tree, JetLinksSettings))
        case "huawei":
            return HuaweiRules(convert(tree, HuaweiSettings))
        case "onenet":
            return OneNetRules(convert(tree, OneNetSettings))
    return NativeRules()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    if options.settings is not None:
        return read_toml(options.settings)
    return EXAMPLES.get(options.profile, {})


async def _wait(seconds: float | None) -> None:
    await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))


def _tell(said: dict[str, Any]) -> None:
    show(json.dumps(said, ensure_ascii=False))
