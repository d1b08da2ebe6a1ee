"""Getting up is said after steps in the upright posture, and after nothing else."""

import numpy as np
import pytest

from edge_agent.detect.falls.fall import FallDetector
from edge_agent.detect.falls.recovery import APART_S, NOT_BEFORE_S, WATCH_S, Recovery
from edge_agent.detect.falls.upright import Upright
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import ACCELERATION
from tests.detect import synthetic

pytestmark = pytest.mark.fast

UP = (0.0, -1.0, 0.0)
DOWN = (1.0, 0.0, 0.0)
CHANNEL = Channel("pendant", ACCELERATION)


def detect(*pieces, upright=None):
    detector = FallDetector(CHANNEL, upright=Upright() if upright is None else upright)
    values = np.concatenate(pieces)
    found = []
    for at in range(0, len(values), 10):
        found += detector.update(Chunk(CHANNEL, at / 100.0, 100.0, values[at : at + 10]))
    end_s = len(values) / 100.0
    return found + detector.gap(Gap(CHANNEL, end_s, end_s))


def kinds(found):
    return [one.kind for one in found]


WALK, FALL = synthetic.walking(100.0, 20.0), synthetic.fall(before_s=1.0)


def lying(seconds):
    """The posture in which the made fall ends, moved a little now and then with a bump."""
    values = synthetic.fall(after_s=seconds)[500:].copy()
    values[200::300] *= 1.8
    return values


def test_one_who_walks_again_has_recovered():
    found = detect(WALK, FALL, lying(5.0), WALK)
    assert kinds(found) == ["fall", "fall_recovered"]
    fall, recovered = found
    assert recovered.onset_s - fall.onset_s >= NOT_BEFORE_S + APART_S
    assert recovered.evidence["after_fall_s"] == recovered.onset_s - fall.onset_s
    after_s = recovered.evidence["after_fall_s"]
    assert recovered.reason == (
        f"Steps in the upright posture, twice, the last {after_s:.0f} s after the fall."
    )


def test_one_who_lies_stirs_or_sits_up_has_not():
    assert kinds(detect(WALK, FALL, lying(40.0))) == ["fall"]
    assert kinds(detect(WALK, FALL, lying(5.0), synthetic.standing(100.0, 30.0))) == ["fall"]


def test_steps_in_another_posture_say_nothing():
    turned = WALK[:, [1, 0, 2]]
    assert "fall_recovered" not in kinds(detect(WALK, FALL, lying(5.0), turned))


def test_without_a_known_posture_nothing_is_said():
    assert kinds(detect(FALL, lying(5.0), WALK)) == ["fall"]
    silent = FallDetector(CHANNEL)
    values = np.concatenate([WALK, FALL, lying(5.0), WALK])
    assert kinds(silent.update(Chunk(CHANNEL, 0.0, 100.0, values))) == ["fall"]


def test_two_looks_apart_are_needed_and_a_posture_between_begins_anew():
    recovery = Recovery()
    recovery.begin(100.0, UP)
    assert not recovery.take_steps(UP, 100.0 + NOT_BEFORE_S - 0.1)
    assert not recovery.take_steps(UP, 106.0)
    assert not recovery.take_steps(UP, 106.0 + APART_S - 0.1)
    assert not recovery.take_steps(DOWN, 110.0)
    assert not recovery.take_steps(UP, 114.0)
    assert recovery.take_steps(UP, 114.0 + APART_S)
    assert not recovery.take_steps(UP, 130.0)


def test_a_new_fall_begins_anew_and_a_late_walk_is_for_people_to_judge():
    recovery = Recovery()
    recovery.begin(100.0, UP)
    assert not recovery.take_steps(UP, 110.0)
    recovery.begin(112.0, UP)
    assert not recovery.take_steps(UP, 118.0)
    assert not recovery.take_steps(UP, 112.0 + WATCH_S + 1.0)
    assert not Recovery().take_steps(UP, 10.0)


@pytest.mark.parametrize("size", [1, 7, 100, 6000])
def test_neither_chunks_nor_keeping_candidates_change_what_is_said(size):
    values = np.concatenate([WALK, FALL, lying(5.0), WALK])
    expected = detect(WALK, FALL, lying(5.0), WALK)
    detector = FallDetector(CHANNEL, keep_candidates=True, upright=Upright())
    found = []
    for at in range(0, len(values), size):
        found += detector.update(Chunk(CHANNEL, at / 100.0, 100.0, values[at : at + size]))
    end_s = len(values) / 100.0
    assert found + detector.gap(Gap(CHANNEL, end_s, end_s)) == expected


def test_a_gap_while_watching_neither_says_nor_forgets():
    detector = FallDetector(CHANNEL, upright=Upright())
    values = np.concatenate([WALK, FALL, lying(5.0)])
    assert kinds(detector.update(Chunk(CHANNEL, 0.0, 100.0, values))) == ["fall"]
    end_s = len(values) / 100.0
    assert detector.gap(Gap(CHANNEL, end_s, end_s + 30.0)) == []
    assert kinds(detector.update(Chunk(CHANNEL, end_s + 30.0, 100.0, WALK))) == ["fall_recovered"]
