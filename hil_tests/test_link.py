"""The line fails during a fall; the fall is still a fall."""

import asyncio

import numpy as np
import pytest

from edge_agent.alarm.alarm import State
from edge_agent.simulator.replay import LEAD_S, UNIT, make_config, make_pendant
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from hil_tests.test_replay import first_of


def impact_s(trial) -> float:
    """Return when the trial's hardest sample lies, from its beginning."""
    return float(np.argmax((trial.counts.astype(float) ** 2).sum(axis=1)) / trial.rate_hz)


def play(trial, cut_at_s, back_at_s=None):
    """Play a trial; the cable is cut and mended at these times after its beginning."""

    async def story(stage: Stage):
        stage.start_agent()
        await asyncio.sleep(LEAD_S)
        stage.start_unit(make_pendant(stage, trial))
        await asyncio.sleep(cut_at_s)
        stage.lines[UNIT].is_cut = True
        if back_at_s is not None:
            await asyncio.sleep(back_at_s - cut_at_s)
            stage.lines[UNIT].is_cut = False
            await asyncio.sleep(30)
        else:
            await asyncio.sleep(TAIL_S)
        await stage.until_quiet()
        return [event for event in stage.events if event.condition == "fall"]

    return on_stage(make_config(), StageOptions(), story)


TAIL_S = 5.0


@pytest.mark.parametrize("label", ["F01", "F04", "F06", "F08", "F12"])
def test_a_line_cut_02_s_after_the_impact_still_raises_the_fall_live(sisfall, label):
    trial = first_of(sisfall, label)
    events = play(trial, impact_s(trial) + 0.2)

    assert [event.state for event in events] == [State.SUSPECTED, State.CONFIRMED]
    assert events[0].late_s == 0.0


@pytest.mark.parametrize("label", ["F01", "F04", "F06", "F08", "F12"])
def test_a_line_cut_during_the_whole_fall_raises_it_from_the_snippet(sisfall, label):
    trial = first_of(sisfall, label)
    impact = impact_s(trial)
    back_s = impact + 60.0
    events = play(trial, impact - 3.0, back_s)

    assert [event.state for event in events] == [State.SUSPECTED, State.CONFIRMED]
    first = events[0]
    onset = np.datetime64(first.onset.rstrip("Z"))
    seen_s = (onset - np.datetime64("2026-11-23T18:14:00.500")) / np.timedelta64(1, "s")
    assert abs(seen_s - impact) < 2.0
    assert 60.0 - 3.0 < first.late_s < 60.0 + 25.0
    assert first.onset < first.at


@pytest.mark.parametrize("after_s", [None, -3.0, 0.1, 0.2, 0.5, 1.0])
def test_a_simulated_fall_is_raised_wherever_the_line_is_cut(simulated_fall, after_s):
    impact = impact_s(simulated_fall)
    cut_s = simulated_fall.seconds if after_s is None else impact + after_s
    events = play(simulated_fall, cut_s, impact + 60.0)

    assert [event.state for event in events] == [State.SUSPECTED, State.CONFIRMED]


def test_a_noisy_line_that_loses_and_damages_bytes_still_brings_the_fall(sisfall):
    trial = first_of(sisfall, "F03")
    chance = np.random.default_rng(3)

    def damage(data: bytes) -> bytes:
        """Drop a tenth of the pieces, flip a bit in another tenth."""
        dice = chance.random()
        if dice < 0.1:
            return b""
        if dice < 0.2:
            place = int(chance.integers(len(data)))
            return (
                data[:place]
                + bytes([data[place] ^ 1 << int(chance.integers(8))])
                + data[place + 1 :]
            )
        return data

    async def story(stage: Stage):
        stage.lines[UNIT].damage_up = damage
        stage.lines[UNIT].damage_down = damage
        stage.start_agent()
        await asyncio.sleep(LEAD_S)
        stage.start_unit(make_pendant(stage, trial))
        await asyncio.sleep(trial.seconds + 20)
        await stage.until_quiet()
        return stage.events

    events = on_stage(make_config(), StageOptions(), story)
    falls = [event for event in events if event.condition == "fall"]
    assert [event.state for event in falls] == [State.SUSPECTED, State.CONFIRMED]
