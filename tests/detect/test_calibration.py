"""What a wearer's own impacts teach never costs more than the bound, and can be seen and undone."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.detect.falls.calibration import (
    ENOUGH_S,
    ENOUGH_SEEN,
    EVENT_S,
    LEAST,
    MEMORY_S,
    PAUSE_S,
    Calibration,
)
from edge_agent.detect.falls.calibration_fact import (
    MOST_BYTES,
    MOST_EVENTS,
    CalibrationFact,
    fact_from_json,
    fact_to_json,
)
from edge_agent.detect.falls.engine import FallEngine
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.detect.falls.model import MODEL_PATH, Forest, model_from, shipped_model
from edge_agent.detect.falls.upright import Upright
from edge_agent.evaluate.falls.bound import LOSS
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.messages import Samples
from protocol.quantities import ACCELERATION
from tests.detect import synthetic

fast = pytest.mark.fast

UP, ASIDE = (0.0, -1.0, 0.0), (1.0, 0.0, 0.0)
BOUND = 0.4
LEARNT = CalibrationFact(BOUND, 500, 9000.0, UP, ((100.0, 0.1), (200.0, 0.3)), 0)
PLAIN = CalibrationFact(BOUND, 500, 9000.0, UP)
CHANNEL = Channel("pendant", ACCELERATION)


def taught(*margins, seen=ENOUGH_SEEN, every_s=PAUSE_S, calibration=None):
    """A wearer with so many impacts, the last ones with these margins."""
    calibration = calibration or Calibration(BOUND)
    for i in range(seen):
        calibration.count(i * every_s, UP)
        if i >= seen - len(margins) - 1 and i < seen - 1:
            calibration.look(margins[i - seen + len(margins) + 1], i * every_s, UP)
    return calibration


@fast
def test_a_wearers_near_misses_raise_what_is_asked_just_above_them():
    assert 0.3 < taught(0.1, 0.3).shift(UP) < 0.301


@fast
def test_a_handful_of_impacts_or_minutes_or_events_changes_nothing():
    assert taught(0.1, 0.3, seen=ENOUGH_SEEN - 1).shift(UP) == 0.0
    soon_s = 0.99 * ENOUGH_S / ENOUGH_SEEN
    assert soon_s > EVENT_S
    assert taught(0.1, 0.3, every_s=soon_s).shift(UP) == 0.0
    assert taught(*[0.3] * (LEAST - 1)).shift(UP) == 0.0


@fast
def test_clear_falls_teach_nothing():
    assert taught(*[BOUND, 2.0, 9.0] * 5).shift(UP) == 0.0


@fast
def test_one_event_of_many_bumps_is_one():
    calibration = Calibration(BOUND, PLAIN)
    for second in range(5):
        calibration.count(float(second), UP)
        calibration.look(0.2, float(second), UP)
    calibration.count(100.0, UP)
    assert len(calibration.fact().events) == 1


IMPACTS = st.lists(
    st.tuples(
        st.floats(width=32),
        st.one_of(st.floats(0.0, 3.0), st.floats(width=32)),
        st.sampled_from([UP, UP, UP, ASIDE, None]),
        st.sampled_from(["", "", "", "hold", "release", "withdraw"]),
    ),
    max_size=80,
)


@fast
@given(IMPACTS, st.floats(0.0, 3.0))
def test_whatever_comes_the_shift_stays_within_the_bound_and_the_fact_can_be_stored(impacts, bound):
    calibration = Calibration(bound, CalibrationFact(bound, 500, 9000.0, UP, ()))
    seen = [0.0]
    for impact_s, margin, up, said in impacts:
        calibration.count(impact_s, up)
        if margin >= 0.0:
            calibration.look(margin, impact_s, up)
            seen.append(margin)
        shift = calibration.shift(up)
        assert 0.0 <= shift <= bound
        assert shift <= max(seen) + 1e-5
        if said == "hold":
            calibration.hold()
            assert calibration.shift(UP) == 0.0
        elif said:
            calibration.release(was_fall=said == "withdraw")
    stored = fact_to_json(calibration.fact())
    assert len(stored) <= MOST_BYTES
    assert fact_from_json(stored) == calibration.fact()
    again = Calibration(bound, fact_from_json(stored))
    calibration.release(was_fall=True)
    assert again.shift(UP) == calibration.shift(UP)
    assert again.inspect() == calibration.inspect()


@fast
def test_while_an_alarm_is_open_nothing_is_learnt_and_nothing_more_is_asked():
    calibration = Calibration(BOUND, LEARNT)
    assert calibration.shift(UP) > 0.3
    calibration.hold()
    before = calibration.fact()
    taught(0.39, 0.39, calibration=calibration)
    assert calibration.fact() == before
    assert calibration.shift(UP) == 0.0
    calibration.release(was_fall=False)
    assert calibration.shift(UP) > 0.3


@fast
@pytest.mark.parametrize(("was_fall", "events"), [(True, 0), (False, 1)])
def test_what_raised_an_alarm_is_learnt_only_when_it_was_no_fall(was_fall, events):
    calibration = Calibration(BOUND, PLAIN)
    calibration.count(0.0, UP)
    calibration.look(0.2, 0.0, UP)
    calibration.hold()
    calibration.count(600.0, UP)
    calibration.release(was_fall=was_fall)
    calibration.count(1200.0, UP)
    assert len(calibration.fact().events) == events


@fast
def test_a_sensor_put_on_otherwise_is_another_one():
    calibration = Calibration(BOUND, LEARNT)
    assert calibration.shift(None) == calibration.shift(ASIDE) == 0.0
    calibration.count(0.0, ASIDE)
    assert calibration.fact() == CalibrationFact(BOUND, 1, 0.0, ASIDE)
    assert calibration.shift(UP) == 0.0


@fast
def test_while_it_is_not_known_how_the_sensor_is_worn_nothing_is_learnt():
    calibration = Calibration(BOUND, LEARNT)
    calibration.count(0.0, None)
    calibration.look(0.39, 0.0, None)
    assert calibration.fact() == LEARNT


@fast
def test_what_does_not_come_again_is_forgotten():
    calibration = Calibration(BOUND, LEARNT)
    for i in range(math.ceil((MEMORY_S - 9000.0 + 200.0) / PAUSE_S) + 1):
        calibration.count(i * PAUSE_S, UP)
        if i == 100:
            assert calibration.shift(UP) > 0.3
    assert calibration.fact().events == ()
    assert calibration.shift(UP) == 0.0


@fast
def test_events_are_bounded_and_the_latest_stay():
    calibration = Calibration(BOUND, LEARNT)
    for i in range(3 * MOST_EVENTS):
        calibration.count(i * 60.0, UP)
        calibration.look(i / 200.0, i * 60.0, UP)
    events = calibration.fact().events
    assert len(events) == MOST_EVENTS
    assert events[-1][1] == (3 * MOST_EVENTS - 2) / 200.0


@fast
def test_a_reset_forgets_everything():
    calibration = Calibration(BOUND, LEARNT)
    calibration.look(0.2, 0.0, UP)
    calibration.reset()
    calibration.count(100.0, UP)
    calibration.reset()
    assert calibration.fact() == CalibrationFact(BOUND)
    assert calibration.shift(UP) == 0.0


@fast
def test_what_was_learnt_with_another_model_is_dropped():
    assert Calibration(BOUND + 0.01, LEARNT).fact() == CalibrationFact(BOUND + 0.01)


@fast
def test_it_can_be_read_in_words():
    calibration = Calibration(BOUND, LEARNT)
    calibration.look(0.2, 0.0, UP)
    calibration.look(0.3, 5.0, UP)
    calibration.count(100.0, UP)
    seen = calibration.inspect()
    assert (seen.seen, seen.active_h, seen.events, seen.near) == (501, 2.5, 3, 3)
    assert (seen.bound, seen.kept_quiet) == (BOUND, 1)
    assert seen.shift == calibration.shift(UP)
    assert seen.words == (
        "Asks for 0.30 more than usual, at most 0.40; 3 near ones among 501 impacts in 2.5 h, "
        "1 kept quiet."
    )
    assert Calibration(BOUND).inspect().words == (
        "Asks for nothing more than usual, at most 0.40; 0 near ones among 0 impacts in 0.0 h, "
        "0 kept quiet."
    )


def stored(**changes):
    return json.dumps({**json.loads(fact_to_json(LEARNT)), **changes}).encode()


@fast
@pytest.mark.parametrize(
    ("hostile", "why"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `bound`"),
        (b"\xff", "JSON is malformed: invalid character (byte 0)"),
        (b'{"bound": NaN}', "JSON is malformed: invalid character (byte 10)"),
        (b" " * (MOST_BYTES + 1), f"{MOST_BYTES + 1} bytes, at most {MOST_BYTES}"),
        (stored(more=1), "Object contains unknown field `more`"),
        (stored(seen="many"), "Expected `int`, got `str` - at `$.seen`"),
        (stored(bound=-0.1), "bound is out of range"),
        (stored(seen=-1), "seen is out of range"),
        (stored(seen=1 << 60), "seen is out of range"),
        (stored(active_s=-1.0), "active_s is out of range"),
        (stored(active_s=1e10), "active_s is out of range"),
        (stored(up=[0.0, 0.0, 0.0]), "up is out of range"),
        (stored(up=[1e200, 1e200, 0.0]), "up is out of range"),
        (stored(events=[[0.0, 0.1]] * (MOST_EVENTS + 1)), "events is out of range"),
        (stored(events=[[9001.0, 0.1]]), "events is out of range"),
        (stored(events=[[200.0, 0.1], [100.0, 0.1]]), "events is out of range"),
        (stored(events=[[100.0, 0.5]]), "events is out of range"),
        (stored(kept_quiet=-1), "kept_quiet is out of range"),
    ],
)
def test_bytes_that_were_not_stored_here_are_refused(hostile, why):
    with pytest.raises(ValueError, match="calibration") as caught:
        fact_from_json(hostile)
    assert str(caught.value) == f"calibration: {why}"


@fast
@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_to_be_refused(rubbish):
    try:
        fact = fact_from_json(rubbish)
    except ValueError as error:
        assert str(error).startswith("calibration: ")
    else:
        assert fact_from_json(fact_to_json(fact)) == fact


def margins_of(values, upright):
    """The margins with which the shipped model raises a fall early, and with which it would late."""
    shipped = shipped_model()
    detector = FallDetector(CHANNEL, keep_candidates=True, upright=Upright() if upright else None)
    (found,) = play(detector, values)
    assert found.evidence["after_s"] == 0.75
    late = next(one.margin for one in detector.candidates if one.impact_s == found.onset_s)
    return found.evidence["margin"], late, shipped


def near_model(values, early, late, upright=True):
    """The shipped model, its thresholds moved so that a fall has these margins."""
    early_is, late_is, shipped = margins_of(values, upright)
    return replace(
        shipped,
        early=moved(shipped.early, early - early_is),
        complete=moved(shipped.complete, late - late_is),
        bound=BOUND,
    )


def moved(forest, by):
    return Forest(forest.bias + by, forest.feature, forest.threshold, forest.leaf)


def play(detector, values, missing=None, packet=10):
    found = []
    for at in range(0, len(values), packet):
        lost = None if missing is None else missing[at : at + packet]
        found += detector.update(Chunk(CHANNEL, at / 100.0, 100.0, values[at : at + packet], lost))
    end_s = len(values) / 100.0
    return found + detector.gap(Gap(CHANNEL, end_s, end_s))


def walk_and_fall(after_s=6.0):
    """Steps that teach the upright posture, standing, and a fall 34 s from the start."""
    walk, stand = synthetic.walking(100.0, 20.0), synthetic.standing(100.0, 10.0)
    return np.concatenate([walk, stand, synthetic.fall(after_s=after_s)])


WHOLE = walk_and_fall()


def falls(model, values=WHOLE, calibration=None, upright=True, missing=None):
    detector = FallDetector(CHANNEL, model, upright=Upright() if upright else None)
    detector.calibration = calibration
    return [one.onset_s for one in play(detector, values, missing) if one.kind == "fall"]


@pytest.mark.parametrize(("early", "late"), [(-9.0, 0.2), (0.2, -9.0), (0.2, 0.2)])
def test_an_impact_below_the_shift_is_kept_quiet_and_counted(early, late):
    model, calibration = near_model(WHOLE, early, late), Calibration(BOUND, LEARNT)
    assert falls(model) == [pytest.approx(34.0, abs=0.02)]
    assert falls(model, calibration=calibration) == []
    calibration.count(1000.0, UP)
    assert calibration.inspect().kept_quiet == 1
    assert calibration.inspect().shift > 0.3


@pytest.mark.parametrize(("early", "late"), [(-9.0, 0.31), (0.31, -9.0), (0.2, 0.31)])
def test_an_impact_above_the_shift_is_raised(early, late):
    model, calibration = near_model(WHOLE, early, late), Calibration(BOUND, LEARNT)
    assert len(falls(model, calibration=calibration)) == 1
    calibration.count(1000.0, UP)
    assert calibration.inspect().kept_quiet == 0


@pytest.mark.parametrize("after_s", [0.2, 0.5, 1.0])
def test_a_signal_that_ends_soon_is_judged_as_ever(after_s):
    model, values = near_model(WHOLE, 0.2, 0.2), walk_and_fall(after_s)
    assert falls(model, values) == falls(model, values, Calibration(BOUND, LEARNT)) != []


@pytest.mark.parametrize("hole", [slice(3330, 3340), slice(3420, 3430)])
def test_an_impact_near_a_hole_is_judged_as_ever(hole):
    missing = np.zeros(len(WHOLE), dtype=np.bool_)
    missing[hole] = True
    model = near_model(WHOLE, -9.0, 0.2)
    as_ever = falls(model, missing=missing)
    assert as_ever == falls(model, calibration=Calibration(BOUND, LEARNT), missing=missing)
    assert as_ever


def test_without_the_upright_posture_everything_is_judged_as_ever():
    model = near_model(WHOLE, 0.2, 0.2, upright=False)
    calibration = Calibration(BOUND, LEARNT)
    assert falls(model, upright=False) == falls(model, calibration=calibration, upright=False) != []
    assert calibration.fact() == LEARNT


@pytest.mark.parametrize("kept", [2, 5])
def test_a_slow_stream_is_judged_as_ever(kept):
    """The same fall of every second or fifth sample: 50 and 20 Hz."""
    shipped, slow = shipped_model(), WHOLE[::kept]
    seen = []
    for shift in (0.0, 8.9):
        model = replace(shipped, bound=9.0)
        calibration = Calibration(9.0, CalibrationFact(9.0, 500, 9000.0, UP, ((0.0, shift),) * 2))
        detector = FallDetector(CHANNEL, model, upright=Upright())
        detector.calibration = calibration
        found = detector.update(Chunk(CHANNEL, 0.0, 100.0 / kept, slow))
        seen.append([one.onset_s for one in found if one.kind == "fall"])
        assert calibration.fact().events == ((0.0, shift),) * 2
    assert seen[0] == seen[1] != []


def test_a_clear_fall_that_was_a_near_one_early_on_is_no_near_one():
    """The later margin counts where it is larger, though the fall was raised by then."""
    for late, margin in ((7.0, BOUND), (0.3, 0.3), (-9.0, 0.2)):
        calibration = Calibration(BOUND)
        falls(near_model(WHOLE, 0.2, late), calibration=calibration)
        calibration.count(1000.0, UP)
        ((_, learnt),) = calibration.fact().events
        assert learnt == pytest.approx(margin)


def test_keeping_candidates_changes_nothing():
    model = near_model(WHOLE, 0.2, 0.3)
    values = np.concatenate([WHOLE, WHOLE, synthetic.walking(100.0, 20.0), 1.5 * WHOLE])
    facts = []
    for keep in (False, True):
        detector = FallDetector(CHANNEL, model, keep, Upright())
        detector.calibration = Calibration(BOUND, LEARNT)
        facts.append((play(detector, values), detector.calibration.fact()))
    assert facts[0] == facts[1]
    assert facts[0][1].events != LEARNT.events


@pytest.mark.parametrize("packet", [1, 7, 100, 10_000])
def test_chunking_changes_nothing(packet):
    model = near_model(WHOLE, 0.2, 0.3)
    values = np.concatenate([WHOLE, synthetic.walking(100.0, 20.0), WHOLE, 1.5 * WHOLE])
    facts = []
    for size in (10, packet):
        detector = FallDetector(CHANNEL, model, upright=Upright())
        detector.calibration = Calibration(BOUND, LEARNT)
        facts.append((play(detector, values, packet=size), detector.calibration.fact()))
    assert facts[0] == facts[1]


@pytest.mark.parametrize(("early", "late"), [(-9.0, 0.2), (0.2, 0.1), (0.35, -9.0), (0.1, 5.0)])
def test_the_engine_learns_the_same(early, late):
    model = near_model(WHOLE, early, late)
    scale = 0.01
    values = np.concatenate([WHOLE, synthetic.walking(100.0, 30.0), WHOLE, 1.3 * WHOLE, WHOLE])
    counts = np.rint(values / scale).astype("<i2")
    blocks = []
    for number, at in enumerate(range(0, len(counts), 25)):
        if 60 < number % 200 < 63:
            continue  # A hole now and then.
        part = counts[at : at + 25].tobytes()
        blocks.append(Samples(ACCELERATION.code, 0, 10 * at, at, 10_000, scale, 3, part))

    engine, assembler = FallEngine(model), Assembler(CHANNEL)
    stream = engine.add(CHANNEL, Upright())
    ours = Calibration(BOUND, LEARNT)
    engine._streams[stream].decisions.calibration = ours
    detector = FallDetector(CHANNEL, model, upright=Upright())
    detector.calibration = Calibration(BOUND, LEARNT)
    found, expected = [], []
    for block in blocks:
        engine.put(stream, block)
        found += [one for _, one in engine.poll()]
        for part in assembler.add(block):
            take = detector.gap if isinstance(part, Gap) else detector.update
            expected += take(part)
    assert found == expected
    assert ours.fact() == detector.calibration.fact()
    assert ours.fact().seen > LEARNT.seen + 30
    assert len(ours.fact().events) > len(LEARNT.events)


@fast
def test_the_shipped_bound_costs_half_a_point_at_most():
    table = json.loads(MODEL_PATH.read_text())["calibration"]
    assert shipped_model().bound == table["bound"] > 0.0
    costs = table["at_most"].values()
    assert sum(one["lost"] for one in costs) <= LOSS * sum(one["falls"] for one in costs)
    assert all(one["lost"] <= max(1, LOSS * one["falls"]) for one in costs)


@fast
def test_a_model_that_says_no_bound_has_none_and_a_wrong_one_is_refused():
    table = json.loads(MODEL_PATH.read_text())
    del table["calibration"]
    assert model_from(table).bound == 0.0
    for wrong in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"^fall model: bound {wrong:g}$"):
            model_from({**table, "calibration": {"bound": wrong}})
