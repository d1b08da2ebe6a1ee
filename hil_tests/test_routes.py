"""Several platforms at once: each with its own verdict, one silent, all away, one in reserve."""

import asyncio
import json
import subprocess
import threading
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import State
from edge_agent.config.reading import convert
from edge_agent.config.routes import RouteConfig
from edge_agent.relay.profiles.county_settings import CountySettings
from edge_agent.simulator.platforms.commands import EXAMPLES, make_rules
from edge_agent.simulator.platforms.county import BODIES, SHIPPED, CountyServer
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from edge_agent.simulator.platforms.platform import FakePlatform
from edge_agent.simulator.platforms.rules import ORDERS, Reaction
from edge_agent.simulator.stage import START_UTC_S, Stage, StageOptions, on_stage
from hil_tests.test_bed_and_call import IDLE, PRESSED, bath_unit, bed_unit, make_config
from tests.relay.brokers import mosquitto

CORD = [[5000, PRESSED], [5600, IDLE]]


@contextmanager
def in_real_time(server):
    """A server on a loop and in a thread of its own, as a platform is."""
    started, ended = threading.Event(), threading.Event()
    port = 0

    async def serve():
        nonlocal port
        async with server as port:
            started.set()
            await asyncio.get_running_loop().run_in_executor(None, ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(10)
    try:
        yield port
    finally:
        ended.set()
        thread.join(10)


def utc():
    return START_UTC_S


def fake(profile, told, reaction=Reaction.ACCEPT, orders=()):
    return FakePlatform(
        make_rules(profile, EXAMPLES[profile]), reaction, utc, told.append, orders, 0.0
    )


def county(told):
    settings = convert(SHIPPED, CountySettings)
    return CountyServer(settings, Reaction.ACCEPT, dict(BODIES), utc, told.append)


def table(profile, port, folder, **more):
    if profile == "county":
        settings = SHIPPED | {"url": SHIPPED["url"].replace("8080", str(port))}
        return RouteConfig(name="county", profile="county", settings=settings, **more)
    settings = dict(EXAMPLES[profile])
    for key in ("device_secret", "access_token"):
        if key in settings:
            path = folder / key
            path.write_text(settings.pop(key))
            path.chmod(0o600)
            settings[f"{key}_file"] = str(path)
    return RouteConfig(
        name=profile, profile=profile, host="127.0.0.1", port=port, settings=settings, **more
    )


def calls(told):
    """The alarms among what a fake platform said; nothing it heard may be of a wrong form."""
    assert [one for one in told if not one["ok"]] == []
    return [one for one in told if one["what"] == "alarm"]


@pytest.mark.vm
@pytest.mark.broker
def test_a_call_reaches_every_platform_and_a_silent_one_holds_up_nobody(
    broker, subscriber, tmp_path
):
    aliyun, http = [], []
    quiet = fake("aliyun", aliyun, Reaction.SILENT)

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 400.0))
        stage.start_unit(bath_unit(CORD))
        await asyncio.sleep(20)
        early = await stage.agent.status()
        await asyncio.sleep(200)
        silent = await stage.agent.status()
        quiet._reaction = Reaction.ACCEPT
        await asyncio.sleep(100)
        return stage.events, early, silent, await stage.agent.status()

    with in_real_time(MqttServer(quiet, "127.0.0.1", 0)) as port, in_real_time(county(http)) as web:
        config = replace(
            make_config(broker.port),
            route=[table("aliyun", port, tmp_path), table("county", web, tmp_path)],
        )
        events, early, silent, late = on_stage(config, StageOptions(), story)

    def of(status, key):
        return {one["route"]: one[key] for one in status["routes"]}

    # the others have it at once, and one of them is enough for `notified`
    call = [event for event in events if event.condition == "call"]
    assert [event.state for event in call[:2]] == [State.CONFIRMED, State.NOTIFIED]
    assert of(early, "waiting") == {"mqtt": 0, "aliyun": 2, "county": 0}
    assert of(early, "online") == {"mqtt": True, "aliyun": True, "county": True}
    assert of(early, "answering") == {"mqtt": True, "aliyun": False, "county": True}
    said = [json.loads(body) for topic, body in subscriber.lines() if "/alarm/" in topic]
    assert call[0].alarm_id in {event["alarm_id"] for event in said}
    assert f"{call[0].alarm_id}-1" in [one["body"]["MessageId"] for one in calls(http)]

    # the silent one is asked again, and after three minutes that is a fault of its own
    assert of(silent, "waiting")["aliyun"] > 2
    fault = [event for event in events if event.condition == "platform_unreachable"]
    assert [(one.unit, one.state) for one in fault[:1]] == [("route-aliyun", State.CONFIRMED)]
    assert fault[0].reason == "aliyun: no answer"

    # and once it speaks it gets everything, in order, and the fault is over
    assert of(late, "waiting") == {"mqtt": 0, "aliyun": 0, "county": 0}
    assert fault[-1].state is State.RECOVERED
    states = [one["state"] for one in calls(aliyun) if one["alarm_id"] == call[0].alarm_id]
    assert len(states) > 5
    assert states[-1] == "notified"  # its escalation, by which time another platform had it
    assert set(states[:-1]) == {"confirmed"}


