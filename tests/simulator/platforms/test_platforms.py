"""Fake platforms against a client that speaks through a profile's own values, without an agent.

The platform's rules are written apart from the profiles: what passes here was signed and formed
by one and checked by the other.
"""

import asyncio
import json
from contextlib import asynccontextmanager, nullcontext, suppress

import aiomqtt
import pytest

from edge_agent.alarm.command import Response
from edge_agent.config.reading import convert
from edge_agent.relay.http import exchange
from edge_agent.relay.mqtt import RouteDownError
from edge_agent.relay.profile import Answer, Asked, Login, PeerError, Stamp, TimeTold, Verdict
from edge_agent.relay.profiles.county_settings import CountySettings
from edge_agent.simulator.platforms.commands import make_rules
from edge_agent.simulator.platforms.county import BODIES, SHIPPED, CountyServer
from edge_agent.simulator.platforms.mqtt_server import MqttServer, matches
from edge_agent.simulator.platforms.platform import FakePlatform
from edge_agent.simulator.platforms.rules import ORDERS, Reaction
from tests.relay.profiles.samples import (
    ALARM_ID,
    FOREIGN,
    SECRETS,
    STAMP,
    TREES,
    VITALS,
    body,
    make,
    make_county,
)

# paho leaves the socket of a refused connection to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ALL = [*FOREIGN, "native"]
REPLYING = ("aliyun", "onenet")
NOW_S = STAMP.utc_s


@asynccontextmanager
async def platform(name, reaction=Reaction.ACCEPT, orders=(), pace_s=0.0, utc_s=NOW_S):
    told = []
    tree = TREES.get(name, {}) | SECRETS.get(name, {})
    rules = make_rules("thingsboard" if name == "gateway" else name, tree)
    fake = FakePlatform(rules, reaction, lambda: utc_s, told.append, orders, pace_s)
    async with MqttServer(fake, "127.0.0.1", 0) as port:
        yield port, told


@asynccontextmanager
async def client(port, profile, stamp=STAMP, login=None):
    login = login or profile.login(stamp)
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier=login.client_id, username=login.username,
        password=login.password, timeout=5.0,
    ) as connection:  # fmt: skip
        for topic_filter in profile.subscriptions:
            await connection.subscribe(topic_filter, qos=1)
        for one in profile.greet(("pendant-1", "bed-1"), stamp):
            await connection.publish(one.topic, one.payload, qos=1)
        yield connection


async def publish(connection, delivery, timeout_s=5.0):
    for one in delivery.publications:
        await connection.publish(one.topic, one.payload, qos=1, timeout=timeout_s)


async def next_incoming(connection, profile):
    async with asyncio.timeout(5):
        message = await anext(connection.messages)
    return profile.read(str(message.topic), message.payload, message.retain)


@pytest.mark.parametrize("name", ALL)
async def test_a_profiles_login_alarm_and_vital_signs_are_of_the_platforms_form(tmp_path, name):
    profile = make(name, tmp_path)
    async with platform(name) as (port, told), client(port, profile) as connection:
        alarm = profile.deliver(body(), STAMP)
        await publish(connection, alarm)
        if name in REPLYING:
            assert await next_incoming(connection, profile) == Verdict(
                Answer.ACCEPTED, alarm.key, "200 success"
            )
        if name != "native":
            later = Stamp(STAMP.utc_s, STAMP.number + 1)
            await publish(connection, profile.report("vitals/b1", VITALS, later))
        else:
            await publish(connection, profile.report("vitals/b1", VITALS, STAMP))

    assert [(one["what"], one["ok"]) for one in told] == [
        ("login", True), ("alarm", True), ("vitals", True),
    ]  # fmt: skip
    assert (told[1]["alarm_id"], told[1]["state"]) == (ALARM_ID, "confirmed")


