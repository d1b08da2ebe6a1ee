"""The screen says no only where the forest does, and asks what `measure` measures."""

from pathlib import Path

import numpy as np
import pytest

from edge_agent.detect.falls.fall import FallDetector
from edge_agent.detect.falls.features import AFTERMATH, EARLY, FEATURES, HISTORY, measure
from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.detect.falls.model import Forest, shipped_model
from edge_agent.detect.falls.screen import ASKED, Screen, Window, shipped_screens
from edge_agent.detect.falls.upright import Upright
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import ACCELERATION
from tests.detect import synthetic

pytestmark = pytest.mark.fast

WINDOW = HISTORY + AFTERMATH
UNIT_G = 16 / 32768
SCALE = np.float32(UNIT_G * STANDARD_GRAVITY)
DATA = Path(__file__).parents[3] / "shared" / "data"


def as_measured(counts):
    """Return the window that the detector would make of counts, shape (3, n)."""
    return counts.astype(np.float32).T * SCALE * np.float32(1.0 / STANDARD_GRAVITY)


def features_of(counts, after=AFTERMATH, upright=None):
    window = as_measured(counts[: HISTORY + after]).astype(np.float64)
    return measure(window, after, upright)


def ask(screen, counts, upright=None, after=AFTERMATH):
    window = Window(after)
    window.take(as_measured(counts[: HISTORY + after]))
    return screen.rules_out(window, upright)


def windows(seed, count=40):
    """Return windows of counts: calm, walking, falls, noise, spikes, stuck, clipped, no direction."""
    random = np.random.default_rng(seed)
    long = 100 * 60
    walk = synthetic.walking(100.0, 60.0, seed) / STANDARD_GRAVITY / UNIT_G
    for i in range(count):
        kind = i % 8
        at = int(random.integers(0, long - WINDOW))
        g = walk[at : at + WINDOW] * UNIT_G
        if kind == 1:
            turn = float(random.uniform(0.0, 180.0))
            fall = synthetic.fall(turn_deg=turn, peak_g=random.uniform(1.5, 12.0), seed=i)
            g = fall[100 : 100 + WINDOW] / STANDARD_GRAVITY
        elif kind == 2:
            g = random.normal(0.0, random.uniform(0.01, 6.0), (WINDOW, 3))
        elif kind == 3:
            g = g + random.normal(0.0, 0.3, (WINDOW, 3))
        elif kind == 4:
            g = np.tile(random.normal(0.0, 1.0, 3), (WINDOW, 1))
        elif kind == 5:
            g = 5.0 * g
        elif kind == 6:
            g = random.choice([-16.0, 16.0], (WINDOW, 3))
        elif kind == 7:
            g = random.normal(0.0, 0.05, (WINDOW, 3))
        yield np.clip(np.rint(g / UNIT_G), -32768, 32767)


def forest_of(random, trees=80, depth=3):
    """Return a forest that asks about anything, at the values the features have."""
    feature = random.integers(0, len(FEATURES), (trees, depth))
    seen = np.array([features_of(counts) for counts in windows(9)])
    threshold = np.nan_to_num(seen[random.integers(0, len(seen), (trees, depth)), feature])
    return Forest(random.uniform(-6.0, 1.0), feature, threshold, random.normal(0, 0.3, (trees, 8)))


def uprights(seed):
    """Yield no upright posture, one that fits who walks, one that lies, and any."""
    random = np.random.default_rng(seed)
    while True:
        yield None
        yield (0.0, -1.0, 0.0)
        yield (1.0, 0.0, 0.0)
        x, y, z = random.normal(size=3)
        length = (x * x + y * y + z * z) ** 0.5
        yield (x / length, y / length, z / length)


@pytest.mark.parametrize("after", [EARLY, AFTERMATH])
@pytest.mark.parametrize("seed", range(12))
def test_what_is_ruled_out_has_a_margin_below_zero(seed, after):
    model = shipped_model()
    forest = model.complete if after == AFTERMATH else model.early
    if seed:
        forest = forest_of(np.random.default_rng(seed))
    screen = Screen(forest, after)
    for counts, upright in zip(windows(seed, 90), uprights(seed)):
        if ask(screen, counts, upright, after):
            assert forest.margin(features_of(counts, after, upright)) < 0.0


@pytest.mark.parametrize("name", ASKED)
def test_each_number_is_the_one_measured(name):
    """A forest of one question: it is answered from the screen exactly as from the features."""
    told = 0
    feature = np.array([[FEATURES.index(name)] * 3])
    for counts, upright in zip(windows(3, 80), uprights(3)):
        features = features_of(counts, AFTERMATH, upright)
        value = np.nan_to_num(features[feature[0, 0]])
        for threshold in (0.97 * value - 0.03, 1.03 * value + 0.03, 0.6 * value):
            for above in (-1.0, 1.0):
                leaf = np.array([[-above] * 7 + [above]])
                forest = Forest(0.0, feature, np.full((1, 3), threshold), leaf)
                no = ask(Screen(forest, AFTERMATH), counts, upright)
                assert not no or forest.margin(features) < 0.0
                told += no
    assert told > 50


def test_a_number_at_a_threshold_is_not_told():
    counts = next(windows(5))
    at = FEATURES.index("angle_deg")
    value = features_of(counts)[at]
    for threshold in np.nextafter(value, [-np.inf, value, np.inf]):
        for leaf in ([[-1.0] * 7 + [1.0]], [[1.0] + [-1.0] * 7]):
            forest = Forest(0.0, np.full((1, 3), at), np.full((1, 3), threshold), np.array(leaf))
            assert not ask(Screen(forest, AFTERMATH), counts)