@pytest.mark.vm
def test_with_every_route_away_the_units_sound_after_90_s(unused_tcp_port, tmp_path):
    async def story(stage: Stage):
        stage.start_agent()
        bed = stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit(CORD))
        await asyncio.sleep(92)
        silent = not bed.outputs.exists()
        await asyncio.sleep(8)
        return stage.events, silent, bed.outputs.read_text()

    config = replace(
        make_config(unused_tcp_port),
        route=[table(one, unused_tcp_port, tmp_path) for one in ("aliyun", "county")],
    )
    events, silent, outputs = on_stage(config, StageOptions(), story)
    assert [(e.state, e.trigger, e.flags) for e in events] == [
        (State.CONFIRMED, None, []),
        (State.CONFIRMED, "escalate", ["escalated"]),
    ]
    assert silent
    assert {json.loads(line)["pin"] for line in outputs.splitlines()} == {"light", "buzzer"}


@pytest.mark.vm
def test_the_reserve_goes_30_s_after_a_call_that_the_first_route_could_not_tell(
    unused_tcp_port, tmp_path
):
    http = []

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit(CORD))
        await asyncio.sleep(6)
        began_s = next(stage.now_s for event in stage.events if event.condition == "call")
        while not http:
            await asyncio.sleep(0.5)
        told_s = stage.now_s
        await asyncio.sleep(2)
        return stage.events, told_s - began_s

    with in_real_time(county(http)) as web:
        config = replace(
            make_config(unused_tcp_port), route=[table("county", web, tmp_path, reserve=True)]
        )
        events, took_s = on_stage(config, StageOptions(), story)
    assert 29.0 <= took_s <= 33.0
    assert [event.state for event in events] == [State.CONFIRMED, State.NOTIFIED]


@pytest.mark.vm
@pytest.mark.broker
def test_a_platform_that_was_away_before_a_restart_is_mended_when_it_is_back(broker):
    async def story(stage: Stage):
        broker.kill()
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 400.0))
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(200)
        await stage.restart_agent()
        await asyncio.sleep(20)
        before = len(stage.events)
        broker.start()
        await asyncio.sleep(60)
        return stage.events, before, await stage.agent.status()

    events, before, status = on_stage(make_config(broker.port), StageOptions(), story)
    assert [(one.condition, one.unit, one.state) for one in events[:before]] == [
        ("platform_unreachable", "route-mqtt", State.CONFIRMED)
    ]
    assert [one.state for one in events[before:]][-1] is State.RECOVERED
    assert {one.alarm_id for one in events} == {events[0].alarm_id}
    assert status["routes"][0]["waiting"] == 0
    assert status["routes"][0]["error"] is None