@pytest.mark.parametrize("name", ALL)
async def test_ack_dispatch_arrive_and_close_come_one_after_another_and_are_answered(
    tmp_path, name
):
    profile = make(name, tmp_path)
    async with platform(name, orders=ORDERS) as (port, told), client(port, profile) as connection:
        await publish(connection, profile.deliver(body(), STAMP))
        commands = []
        while len(commands) < len(ORDERS):
            incoming = await next_incoming(connection, profile)
            if isinstance(incoming, Asked):
                commands.append(incoming.command)
                answer = profile.respond(incoming, Response(transaction="", ok=True, state="x"))
                await connection.publish(answer.topic, answer.payload, qos=1)

    assert [one.name for one in commands] == list(ORDERS)
    assert {(one.alarm_id, one.reason) for one in commands} == {(ALARM_ID, "visited")}
    answers = [one for one in told if one["what"] == "answer"]
    assert [(one["command"], one["ok"]) for one in answers] == [(name, True) for name in ORDERS]


@pytest.mark.parametrize("name", REPLYING)
async def test_a_rejection_has_a_code_and_silence_has_none(tmp_path, name):
    profile = make(name, tmp_path)
    alarm = profile.deliver(body(), STAMP)
    async with platform(name, Reaction.REJECT) as (port, _), client(port, profile) as connection:
        await publish(connection, alarm)  # the PUBACK comes all the same
        verdict = await next_incoming(connection, profile)
        assert (verdict.answer, verdict.key) == (Answer.REJECTED, alarm.key)
    async with platform(name, Reaction.SILENT) as (port, _), client(port, profile) as connection:
        await publish(connection, alarm)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(connection.messages)


@pytest.mark.parametrize("name", [one for one in ALL if one not in REPLYING])
async def test_without_business_replies_silence_withholds_the_puback_and_a_rejection_hangs_up(
    tmp_path, name
):
    profile = make(name, tmp_path)
    alarm = profile.deliver(body(), STAMP)
    for reaction in (Reaction.SILENT, Reaction.REJECT):
        async with platform(name, reaction) as (port, told):
            with pytest.raises(aiomqtt.MqttError):
                async with client(port, profile) as connection:
                    await publish(connection, alarm, timeout_s=0.3)
            assert told[-1] == {
                "what": "alarm", "ok": True, "alarm_id": ALARM_ID, "state": "confirmed",
                "answer": reaction,
            }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "login", "problem"),
    [
        ("thingsboard", Login("c", "A1_WRONG", ""), "no such access token"),
        ("thingsboard", Login("c"), "no user name: the access token goes there"),
        ("aliyun", Login("x|securemode=2,signmethod=hmacsha256|", "example1&a1X2bEnP82z", "00"),
         "wrong signature"),
        ("aliyun", Login("x", "example1&a1X2bEnP82z", "00"),
         "the client id is not id|securemode=2 or 3,...|"),
        ("jetlinks", Login("h0001", "admin|1795400059500", "0" * 32), "密钥错误"),
        ("jetlinks", Login("h0001", "admin|1601196762389", "4e9f0ce893b599322bfe3c2f2489d95e"),
         "设备时间不同步"),
        ("huawei", Login("5fdb75cccbfe2f02ce81d4bf_mybed001_0_1_2025061012",
                         "5fdb75cccbfe2f02ce81d4bf_mybed001",
                         "0bbc34e1ecc083d73f2f95c604cdca9d9c15869161b6c326c7d2207530fce4b5"),
         "the hour is not this hour"),
        ("onenet", Login("78329710", "123123",
                         "version=2018-10-31&res=products%2F123123%2Fdevices%2F78329710"
                         "&et=1735689600&method=sha256"
                         "&sign=l6v8PhJK6h3VIxRFN7ff7TD9RVCTCkwd1VezTJmwE0U%3D"),
         "the token has ended"),
    ],
)  # fmt: skip
async def test_a_wrong_or_stale_login_is_refused_in_the_platforms_words(
    tmp_path, name, login, problem
):
    profile = make(name, tmp_path)
    async with platform(name) as (port, told):
        with pytest.raises(aiomqtt.MqttError):
            async with client(port, profile, login=login):
                pass
    assert told == [
        {"what": "login", "ok": False, "client_id": login.client_id, "problem": problem}
    ]


