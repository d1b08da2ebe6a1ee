"""`anzhen platform`: exit codes, and the native contract checked on a real broker."""

import argparse
import asyncio
import json
import threading

import aiomqtt
import msgspec
import pytest

from edge_agent.config.reading import ConfigError
from edge_agent.simulator.platforms.arguments import add_arguments
from edge_agent.simulator.platforms.commands import run_platform
from edge_agent.simulator.platforms.native import check_native
from edge_agent.simulator.platforms.rules import FormError
from tests.relay.profiles.samples import ALARM_ID, STAMP, VITALS, body, make

# paho leaves the socket of a refused connection to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PREFIX = "anzhen/v1/640302001001/h0001/"


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run_platform(parser.parse_args(arguments))


@pytest.mark.parametrize(
    "profile", ["native", "thingsboard", "aliyun", "jetlinks", "huawei", "onenet", "county"]
)
def test_a_platform_that_nobody_misused_ends_with_0(profile, capsys):
    assert run(profile, "--for", "0.05") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"anzhen: {profile}: ")


def test_a_login_that_is_refused_ends_with_1_and_one_json_line(tmp_path, capsys, unused_tcp_port):
    async def knock():
        for _ in range(50):
            try:
                async with aiomqtt.Client(
                    "127.0.0.1", unused_tcp_port, username="nobody", timeout=1.0
                ):
                    return
            except aiomqtt.MqttError as error:
                if "refused" not in str(error).lower():
                    return
            await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(knock()))
    thread.start()
    code = run("thingsboard", "--port", str(unused_tcp_port), "--for", "1")
    thread.join()

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert {(one["what"], one["problem"]) for one in said} == {("login", "no such access token")}


def test_a_port_that_is_taken_ends_with_3(unused_tcp_port):
    import socket

    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        assert run("native", "--port", str(unused_tcp_port), "--for", "1") == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("native", "--commands", "ack,disable"),
        ("aliyun", "--check"),
        ("thingsboard", "--answer", "late"),
        ("county", "--answer", "hang-up"),
        ("native", "--check", "--broker", "nowhere"),
        ("native", "--check", "--broker", "host:99999"),
    ],
)
def test_what_makes_no_sense_ends_with_2(arguments):
    assert run(*arguments) == 2


def test_settings_are_the_routes_own_keys(tmp_path):
    path = tmp_path / "route.toml"
    path.write_text('access_token = "abc"\n')
    assert run("thingsboard", "--settings", str(path), "--for", "0.01") == 0
    path.write_text('token = "abc"\n')
    with pytest.raises(ConfigError, match="unknown key"):
        run("thingsboard", "--settings", str(path), "--for", "0.01")


def test_a_county_route_whose_success_does_not_fit_the_bodies_ends_with_2(tmp_path, capsys):
    path, bodies = tmp_path / "route.toml", tmp_path / "bodies.json"
    path.write_text(
        'url = "http://127.0.0.1/alarm"\nplain = true\nsuccess = "code == 1"\n'
        '[fields]\ndeviceId = "{unit}"\n'
    )
    assert run("county", "--settings", str(path), "--for", "0.01") == 2
    assert "success = 'code == 1' takes the body of accept for another" in capsys.readouterr().err
    bodies.write_text('{"accept": {"code": 1}, "reject": {"code": 0}}')
    assert run("county", "--settings", str(path), "--bodies", str(bodies), "--for", "0.01") == 0
    bodies.write_text("[]")
    assert run("county", "--settings", str(path), "--bodies", str(bodies), "--for", "0.01") == 2


def test_a_broker_that_is_away_ends_with_3(unused_tcp_port, capsys):
    code = run("native", "--check", "--broker", f"127.0.0.1:{unused_tcp_port}", "--for", "1")

    assert code == 3
    assert f"broker 127.0.0.1:{unused_tcp_port}" in capsys.readouterr().err


def checked(messages, capsys):
    """Publish to a real broker while the check runs; return its exit code and lines."""
    from edge_agent.simulator.broker import EmbeddedBroker

    with EmbeddedBroker() as port:

        async def publish():
            async with aiomqtt.Client("127.0.0.1", port) as client:
                await asyncio.sleep(0.7)
                for topic, payload in messages:
                    await client.publish(topic, payload, qos=1)

        thread = threading.Thread(target=lambda: asyncio.run(publish()))
        thread.start()
        code = run("native", "--check", "--broker", f"127.0.0.1:{port}", "--for", "2")
        thread.join()
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_good_messages_on_a_broker_end_with_0(tmp_path, capsys):
    profile = make("native", tmp_path)
    good = [*profile.deliver(body(), STAMP).publications,
            *profile.report("vitals/b1", VITALS, STAMP).publications]  # fmt: skip

    code, lines, err = checked([(one.topic, one.payload) for one in good], capsys)
    assert (code, lines) == (0, [])
    assert "2 messages, 0 wrong" in err


def test_each_wrong_message_on_a_broker_is_one_line_and_ends_with_1(capsys):
    topic = f"{PREFIX}alarm/{ALARM_ID}"
    code, lines, err = checked([(topic, body()), (topic, b"{}"), (PREFIX + "x", b"1")], capsys)

    assert code == 1
    assert lines == [
        {"topic": topic, "bytes": 2,
         "problem": "Object missing required field `schema`"},
        {"topic": PREFIX + "x", "bytes": 1, "problem": "not a topic of the contract"},
    ]  # fmt: skip
    assert "3 messages, 2 wrong" in err


@pytest.mark.fast
@pytest.mark.parametrize(
    ("topic", "changes", "problem"),
    [
        (ALARM_ID, {"schema_": "anzhen.alarm/2"}, "schema 'anzhen.alarm/2' is not anzhen.alarm/1"),
        ("other", {}, f"alarm_id '{ALARM_ID}' is not the topic's 'other'"),
        (ALARM_ID, {"home": "h2"}, "home 'h2' is not the topic's 'h0001'"),
        (ALARM_ID, {"event": 0}, "event is below 1"),
        (ALARM_ID, {"condition": "mood"}, "no condition 'mood' in the catalogue"),
        (ALARM_ID, {"priority": "low"}, "priority 'low' is not that of fall"),
        (ALARM_ID, {"at": "2026-11-23 02:14:18"}, "at is not RFC 3339 with milliseconds and Z"),
        (ALARM_ID, {"evidence": {"peak_g": "4"}},
         "Expected `float`, got `str` - at `$.evidence[...]`"),
    ],
)  # fmt: skip
def test_what_no_type_says_is_checked_too(topic, changes, problem):
    with pytest.raises(FormError) as caught:
        check_native(f"{PREFIX}alarm/{topic}", body(**changes))
    assert str(caught.value) == problem


@pytest.mark.fast
def test_a_retained_alarm_and_a_topic_of_strange_letters_are_wrong():
    with pytest.raises(FormError, match="alarm is never retained"):
        check_native(f"{PREFIX}alarm/{ALARM_ID}", body(), retained=True)
    with pytest.raises(FormError, match="not a topic of the contract"):
        check_native(f"{PREFIX}unit/张三/state", b"{}")
    assert check_native(PREFIX + "alarms/open", b"[" + body() + b"]", retained=True)
    assert check_native(PREFIX + "command/ack", msgspec.json.encode({"transaction": "t"}))
