"""The sit-up warning: what it tells, what it keeps quiet about, what it survives."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detect.bed import sit_up
from edge_agent.detect.bed.sit_up import (
    LEARN_S,
    REMEMBER_S,
    Posture,
    SitUpWarning,
    learn_up,
    model_from,
    model_table,
    shipped_model,
)

G = sit_up.STANDARD_GRAVITY
MODEL = dataclasses.replace(shipped_model(), up=(0.0, 1.0, 0.0))
STEP_S = 0.5


def trunk(tilt_deg, roll_deg=0.0, g=1.0):
    """Gravity as the tag sees it (x out of the chest, y up, z left), m/s^2."""
    tilt, roll = math.radians(tilt_deg), math.radians(roll_deg)
    flat = math.cos(tilt)
    return np.array([flat * math.cos(roll), math.sin(tilt), flat * math.sin(roll)]) * g * G


def feed(detector, vectors, begin_s=100.0, step_s=STEP_S):
    """Return what is said of readings in a row, and the time after the last of them."""
    found = []
    for i, vector in enumerate(vectors):
        found += detector.read(begin_s + i * step_s, vector, -60.0)
    return found, begin_s + len(vectors) * step_s


def lying(seconds=20.0, roll_deg=0.0, tilt_deg=0.0):
    return [trunk(tilt_deg, roll_deg)] * round(seconds / STEP_S)


def sitting_up():
    return [trunk(tilt) for tilt in (25.0, 45.0, 60.0, 62.0, 62.0)]


def kinds(found):
    return [one.kind for one in found]


@pytest.mark.fast
@pytest.mark.parametrize("roll_deg", [0.0, 45.0, 90.0, -90.0, 180.0])
def test_sitting_up_is_told_with_the_first_raised_reading(roll_deg):
    found, _ = feed(SitUpWarning(MODEL), lying(20.0, roll_deg) + sitting_up())

    (one,) = found
    assert one.kind == "sitting_up"
    assert (one.onset_s, one.offset_s) == (120.0, 120.0)
    assert one.reason == "Was lying, trunk raised by 25 to 25 degrees."
    assert one.evidence == {
        "tilt_deg": 25.0,
        "rise_deg": 25.0,
        "silence_s": 0.5,
        "norm_g": 1.0,
        "rate_deg_s": 50.0,
        "lying_s": 20.0,
    }
    assert 0.5 < one.score < 1.0


@pytest.mark.fast
def test_turning_over_is_no_sitting_up():
    rolls = [*range(0, 95, 15), *range(90, -100, -20), *range(-90, 190, 30)]
    turning = [trunk(5.0 * math.sin(i), roll) for i, roll in enumerate(rolls)]
    detector = SitUpWarning(MODEL)

    assert feed(detector, lying() + turning + lying(20.0, 180.0))[0] == []
    assert detector.posture is Posture.LYING


@pytest.mark.fast
def test_somebody_who_sits_all_along_is_not_warned_of():
    leaning = [trunk(60.0), trunk(40.0), trunk(75.0), trunk(25.0), trunk(55.0)]

    assert feed(SitUpWarning(MODEL), leaning * 20)[0] == []


@pytest.mark.fast
def test_a_moment_of_lying_does_not_count():
    detector = SitUpWarning(MODEL)

    assert feed(detector, [trunk(60.0)] * 5 + [trunk(5.0)] + [trunk(60.0)] * 5)[0] == []


@pytest.mark.fast
def test_every_sitting_up_is_told_once():
    found, _ = feed(SitUpWarning(MODEL), (lying() + sitting_up() * 4) * 3)

    assert kinds(found) == ["sitting_up"] * 3


@pytest.mark.fast
def test_an_unseen_rise_is_told_at_once_and_confirmed_by_a_leaning_trunk():
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying())
    at_s = end_s - STEP_S + MODEL.silence_s + 0.5

    (first,) = detector.read(at_s, trunk(60.0))
    (second,) = detector.read(at_s + 0.5, trunk(62.0))

    assert (first.kind, first.onset_s, first.offset_s) == ("risen", at_s, at_s)
    assert (second.kind, second.onset_s, second.offset_s) == ("sitting_up", at_s, at_s + 0.5)
    assert detector.read(at_s + 1.0, trunk(62.0)) == []


@pytest.mark.fast
@pytest.mark.parametrize(
    ("after_s", "vector"),
    [
        (0.5, trunk(85.0)),
        (0.5, trunk(60.0, g=1.6)),
        (0.5, trunk(0.0)),
        (MODEL.confirm_s + 0.5, trunk(60.0)),
    ],
    ids=["stands", "walks", "lies again", "too late"],
)
def test_an_unseen_rise_stays_one_without_a_person_who_leans_at_rest(after_s, vector):
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying())
    at_s = end_s - STEP_S + MODEL.silence_s + 0.5

    assert kinds(detector.read(at_s, trunk(60.0))) == ["risen"]
    assert detector.read(at_s + after_s, vector) == []


@pytest.mark.fast
def test_a_steep_trunk_is_a_person_who_may_be_on_foot():
    found, _ = feed(SitUpWarning(MODEL), [*lying(), trunk(88.0), trunk(88.0), trunk(86.0)])

    assert kinds(found) == ["risen"]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("gap_s", "expected"),
    [(MODEL.fresh_s - 0.1, "risen"), (30.0, "risen"), (REMEMBER_S - 1.0, "risen")],
)
def test_lying_is_remembered_through_a_gap(gap_s, expected):
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying())

    assert kinds(detector.read(end_s - STEP_S + gap_s, trunk(60.0))) == [expected]


@pytest.mark.fast
def test_after_a_long_gap_nothing_is_known():
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying())

    assert detector.read(end_s + REMEMBER_S, trunk(60.0)) == []
    assert detector.posture is Posture.UPRIGHT


@pytest.mark.fast
def test_sitting_up_is_told_again_after_a_gap_and_lying():
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying())
    found, _ = feed(detector, lying(MODEL.lying_s + 1.0) + sitting_up(), end_s + 1000.0)

    assert kinds(found) == ["sitting_up"]


@pytest.mark.fast
@pytest.mark.parametrize(
    "rubbish",
    [
        [math.nan, 0.0, G],
        [math.inf, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        [0.0, 16.0 * G, 0.0],
        [0.0, 0.1 * G, 0.0],
        [1e200, 1e200, 1e200],
    ],
    ids=["nan", "inf", "zero", "clipped", "free fall", "overflow"],
)
def test_rubbish_is_survived_and_says_nothing(rubbish):
    quiet = lying()
    mixed = [one for vector in quiet for one in (vector, np.array(rubbish))]
    detector = SitUpWarning(MODEL)

    found, end_s = feed(detector, mixed, step_s=STEP_S / 2.0)
    assert found == []
    assert kinds(feed(detector, sitting_up(), end_s)[0]) == ["sitting_up"]


@pytest.mark.fast
@pytest.mark.parametrize("at_s", [math.nan, math.inf, -math.inf])
def test_a_reading_without_a_time_is_left_out(at_s):
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying())

    assert detector.read(at_s, trunk(60.0)) == []
    assert kinds(feed(detector, sitting_up(), end_s)[0]) == ["sitting_up"]


@pytest.mark.fast
@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, 90.0, -90.0])
def test_a_constant_reading_never_warns(tilt_deg):
    assert feed(SitUpWarning(MODEL), [trunk(tilt_deg)] * 500)[0] == []


@pytest.mark.fast
def test_a_time_line_that_begins_again_begins_anew():
    detector = SitUpWarning(MODEL)
    feed(detector, lying(), 5000.0)

    assert feed(detector, sitting_up(), 0.0)[0] == []
    assert kinds(feed(detector, lying() + sitting_up(), 10.0)[0]) == ["sitting_up"]


@pytest.mark.fast
def test_the_type_of_the_reading_changes_nothing():
    vectors = [one.astype(np.float32) for one in lying() + sitting_up()]
    arrays = feed(SitUpWarning(MODEL), vectors)[0]

    assert feed(SitUpWarning(MODEL), [one.tolist() for one in vectors])[0] == arrays
    assert len(arrays) == 1


@pytest.mark.fast
def test_a_sloping_chest_that_turns_from_side_to_side_says_nothing():
    """8 degrees on one side, 22 on the other: both lie."""
    sides = (lying(4.0, tilt_deg=8.0) + lying(4.0, tilt_deg=22.0)) * 20
    detector = SitUpWarning(MODEL)
    found, end_s = feed(detector, sides + lying(4.0, tilt_deg=8.0))

    assert found == []
    assert kinds(feed(detector, sitting_up(), end_s)[0]) == ["sitting_up"]


@pytest.mark.fast
@pytest.mark.parametrize("deg_per_s", [0.5, 2.0, 10.0])
def test_a_slow_rise_is_told_when_the_trunk_is_clearly_up(deg_per_s):
    tilts = np.arange(0.0, 50.0, deg_per_s * STEP_S)
    (one,) = feed(SitUpWarning(MODEL), lying() + [trunk(tilt) for tilt in tilts])[0]

    assert one.kind == "sitting_up"
    assert one.evidence["tilt_deg"] <= MODEL.lying_deg + MODEL.rise_step_deg + 5.0


@pytest.mark.fast
def test_the_long_axis_is_learnt_while_lying():
    """A tag that leans 10 degrees stands square to gravity after some minutes."""
    detector = SitUpWarning(MODEL)
    _, end_s = feed(detector, lying(5.0 * LEARN_S, tilt_deg=10.0))
    (one,) = detector.read(end_s, trunk(40.0))

    assert one.evidence["tilt_deg"] == pytest.approx(30.0, abs=1.0)


@pytest.mark.fast
def test_another_mounting_is_taken():
    swap = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    vectors = [swap @ one for one in lying() + sitting_up()]
    up = learn_up(np.array([swap @ trunk(88.0), swap @ trunk(90.0), [math.nan] * 3]))

    assert kinds(feed(SitUpWarning(MODEL, up), vectors)[0]) == ["sitting_up"]


@pytest.mark.fast
def test_what_is_no_direction_is_refused():
    with pytest.raises(ValueError, match=r"^not a direction: 0, 0, 0$"):
        SitUpWarning(MODEL, (0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match=r"^no reading of an upright wearer$"):
        learn_up(np.full((3, 3), math.nan))


@pytest.mark.fast
def test_the_model_survives_its_json_form_and_a_wrong_one_is_refused():
    table = json.loads(json.dumps(model_table(MODEL)))

    assert model_from(table) == MODEL
    with pytest.raises(ValueError, match=r"^sit-up model: rise_deg is missing$"):
        model_from({key: value for key, value in table.items() if key != "rise_deg"})
    with pytest.raises(ValueError, match=r"^sit-up model: rise_deg is not finite$"):
        model_from(table | {"rise_deg": math.nan})


@pytest.mark.fast
def test_the_shipped_model_is_small_and_sane():
    assert Path(sit_up.MODEL_PATH).stat().st_size < 1000
    model = shipped_model()
    assert model.lying_deg < model.rise_deg < model.steep_deg
    assert math.hypot(*model.up) == pytest.approx(1.0)


@pytest.mark.fast
def test_random_readings_never_break_it():
    rng = np.random.default_rng(0)
    detector = SitUpWarning(MODEL)
    at_s = 0.0
    for vector in rng.normal(0.0, G, (3000, 3)):
        at_s += float(rng.exponential(1.0))
        for one in detector.read(at_s, vector):
            assert one.kind in {"sitting_up", "risen"}
            assert 0.0 <= one.offset_s - one.onset_s <= MODEL.confirm_s
            assert 0.0 <= one.score <= 1.0
            assert all(math.isfinite(value) for value in one.evidence.values())