@pytest.mark.parametrize("name", ["jetlinks", "huawei"])
async def test_the_platform_tells_the_time(tmp_path, name):
    profile = make(name, tmp_path)
    async with platform(name) as (port, _), client(port, profile) as connection:
        question = profile.ask_time(STAMP)
        await connection.publish(question.topic, question.payload, qos=1)

        assert await next_incoming(connection, profile) == TimeTold(NOW_S)


def spoiled(name, payload):
    """One delivery with one thing wrong in it."""
    tree = json.loads(payload)
    if name == "thingsboard":
        tree["ts"] = 1_795_400_058  # seconds
    elif name == "gateway":
        tree = {"another": [tree["h0001-pendant-1"][0]]}
    elif name == "aliyun":
        tree["params"]["value"]["score"] = 1  # a float without its decimal
    elif name == "jetlinks":
        tree["data"]["name"] = "王大爷"
    elif name == "huawei":
        tree["services"][0]["event_time"] = "2026-11-23 02:14:18"
    elif name == "onenet":
        tree["id"] = "01936b4e-7c1a-7d3e"
    else:
        tree["priority"] = "low"
    return json.dumps(tree).encode()


PROBLEMS = {
    "thingsboard": "1795400058 is no time in milliseconds",
    "gateway": "device 'another' was not connected",
    "aliyun": "score is int, not float",
    "jetlinks": "name is not in the model",
    "huawei": "event_time '2026-11-23 02:14:18' would silently become the platform's time",
    "onenet": "id is not 1 to 13 digits",
    "native": "priority 'low' is not that of fall",
}


@pytest.mark.parametrize("name", ALL)
async def test_each_platforms_trap_is_noticed(tmp_path, name):
    profile = make(name, tmp_path)
    async with platform(name) as (port, told), client(port, profile) as connection:
        last = profile.deliver(body(), STAMP).publications[-1]
        await connection.publish(last.topic, spoiled(name, last.payload), qos=1)
        if name in REPLYING:
            assert (await next_incoming(connection, profile)).answer is Answer.REJECTED

    assert (told[-1]["ok"], told[-1]["problem"]) == (False, PROBLEMS[name])


async def test_an_aliyun_id_that_was_used_is_told_apart(tmp_path):
    profile = make("aliyun", tmp_path)
    async with platform("aliyun") as (port, told), client(port, profile) as connection:
        for _ in range(2):
            await publish(connection, profile.deliver(body(), STAMP))
            await next_incoming(connection, profile)

    assert told[-1]["problem"].endswith("was used before")


@pytest.mark.parametrize("name", ALL)
async def test_rubbish_on_any_topic_never_ends_the_platform(tmp_path, name):
    profile = make(name, tmp_path)
    async with platform(name) as (port, told), client(port, profile) as connection:
        topics = [one.topic for one in profile.deliver(body(), STAMP).publications]
        count = 0
        for topic in [*topics, "x", "$x/y"]:
            for payload in (b"", b"[]", b"7", b"\xff", b"[" * 5000, b'{"id": {}, "params": []}'):
                await connection.publish(topic, payload, qos=1)
                count += 1

    assert [one["ok"] for one in told] == [True] + [False] * count


async def test_a_client_that_speaks_no_mqtt_is_shown_out():
    async with platform("native") as (port, _):
        for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\x01", b"\x30\x00",
                    b"\x10\x04\x00\x09MQ", b"\x10\x0c\x00\x06MQIsdp\x03\x02\x00\x3c"):  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            async with asyncio.timeout(5):
                assert len(await reader.read()) <= 4
            writer.close()


