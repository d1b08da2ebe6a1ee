"""Drills, rules and delays in a running home, asked for over a real broker."""

import asyncio
import json
import subprocess

import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import State, Trigger
from edge_agent.config.policy import RuleConfig
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from hil_tests.test_bed_and_call import IDLE, PRESSED, bath_unit, bed_unit, make_config

PREFIX = "anzhen/v1/000000000000/h1"


def pulls(*seconds):
    return [step for s in seconds for step in ([1000 * s, PRESSED], [1000 * s + 600, IDLE])]


class Platform:
    """Sends commands with mosquitto_pub and reads what a subscriber got."""

    def __init__(self, broker, subscriber):
        self._port = broker.port
        self._subscriber = subscriber

    async def ask(self, name, **body):
        """Return the answer to a command."""
        before = len(self.bodies("response/"))
        topic = f"{PREFIX}/command/{name}"
        command = ["mosquitto_pub", "-p", str(self._port), "-q", "1", "-t", topic]
        subprocess.run([*command, "-m", json.dumps({"transaction": name} | body)], check=True)
        for _ in range(200):
            await asyncio.sleep(0.05)
            if len(self.bodies("response/")) > before:
                return self.bodies("response/")[-1]
        raise TimeoutError(name)

    def bodies(self, topic):
        return [
            json.loads(body)
            for full, body in self._subscriber.lines()
            if full.removeprefix(PREFIX + "/").startswith(topic)
        ]


@pytest.fixture
def platform(broker, subscriber):
    return Platform(broker, subscriber)


@pytest.mark.vm
@pytest.mark.broker
def test_a_drill_is_told_apart_and_the_pull_after_it_is_real(broker, platform):
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 100.0))
        stage.start_unit(bath_unit(pulls(20, 60)))
        await asyncio.sleep(10)
        begun = await platform.ask("drill", unit="bath-1", minutes=5)
        await asyncio.sleep(max(0.0, 30 - stage.now_s))
        (rehearsed,) = {event["alarm_id"] for event in platform.bodies("drill/")}
        closed = await platform.ask("close", alarm_id=rehearsed, reason="rehearsed")
        late = await platform.ask("drill", unit="nobody")
        await asyncio.sleep(max(0.0, 70 - stage.now_s))
        refused = await platform.ask("drill", unit="bed-1")
        return [begun, closed, late, refused]

    begun, closed, late, refused = on_stage(make_config(broker.port), StageOptions(), story)

    assert (begun["ok"], closed["ok"], closed["state"]) == (True, True, "closed")
    assert late["error"] == "no unit 'nobody'"
    drills, real = platform.bodies("drill/"), platform.bodies("alarm/")
    assert [event["state"] for event in drills] == ["confirmed", "notified", "closed"]
    assert all(event["flags"] == ["drill"] for event in drills)
    assert [event["state"] for event in real] == ["confirmed", "notified"]
    assert {event["condition"] for event in real} == {"call"}
    assert real[0]["flags"] == []
    assert real[0]["alarm_id"] != drills[0]["alarm_id"]
    assert refused["error"] == f"call is open: {real[0]['alarm_id']}"
    snapshots = platform.bodies("alarms/open")
    assert all("drill" not in event["flags"] for events in snapshots for event in events)
    assert snapshots[-1][0]["alarm_id"] == real[0]["alarm_id"]


def test_a_bed_left_outside_the_hours_of_a_rule_is_an_alarm_when_they_begin():
    """The stage begins at 02:14 in Shanghai; the bed is left half a minute later."""
    hours = RuleConfig(
        conditions=["bed_exit_not_returned"], effective_start="02:19", effective_end="06:00"
    )

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 320.0, (0.0, 30.0)))
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(200)
        held = (await stage.agent.status())["held"]
        await stage.restart_agent()
        await asyncio.sleep(110)
        return held, stage.events

    config = replace(make_config(), rule=[hours])
    held, events = on_stage(config, StageOptions(), story)

    assert held == [{"condition": "bed_exit_not_returned", "subject": "p1"}]
    (event,) = [one for one in events if one.condition == "bed_exit_not_returned"]
    assert event.reason.endswith("told from 02:19 on, as the rule says")
    assert event.late_s == pytest.approx(150.0, abs=5.0)


@pytest.mark.vm
@pytest.mark.broker
def test_a_platform_shortens_the_wait_for_an_acknowledgement_and_a_restart_keeps_it(
    broker, platform
):
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 100.0))
        stage.start_unit(bath_unit(pulls(30)))
        await asyncio.sleep(10)
        refused = await platform.ask("configure", values={"escalate_s": 300})
        taken = await platform.ask("configure", values={"escalate_s": 40})
        await stage.restart_agent()
        await asyncio.sleep(max(0.0, 90 - stage.now_s))
        return refused, taken, stage.events

    refused, taken, events = on_stage(make_config(broker.port), StageOptions(), story)

    assert refused["error"] == "escalate_s: at most the installer's 90 s"
    assert taken["ok"]
    (escalated,) = [event for event in events if event.trigger is Trigger.ESCALATE]
    assert escalated.condition == "call"
    (first,) = [event for event in events if event.event == 1 and event.condition == "call"]
    assert first.state is State.CONFIRMED


@pytest.mark.vm
@pytest.mark.broker
def test_no_command_rehearses_a_fall_keeps_a_unit_in_drill_or_tells_a_good_clock_the_time(
    broker, platform
):
    async def story(stage: Stage):
        stage.start_agent()
        await asyncio.sleep(5)
        fall = await platform.ask("drill", unit="bath-1", condition="fall")
        first = await platform.ask("drill", unit="bath-1", minutes=30)
        again = await platform.ask("drill", unit="bath-1", minutes=30)
        time = await platform.ask("time", utc="2031-01-01T00:00:00Z")
        local = await platform.ask("time", utc="2031-01-01T00:00:00")
        return fall, first, again, time, local

    fall, first, again, time, local = on_stage(make_config(broker.port), StageOptions(), story)

    assert fall["error"] == "from outside only a call is rehearsed; others begin on site"
    assert first["ok"]
    assert again["error"] == "from outside once in 12 h; others begin on site"
    assert time["error"] == "not taken: the clock is good, or this time is not possible"
    assert local["error"] == "no time zone: '2031-01-01T00:00:00'"
