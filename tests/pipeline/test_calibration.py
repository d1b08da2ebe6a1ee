"""What is learnt of a wearer is kept, shown, reset, and never learnt while an alarm is open."""

import numpy as np
import pytest

from edge_agent.detect.falls.calibration_fact import CalibrationFact, fact_to_json
from edge_agent.detect.falls.model import shipped_model
from protocol.messages import Samples
from protocol.quantities import ACCELERATION
from tests.detect.synthetic import G, walking
from tests.pipeline.test_pipeline import at, greeted, play

pytestmark = pytest.mark.fast


def walk(pipeline, first_s=0.0, seconds=60.0):
    """Brisk steps: impacts that open candidates, none of them a fall."""
    scale = 0.012
    counts = np.round(walking(100.0, seconds) / scale).astype("<i2")
    begin = round(first_s * 100)
    blocks = [
        Samples(
            ACCELERATION.code, 0, 5000 + 10 * (begin + i), begin + i, 10_000, scale, 3,
            counts[i : i + 10].tobytes(),
        )
        for i in range(0, len(counts), 10)
    ]  # fmt: skip
    assert np.abs(counts * scale).max() > 1.4 * G
    return play(pipeline, blocks)


def stored(**values):
    fact = CalibrationFact(shipped_model().bound, up=(0.0, 0.0, 1.0), **values)
    return {"calibration:bed-1.0": fact_to_json(fact)}


def test_a_wearers_calibration_is_counted_shown_and_stored():
    pipeline = greeted()
    assert walk(pipeline) == []
    (one,) = pipeline.calibrations()

    assert (one["unit"], one["channel"]) == ("bed-1", 0)
    assert one["bound"] == shipped_model().bound
    assert one["seen"] > 0
    assert "Asks for nothing more" in one["words"]
    assert "calibration:bed-1.0" in pipeline.facts()


def test_what_was_stored_goes_on_after_a_restart_also_before_the_unit_says_a_word():
    pipeline = greeted()
    pipeline.restore(stored(seen=500, active_s=9000.0), at(5))
    before = pipeline.facts()["calibration:bed-1.0"]
    walk(pipeline, seconds=1.0)

    assert before == stored(seen=500, active_s=9000.0)["calibration:bed-1.0"]
    assert pipeline.calibrations()[0]["seen"] >= 500


def test_a_damaged_fact_begins_anew_and_ends_nothing():
    pipeline = greeted()
    pipeline.restore({"calibration:bed-1.0": b'{"bound": "x"}'}, at(5))
    walk(pipeline, seconds=1.0)

    assert pipeline.calibrations()[0]["seen"] == 0


def test_nothing_is_learnt_while_an_alarm_of_the_wearer_is_open():
    pipeline = greeted()
    pipeline.begin_alarm("fall", "p1", None)
    walk(pipeline, seconds=20.0)
    while_open = pipeline.calibrations()[0]["seen"]
    pipeline.end_alarm("fall", "p1", None, at(30), was_false=False)
    walk(pipeline, first_s=20.0)

    assert while_open == 0
    assert pipeline.calibrations()[0]["seen"] > 0


def test_a_reset_forgets_the_wearer_and_says_when_there_is_none():
    pipeline = greeted()
    assert not pipeline.reset_calibration("bed-1")
    walk(pipeline)
    assert pipeline.reset_calibration("bed-1")
    assert pipeline.calibrations()[0]["seen"] == 0
