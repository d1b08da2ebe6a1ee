"""The whole chain over authenticated lines: the right key brings a call, a wrong one nothing."""

import asyncio

import msgspec
import pytest

from edge_agent.alarm.alarm import State
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from hil_tests.test_bed_and_call import IDLE, PRESSED, bath_unit, bed_unit, make_config

KEY, OTHER = b"\x5a" * 32, b"\xa5" * 32


def play(tmp_path, agents_key: bytes, units_key: bytes | None, seconds: float):
    """A pulled cord; the keys that the agent and the bathroom's unit were given."""
    path = tmp_path / "bath-1.key"
    path.write_text(agents_key.hex())
    path.chmod(0o600)
    config = make_config()
    units = [
        msgspec.structs.replace(unit, key_file=str(path)) if unit.id == "bath-1" else unit
        for unit in config.unit
    ]
    config = msgspec.structs.replace(config, unit=units)

    async def story(stage: Stage):
        flash = stage.folder / "bath-1" / "flash"
        flash.mkdir(parents=True)
        if units_key is not None:
            (flash / "link.key").write_bytes(units_key)
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit([[5000, PRESSED], [5600, IDLE]]))
        await asyncio.sleep(20)
        await stage.restart_agent()
        await asyncio.sleep(seconds)
        return stage.events

    return on_stage(config, StageOptions(), story)


def test_with_the_right_key_a_call_arrives_once_also_over_a_restart_of_the_agent(tmp_path):
    events = play(tmp_path, KEY, KEY, 30.0)

    assert [(e.condition, e.state) for e in events] == [("call", State.CONFIRMED)]


@pytest.mark.parametrize("units_key", [OTHER, None], ids=["wrong", "none"])
def test_a_unit_that_cannot_prove_itself_is_not_there(tmp_path, units_key):
    events = play(tmp_path, KEY, units_key, 70.0)

    assert [(e.condition, e.unit) for e in events] == [("unit_lost", "bath-1")]
