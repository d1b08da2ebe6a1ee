"""Rules of the installation hold a cause back, and never for good."""

from dataclasses import replace

import msgspec
import pytest

from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.alarm.rules import MOST_HELD, Rules
from edge_agent.clock import Instant, Quality, parse_utc
from edge_agent.config.load import parse
from edge_agent.config.policy import RuleConfig
from edge_agent.config.reading import ConfigError
from edge_agent.home.cause import Cause, Noted, Origin, Over

pytestmark = pytest.mark.fast

MIDNIGHT_S = parse_utc("2026-11-23T00:00:00+08:00")
PLACE = ("room", "卧室", "bedroom")
ORIGIN = Origin("bed-1", b"bootboot", 7)
LIFE = ("fall", "call", "breathing_stopped", "smoke", "gas", "co")


def at(hour: float, second: float = 0.0, quality: Quality = Quality.NTP) -> Instant:
    second += 3600.0 * hour
    return Instant(100_000.0 + second, MIDNIGHT_S + second, quality)


def cause(condition: str = "bathroom_stay", origin: Origin | None = None) -> Cause:
    return Cause(condition, MIDNIGHT_S, PLACE, person="p1", unit="bath-1", origin=origin)


def over(condition: str = "bathroom_stay", origin: Origin | None = None) -> Over:
    return Over(condition, "p1", "seen elsewhere", origin)


def rules(**rule: object) -> Rules:
    return Rules([RuleConfig(conditions=["bathroom_stay", "water_leak"], **rule)], "boot-1")


NIGHT = {"effective_start": "22:00", "effective_end": "06:00"}


def test_what_has_no_rule_passes_at_once():
    made = rules(**NIGHT, on_delay_s=60, silence_s=3600)
    findings = [cause(condition) for condition in LIFE] + [cause("inactivity"), Noted(ORIGIN)]

    assert made.apply(findings, at(12)) == findings
    assert made.tick(at(12)) == []


def test_a_cause_outside_the_hours_is_raised_when_they_begin_with_its_true_onset():
    made = rules(**NIGHT)

    assert made.apply([cause(origin=ORIGIN)], at(21)) == [Noted(ORIGIN)]
    assert made.tick(at(21.99)) == []
    (raised,) = made.tick(at(22))
    assert raised.onset_utc_s == MIDNIGHT_S
    assert raised.origin is None
    assert raised.reason == "told from 22:00 on, as the rule says"
    assert made.tick(at(23)) == []


def test_a_cause_that_ended_while_it_was_held_is_forgotten():
    made = rules(**NIGHT)
    made.apply([cause()], at(20))

    assert made.apply([over(origin=ORIGIN)], at(21)) == [Noted(ORIGIN)]
    assert made.tick(at(22)) == []


def test_inside_the_hours_a_cause_passes_untouched():
    assert rules(**NIGHT).apply([cause(origin=ORIGIN)], at(23)) == [cause(origin=ORIGIN)]
    assert rules(**NIGHT).apply([cause()], at(5.9)) == [cause()]


def test_on_a_clock_that_is_not_trusted_every_hour_is_in_force():
    made = rules(**NIGHT)
    made.apply([cause()], at(12))

    assert made.apply([cause("water_leak")], at(12, 1, Quality.NONE)) == [cause("water_leak")]
    assert len(made.tick(at(12, 2, Quality.NONE))) == 1


def test_the_on_delay_runs_from_the_first_of_repeated_causes():
    made = rules(on_delay_s=60)

    assert made.apply([cause()], at(1)) == []
    assert made.apply([cause()], at(1, 50)) == []
    assert made.tick(at(1, 59)) == []
    assert len(made.tick(at(1, 60))) == 1


def test_the_off_delay_keeps_an_end_back_and_a_new_cause_takes_it_back():
    made = rules(off_delay_s=60)
    assert made.apply([cause()], at(1)) == [cause()]

    assert made.apply([over(origin=ORIGIN)], at(1, 10)) == [Noted(ORIGIN)]
    assert made.apply([cause()], at(1, 20)) == [cause()]
    assert made.tick(at(1, 90)) == []
    made.apply([over()], at(1, 100))
    assert made.tick(at(1, 159)) == []
    assert made.tick(at(1, 160)) == [over()]


def test_in_the_silence_period_a_cause_waits_for_its_end():
    made = rules(silence_s=600)
    made.end_alarm("bathroom_stay", "p1", at(1))

    assert made.apply([cause()], at(1, 300)) == []
    assert made.apply([cause("water_leak")], at(1, 300)) == [cause("water_leak")]
    assert made.tick(at(1, 599)) == []
    (raised,) = made.tick(at(1, 600))
    assert raised.reason == "told after a silence period of 600 s"


def test_another_person_knows_no_silence_period_of_the_first():
    made = rules(silence_s=600)
    made.end_alarm("bathroom_stay", "p2", at(1))

    assert made.apply([cause()], at(1, 1)) == [cause()]


def test_a_restart_of_the_agent_keeps_what_waits():
    before = rules(on_delay_s=60, off_delay_s=60, silence_s=600)
    before.end_alarm("water_leak", "p1", at(1))
    before.apply([cause(), over("water_leak")], at(1))
    body = before.fact(at(1, 1))

    after = rules(on_delay_s=60, off_delay_s=60, silence_s=600)
    after.restore(body, at(1, 5))
    assert after.tick(at(1, 59)) == []
    assert [type(one) for one in after.tick(at(1, 60))] == [Cause, Over]
    assert after.apply([cause("water_leak")], at(1, 599)) == []


