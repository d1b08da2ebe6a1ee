"""The worn accelerometer: falls weigh less, hit, and end lying; nothing jumps."""

import numpy as np
import pytest

from edge_agent.simulator.sensors.motion import (
    Activity,
    Fall,
    FallKind,
    MotionSpan,
    Pose,
    Wearer,
    Worn,
    acceleration,
)

pytestmark = pytest.mark.fast

RATE_HZ = 100.0


def falling(fall, before=Activity.WALKING, seed=1, worn=Worn.CHEST, rate_hz=RATE_HZ, turned=True):
    if fall.kind is FallKind.FROM_CHAIR:
        before = Activity.SITTING
    timeline = [MotionSpan(0.0, 8.0, before), MotionSpan(8.0, 16.0, Activity.FALL, fall)]
    return acceleration(timeline, Wearer(worn), rate_hz, 16.0, seed, is_turned=turned)


def one(activity, seconds=30.0, seed=1, **wearer):
    timeline = [MotionSpan(0.0, seconds, activity)]
    return acceleration(timeline, Wearer(**wearer), RATE_HZ, seconds, seed)


def norm(g):
    return np.linalg.norm(g, axis=1)


def angle_deg(a, b):
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    first, _ = falling(Fall(), seed=3)
    again, _ = falling(Fall(), seed=3)
    other, _ = falling(Fall(), seed=4)

    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 0.2


@pytest.mark.parametrize("worn", list(Worn))
@pytest.mark.parametrize("kind", list(FallKind))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fall_weighs_less_then_hits_and_ends_lying(seed, kind, worn):
    g, truth = falling(Fall(kind), seed=seed, worn=worn)
    (fall,) = truth.falls
    length = norm(g)
    hit = round(fall.impact_s * RATE_HZ)

    assert fall.descent_s - fall.imbalance_s == pytest.approx(1.271 - 0.583)
    assert fall.impact_s - fall.descent_s == pytest.approx(0.583)
    assert length.argmax() == pytest.approx(hit, abs=8)
    assert length.max() == pytest.approx(3.5, abs=0.15)
    descent = length[round(fall.descent_s * RATE_HZ) : hit]
    lightest = np.convolve(descent, np.ones(5) / 5.0, "valid").min()
    assert 0.35 < lightest < 0.75
    assert length[-200:].mean() == pytest.approx(1.0, abs=0.05)
    assert angle_deg(g[200:700].mean(axis=0), g[-200:].mean(axis=0)) > 50.0


@pytest.mark.parametrize("peak_g", [2.2, 3.5, 6.0])
@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0])
def test_the_peak_is_the_one_asked_for_at_any_rate(rate_hz, peak_g):
    g, _ = falling(Fall(peak_g=peak_g), rate_hz=rate_hz)

    assert norm(g).max() == pytest.approx(peak_g, rel=0.05)


def test_a_faster_descent_is_lighter_and_a_slow_one_is_not_light_at_all():
    def lightest(descent_s):
        g, truth = falling(Fall(FallKind.BACKWARD, descent_s=descent_s))
        hit = round(truth.falls[0].impact_s * RATE_HZ)
        return np.convolve(norm(g)[hit - 60 : hit], np.ones(5) / 5.0, "valid").min()

    assert lightest(0.35) < 0.35
    assert lightest(0.583) < 0.6
    assert lightest(1.5) > 0.7


def test_an_arrest_takes_back_the_speed_of_its_descent():
    left = []
    for seed in range(12):
        g, truth = falling(Fall(FallKind.LATERAL), seed=seed)
        hit = round(truth.falls[0].impact_s * RATE_HZ)
        window = slice(hit - 70, hit + 100)
        upward = np.einsum("ni,ni->n", g[window], truth.up[window]) - 1.0
        offset = np.einsum("ni,ni->n", g[-300:], truth.up[-300:]).mean() - 1.0
        left.append(9.80665 * (upward - offset).sum() / RATE_HZ)

    assert abs(np.median(left)) < 0.35
    assert np.abs(left).max() < 1.0


@pytest.mark.parametrize("kind", list(FallKind))
def test_attitudes_turn_smoothly(kind):
    for seed in range(5):
        _, truth = falling(Fall(kind), seed=seed)
        step = np.arccos(np.clip((truth.up[1:] * truth.up[:-1]).sum(axis=1), -1.0, 1.0))
        assert np.degrees(step).max() < 6.0
        assert np.allclose(np.linalg.norm(truth.up, axis=1), 1.0)


@pytest.mark.parametrize(
    ("ends", "axis", "sign"),
    [
        (Pose.SUPINE, 0, 1.0),
        (Pose.PRONE, 0, -1.0),
        (Pose.LEFT_SIDE, 1, -1.0),
        (Pose.RIGHT_SIDE, 1, 1.0),
    ],
)
def test_body_axes_point_as_they_should_in_the_end(ends, axis, sign):
    g, truth = falling(Fall(ends=ends, moves_after=False), turned=False)

    assert truth.falls[0].ends is ends
    assert g[300:700, 2].mean() == pytest.approx(1.0, abs=0.1)
    assert sign * g[-200:, axis].mean() > 0.9


def test_who_lies_still_moves_less_than_who_tries_to_get_up():
    def restlessness(moves):
        spread = []
        for seed in range(6):
            g, _ = falling(Fall(moves_after=moves), seed=seed)
            spread.append(g[-450:].std(axis=0).max())
        return np.median(spread)

    assert restlessness(True) > 4.0 * restlessness(False)