@pytest.mark.parametrize(
    ("topic_filter", "topic", "fits"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "b", False),
        ("#", "$sys/a", False),
        ("+/a", "$sys/a", False),
        ("$sys/+", "$sys/a", True),
        ("+", "", True),
    ],
)
def test_filters_take_what_the_standard_says(topic_filter, topic, fits):
    assert matches(topic_filter, topic) is fits


@asynccontextmanager
async def county(reaction=Reaction.ACCEPT, **more):
    told = []
    settings = convert(SHIPPED | more, CountySettings)
    async with CountyServer(settings, reaction, dict(BODIES), lambda: NOW_S, told.append) as port:
        yield port, told


def route(port, folder=None, secret=None, **more):
    tree = SHIPPED | more
    tree["url"] = tree["url"].replace("8080", str(port))
    if secret is not None:
        path = folder / "secret"
        path.write_text(secret)
        path.chmod(0o600)
        tree["secret_file"] = str(path)
    return make_county(**tree)


async def post(profile, row=None):
    made = profile.deliver(body() if row is None else row, STAMP).request
    answer = await exchange(made, 0.5, nullcontext)
    return profile.verdict(answer.status, answer.body), answer


async def test_a_county_platform_accepts_rejects_and_keeps_silent():
    async with county() as (port, told):
        verdict, answer = await post(route(port))
        assert (verdict.answer, answer.utc_s) == (Answer.ACCEPTED, int(NOW_S))
        assert told[0]["body"]["DeviceNum"] == "pendant-1"
    async with county(Reaction.REJECT) as (port, _):
        verdict, _ = await post(route(port))
        assert verdict.answer is Answer.REJECTED
        assert "参数错误" in verdict.reason
    async with county(Reaction.SILENT) as (port, _):
        with pytest.raises(RouteDownError, match="no answer"):
            await post(route(port))


SIGNED = {"kind": "md5", "text": "{secret_id}{secret}{window}", "place": "header:X-Sign"}
BODY_SIGNED = {"kind": "hmac-sha256", "text": "{body}", "place": "query:sign", "encoding": "base64"}


@pytest.mark.parametrize("signature", [SIGNED, BODY_SIGNED])
async def test_a_county_platform_checks_signatures_with_code_of_its_own(tmp_path, signature):
    more = {"signature": signature, "secret_id": "id"}
    async with county(secret="key", **more) as (port, told):
        good = route(port, tmp_path, "key", **more)
        assert (await post(good))[0].answer is Answer.ACCEPTED
        bad = route(port, tmp_path, "other", **more)
        assert (await post(bad))[0].answer is Answer.REJECTED
    assert told[1]["problem"] == "wrong signature"


async def test_a_county_platform_notices_what_is_missing_or_of_another_time():
    fields = {"a": "{alarm_id}", "t": "{now_local}", "k": 5}
    async with county(fields=fields) as (port, told):
        await post(route(port, fields=fields))
        await post(route(port, fields={"t": "{now_local}", "k": 5}))
        await post(route(port, fields=fields | {"k": 6}))
        await post(route(port, fields=fields | {"t": "2026-11-23 02:14:19"}))  # UTC

    assert [one.get("problem") for one in told] == [
        None, "a is missing", "k is 6, not 5", "t '2026-11-23 02:14:19' is not the local time",
    ]  # fmt: skip


async def test_rubbish_never_ends_a_county_platform():
    async with county() as (port, told):
        for raw in (b"", b"\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", b"x" * 20_000):  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            writer.write_eof()
            async with asyncio.timeout(5):
                with suppress(ConnectionError):
                    await reader.read()
            writer.close()
        assert (await post(route(port)))[0].answer is Answer.ACCEPTED
    assert told[-1]["ok"]


def test_what_comes_back_is_read_by_nobody_else(tmp_path):
    """No profile takes another one's messages for its own."""
    for name in FOREIGN:
        profile = make(name, tmp_path)
        for other in FOREIGN:
            if other != name:
                for topic in make(other, tmp_path).subscriptions:
                    with pytest.raises(PeerError):
                        profile.read(topic.replace("+", "1"), b"{}", False)
