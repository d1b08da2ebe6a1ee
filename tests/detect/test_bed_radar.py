"""A radar's word about a bed: delayed, not flickering, and forgotten when it falls silent."""

import pytest

from edge_agent.detect.bed.radar import STALE_S, BedRadar

pytestmark = pytest.mark.fast


def play(radar: BedRadar, levels: list[tuple[float, bool]], until_s: float) -> list[tuple]:
    found, waiting = [], list(levels)
    for tenth in range(round(until_s * 10) + 1):
        now_s = tenth / 10
        while waiting and waiting[0][0] <= now_s:
            found += radar.take(*waiting.pop(0))
        found += radar.check(now_s)
    return [(one.kind, one.onset_s, round(one.offset_s - one.onset_s, 1)) for one in found]


def test_entering_and_leaving_are_told_after_their_delays_with_their_onsets():
    levels = [(5.0, True), (20.0, True), (30.0, False)]

    assert play(BedRadar(), levels, 45.0) == [("bed_entered", 5.0, 3.0), ("bed_left", 30.0, 10.0)]


def test_turning_over_is_no_exit():
    levels = [(0.0, True), (10.0, False), (14.0, True), (20.0, False), (29.0, True)]

    assert play(BedRadar(), levels, 40.0) == [("bed_entered", 0.0, 3.0)]


def test_a_silent_radar_knows_nothing_and_tells_no_exit():
    radar = BedRadar()

    assert play(radar, [(0.0, True)], 10.0 + STALE_S) == [("bed_entered", 0.0, 3.0)]
    assert radar.occupied is None


def test_a_time_that_goes_back_begins_anew():
    radar = BedRadar()
    play(radar, [(500.0, True)], 510.0)

    assert radar.take(1.0, False) == []
    assert radar.check(12.0)[0].kind == "bed_left"