def test_after_a_restart_of_the_host_every_delay_is_over():
    before = rules(on_delay_s=3600, off_delay_s=3600, silence_s=3600)
    before.end_alarm("water_leak", "p1", at(1))
    before.apply([cause(), over("water_leak")], at(1))

    after = Rules([RuleConfig(conditions=["bathroom_stay"], on_delay_s=3600)], "boot-2")
    after.restore(before.fact(at(1)), Instant(5.0, MIDNIGHT_S, Quality.NTP))
    assert [type(one) for one in after.tick(Instant(5.0, MIDNIGHT_S, Quality.NTP))] == [Cause, Over]


def test_a_rule_that_is_gone_holds_nothing():
    before = rules(**NIGHT)
    before.apply([cause()], at(12))
    after = Rules([], "boot-1")
    after.restore(before.fact(at(12)), at(12))

    assert len(after.tick(at(12))) == 1


def test_findings_keep_their_order_around_a_held_one():
    made = rules(**NIGHT)
    findings = [Noted(ORIGIN), cause(), cause("call"), over(), over("call")]

    assert made.apply(findings, at(12)) == [Noted(ORIGIN), cause("call"), over("call")]
    assert made.apply([cause("call"), cause("water_leak"), cause()], at(23)) == [
        cause("call"),
        cause("water_leak"),
        cause(),
    ]
    assert made.apply([cause("call"), over()], at(23)) == [cause("call"), over()]


def test_what_is_held_is_shown():
    made = rules(**NIGHT)
    made.apply([cause(), Cause("water_leak", MIDNIGHT_S, PLACE, unit="bath-1")], at(12))

    assert made.held() == [
        {"condition": "bathroom_stay", "subject": "p1"},
        {"condition": "water_leak", "subject": "bath-1"},
    ]


def test_a_technical_condition_is_held_for_each_unit():
    made = Rules([RuleConfig(conditions=["battery_low"], **NIGHT)], "boot-1")
    causes = [replace(cause("battery_low"), unit=unit) for unit in ("a", "b")]
    made.apply(causes, at(12))

    assert made.apply([Over("battery_low", "a", "charged")], at(13)) == []
    (raised,) = made.tick(at(22))
    assert raised.unit == "b"


def test_the_reason_of_the_cause_stays_in_front():
    made = rules(on_delay_s=60)
    made.apply([replace(cause(), reason="in bath for 31 min")], at(1))

    (raised,) = made.tick(at(1, 60))
    assert raised.reason == "in bath for 31 min; told after an on-delay of 60 s"


def test_a_cause_raised_while_it_is_held_is_raised_once():
    made = rules(**NIGHT)
    made.apply([cause()], at(12))

    assert made.apply([cause()], at(23)) == [cause()]
    assert made.tick(at(23)) == []


def test_an_end_that_waits_is_over_with_its_alarm():
    made = rules(off_delay_s=60)
    made.apply([cause(), over()], at(1))
    made.end_alarm("bathroom_stay", "p1", at(1, 5))
    made.end_alarm("call", "p1", at(1, 5))

    assert made.tick(at(1, 60)) == []


def test_a_delayed_end_names_no_origin_a_second_time():
    made = rules(off_delay_s=60)
    made.apply([over(origin=ORIGIN)], at(1))

    assert made.tick(at(1, 60)) == [over()]


def test_a_silence_period_that_is_over_is_not_stored():
    made = rules(silence_s=60)
    made.end_alarm("bathroom_stay", "p1", at(1))

    assert made.fact(at(1, 59)) != rules().fact(at(1, 59))
    assert made.fact(at(1, 60)) == rules().fact(at(1, 60))


def test_the_silence_period_outlives_the_agent_and_not_the_host():
    before = rules(silence_s=600)
    before.end_alarm("bathroom_stay", "p1", at(1))
    body = before.fact(at(1))
    agent, host = rules(silence_s=600), Rules([RuleConfig(conditions=["bathroom_stay"])], "boot-2")
    agent.restore(body, at(1))
    host.restore(body, at(1))

    assert agent.apply([cause()], at(1, 599)) == []
    assert host.apply([cause()], at(1, 1)) == [cause()]


def test_a_damaged_fact_is_said_and_holds_nothing():
    with pytest.raises(msgspec.MsgspecError):
        rules().restore(b'{"host_boot": 3}', at(1))


def test_too_many_held_causes_raise_the_oldest():
    made = rules(**NIGHT)
    raised = []
    for number in range(MOST_HELD + 2):
        one = Cause("bathroom_stay", MIDNIGHT_S, PLACE, person=f"p{number}")
        raised += made.apply([one], at(12))

    assert [one.person for one in raised] == ["p0", "p1"]


@pytest.mark.parametrize(
    "condition", [*LIFE, "inactivity", "protection_lost", "cord_cut", "clock_untrusted"]
)
def test_no_rule_can_name_what_protects_a_life(condition):
    home = {"region": "640302001001", "home": "h1"}
    tree = {"home": home, "place": [], "unit": [], "rule": [{"conditions": [condition]}]}

    assert condition in CONDITIONS
    with pytest.raises(ConfigError, match=r"rule\[0\]\.conditions|rule\[\.\.\.\]|conditions"):
        parse(tree)


def test_a_condition_has_one_rule():
    home = {"region": "640302001001", "home": "h1"}
    tree = {"home": home, "place": [], "unit": [], "rule": [{"conditions": ["tamper"]}] * 2}

    with pytest.raises(ConfigError, match=r"rule\[1\]\.conditions: 'tamper' is there twice"):
        parse(tree)
