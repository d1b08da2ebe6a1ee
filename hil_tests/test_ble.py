"""The whole chain over the air: pendant's firmware, Bumble, bleak, agent, outbox. In real time."""

import asyncio
import random
import time
from pathlib import Path

from edge_agent.agent import Agent
from edge_agent.alarm.alarm import AlarmEvent, State, Trigger
from edge_agent.alarm.table import LATE_S
from edge_agent.clock import SystemClock
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from protocol.messages import EventKind
from protocol.session import ONLINE
from tests.ble.home import KEY, NAME, Home, home, listening, running


def make_agent(folder: Path, made: Home, events: list[AlarmEvent]) -> Agent:
    key = folder / "unit.key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    unit = UnitConfig(
        id=NAME,
        port=f"ble:{NAME}",
        place="bedroom",
        person="p1",
        source="pendant",
        key_file=str(key),
    )
    config = Config(
        home=HomeConfig(region="000000000000", home="h1"),
        place=[PlaceConfig(id="bedroom", zh="卧室", en="bedroom")],
        unit=[unit],
    )
    return Agent(
        config,
        SystemClock(),
        lambda unit: made.ble.open(unit.port),
        folder / "outbox.db",
        None,
        events.append,
    )


def calls(events: list[AlarmEvent]) -> list[State]:
    return [event.state for event in events if event.condition == "call"]


async def test_a_press_on_the_pendant_is_an_alarm_in_the_outbox(tmp_path):
    events: list[AlarmEvent] = []
    async with home(tmp_path) as made:
        agent = make_agent(tmp_path, made, events)
        made.pendant.press(4000)
        made.pendant.start()
        async with running(agent.run()):
            await made.until(lambda: State.CONFIRMED in calls(events))
            await made.until(lambda: not made.backlog())
            assert agent.units[NAME].session.state == ONLINE
            stored = await agent.outbox.backlog()
    assert calls(events) == [State.CONFIRMED]
    assert stored == {}  # no route: kept, and owed to nobody


async def test_a_press_out_of_range_is_one_alarm_with_its_true_time_when_the_pendant_is_back(
    tmp_path,
):
    events: list[AlarmEvent] = []
    async with home(tmp_path) as made:
        made.pendant.press(5000)
        made.pendant.start()
        async with running(make_agent(tmp_path, made, events).run()) as _:
            await made.until(lambda: len(made.radio.notified) > 8)
            made.radio.leave()
            await made.until(
                lambda: any(row[1:] == ("buzzer", 1) for row in made.pendant.outputs())
            )
            await asyncio.sleep(LATE_S + 0.5)
            assert calls(events) == []
            assert [event.condition for event in events] == ["unit_lost"]
            made.radio.come_back()
            await made.until(lambda: State.CONFIRMED in calls(events), 30)
            await made.until(lambda: not made.backlog())
    assert calls(events) == [State.CONFIRMED]
    (call,) = [event for event in events if event.condition == "call"]
    assert call.late_s > LATE_S


async def test_an_agent_started_again_hears_the_pendant_again_and_tells_no_call_twice(tmp_path):
    events: list[AlarmEvent] = []
    async with home(tmp_path) as made:
        made.pendant.press(3500, 6500)
        made.pendant.start()
        async with running(make_agent(tmp_path, made, events).run()):
            await made.until(lambda: calls(events) == [State.CONFIRMED])
        async with running(make_agent(tmp_path, made, events).run()):
            await made.until(
                lambda: made.pendant.outputs()[-1][0] > 6500 and not made.backlog(), 30
            )
            await asyncio.sleep(1)
    told = [event for event in events if event.condition == "call"]
    assert {event.alarm_id for event in told} == {told[0].alarm_id}
    assert [event.trigger for event in told][1:] == [Trigger.REPEAT]  # the second press
    assert made.central.pairings == [True]


async def test_whatever_happens_to_the_radio_every_press_comes_once(tmp_path):
    dice = random.Random(1)
    async with home(tmp_path) as made, listening(made):
        presses = list(range(3000, 12_000, 900))
        made.pendant.press(*presses)
        made.pendant.start()
        end = time.monotonic() + 12
        while time.monotonic() < end:
            await asyncio.sleep(dice.uniform(0.05, 1.2))
            match dice.choice(["hang up", "leave", "storm", "calm", "die"]):
                case "hang up":
                    await made.radio.hang_up()
                case "leave":
                    made.radio.leave()
                    await asyncio.sleep(dice.uniform(0, 2))
                    made.radio.come_back()
                case "storm":
                    made.radio.burst, made.radio.pace_s = 1, 0.2
                case "calm":
                    made.radio.burst, made.radio.pace_s = 4, 0.0075
                case "die":
                    await made.radio.die()
                    await asyncio.sleep(dice.uniform(0, 1))
                    await made.radio.start()
        made.radio.burst, made.radio.pace_s = 4, 0.0075
        await made.until(lambda: len(made.kinds()) == 2 * len(presses) and not made.backlog(), 30)
        assert made.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED] * len(presses)
        assert made.central.pairings.count(True) == 1  # the radio may have died while they paired
        assert made.pendant.process.poll() is None
