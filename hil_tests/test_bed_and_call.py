"""Bed and bathroom units: left at night and not back, calls, a cut cord; lights that answer."""

import asyncio
import json

import msgspec
import numpy as np
import pytest

from edge_agent.alarm.alarm import State
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.config.policy import AlarmConfig, ConsentConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.pipeline.findings import BedNews
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.simulator.player import write_ads1115, write_nau7802
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_load import load
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.simulator.sensors.shapes import Floats
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from edge_agent.simulator.vm import UnitSpec

SLEEPER = Sleeper(heart_rate_bpm=64.0, turns_per_hour=0.0)
IDLE, PRESSED, CUT, SHORT = 0.5, 0.25, 1.0, 0.0


def make_config(port: int | None = None) -> Config:
    return Config(
        home=HomeConfig(region="000000000000", home="h1"),
        place=[
            PlaceConfig(id="bedroom", zh="卧室", en="bedroom"),
            PlaceConfig(id="bath", zh="卫生间", en="bathroom"),
        ],
        unit=[
            UnitConfig(id="bed-1", port="a", place="bedroom", person="p1", bed="b1", source="bed"),
            UnitConfig(id="bath-1", port="b", place="bath", person="p1", source="cord"),
        ],
        mqtt=MqttConfig(host="127.0.0.1", port=port) if port else None,
        alarm=AlarmConfig(bed_return_s=120),
    )


def bed_unit(
    stage: Stage, seconds: float, *spans: tuple[float, float], sleeper: Sleeper = SLEEPER
) -> UnitSpec:
    """A bed that somebody lies in during these spans, for so many seconds."""
    lying = [BedSpan(begin_s, end_s, BedState.LYING) for begin_s, end_s in spans]
    strip_v, _ = strip(lying, sleeper, 100.0, seconds, 3)
    load_kg, _ = load(lying, sleeper, seconds, 3)
    return bed_spec(stage, strip_v, load_kg)


def bed_spec(stage: Stage, strip_v: Floats, load_kg: Floats) -> UnitSpec:
    """A bed with these signals."""
    return UnitSpec(
        "bed-1",
        "bed",
        {
            "i2c": {
                "main": {
                    "42": write_nau7802(stage.folder / "load.bin", load_kg, 0.0001),
                    "72": write_ads1115(stage.folder / "strip.bin", strip_v),
                }
            },
            "adc": {"cord": {"steps": [[0, IDLE]]}},
        },
    )


def bath_unit(steps: list[list[float]]) -> UnitSpec:
    return UnitSpec("bath-1", "bathroom", {"adc": {"cord": {"steps": [[0, IDLE], *steps]}}})


def told(stage: Stage) -> list[tuple[str, State]]:
    return [(event.condition, event.state) for event in stage.events]


def test_out_of_bed_at_night_and_not_back_is_an_alarm_until_the_person_lies_down_again():
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 265.0, (0.0, 30.0), (230.0, 265.0)))
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(260)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    assert [(e.condition, e.state) for e in events] == [
        ("bed_exit_not_returned", State.CONFIRMED),
        ("bed_exit_not_returned", State.RECOVERED),
    ]
    assert events[0].evidence == {"away_s": 120.0}
    assert events[0].place == "bedroom"


@pytest.mark.parametrize(("settles", "limit_s"), [(1, 1.0), (4, 1.05)])
def test_every_exit_is_told_by_the_agent_within_a_second_of_the_weight_s_leaving(
    monkeypatch, settles, limit_s
):
    # A converter that settles over so many samples; the HX711 takes four.
    left_s = [14.0, 35.07, 55.13, 76.21, 96.34, 117.48]
    lying = [BedSpan(end_s - 11.0, end_s, BedState.LYING) for end_s in left_s]
    told_s: list[float] = []
    whole = Pipeline.take

    def watch(self, received, now):
        found = whole(self, received, now)
        told_s.extend(
            now.monotonic_s for one in found if isinstance(one, BedNews) and not one.occupied
        )
        return found

    monkeypatch.setattr(Pipeline, "take", watch)

    async def story(stage: Stage):
        stage.start_agent()
        strip_v, _ = strip(lying, SLEEPER, 100.0, 130.0, 3)
        fine_kg, _ = load(lying, SLEEPER, 130.0, 3, 80.0)
        for _ in range(settles - 1):
            fine_kg = np.convolve(fine_kg, np.full(8, 1 / 8))[: len(fine_kg)]
        load_kg = fine_kg.reshape(-1, 8).mean(axis=1)
        # The VM's converter shows a mean from its beginning on, a real one at its end.
        load_kg = np.concatenate([load_kg[:1], load_kg[:-1]])
        begin_s = stage.now_s
        stage.start_unit(bed_spec(stage, strip_v, load_kg))
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(125)
        return begin_s

    begin_s = on_stage(make_config(), StageOptions(), story)
    delays_s = np.array(told_s[-len(left_s) :]) - begin_s - left_s
    assert len(told_s) - len(left_s) in (0, 1)  # the empty bed at the start
    assert np.all((delays_s > 0.0) & (delays_s <= limit_s)), delays_s


def test_an_agent_restarted_while_the_bed_is_empty_still_raises_the_alarm_in_time():
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0, (0.0, 30.0)))
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(80)
        await stage.restart_agent()
        await asyncio.sleep(100)
        return stage.events

    (event,) = on_stage(make_config(), StageOptions(), story)
    assert event.condition == "bed_exit_not_returned"
    assert "2026-11-23T18:16:28" < event.at < "2026-11-23T18:16:33"  # 30 s in bed, 120 s away