def test_any_mounting_feels_the_same_length():
    turned, _ = falling(Fall(), seed=5)
    straight, _ = falling(Fall(), seed=5, turned=False)

    assert norm(turned) == pytest.approx(norm(straight), abs=0.2)
    assert np.abs(turned - straight).max() > 0.5


@pytest.mark.parametrize("steps_per_s", [1.6, 1.75, 1.9])
@pytest.mark.parametrize("worn", list(Worn))
def test_walking_has_its_peak_at_the_steps(worn, steps_per_s):
    g, truth = one(Activity.WALKING, 60.0, worn=worn, steps_per_s=steps_per_s)
    length = norm(g)[300:-300]
    power = np.abs(np.fft.rfft((length - length.mean()) * np.hanning(len(length)))) ** 2
    frequency = np.fft.rfftfreq(len(length), 1.0 / RATE_HZ)
    inside = (frequency > 1.0) & (frequency < 2.5)

    assert frequency[inside][power[inside].argmax()] == pytest.approx(steps_per_s, abs=0.12)
    assert 1.0 / np.diff(truth.step_s).mean() == pytest.approx(steps_per_s, rel=0.03)
    assert np.diff(truth.step_s).std() > 0.01
    assert length.max() < 1.75
    assert length.min() > 0.55


@pytest.mark.parametrize("activity", [Activity.LYING, Activity.SITTING, Activity.STANDING])
def test_rest_is_one_g_without_impacts(activity):
    for seed in range(5):
        g, truth = one(activity, 60.0, seed)
        assert norm(g).mean() == pytest.approx(1.0, abs=0.05)
        assert norm(g).max() < 1.2
        assert not truth.falls


def test_daily_life_is_gentle_and_a_hard_seat_is_not():
    day = [
        MotionSpan(0.0, 6.0, Activity.STANDING),
        MotionSpan(6.0, 10.0, Activity.LIE_DOWN),
        MotionSpan(10.0, 20.0, Activity.LYING),
        MotionSpan(20.0, 22.0, Activity.TURN_OVER),
        MotionSpan(22.0, 30.0, Activity.LYING),
        MotionSpan(30.0, 35.0, Activity.GET_UP),
        MotionSpan(35.0, 45.0, Activity.WALKING),
        MotionSpan(45.0, 48.0, Activity.SIT_DOWN_HARD),
        MotionSpan(48.0, 56.0, Activity.SITTING),
        MotionSpan(56.0, 66.0, Activity.WALKING),
        MotionSpan(66.0, 69.0, Activity.STUMBLE),
        MotionSpan(69.0, 76.0, Activity.WALKING),
    ]
    for seed in range(4):
        g, truth = acceleration(day, Wearer(), RATE_HZ, 76.0, seed)
        length = norm(g)
        assert length[:3500].max() < 1.8
        assert 1.7 < length[4500:4800].max() < 2.8
        (seat_s,) = truth.seat_s
        assert 100 * seat_s == pytest.approx(4500 + length[4500:4800].argmax(), abs=5)
        assert 1.4 < length[6600:6900].max() < 3.6
        assert angle_deg(g[200:500].mean(axis=0), g[1500:1900].mean(axis=0)) > 55.0
        assert angle_deg(g[200:500].mean(axis=0), g[3700:4400].mean(axis=0)) < 20.0


def test_tremor_lies_between_four_and_six_hz():
    g, _ = one(Activity.SITTING, 40.0, tremor_g=0.1)
    power = np.abs(np.fft.rfft(g[500:3500] - g[500:3500].mean(axis=0), axis=0)).sum(axis=1)
    frequency = np.fft.rfftfreq(3000, 1.0 / RATE_HZ)
    inside = frequency > 2.0

    assert 3.9 <= frequency[inside][power[inside].argmax()] <= 6.1


@pytest.mark.parametrize(
    ("timeline", "why"),
    [
        (
            [MotionSpan(0.0, 5.0, Activity.LYING), MotionSpan(5.0, 12.0, Activity.FALL)],
            "^fall does not begin (supine|left_side|right_side)$",
        ),
        (
            [
                MotionSpan(0.0, 5.0, Activity.WALKING),
                MotionSpan(5.0, 12.0, Activity.FALL, Fall(FallKind.FROM_CHAIR)),
            ],
            "^fall does not begin upright$",
        ),
        (
            [
                MotionSpan(0.0, 5.0, Activity.WALKING),
                MotionSpan(5.0, 12.0, Activity.FALL, Fall(descent_s=0.2)),
            ],
            "^nobody reaches 2.53 m/s within 0.2 s of descent$",
        ),
        (
            [MotionSpan(0.0, 5.0, Activity.WALKING), MotionSpan(5.0, 6.0, Activity.FALL)],
            "^fall takes 2.271 s or more$",
        ),
        (
            [MotionSpan(0.0, 5.0, Activity.WALKING), MotionSpan(6.0, 9.0, Activity.LYING)],
            "^spans follow each other without holes, unlike MotionSpan",
        ),
    ],
)
def test_what_does_not_follow_is_said(timeline, why):
    with pytest.raises(ValueError, match=why):
        acceleration(timeline, Wearer(), RATE_HZ, 12.0, 1)


def test_a_rate_that_misses_impacts_is_refused():
    with pytest.raises(ValueError, match=r"^falls are sampled at 50 Hz or more, not 20.0$"):
        acceleration([], Wearer(), 20.0, 1.0, 1)
