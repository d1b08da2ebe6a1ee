"""A bathroom's radar and a room's inputs, from the bytes of the module to the alarm."""

import asyncio
import json

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, InputConfig, PlaceConfig, UnitConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.simulator.player import write_uart
from edge_agent.simulator.sensors import radar_hilink, radar_sip, radar_tinyframe
from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from edge_agent.simulator.vm import UnitSpec

FALL_S = 20.0
FLAG_AFTER_S = 10.0
"""How long somebody lies before the module says so."""
FALLS = [
    RadarSpan(5, FALL_S, RadarState.MOVING, (0.0, 0.5), (0.5, 1.0)),
    RadarSpan(FALL_S, 90, RadarState.FALLEN, (0.5, 1.0)),
]
MODULES = {
    "r60afd1": radar_sip.r60afd1,
    "ld6002c": radar_tinyframe.ld6002c,
}


def make_config(port: int | None = None) -> Config:
    return Config(
        home=HomeConfig(region="000000000000", home="h1"),
        place=[PlaceConfig(id="bath", zh="卫生间", en="bathroom", stay=True)],
        unit=[
            UnitConfig(
                id="bath-1",
                port="a",
                place="bath",
                person="p1",
                source="radar",
                input=[
                    InputConfig(channel=5, kind="presence"),
                    InputConfig(channel=10, kind="motion"),
                    InputConfig(channel=11, kind="room_door"),
                ],
            )
        ],
        mqtt=MqttConfig(host="127.0.0.1", port=port) if port else None,
    )


def bath_unit(stage: Stage, product: str, stream, **row: object) -> UnitSpec:
    line = write_uart(stage.folder / "radar.bin", stream)
    steps = [[0, 0], [6000, 1], [9000, 0]]
    return UnitSpec(
        "bath-1",
        "bathroom",
        {
            "uart": {"radar": line | row},
            "pins": {"input_10": {"steps": steps}, "input_11": {"steps": steps}},
            "adc": {"cord": {"steps": [[0, 0.5]]}},
        },
        settings={"radar": product, "input_10": "pir", "input_11": "reed"},
    )


def lit_ms(outputs: str) -> int:
    """Return when the light first went on."""
    changes = [json.loads(line) for line in outputs.splitlines()]
    return next(one["t"] for one in changes if one["pin"] == "light" and one["value"])


@pytest.mark.parametrize("product", MODULES)
def test_a_fall_flag_lights_on_the_unit_and_is_an_alarm_that_the_light_then_shows(broker, product):
    stream = MODULES[product](FALLS, 90, 1, fall_after_s=FLAG_AFTER_S)

    async def story(stage: Stage):
        stage.start_agent()
        vm = stage.start_unit(bath_unit(stage, product, stream))
        await asyncio.sleep(60)
        return stage.events, vm.outputs.read_text()

    events, outputs = on_stage(make_config(broker.port), StageOptions(), story)
    flag_ms = 1000 * (FALL_S + FLAG_AFTER_S)
    assert flag_ms <= lit_ms(outputs) <= flag_ms + 1000
    falls = [event for event in events if event.condition == "fall"]
    assert State.CONFIRMED in [event.state for event in falls]
    assert {event.alarm_id for event in falls} == {falls[0].alarm_id}
    assert falls[0].place == "bath"
    assert falls[0].unit == "bath-1"
    assert falls[0].late_s == 0.0
    assert falls[0].onset.startswith(("2026-11-23T18:14:30.", "2026-11-23T18:14:31."))
    changes = [json.loads(line) for line in outputs.splitlines()]
    last = [(one["pin"], one["value"]) for one in changes if one["t"] > 50_000]
    assert ("light", 1) in last  # the agent has it: the light goes on slowly, without end
    assert last.count(("buzzer", 1)) <= 6


def test_a_fall_while_the_agent_is_away_is_an_alarm_with_its_true_onset_when_it_is_back():
    stream = radar_tinyframe.ld6002c(FALLS, 90, 1, fall_after_s=FLAG_AFTER_S)

    async def story(stage: Stage):
        stage.start_agent()
        vm = stage.start_unit(bath_unit(stage, "ld6002c", stream))
        await asyncio.sleep(15)
        await stage.stop_agent()
        await asyncio.sleep(60)
        lit = lit_ms(vm.outputs.read_text())
        await stage.restart_agent()
        await asyncio.sleep(30)
        return stage.events, lit

    events, lit = on_stage(make_config(), StageOptions(), story)
    assert 30_000 <= lit <= 31_000
    falls = [event for event in events if event.condition == "fall"]
    assert falls[0].onset.startswith(("2026-11-23T18:14:30.", "2026-11-23T18:14:31."))
    assert 40 < falls[0].late_s < 60


def test_a_radar_that_hangs_is_a_technical_alarm_until_it_talks_again():
    stream = radar_hilink.ld2450(FALLS, 150, 1)

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bath_unit(stage, "ld2450", stream, silent=[[30_000, 70_000]]))
        await asyncio.sleep(100)
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    assert [(one.condition, one.state) for one in events] == [
        ("sensor_fault", State.CONFIRMED),
        ("sensor_fault", State.RECOVERED),
    ]