@pytest.mark.vm
@pytest.mark.broker
def test_a_call_that_the_broker_refuses_is_not_taken_for_delivered(tmp_path):
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 400.0))
        stage.start_unit(bath_unit(CORD))
        await asyncio.sleep(200)
        return stage.events, await stage.agent.status()

    rights = tmp_path / "acl"  # everything but alarms, as a mistake in the broker's rights
    topics = ("agent/state", "alarms/open", "unit/+/state", "occupancy/+", "command/+")
    rights.write_text(
        "".join(f"topic readwrite anzhen/v1/000000000000/h1/{one}\n" for one in topics)
    )
    with mosquitto(tmp_path, f"acl_file {rights}") as port:
        events, status = on_stage(make_config(port), StageOptions(), story)
    call = [event for event in events if event.condition == "call"]
    assert State.NOTIFIED not in {event.state for event in call}
    assert call[1].flags == ["escalated"]  # the units sound: nobody was told
    (fault,) = [one for one in events if one.condition == "platform_unreachable"]
    assert (fault.unit, fault.state) == ("route-mqtt", State.CONFIRMED)
    assert fault.reason.endswith("events parked")
    (route,) = status["routes"]
    assert (route["online"], route["mqtt"], route["refused"]) == (True, "5", "Not authorized")
    assert route["parked"] >= 2


@pytest.mark.vm
@pytest.mark.broker
def test_neither_a_retained_command_nor_one_that_switches_off_is_obeyed(broker, subscriber):
    prefix = "anzhen/v1/000000000000/h1"

    def send(name, body, *options):
        command = ["mosquitto_pub", "-p", str(broker.port), "-t", f"{prefix}/command/{name}"]
        subprocess.run([*command, "-q", "1", "-m", json.dumps(body), *options], check=True)

    send("ack", {"transaction": "old"}, "-r")

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit(CORD))
        await asyncio.sleep(8)
        (alarm_id,) = {event.alarm_id for event in stage.events}
        send("disable_fall", {"transaction": "t1"})
        send("shelve", {"transaction": "t2", "alarm_id": alarm_id, "minutes": 5})
        for _ in range(100):
            await asyncio.sleep(0.5)
            if len([1 for topic, _ in subscriber.lines() if "/response/" in topic]) == 3:
                break
        return stage.events

    events = on_stage(make_config(broker.port), StageOptions(), story)
    said = [
        (topic.rpartition("/")[2], json.loads(body)["error"])
        for topic, body in subscriber.lines()
        if "/response/" in topic
    ]
    assert sorted(said) == [
        ("ack", "a retained command is refused"),
        ("disable_fall", "no command 'disable_fall'"),
        ("shelve", "call is life-critical and is never shelved"),
    ]
    assert {event.state for event in events} <= {State.CONFIRMED, State.NOTIFIED}


@pytest.mark.vm
def test_a_platform_takes_a_call_up_and_closes_it(tmp_path):
    told = []

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit(CORD))
        for _ in range(600):
            await asyncio.sleep(0.1)
            if any(event.state is State.CLOSED for event in stage.events):
                break
        await asyncio.sleep(1)
        return stage.events

    with in_real_time(MqttServer(fake("thingsboard", told, orders=ORDERS), "127.0.0.1", 0)) as port:
        config = replace(make_config(), route=[table("thingsboard", port, tmp_path)])
        events = on_stage(config, StageOptions(), story)
    states = [event.state for event in events if event.condition == "call"]
    assert [one for one in states if one is not State.NOTIFIED] == [  # an ack may overtake that
        State.CONFIRMED, State.ACKNOWLEDGED, State.DISPATCHED, State.ARRIVED,
        State.CLOSED,
    ]  # fmt: skip
    answers = [one for one in told if one["what"] == "answer"]
    assert [(one["command"], one["ok"]) for one in answers] == [(name, True) for name in ORDERS]
