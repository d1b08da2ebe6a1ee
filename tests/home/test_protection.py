"""Who is unprotected is said, and what is missing is named."""

import msgspec
import pytest

from edge_agent.home.protection import LIMIT_S, Back, Kind, Lost, Protection

pytestmark = pytest.mark.fast

UNITS = {"p1": ["pendant", "bed"], "p2": ["cord"]}


def test_a_home_that_never_says_a_word_is_unprotected_after_15_minutes():
    protection = Protection(UNITS, {}, 100.0)

    assert protection.tick(100.0 + LIMIT_S - 1) == []
    assert protection.tick(100.0 + LIMIT_S) == [
        Lost("p1", "no working source for falls or calls among pendant, bed"),
        Lost("p2", "no working source for falls or calls among cord"),
    ]
    assert protection.tick(100.0 + LIMIT_S + 1) == []


def test_the_kind_that_stopped_is_named_and_its_return_is_told():
    protection = Protection({"p1": UNITS["p1"]}, {}, 0.0)
    protection.saw("pendant", Kind.FALL, 10.0)
    for second in range(0, 1000, 10):
        protection.saw("bed", Kind.CALL, second)
    (lost,) = protection.tick(910.0)
    protection.saw("pendant", Kind.FALL, 950.0)

    assert lost == Lost("p1", "no working source for falls among pendant, bed")
    assert protection.tick(951.0) == [Back("p1")]


def test_one_source_of_two_is_enough():
    protection = Protection({"p1": UNITS["p1"]}, {}, 0.0)
    protection.saw("pendant", Kind.CALL, 1.0)
    for second in range(0, 2000, 100):
        protection.saw("bed", Kind.CALL, second)
        assert protection.tick(second) == []


def test_what_no_unit_ever_did_is_not_missed_once_one_has_done_something():
    protection = Protection({"p2": ["cord"]}, {}, 0.0)
    for second in range(0, 2000, 100):
        protection.saw("cord", Kind.CALL, second)
        assert protection.tick(second) == []


def test_what_ever_worked_is_missed_after_a_restart_too():
    before = Protection({"p1": UNITS["p1"]}, {}, 0.0)
    before.saw("pendant", Kind.FALL, 1.0)
    before.saw("bed", Kind.CALL, 1.0)
    after = Protection({"p1": UNITS["p1"]}, {}, 5000.0)
    for person, fact in before.facts().items():
        after.restore(person, msgspec.json.encode(fact))
    after.restore("gone", b'{"kinds": ["fall"]}')
    for second in range(5000, 6000, 100):
        after.saw("bed", Kind.CALL, second)

    assert after.tick(5900.0) == [Lost("p1", "no working source for falls among pendant, bed")]


def test_the_configuration_says_what_is_expected():
    protection = Protection({"p1": UNITS["p1"]}, {"p1": [Kind.CALL]}, 0.0)
    protection.saw("pendant", Kind.FALL, 1.0)
    protection.saw("bed", Kind.CALL, 800.0)

    assert protection.tick(1000.0) == []
    assert protection.tick(1700.0) == [Lost("p1", "no working source for calls among pendant, bed")]
