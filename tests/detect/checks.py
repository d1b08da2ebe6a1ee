"""What every detector must stand; `test_shared.py` runs it over the CASES below.

A new detector is added to CASES with a signal that holds one event.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.bed.exit import BedOccupancy
from edge_agent.detect.detector import Detection, Detector
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import ACCELERATION, LOAD
from tests.detect import synthetic


@dataclass(frozen=True)
class Case:
    """A detector and a signal for it.

    Attributes:
        signal: shape (n, axes), holds exactly one event of `kind`.
        event_s: where in the signal.
        onset_within_s: how far the reported onset may be from it.
        kind: of the event; other kinds are ignored.
        settles_s: signal needed between a gap and the event.
        rotates: the detector must not care how the sensor is mounted.
        raises_when_cut: the event is reported even when the signal ends right after it.
    """

    name: str
    make: Callable[[Channel], Detector]
    channel: Channel
    rate_hz: float
    signal: NDArray[np.float32]
    event_s: float
    onset_within_s: float
    kind: str
    settles_s: float
    rotates: bool = False
    raises_when_cut: bool = False

    @property
    def calm(self) -> NDArray[np.float32]:
        """Return the second before the event's last second, in which nothing happens."""
        begin = round((self.event_s - 2.5) * self.rate_hz)
        return self.signal[begin : begin + round(self.rate_hz)]


def _load() -> NDArray[np.float32]:
    load = np.full((400, 1), 71.0, dtype=np.float32)
    load[200:] = 1.5
    return load


def _fall_case(rate_hz: float) -> Case:
    return Case(
        name=f"fall-{rate_hz:g}Hz",
        make=FallDetector,
        channel=Channel("pendant", ACCELERATION),
        rate_hz=rate_hz,
        signal=synthetic.fall(rate_hz),
        event_s=4.0,
        onset_within_s=0.5,
        kind="fall",
        settles_s=0.6,
        rotates=True,
        raises_when_cut=True,
    )


CASES = (
    *(_fall_case(rate_hz) for rate_hz in (20.0, 50.0, 87.0, 100.0, 200.0)),
    Case(
        name="bed",
        make=BedOccupancy,
        channel=Channel("bed", LOAD),
        rate_hz=16.0,
        signal=_load(),
        event_s=12.5,
        onset_within_s=1.5,
        kind="bed_left",
        settles_s=2.0,
    ),
)

START_S = 1000.0
"""Where the signals begin on the unit's time line."""

Part = tuple[NDArray[np.float32], NDArray[np.bool_] | None] | float
"""Samples with their mask, or the length of a gap in seconds."""


def run(case: Case, parts: Sequence[Part], sizes: Sequence[int] = (10,)) -> list[Detection]:
    """Return what a new detector says of parts in a row, cut into chunks of the given sizes."""
    detector = case.make(case.channel)
    found: list[Detection] = []
    begin_s, turn = START_S, 0
    for part in parts:
        if isinstance(part, float):
            found += detector.gap(Gap(case.channel, begin_s, begin_s + part))
            begin_s += part
            continue
        values, missing = part
        at = 0
        while at < len(values):
            to = min(len(values), at + sizes[turn % len(sizes)])
            turn += 1
            mask = None if missing is None else missing[at:to]
            start_s = begin_s + at / case.rate_hz
            found += detector.update(
                Chunk(case.channel, start_s, case.rate_hz, values[at:to], mask)
            )
            at = to
        begin_s += len(values) / case.rate_hz
    return [one for one in found if one.kind == case.kind]


def check_event(case: Case, found: list[Detection], event_s: float) -> None:
    """Assert that exactly one event was found, where it is, and that its numbers are sound."""
    assert len(found) == 1, [one.reason for one in found]
    (one,) = found
    assert abs(one.onset_s - START_S - event_s) <= case.onset_within_s
    assert one.onset_s <= one.offset_s
    assert 0.0 <= one.score <= 1.0
    assert all(np.isfinite(value) for value in one.evidence.values())


def check_chunking(case: Case, sizes: Sequence[int]) -> None:
    """Assert that cutting the samples otherwise changes no bit of the result."""
    whole = run(case, [(case.signal, None), 5.0], sizes=[len(case.signal)])
    check_event(case, whole, case.event_s)
    assert run(case, [(case.signal, None), 5.0], sizes) == whole


def check_chunking_with_loss(case: Case, sizes: Sequence[int], seed: int) -> None:
    """Assert the same with samples missing here and there, away from the event."""
    missing = np.random.default_rng(seed).random(len(case.signal)) < 0.05
    around = round(case.event_s * case.rate_hz)
    missing[around - 2 : around + 3] = False
    whole = run(case, [(case.signal, missing), 5.0], sizes=[len(case.signal)])
    check_event(case, whole, case.event_s)
    assert run(case, [(case.signal, missing), 5.0], sizes) == whole


def check_hole(case: Case, begin_s: float) -> None:
    """Assert that 0.3 s of samples missing beside the event do not hide it."""
    missing = np.zeros(len(case.signal), dtype=np.bool_)
    begin = round((case.event_s + begin_s) * case.rate_hz)
    missing[begin : begin + int(0.3 * case.rate_hz)] = True
    values = case.signal.copy()
    values[missing] = values[begin - 1]
    check_event(case, run(case, [(values, missing), 5.0]), case.event_s)


def check_gap_before(case: Case, gap_s: float, calm_s: float) -> None:
    """Assert that a gap that ends shortly before the event does not hide it."""
    begin = round((case.event_s - calm_s) * case.rate_hz)
    head, tail = case.signal[: begin // 2], case.signal[begin:]
    event_s = len(head) / case.rate_hz + gap_s + case.event_s - begin / case.rate_hz
    check_event(case, run(case, [(head, None), gap_s, (tail, None), 5.0]), event_s)


def check_cut(case: Case, after_s: float) -> None:
    """Assert that the event is reported at once when the signal ends right after it."""
    end = round((case.event_s + after_s) * case.rate_hz)
    found = run(case, [(case.signal[:end], None), 0.5])
    check_event(case, found, case.event_s)
    assert found[0].offset_s <= START_S + end / case.rate_hz


def check_rotation(case: Case, seed: int) -> None:
    """Assert that another mounting gives the same event and nearly the same score."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    (upright,) = run(case, [(case.signal, None), 5.0])
    (turned,) = run(case, [((case.signal @ turn).astype(np.float32), None), 5.0])
    assert turned.onset_s == upright.onset_s
    assert abs(turned.score - upright.score) < 0.05


def check_rubbish_survived(case: Case, rubbish: NDArray[np.float32]) -> None:
    """Assert that rubbish raises nothing we can crash on, and that an event later is found."""
    gap_s = 20.0
    found = run(case, [(rubbish, None), gap_s, (case.signal, None), 5.0])
    begin_s = len(rubbish) / case.rate_hz + gap_s
    later = [one for one in found if one.onset_s >= START_S + begin_s]
    event_s = begin_s + case.event_s
    check_event(case, later, event_s)