def test_thresholds_closer_than_rounding_are_one_step():
    at = FEATURES.index("before_g")
    value = features_of(next(windows(5)))[at]
    threshold = value + np.array([[-1e-8, 0.0, 1e-8], [-1e-3, 1e-3, 1e-3]])
    feature = np.full((2, 3), at)
    for high in range(8):
        leaf = np.where(np.arange(8) == high, 1.0, -1.0) * np.array([[1.0], [0.1]])
        forest = Forest(-0.5, feature, threshold, leaf)
        for nudge in (-2e-8, 0.0, 2e-8):
            other = Forest(-0.5, feature, threshold + nudge, leaf)
            if ask(Screen(other, AFTERMATH), next(windows(5))):
                assert forest.margin(features_of(next(windows(5)))) < 0.0


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_never_below_the_forest_whatever_is_not_asked(seed):
    """Any value of the features that are not asked, not only those a window can have."""
    random = np.random.default_rng(seed)
    forest = forest_of(random, trees=5)
    screen, others = Screen(forest, AFTERMATH), [name not in ASKED for name in FEATURES]
    told = 0
    for counts, upright in zip(windows(seed, 60), uprights(seed)):
        features = features_of(counts, AFTERMATH, upright)
        if ask(screen, counts, upright):
            told += 1
            for _ in range(50):
                features[others] = random.normal(0.0, 100.0, sum(others))
                assert forest.margin(features) < 0.0
    assert told or forest.bias > -2.0


def test_walking_is_ruled_out_and_a_fall_is_not():
    calm = synthetic.walking(100.0, 60.0) / STANDARD_GRAVITY / UNIT_G
    x, y, z = calm.mean(axis=0)
    length = (x * x + y * y + z * z) ** 0.5
    upright, screen, walking = (x / length, y / length, z / length), shipped_screens()[1], 0
    for at in range(0, 5000, 50):
        near = calm[at + HISTORY : at + HISTORY + 100]
        impact = int((near**2).sum(axis=1).argmax())
        walking += ask(screen, np.rint(calm[at + impact : at + impact + WINDOW]), upright)
    fall = np.rint(synthetic.fall(before_s=4.0) / STANDARD_GRAVITY / UNIT_G)
    assert walking > 90
    assert not any(ask(screen, fall[100 + shift :][:WINDOW]) for shift in range(-3, 4))


def test_a_window_without_a_direction_is_not_told():
    assert not ask(shipped_screens()[1], np.zeros((WINDOW, 3)))
    rows = np.zeros((WINDOW, 3))
    rows[HISTORY:, 2] = 1.0 / UNIT_G
    assert not ask(shipped_screens()[1], rows)


def test_who_lay_before_may_have_dropped_and_the_upright_posture_does_not_count():
    """`measure` forgets it for who fell out of bed; the screen cannot know who did."""
    at = FEATURES.index("lying_before_deg")
    forest = Forest(
        -1.0, np.full((1, 3), at), np.full((1, 3), 30.0), np.array([[2.0] + [-2.0] * 7])
    )
    lying = np.tile([0.0, 0.0, 1.0 / UNIT_G], (WINDOW, 1))
    assert not ask(Screen(forest, AFTERMATH), lying, (1.0, 0.0, 0.0))
    dropped = lying.copy()
    dropped[HISTORY - 60 : HISTORY] *= 0.01
    assert forest.margin(features_of(dropped, AFTERMATH, (1.0, 0.0, 0.0))) > 0.0
    assert ask(Screen(forest, AFTERMATH), lying, (0.6, 0.0, 0.8))


def test_a_forest_that_asks_nothing_of_the_screen_rules_nothing_out_it_could_raise():
    at = FEATURES.index("peak_g")
    leaf = np.array([[-5.0] * 7 + [0.5]])
    forest = Forest(0.0, np.full((1, 3), at), np.full((1, 3), 99.0), leaf)
    always = Forest(-1.0, np.full((1, 3), at), np.full((1, 3), 99.0), leaf)
    assert not ask(Screen(forest, AFTERMATH), next(windows(1)))
    assert ask(Screen(always, AFTERMATH), next(windows(1)))


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("name", ["sisfall_acc_200hz_dev", "mobifall_pocket_87hz"])
def test_recorded_candidates_that_are_ruled_out_were_never_raised(name, learns):
    path = DATA / f"{name}.npz"
    if not path.exists():
        pytest.skip("recordings are not part of the repository")
    with np.load(path) as table:
        counts, start, is_fall = table["x"], table["start"], table["is_fall"]
        rate_hz, scale = float(table["fs"]), float(table["scale_g"]) * STANDARD_GRAVITY
    channel = Channel("pendant", ACCELERATION)
    screen, window = shipped_screens()[1], Window(AFTERMATH)
    asked = ruled_out = 0
    for i in np.random.default_rng(7).permutation(len(start) - 1)[:150]:
        upright = Upright() if learns else None
        detector = FallDetector(channel, keep_candidates=True, upright=upright)
        values = (counts[start[i] : start[i + 1]] * scale).astype(np.float32)
        detector.update(Chunk(channel, 0.0, rate_hz, values))
        for one in detector.candidates or []:
            if one.history == HISTORY and one.after == AFTERMATH and not np.isnan(one.window).any():
                window.take(one.window)
                no = screen.rules_out(window, one.upright)
                assert not no or one.margin < 0.0
                if not is_fall[i]:
                    asked += 1
                    ruled_out += no
    assert ruled_out > 0.6 * asked > 30


def test_a_bolder_forest_rules_nothing_out():
    shipped = shipped_model().complete
    bold = Forest(50.0, shipped.feature, shipped.threshold, shipped.leaf)
    assert not ask(Screen(bold, AFTERMATH), np.rint(next(windows(2))))
