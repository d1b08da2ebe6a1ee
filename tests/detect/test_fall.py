"""Falls from a worn accelerometer: raised once, early, and with what context there is."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.detect.falls.fall import REFRACTORY_S, SAME_FALL_S, FallDetector, detect_snippet
from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.detect.falls.model import probability
from edge_agent.detect.falls.upright import Upright
from edge_agent.evaluate.falls.trials import read_trials
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import ACCELERATION
from tests.detect import synthetic

CHANNEL = Channel("pendant", ACCELERATION)
DATA = Path(__file__).parents[3] / "shared" / "data"

fast = pytest.mark.fast


def detect(values, rate_hz=100.0, start_s=0.0, packet=10):
    detector = FallDetector(CHANNEL)
    found = []
    for at in range(0, len(values), packet):
        found += detector.update(
            Chunk(CHANNEL, start_s + at / rate_hz, rate_hz, values[at : at + packet])
        )
    end_s = start_s + len(values) / rate_hz
    return found + detector.gap(Gap(CHANNEL, end_s, end_s + 1.0))


@fast
def test_a_fall_is_raised_with_what_decided():
    (fall,) = detect(synthetic.fall(), start_s=20.0)

    assert fall.kind == "fall"
    assert fall.onset_s == pytest.approx(24.0, abs=0.02)
    assert fall.offset_s - fall.onset_s == pytest.approx(0.74, abs=0.02)
    assert 0.5 <= fall.score <= 1.0
    assert fall.evidence["peak_g"] == pytest.approx(5.0, abs=0.1)
    assert fall.evidence["angle_deg"] == pytest.approx(85.0, abs=2.0)
    assert fall.evidence["free_fall_s"] == pytest.approx(0.33, abs=0.03)
    assert fall.evidence["history_s"] == 3.0
    assert fall.evidence["after_s"] == 0.75
    assert fall.evidence["still_g"] < 0.1
    assert fall.evidence["severity"] == 2.0
    assert fall.score == probability(fall.evidence["margin"])
    assert fall.reason == (
        "Impact of 5.0 g after 0.34 s of weightlessness, posture changed by 85 degrees."
    )


@fast
@pytest.mark.parametrize("peak_g", [2.5, 4.0, 8.0])
@pytest.mark.parametrize("clip_g", [2.0, 4.0, 16.0])
@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 50.0, 87.0, 104.0, 119.0, 200.0])
def test_neither_rate_nor_range_hide_a_fall(rate_hz, clip_g, peak_g):
    (fall,) = detect(synthetic.fall(rate_hz, peak_g=peak_g, clip_g=clip_g), rate_hz)
    assert fall.onset_s == pytest.approx(4.0, abs=0.1)


@fast
@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 100.0, 200.0])
def test_standing_and_walking_are_no_falls(rate_hz):
    assert detect(synthetic.standing(rate_hz, 20.0), rate_hz) == []
    assert detect(synthetic.walking(rate_hz, 60.0), rate_hz) == []


@fast
@pytest.mark.parametrize("before_s", [0.05, 0.3, 0.6, 1.0, 1.5])
def test_an_impact_right_at_the_beginning_is_raised(before_s):
    (fall,) = detect(synthetic.fall(before_s=before_s))
    assert fall.onset_s == pytest.approx(before_s, abs=0.05)


@fast
def test_an_unknown_posture_is_said():
    (fall,) = detect(synthetic.fall(before_s=0.05))
    assert fall.evidence["angle_deg"] == 0.0
    assert fall.reason == "Impact of 5.0 g after 0.00 s of weightlessness, posture unknown."


@fast
def test_a_cut_says_how_much_was_seen():
    (fall,) = detect(synthetic.fall(after_s=0.2))
    assert fall.evidence["after_s"] == 0.2
    assert fall.reason == (
        "Impact of 5.0 g after 0.34 s of weightlessness, posture changed by 85 degrees, "
        "signal ended 0.20 s later."
    )


def lying_down(before_s=6.0, after_s=6.0, peak_g=2.5, drop_s=0.0):
    """One who lies on the side turns over with a bump, out of the bed where drop_s says so."""
    t = np.arange(round((before_s + after_s) * 100.0)) / 100.0 - before_s
    angle = np.deg2rad(90.0) * np.clip((t + 0.5) / 0.45, 0.0, 1.0) ** 2
    length = np.ones(len(t))
    length[(t > -drop_s - 0.03) & (t < -0.03)] = 0.3 if drop_s else 1.0
    length += (peak_g - 1.0) * np.exp(-0.5 * (t / 0.02) ** 2)
    ring = t > 0.0
    length[ring] += 0.3 * np.sin(60.0 * t[ring]) * np.exp(-t[ring] / 0.1)
    g = np.stack([length * np.cos(angle), 0.0 * t, length * np.sin(angle)], axis=1)
    g += np.random.default_rng(1).normal(0.0, 0.01, g.shape)
    return (g * synthetic.G).astype(np.float32)


def judged(values, walked):
    """Return the margin and the detections of what comes after a walk, or after standing."""
    detector = FallDetector(CHANNEL, keep_candidates=True, upright=Upright())
    before = synthetic.walking(100.0, 20.0) if walked else synthetic.standing(100.0, 20.0)
    detector.update(Chunk(CHANNEL, 0.0, 100.0, before))
    found = detector.update(Chunk(CHANNEL, 20.0, 100.0, values))
    return detector.candidates[-1].margin, found


@fast
def test_a_learnt_posture_speaks_against_one_who_turns_over_in_bed():
    unknown, _ = judged(lying_down(), walked=False)
    known, found = judged(lying_down(), walked=True)
    assert known < unknown
    assert found == []


@fast
@pytest.mark.parametrize("peak_g", [4.0, 6.0, 8.0])
def test_a_learnt_posture_hides_no_fall_out_of_bed(peak_g):
    falling = lying_down(peak_g=peak_g, drop_s=0.3)
    (unknown, before), (known, after) = (judged(falling, walked) for walked in (False, True))
    assert known == unknown
    assert [one.kind for one in before] == [one.kind for one in after] == ["fall"]


@fast
def test_a_learnt_posture_is_said_and_a_clear_fall_is_raised_all_the_same():
    _, (fall,) = judged(synthetic.fall(), walked=True)
    assert fall.evidence["tilt_deg"] == pytest.approx(85.0, abs=8.0)
    assert " degrees from upright" in fall.reason


@fast
def test_a_bump_at_the_beginning_does_not_swallow_the_fall_after_it():
    bump = synthetic.fall(before_s=0.08, after_s=3.92, peak_g=6.0)
    found = detect(np.concatenate([bump, synthetic.fall(before_s=2.0, peak_g=3.0)]))
    assert [round(one.onset_s) for one in found] == [0, 6]


@fast
def test_a_bump_of_the_same_fall_is_not_raised_again():
    first = synthetic.fall(after_s=SAME_FALL_S - 1.0, turn_deg=60.0)
    assert len(detect(np.concatenate([first, synthetic.fall(before_s=0.9)]))) == 1
    assert len(detect(synthetic.fall(before_s=0.9))) == 1


@fast
def test_a_clearer_fall_is_raised_soon_after_a_doubtful_one():
    doubtful = synthetic.fall(after_s=4.0, peak_g=2.2)
    clear = synthetic.fall(before_s=3.0)
    both = detect(np.concatenate([doubtful, clear]))
    assert [round(one.onset_s) for one in both] == [4, 11]
    assert both[0].score < both[1].score
    clear_first = np.concatenate([clear, synthetic.fall(before_s=3.0, peak_g=2.2)])
    assert [round(one.onset_s) for one in detect(clear_first)] == [3]


@fast
def test_a_second_fall_after_the_refractory_time_is_raised():
    first = synthetic.fall(after_s=REFRACTORY_S - 3.0)
    both = detect(np.concatenate([first, synthetic.fall()]))
    assert [round(one.onset_s) for one in both] == [4, 15]


@fast
def test_a_restarted_unit_is_not_held_back_by_the_fall_before():
    detector = FallDetector(CHANNEL)
    values = synthetic.fall()
    assert len(detector.update(Chunk(CHANNEL, 500.0, 100.0, values))) == 1
    assert len(detector.update(Chunk(CHANNEL, 0.0, 100.0, values))) == 1


@fast
def test_a_drifting_clock_neither_stops_nor_restarts_the_detector():
    detector, values, found = FallDetector(CHANNEL), synthetic.fall(before_s=60.0), []
    for n in range(len(values) // 10):
        start_s = n * 0.1 * 1.002
        found += detector.update(Chunk(CHANNEL, start_s, 100.0, values[10 * n : 10 * n + 10]))
    (fall,) = found
    assert fall.onset_s == pytest.approx(60.12, abs=0.05)
    assert fall.evidence["history_s"] == 3.0


@fast
def test_a_rate_that_is_measured_anew_with_every_chunk_is_one_stream():
    detector, values, found = FallDetector(CHANNEL), synthetic.fall(), []
    at_s = 0.0
    for n in range(len(values) // 10):
        rate_hz = 100.0 + 0.3 * (-1) ** n
        found += detector.update(Chunk(CHANNEL, at_s, rate_hz, values[10 * n : 10 * n + 10]))
        at_s += 10 / rate_hz
    (fall,) = found
    assert fall.evidence["history_s"] == 3.0


@fast
def test_a_stream_keeps_about_sixteen_kilobytes():
    detector, values = FallDetector(CHANNEL), synthetic.walking(200.0, 60.0)
    detector.update(Chunk(CHANNEL, 0.0, 200.0, values))
    held = [part for part in vars(detector._grid).values() if isinstance(part, np.ndarray)]
    assert sum(part.nbytes for part in held) < 17_000
    assert len(detector._open) < 5
    assert detector.candidates is None


@fast
def test_a_chunk_of_hours_is_taken():
    values = np.concatenate([synthetic.standing(100.0, 3600.0), synthetic.fall()])
    (fall,) = detect(values, packet=len(values))
    assert fall.onset_s == pytest.approx(3604.0, abs=0.02)


@fast
def test_one_axis_is_refused():
    with pytest.raises(ValueError, match="three axes") as caught:
        FallDetector(CHANNEL).update(Chunk(CHANNEL, 0.0, 100.0, np.zeros((5, 1), np.float32)))
    assert str(caught.value) == "a fall detector takes three axes, not shape (5, 1)"


@fast
@pytest.mark.parametrize("rate_hz", [0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(rate_hz):
    with pytest.raises(ValueError, match="takes 1 to 4000 Hz") as caught:
        FallDetector(CHANNEL).update(Chunk(CHANNEL, 0.0, rate_hz, np.zeros((5, 3), np.float32)))
    assert str(caught.value) == f"a fall detector takes 1 to 4000 Hz, not {rate_hz!r}"


@fast
@pytest.mark.parametrize("rate_hz", [20.0, 87.0, 200.0])
def test_a_late_snippet_is_judged_as_the_stream_would_have_been(rate_hz):
    snippet = synthetic.fall(rate_hz, before_s=3.0, after_s=5.0)
    assert detect_snippet(CHANNEL, snippet, rate_hz, 77.0) == detect(snippet, rate_hz, 77.0, 7)


@fast
@given(st.data())
def test_no_chunking_of_no_signal_changes_a_bit(data):
    rate_hz = data.draw(st.sampled_from([20.0, 50.0, 87.0, 100.0, 119.0, 200.0]))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    values = synthetic.fall(rate_hz, before_s=random.uniform(0.1, 4.0), after_s=2.0)
    values += random.normal(0.0, random.choice([0.1, 10.0]), values.shape).astype(np.float32)
    missing = random.random(len(values)) < random.choice([0.0, 0.1])
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=30))
    results = []
    for edges in ([0, len(values)], sorted({0, len(values), *cuts})):
        detector = FallDetector(CHANNEL, keep_candidates=True)
        found = []
        for begin, end in pairwise(edges):
            found += detector.update(
                Chunk(CHANNEL, begin / rate_hz, rate_hz, values[begin:end], missing[begin:end])
            )
        found += detector.gap(Gap(CHANNEL, 99.0, 100.0))
        looked = [(one.impact_s, one.decided_s, one.score) for one in detector.candidates]
        results.append((found, looked))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("name", "every", "least_found", "most_false"),
    [
        ("sisfall_acc_200hz_dev.npz", 10, 0.97, 0.03),
        ("mobifall_pocket_87hz.npz", 3, 0.95, 0.05),
        ("umafall_waist_20hz.npz", 3, 0.95, 0.03),
    ],
)
def test_some_recorded_trials(name, every, least_found, most_false):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    trials = read_trials(path)
    found, false = [], []
    for trial in list(trials)[::every]:
        values = (trial.counts * (trial.scale_g * STANDARD_GRAVITY)).astype(np.float32)
        falls = detect_snippet(CHANNEL, values, trial.rate_hz, 0.0)
        if trial.is_fall:
            fall_s = trial.impact_index() / trial.rate_hz
            found.append(any(abs(one.onset_s - fall_s) < 2.0 for one in falls))
        else:
            false.append(bool(falls))
    assert np.mean(found) >= least_found
    assert np.mean(false) <= most_false
