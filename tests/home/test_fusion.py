"""Whose alarm a cause belongs to: joined for sure or kept apart, never lost."""

import itertools

import pytest

from edge_agent.home.cause import Cause, Origin
from edge_agent.home.fusion import EVENTS_KEPT, Fusion, Support

pytestmark = pytest.mark.fast

BATH = ("bath", "卫生间", "bathroom")
BEDROOM = ("bedroom", "卧室", "bedroom")


def pendant(onset: float = 100.0, person: str = "li", place: tuple[str, str, str] = BATH) -> Cause:
    return Cause(
        "fall", onset, place, person, f"pendant-{person}", "pendant", 0.8, {"peak_g": 3.0},
        "Impact of 3.0 g.", Origin(f"pendant-{person}", b"b" * 8, 7),
    )  # fmt: skip


def radar(
    onset: float = 102.0, place: tuple[str, str, str] = BATH, x: float = 1.0, unit: str = "radar"
) -> Cause:
    return Cause(
        "fall", onset, place, None, unit, "radar", 0.75, {"drop_m": 1.1, "x_m": x, "y_m": 2.0},
        "Top of the body dropped.",
    )  # fmt: skip


def flag(onset: float = 115.0) -> Cause:
    return Cause("fall", onset, BATH, None, "radar", "radar", 0.8, {"module_flag": 1.0}, "Flag.")


def subject(cause: Cause) -> str | None:
    return cause.person or cause.unit


def test_pendant_then_radar_is_the_pendants_alarm_with_the_evidence_of_both() -> None:
    fusion = Fusion(people=1, worn={"pendant-li"})
    assert fusion.join(pendant()) == pendant()
    joined = fusion.join(radar())
    assert (joined.person, joined.unit) == ("li", "pendant-li")
    assert joined.source == "pendant+radar"
    assert joined.score == pytest.approx(1 - 0.2 * 0.25)
    assert joined.evidence == {"peak_g": 3.0, "drop_m": 1.1, "x_m": 1.0, "y_m": 2.0, "sources": 2.0}
    assert joined.reason == "Impact of 3.0 g. Top of the body dropped."
    assert joined.onset_utc_s == 102.0


def test_radar_then_pendant_is_the_radars_alarm_and_keeps_the_pendants_origin() -> None:
    fusion = Fusion(people=1, worn={"pendant-li"})
    fusion.join(radar())
    joined = fusion.join(pendant())
    assert (joined.person, joined.unit) == (None, "radar")
    assert joined.origin == Origin("pendant-li", b"b" * 8, 7)


def test_a_modules_slow_flag_joins_its_own_drop_and_a_pendants_fall() -> None:
    fusion = Fusion(people=1, worn={"pendant-li"})
    fusion.join(pendant(100.0))
    assert subject(fusion.join(radar(101.0))) == "li"
    assert subject(fusion.join(flag(118.0))) == "li"
    again = Fusion(people=1, worn={"pendant-li"})
    again.join(pendant(100.0))
    assert subject(again.join(flag(125.0))) == "li"


def test_with_two_residents_a_nameless_slow_flag_is_an_alarm_of_its_own() -> None:
    fusion = Fusion(people=2, worn={"pendant-li"})
    fusion.join(pendant(100.0))
    assert subject(fusion.join(flag(125.0))) == "radar"


def test_two_named_people_are_never_one() -> None:
    fusion = Fusion(people=2, worn={"pendant-li", "pendant-wang"})
    fusion.join(pendant(100.0, "li"))
    assert subject(fusion.join(pendant(100.0, "wang"))) == "wang"


def test_a_radar_that_tells_twice_from_two_places_saw_two_people() -> None:
    fusion = Fusion(people=2, worn={"pendant-li"})
    fusion.join(pendant(100.0))
    assert subject(fusion.join(radar(101.0, x=1.0))) == "li"
    second = fusion.join(radar(103.0, x=-2.0))
    assert subject(second) == "radar"
    third = fusion.join(radar(104.0, x=4.0))
    assert subject(third) not in ("li", "radar")


def test_a_radar_alone_gives_two_people_two_subjects() -> None:
    fusion = Fusion(people=2)
    first = fusion.join(radar(100.0, x=1.0))
    second = fusion.join(radar(103.0, x=-2.0))
    assert subject(first) == "radar"
    assert subject(second) == "radar-2"


def test_another_place_is_joined_only_when_the_one_resident_carries_the_sensor() -> None:
    for people, worn, expected in (
        (1, {"pendant-li"}, "li"),
        (1, set(), "radar"),
        (2, {"pendant-li"}, "radar"),
    ):
        fusion = Fusion(people=people, worn=worn)
        fusion.join(pendant(100.0, place=BEDROOM))
        assert subject(fusion.join(radar(101.0, place=BATH))) == expected


def test_a_fall_after_the_alarm_has_ended_is_a_new_one() -> None:
    fusion = Fusion(people=1, worn={"pendant-li"})
    fusion.join(radar(100.0))
    fusion.join(pendant(101.0))
    fusion.end("fall", "radar", 105.0)
    assert subject(fusion.join(pendant(107.0))) == "li"
    # A snippet of the old fall that comes late still belongs to it.
    assert subject(fusion.join(pendant(101.5))) == "radar"


def test_a_second_fall_of_the_same_source_later_is_a_new_event() -> None:
    fusion = Fusion(people=1, worn={"pendant-li"})
    fusion.join(pendant(100.0))
    fusion.join(radar(101.0))
    later = fusion.join(pendant(130.0))
    assert later == pendant(130.0)
    assert "sources" not in later.evidence


def test_support_makes_surer_and_raises_nothing() -> None:
    fusion = Fusion(people=1)
    fusion.support(Support("stopped", "bath", 103.0, 0.2))
    fusion.support(Support("stopped", "bedroom", 103.0, 0.9))
    cause = fusion.join(radar(102.0))
    assert cause.score == pytest.approx(1 - 0.25 * 0.8)
    assert cause.evidence["stopped_after_s"] == pytest.approx(1.0)


def test_a_call_and_a_broken_onset_pass_as_they_are() -> None:
    fusion = Fusion(people=1)
    call = Cause("call", 100.0, BATH, "li", "cord")
    broken = radar(float("nan"))
    assert fusion.join(call) is call
    assert fusion.join(call) is call
    assert fusion.join(broken) is broken


def test_no_order_of_sources_loses_a_cause_or_names_two_people_as_one() -> None:
    causes = [
        pendant(100.0),
        pendant(104.0, "wang"),
        radar(101.0),
        radar(105.0, x=-2.0),
        flag(116.0),
    ]
    for order in itertools.permutations(causes):
        fusion = Fusion(people=2, worn={"pendant-li", "pendant-wang"})
        joined = [fusion.join(one) for one in order]
        assert [one.onset_utc_s for one in joined] == [one.onset_utc_s for one in order]
        named = {}
        for before, after in zip(order, joined, strict=True):
            if before.person is not None:
                named[before.person] = subject(after)
        assert named["li"] != named["wang"]


def test_memory_is_bounded() -> None:
    fusion = Fusion(people=1)
    for i in range(3000):
        fusion.join(radar(100.0 * i))
        fusion.support(Support("stopped", "bath", 100.0 * i, 0.2))
    assert len(fusion._events) == EVENTS_KEPT
    assert len(fusion._supports) == 32
