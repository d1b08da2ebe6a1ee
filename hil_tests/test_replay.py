"""Recorded falls and daily activities through the whole chain, to a real broker."""

import json
from itertools import groupby

import numpy as np
import pytest

from edge_agent.simulator.replay import replay
from edge_agent.simulator.stage import StageOptions

FALLS = ["F01", "F02", "F03", "F04", "F05", "F06", "F07", "F08", "F09", "F12"]
ACTIVITIES = ["D01", "D03", "D05", "D07", "D08", "D09", "D11", "D12", "D15", "D17"]


def first_of(trials, label, number=0):
    """Return a trial of a label: the number-th person who has it."""
    people = groupby((t for t in trials if t.label == label), key=lambda t: t.subject)
    return next(trial for n, (_, (trial, *_)) in enumerate(people) if n == number)


def check_events(lines):
    """Check what mosquitto_sub saw of one fall, and return its events."""
    alarms = [(topic, json.loads(body)) for topic, body in lines if "/alarm/" in topic]
    events = [event for _, event in alarms]
    assert {topic for topic, _ in alarms} == {
        f"anzhen/v1/000000000000/replay/alarm/{events[0]['alarm_id']}"
    }
    return events


@pytest.mark.parametrize("number", range(10))
def test_a_recorded_fall_is_one_alarm_suspected_confirmed_notified(
    sisfall, broker, subscriber, number
):
    trial = first_of(sisfall, FALLS[number], number + 1)
    result = replay(trial, StageOptions(), ("127.0.0.1", broker.port))
    events = check_events(subscriber.lines())

    assert [(e["condition"], e["event"], e["state"]) for e in events] == [
        ("fall", 1, "suspected"),
        ("fall", 2, "confirmed"),
        ("fall", 3, "notified"),
    ]
    assert result.undelivered == 0
    assert [e["flags"] for e in events] == [["simulated"]] * 3
    assert all(e["late_s"] == 0.0 for e in events)
    peak_s = np.argmax((trial.counts.astype(float) ** 2).sum(axis=1)) / trial.rate_hz
    onset = np.datetime64(events[0]["onset"].rstrip("Z"))
    began = np.datetime64("2026-11-23T18:14:00.500")
    assert abs((onset - began) / np.timedelta64(1, "s") - peak_s) < 2.0
    assert subscriber.lines()[0][0] == "anzhen/v1/000000000000/replay/agent/state"


@pytest.mark.parametrize("number", range(10))
def test_a_daily_activity_is_no_alarm(sisfall, number):
    result = replay(first_of(sisfall, ACTIVITIES[number], number), StageOptions())

    assert result.events == []


def test_three_runs_are_the_same_to_the_last_byte(sisfall):
    trial = first_of(sisfall, "F05")
    runs = [replay(trial, StageOptions(seed=7)).events for _ in range(3)]

    assert len(runs[0]) == 2  # no broker, so nobody is notified
    assert runs[0] == runs[1] == runs[2]
    assert replay(trial, StageOptions(seed=8)).events[0].alarm_id != runs[0][0].alarm_id
