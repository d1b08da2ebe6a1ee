"""The backlog on a flash that loses its power, is damaged, or is full."""

import pytest

from protocol.messages import EventKind
from tests.firmware.vm import needs_vm, run_script

pytestmark = [pytest.mark.vm, needs_vm]


def test_what_was_signalled_as_stored_survives_every_power_cut(tmp_path):
    cuts = run_script("power_cut.py", tmp_path)
    assert len(cuts) > 40
    for cut in cuts:
        found = cut["found"]
        assert cut["damaged"] == 0, cut
        assert set(cut["promised"]) <= set(found), cut
        assert len(found) == cut["left"], cut
        for seq, what in cut["promised"].items():
            if what == "impact":  # the early copy, or the whole one just before it was told
                assert found[seq] in (60, 720), cut
            elif what == "whole impact":
                assert found[seq] == 720, cut
    assert cuts[-1]["promised"] == {"2": "whole impact", "3": "fault", "4": "released"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    names = ("order", "impacts", "events", "calls", "damaged", "fails", "removed", "utc")
    lines = run_script("backlog_rules.py", tmp_path_factory.mktemp("rules"))
    return dict(zip(names, lines, strict=True))


def test_calls_go_first_then_impacts_then_the_rest_oldest_first(told):
    pressed, fault, released = (
        EventKind.CALL_PRESSED,
        EventKind.SENSOR_FAULT,
        EventKind.CALL_RELEASED,
    )
    assert told["order"]["now"] == [
        [0, 3, pressed],
        [0, 6, pressed],
        [1, 2, "impact 1800"],
        [1, 5, "impact 1700"],
        [2, 1, fault],
        [2, 4, released],
    ]
    # the next boot counts its own seq from 1, and its call comes after the older ones
    assert [row[1] for row in told["order"]["again"]] == [3, 6, 1, 2, 5, 1, 4]


def test_full_of_impacts_the_weakest_goes(told):
    full = told["impacts"]
    peaks = [int(row[2].split()[1]) for row in full["rows"]]
    assert peaks == [*range(2001, 2012), 2500]
    assert full["weak"]
    assert full["dropped"] == 2
    assert full["files"] == 12


def test_full_of_events_the_oldest_that_is_no_call_goes_and_it_is_said(told):
    rows = told["events"]["rows"]
    events = [row for row in rows if row[0] != 1]
    assert len(events) == 64
    assert [row[2] for row in rows].count(EventKind.CALL_PRESSED) == 2
    assert [row[2] for row in rows].count(EventKind.BACKLOG_FULL) == 1
    assert [row[2] for row in rows].count("impact 2000") == 1
    assert rows[-1][1] == 73  # seq of the newest fault
    assert told["events"]["dropped"] == 9


def test_full_of_calls_the_first_keeps_its_time(told):
    assert told["calls"]["seqs"] == [1, *range(4, 67)]
    assert told["calls"]["dropped"] == 2


def test_damaged_files_are_set_aside_and_counted(told):
    damaged = told["damaged"]
    assert damaged["damaged"] == 5
    assert damaged["gone"] == 0
    assert damaged["seqs"] == [4]
    assert damaged["names"] == [
        "00000001.rec.bad",
        "00000002.rec.bad",
        "00000003.rec.bad",
        "00000004.rec",
        "00000005.rec.bad",
        "0000zzzz.rec.bad",
    ]


def test_a_call_is_kept_in_memory_when_the_flash_fails(told):
    fails = told["fails"]
    assert fails["rows"] == [[0, 1, EventKind.CALL_PRESSED], [1, 3, "impact 2100"]]
    assert fails["lost"]
    assert fails["early"] == [True, False]  # the early copy is sent as it is
    assert fails["errors"] == 3
    assert told["removed"] == {"removed": True, "rows": [[1, 3, "impact 2100"]]}


def test_utc_is_filled_in_once_it_is_known_and_only_for_this_boot(told):
    assert told["utc"] == {
        "uptime": 1000,
        "before": 0,
        "after": 1_790_000_001_000,
        "kept": 0,
        "boot": "bootbyte",
    }
