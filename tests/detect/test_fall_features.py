"""The features of a window, computed by hand where a hand can."""

import numpy as np
import pytest

from edge_agent.detect.falls.features import (
    AFTERMATH,
    DROP_MPS,
    FEATURES,
    FROM_UPRIGHT,
    HISTORY,
    measure,
)

pytestmark = pytest.mark.fast

WINDOW = HISTORY + AFTERMATH


def measured(window, after=AFTERMATH, upright=None):
    with np.errstate(all="ignore"):
        numbers = measure(window[:, : HISTORY + after], after, upright)
        return dict(zip(FEATURES, numbers, strict=True))


def fallen():
    """Stand along y, 0.3 s at half a g, one sample of 4 g, lie along x."""
    window = np.zeros((3, WINDOW))
    window[1, :HISTORY] = 1.0
    window[1, HISTORY - 30 : HISTORY] = 0.5
    window[0, HISTORY] = 4.0
    window[0, HISTORY + 1 :] = 1.0
    return window


def test_a_simple_fall_by_hand():
    numbers = measured(fallen())

    assert numbers["peak_g"] == 4.0
    assert numbers["free_fall_s"] == pytest.approx(0.30)
    assert numbers["descent_mps"] == pytest.approx(0.5 * 9.80665 * 0.30)
    assert numbers["lightest_g"] == pytest.approx(0.5)
    assert numbers["brace_g"] == pytest.approx(1.0)
    assert numbers["impulse_mps"] == pytest.approx(2.7 * 9.80665 * 0.01)
    assert numbers["impulse_wide_mps"] == pytest.approx(numbers["impulse_mps"])
    assert numbers["heavy_100ms_g"] == pytest.approx(1.3)
    assert numbers["heavy_200ms_g"] == pytest.approx(1.15)
    assert numbers["range_g"] == pytest.approx(np.hypot(4.0, 1.0))
    assert numbers["peak_ratio"] == pytest.approx(4.0)
    assert numbers["rebound_g"] == pytest.approx(0.0, abs=1e-6)
    assert numbers["after_peak_g"] == pytest.approx(1.0)
    assert numbers["angle_deg"] == pytest.approx(90.0)
    assert numbers["angle_late_deg"] == pytest.approx(90.0)
    assert numbers["angle_settle_deg"] == pytest.approx(0.0, abs=1e-4)
    assert numbers["before_g"] == pytest.approx(1.0)
    assert numbers["before_move_g"] == pytest.approx(0.0, abs=1e-6)
    assert numbers["still_g"] == pytest.approx(0.0, abs=1e-6)


def test_missing_samples_count_as_nothing():
    random = np.random.default_rng(0)
    window = fallen() + random.normal(0.0, 0.02, (3, WINDOW))
    holed = window.copy()
    holed[:, 40:70] = np.nan
    holed[:, HISTORY + 80 : HISTORY + 110] = np.nan
    upright = (0.0, 1.0, 0.0)
    whole, rest = measured(window, upright=upright), measured(holed, upright=upright)
    for name in FEATURES:
        tolerance = 1.0 if name.endswith("_deg") else 0.03
        assert rest[name] == pytest.approx(whole[name], rel=0.2, abs=tolerance), name


@pytest.mark.parametrize("after", [1, 2, 10, 20, 21, 50, 124])
@pytest.mark.parametrize("history", [0, 1, 9, 10, 40, 60, 100, 299])
def test_any_piece_of_a_window_can_be_measured(history, after):
    window = fallen()
    window[:, : HISTORY - history] = np.nan
    numbers = measured(window, after)
    assert numbers["peak_g"] == 4.0
    if history < 10:
        assert np.isnan(numbers["angle_deg"])
        assert np.isnan(numbers["peak_ratio"])


def test_a_window_with_nothing_but_its_impact_can_be_measured():
    window = np.full((3, WINDOW), np.nan)
    window[:, HISTORY] = 1.0
    numbers = measured(window)
    assert numbers["peak_g"] == pytest.approx(np.sqrt(3.0))
    assert np.isnan(numbers["angle_deg"])


def test_a_vector_without_length_has_no_direction():
    window = fallen()
    window[:, HISTORY + 1 :] = 0.0
    assert np.isnan(measured(window)["angle_deg"])


def test_posture_against_upright_by_hand():
    numbers = measured(fallen(), upright=(0.0, 1.0, 0.0))
    assert numbers["lying_before_deg"] == pytest.approx(0.0, abs=1e-4)
    assert numbers["upright_after_deg"] == pytest.approx(0.0, abs=1e-4)
    assert numbers["righted_deg"] == pytest.approx(-90.0, abs=1e-4)
    bumped = fallen()
    bumped[1, HISTORY - 30 : HISTORY] = 1.0
    turned = measured(bumped, upright=(1.0, 0.0, 0.0))
    assert turned["lying_before_deg"] == pytest.approx(90.0, abs=1e-4)
    assert turned["upright_after_deg"] == pytest.approx(90.0, abs=1e-4)
    assert turned["righted_deg"] == pytest.approx(90.0, abs=1e-4)


def test_who_lay_before_and_dropped_is_judged_without_the_posture():
    dropped = measured(fallen(), upright=(1.0, 0.0, 0.0))
    assert dropped["descent_mps"] > DROP_MPS
    assert all(np.isnan(dropped[name]) for name in FROM_UPRIGHT)


def test_an_unknown_upright_changes_only_what_needs_it():
    known, unknown = measured(fallen(), upright=(0.0, 1.0, 0.0)), measured(fallen())
    for name in FEATURES:
        if name in FROM_UPRIGHT:
            assert np.isnan(unknown[name])
        else:
            assert unknown[name] == known[name]
