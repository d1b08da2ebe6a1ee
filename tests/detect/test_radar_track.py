"""Who is where: a body stays one track, two bodies two, lost points take nothing from them."""

import numpy as np
import pytest

from edge_agent.detect.radar.track import FORGET_S, MOST_HEIGHTS, MOST_TRACKS, WINDOW_S, Tracks

pytestmark = pytest.mark.fast


def body(
    rng: np.random.Generator, x: float, y: float, top: float = 1.6, count: int = 8
) -> np.ndarray:
    return np.column_stack(
        [rng.normal(x, 0.15, count), rng.normal(y, 0.15, count), rng.uniform(0.3, top, count), np.zeros(count)]
    )  # fmt: skip


def test_a_body_that_walks_past_a_ghost_stays_one_track() -> None:
    rng = np.random.default_rng(1)
    tracks = Tracks(8)
    walker = None
    for i in range(100):
        t = i * 0.055
        ghost = np.array([[0.6, 3.0, 0.4, 0.0]]) if i % 6 == 0 else np.empty((0, 4))
        tracks.add(t, np.vstack([body(rng, -2.0 + 1.0 * t, 3.4), ghost]))
        firm = [one for one in tracks.tracks if one.is_firm(t)]
        if i == 10:
            (walker,) = firm
        if walker is not None:
            assert walker in firm
            seen = walker.seen(t - WINDOW_S, t)
            assert seen is not None and seen.top_m > 1.1


def test_two_bodies_are_two_tracks_and_each_keeps_its_own_height() -> None:
    rng = np.random.default_rng(2)
    tracks = Tracks(8)
    for i in range(60):
        tracks.add(i * 0.055, np.vstack([body(rng, 0.0, 3.0, 1.7), body(rng, 1.5, 3.0, 0.5)]))
    low, tall = sorted(tracks.tracks, key=lambda one: -one.x_m)
    for one, below, above in ((low, 0.3, 0.55), (tall, 1.2, 1.75)):
        seen = one.seen(3.0, 3.3)
        assert seen is not None and below < seen.top_m < above


def test_a_new_number_for_the_same_place_is_the_same_track() -> None:
    tracks = Tracks(1)
    (first,) = tracks.add(0.0, np.array([[1.0, 2.0, 1.6, 0.0]]))
    assert tracks.add(1.5, np.array([[1.4, 2.3, 0.3, 0.0]])) == [first]
    assert tracks.add(1.6, np.array([[4.0, 2.3, 0.3, 0.0]])) != [first]


def test_a_track_is_forgotten_and_memory_is_bounded() -> None:
    rng = np.random.default_rng(3)
    tracks = Tracks(8)
    tracks.add(0.0, np.array([[1.0, 2.0, 1.6, 0.0]]))
    tracks.add(FORGET_S + 0.1, np.empty((0, 4)))
    assert tracks.tracks == []
    for i in range(200):
        spread = np.column_stack(
            [rng.uniform(-50, 50, (300, 2)), rng.uniform(0, 2, 300), np.zeros(300)]
        )
        tracks.add(10.0 + i * 0.05, np.vstack([spread, body(rng, 0.0, 3.0, count=300)]))
        assert len(tracks.tracks) <= MOST_TRACKS
    assert max(len(one._seen) for one in tracks.tracks) <= MOST_HEIGHTS
    body_track = min(tracks.tracks, key=lambda one: abs(one.x_m) + abs(one.y_m - 3.0))
    assert body_track.is_firm(10.0 + 199 * 0.05)