def test_a_pulled_cord_lights_at_once_and_shows_how_far_the_call_has_come(broker):
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        vm = stage.start_unit(bath_unit([[5000, PRESSED], [5600, IDLE]]))
        await asyncio.sleep(20)
        return stage.events, vm.outputs.read_text()

    events, outputs = on_stage(make_config(broker.port), StageOptions(), story)
    assert [(e.condition, e.state, e.event) for e in events] == [
        ("call", State.CONFIRMED, 1),
        ("call", State.NOTIFIED, 2),
    ]
    assert events[0].late_s == 0.0
    changes = [json.loads(line) for line in outputs.splitlines()]
    first = next(change for change in changes if change["t"] >= 5000)
    assert first["t"] <= 6000


def test_heart_and_breath_of_a_sleeper_reach_a_subscriber_where_consent_says_so(broker, subscriber):
    seconds = 135.0

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, seconds + 5.0, (0.0, seconds + 5.0)))
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(seconds)
        return stage.events

    config = msgspec.structs.replace(make_config(broker.port), consent=ConsentConfig(vitals=True))
    assert on_stage(config, StageOptions(), story) == []
    told = [json.loads(body) for topic, body in subscriber.lines() if topic.endswith("/vitals/b1")]
    assert told
    assert told[-1]["heart_rate"]["mean"] == pytest.approx(64.0, abs=2.0)
    assert told[-1]["respiration"]["mean"] == pytest.approx(15.0, abs=1.5)


def test_a_call_nobody_acknowledges_sounds_at_the_bed_too_with_no_platform_at_all():
    async def story(stage: Stage):
        stage.start_agent()
        bed = stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit([[5000, PRESSED], [5600, IDLE]]))
        await asyncio.sleep(92)
        silent = not bed.outputs.exists()
        await asyncio.sleep(8)
        return stage.events, silent, bed.outputs.read_text()

    events, silent, outputs = on_stage(make_config(), StageOptions(), story)
    assert [(e.trigger, e.flags) for e in events] == [(None, []), ("escalate", ["escalated"])]
    assert silent
    assert {json.loads(line)["pin"] for line in outputs.splitlines()} == {"light", "buzzer"}


def test_a_second_pull_is_a_new_event_of_the_same_alarm():
    steps = [[5000, PRESSED], [5600, IDLE], [15000, PRESSED], [15600, IDLE]]

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit(steps))
        await asyncio.sleep(20)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    assert [(e.condition, e.event) for e in events] == [("call", 1), ("call", 2)]
    assert events[0].alarm_id == events[1].alarm_id


def test_a_call_while_the_agent_is_away_comes_when_it_is_back_with_its_true_onset():
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit([[30_000, PRESSED], [30_600, IDLE]]))
        await asyncio.sleep(20)
        await stage.stop_agent()
        await asyncio.sleep(100)
        await stage.restart_agent()
        await asyncio.sleep(30)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    (call,) = [event for event in events if event.condition == "call"]
    assert call.onset.startswith("2026-11-23T18:14:30.")
    assert 89 < call.late_s < 110


def test_a_call_kept_through_a_power_cut_of_the_unit_keeps_its_onset_and_is_told_once():
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        spec = bath_unit([[30_000, PRESSED], [30_600, IDLE]])
        stage.start_unit(spec)
        await asyncio.sleep(20)
        await stage.stop_agent()
        await asyncio.sleep(20)
        stage.stop_unit("bath-1")
        await asyncio.sleep(60)
        await stage.restart_agent()
        stage.start_unit(bath_unit([]))
        await asyncio.sleep(40)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    (call,) = [event for event in events if event.condition == "call"]
    assert call.onset.startswith("2026-11-23T18:14:30.")


def test_a_cut_cord_is_a_technical_alarm_and_over_when_it_is_mended():
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit([[5000, CUT], [40_000, IDLE]]))
        await asyncio.sleep(60)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    assert [(e.condition, e.state) for e in events] == [
        ("cord_cut", State.CONFIRMED),
        ("cord_cut", State.RECOVERED),
    ]


def test_a_unit_without_power_is_lost_after_a_minute_and_back_when_it_greets():
    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        spec = bath_unit([])
        stage.start_unit(spec)
        await asyncio.sleep(20)
        stage.stop_unit("bath-1")
        await asyncio.sleep(80)
        stage.start_unit(spec)
        await asyncio.sleep(20)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    assert [(e.condition, e.state, e.unit) for e in events] == [
        ("unit_lost", State.CONFIRMED, "bath-1"),
        ("unit_lost", State.RECOVERED, "bath-1"),
    ]


def test_a_bug_in_the_signal_path_is_said_and_loses_no_call(monkeypatch):
    whole = Pipeline._take_event
    broken = iter([True])

    def take(self, *arguments):
        if next(broken, False):
            raise ValueError("a bug of ours")
        return whole(self, *arguments)

    monkeypatch.setattr(Pipeline, "_take_event", take)

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit([[5000, PRESSED], [5600, IDLE]]))
        await asyncio.sleep(20)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    assert [(e.condition, e.reason) for e in events] == [
        ("sensor_fault", "Event could not be processed: ValueError"),
        ("call", None),
    ]
    assert events[1].onset.startswith("2026-11-23T18:14:05.0")
