"""Every detector stands what streams of a home bring."""

import numpy as np
import pytest

from edge_agent.stream.chunk import Chunk, Gap
from tests.detect import checks

pytestmark = pytest.mark.fast

every_case = pytest.mark.parametrize("case", checks.CASES, ids=lambda case: case.name)


def cases_that(wanted):
    cases = [case for case in checks.CASES if wanted(case)]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@every_case
@pytest.mark.parametrize(
    "sizes", [(1,), (2, 3, 5, 7), (1000, 1), (20,), (99, 101)], ids=lambda sizes: str(sizes)
)
def test_chunking_never_changes_the_result(case, sizes):
    checks.check_chunking(case, sizes)


@every_case
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chunking_never_changes_the_result_when_samples_are_missing(case, seed):
    random = np.random.default_rng(seed)
    checks.check_chunking_with_loss(case, [int(n) for n in random.integers(1, 60, 40)], seed)


@every_case
@pytest.mark.parametrize("begin_s", [-1.5, -1.0, -0.5, 0.15, 0.5, 0.9])
def test_a_hole_beside_the_event_is_survived(case, begin_s):
    checks.check_hole(case, begin_s)


@every_case
@pytest.mark.parametrize("gap_s", [0.4, 3.0, 3600.0])
@pytest.mark.parametrize("calm_factor", [1.0, 2.0])
def test_a_gap_never_hides_a_later_event(case, gap_s, calm_factor):
    checks.check_gap_before(case, gap_s, calm_factor * case.settles_s)


@cases_that(lambda case: case.raises_when_cut)
@pytest.mark.parametrize("after_s", [0.1, 0.2, 0.5, 1.0])
def test_a_gap_right_after_the_event_still_raises(case, after_s):
    checks.check_cut(case, after_s)


@cases_that(lambda case: case.rotates)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_mounting_does_not_matter(case, seed):
    checks.check_rotation(case, seed)


def rubbish(kind: str, axes: int) -> np.ndarray:
    random = np.random.default_rng(7)
    if kind == "nan":
        return np.full((500, axes), np.nan, dtype=np.float32)
    if kind == "half nan":
        values = random.normal(0.0, 20.0, (500, axes)).astype(np.float32)
        values[random.random((500, axes)) < 0.5] = np.nan
        return values
    if kind == "infinite":
        values = np.full((500, axes), np.inf, dtype=np.float32)
        values[::2] *= -1
        return values
    if kind == "huge":
        return np.full((500, axes), 3e38, dtype=np.float32)
    if kind == "zero":
        return np.zeros((500, axes), dtype=np.float32)
    if kind == "constant":
        return np.full((500, axes), 9.0, dtype=np.float32)
    if kind == "clipped":
        return np.where(random.random((500, axes)) < 0.5, -19.6, 19.6).astype(np.float32)
    return np.zeros((0, axes), dtype=np.float32)


@every_case
@pytest.mark.parametrize(
    "kind", ["nan", "half nan", "infinite", "huge", "zero", "constant", "clipped", "empty"]
)
def test_rubbish_is_survived_and_a_later_event_found(case, kind):
    checks.check_rubbish_survived(case, rubbish(kind, case.signal.shape[1]))


@every_case
def test_time_may_jump_and_the_next_event_is_still_found(case):
    detector = case.make(case.channel)
    calm, rate_hz = case.calm, case.rate_hz
    for start_s in (50.0, 49.0, 1e6, 3.0, 2.9, float("nan"), 5.0):
        detector.update(Chunk(case.channel, start_s, rate_hz, calm))
    detector.gap(Gap(case.channel, 6.0, 5.0))
    found = detector.update(Chunk(case.channel, checks.START_S, rate_hz, case.signal))
    found += detector.gap(Gap(case.channel, 2000.0, 2001.0))
    checks.check_event(case, [one for one in found if one.kind == case.kind], case.event_s)


@every_case
def test_a_gap_before_anything_says_nothing(case):
    detector = case.make(case.channel)
    assert detector.gap(Gap(case.channel, 0.0, 5.0)) == []
    assert detector.gap(Gap(case.channel, 5.0, 5.0)) == []


@every_case
def test_an_empty_chunk_says_nothing(case):
    detector = case.make(case.channel)
    assert detector.update(Chunk(case.channel, 3.0, case.rate_hz, case.calm[:0])) == []
