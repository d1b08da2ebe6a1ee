"""What the replays of recorded homes share: signs, the days for learning, what was written down."""

from edge_agent.clock import Instant, Quality
from edge_agent.evaluate.homes.homes import HomeRecord
from edge_agent.evaluate.npz import TrialError
from edge_agent.home.hours import LOCAL_OFFSET_S
from edge_agent.home.sign import Sign

DAY_S = 86_400.0
MOST_LEARNING_DAYS = 14
"""The first half of a recording is for learning, but not more than two weeks of it."""
LEAST_DAYS = 8
UNLABELLED = "unlabelled"


def signs_of(record: HomeRecord) -> list[Sign]:
    """Return the begin and end of every event in the order they happened."""
    signs = [
        Sign(at_s, event.source, event.kind, event.place, active)
        for event in record.events
        for at_s, active in ((event.begin_s, True), (event.end_s, False))
    ]
    return sorted(signs, key=lambda sign: sign.monotonic_s)


def learning_days(record: HomeRecord) -> tuple[int, int]:
    """Return the local days of a recording and how many of them are for learning.

    Raises:
        TrialError: there are too few.
    """
    first, last = (int(event.begin_s // DAY_S) for event in (record.events[0], record.events[-1]))
    days = last - first + 1
    if days < LEAST_DAYS:
        raise TrialError(
            f"{record.name}: {days} days, at least {LEAST_DAYS} are needed to learn and judge"
        )
    return days, min(MOST_LEARNING_DAYS, days // 2)


def truth_of(record: HomeRecord, begin_s: float, end_s: float) -> str:
    """Return what the person wrote down for the most of a time, or `unlabelled`."""
    shares: dict[str, float] = {}
    for label in record.labels:
        both_s = min(end_s, label.end_s) - max(begin_s, label.begin_s)
        if both_s > 0.0:
            shares[label.activity] = shares.get(label.activity, 0.0) + both_s
    return max(shares, key=lambda name: shares[name]) if shares else UNLABELLED


def instant_of(local_s: float) -> Instant:
    """Return a reading of a trusted clock; monotonic time is the home's own."""
    return Instant(local_s, local_s - LOCAL_OFFSET_S, Quality.NTP)
