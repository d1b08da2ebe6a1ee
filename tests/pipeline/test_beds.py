"""A bed with strip and load, played as blocks: rates, their alarms, who is in it."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.config.policy import ConsentConfig, VitalsConfig
from edge_agent.home.cause import Cause, Over
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import BedNews, SleepNews, VitalsNews
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.relay.health import health_message
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_load import load
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.unit import Received
from protocol.messages import Hello, Reading, Samples
from protocol.quantities import BED_STRIP, HEART_RATE, LOAD, PRESENCE, RESPIRATION_RATE

pytestmark = pytest.mark.fast

BOOT = b"bootboot"
UTC_S = 1_795_406_400.0 - 8 * 3600 + 2 * 3600
"""Two at night in Shanghai."""
RATE_HZ, LOAD_HZ = 100, 10
STRIP_SCALE, LOAD_SCALE = 1e-4, 0.01


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def make(consent: bool = False, vitals: VitalsConfig | None = None) -> Pipeline:
    config = Config(
        home=HomeConfig(region="640302001001", home="h1"),
        place=[PlaceConfig(id="room", zh="卧室", en="bedroom")],
        unit=[UnitConfig(id="bed-1", port="x", place="room", person="p1", bed="b1")],
        consent=ConsentConfig(vitals=consent),
        vitals=vitals or VitalsConfig(),
    )
    pipeline = Pipeline(config, Home(config), "boot", at(0))
    pipeline.take(Received("bed-1", Hello("bed-1", BOOT, 1, b"n" * 8), 1000.0), at(0))
    return pipeline


def play(
    pipeline: Pipeline,
    volts: Sequence[float] | np.ndarray = (),
    kg: Sequence[float] | np.ndarray = (),
) -> list[object]:
    """A second of each signal at a time, ticks between them."""
    findings: list[object] = []
    seconds = max(len(volts) // RATE_HZ, len(kg) // LOAD_HZ)
    for second in range(seconds):
        for quantity, values, rate_hz, scale in (
            (LOAD, kg, LOAD_HZ, LOAD_SCALE),
            (BED_STRIP, volts, RATE_HZ, STRIP_SCALE),
        ):
            part = np.asarray(values[second * rate_hz : (second + 1) * rate_hz])
            if not len(part):
                continue
            data = np.round(part / scale).astype("<i2").tobytes()
            period_us = 1_000_000 // rate_hz
            block = Samples(
                quantity.code, quantity.code, 1000 * second, second * rate_hz, period_us, scale, 1,
                data,
            )  # fmt: skip
            findings += pipeline.take(Received("bed-1", block, 1001.0 + second), at(second + 1))
        findings += pipeline.tick(at(second + 1))
    return findings


def lying(seconds: float, seed: int = 3, **person: object) -> tuple[np.ndarray, np.ndarray]:
    spans = [BedSpan(0.0, seconds, BedState.LYING)]
    sleeper = Sleeper(turns_per_hour=0.0, **person)  # type: ignore[arg-type]
    volts, _ = strip(spans, sleeper, RATE_HZ, seconds, seed)
    kg, _ = load(spans, sleeper, seconds, seed)
    return volts, kg


def test_a_minute_of_heart_and_breath_is_told_with_its_quality():
    volts, kg = lying(150.0, heart_rate_bpm=64.0, respiration_rpm=15.0)
    news = [one for one in play(make(), volts, kg) if isinstance(one, VitalsNews)]

    assert len(news) == 2
    last = news[-1].vitals
    assert last.heart.mean == pytest.approx(64.0, abs=2.0)
    assert last.respiration.mean == pytest.approx(15.0, abs=1.5)
    assert last.heart.share > 0.8
    topic, body = health_message(news[-1])
    assert topic == "vitals/b1"
    assert json.loads(body)["heart_rate"]["mean"] == pytest.approx(64.0, abs=2.0)


def test_breathing_that_stops_is_a_cause_at_once():
    volts, kg = lying(150.0, apnoeas=((90.0, 150.0),))
    causes = [one for one in play(make(), volts, kg) if isinstance(one, Cause)]

    # A blip may end a pause and begin another: then the alarm is repeated, never left out.
    assert {one.condition for one in causes} == {"breathing_stopped"}
    assert causes[0].onset_utc_s == pytest.approx(UTC_S + 90.0, abs=3.0)


@pytest.mark.parametrize("consent", [False, True])
def test_a_fast_heart_is_a_cause_after_its_delay_and_its_number_needs_consent(consent):
    volts, kg = lying(120.0, heart_rate_bpm=108.0)
    limits = VitalsConfig(heart_rate_high_bpm=95.0, heart_rate_on_delay_s=30.0)
    found = play(make(consent, limits), volts, kg)
    (cause,) = [one for one in found if isinstance(one, Cause)]

    assert cause.condition == "heart_rate_high"
    assert ("beyond" in cause.evidence) is consent
    assert cause.evidence["delay_s"] >= 30.0


def test_where_the_load_fails_the_strip_says_who_is_in_bed():
    seconds = 240.0
    spans = [BedSpan(0.0, 60.0, BedState.EMPTY), BedSpan(60.0, seconds, BedState.LYING)]
    sleeper = Sleeper(turns_per_hour=0.0)
    volts, _ = strip(spans, sleeper, RATE_HZ, seconds, 4)
    kg, _ = load(spans, sleeper, seconds, 4)
    both = [one.occupied for one in play(make(), volts, kg) if isinstance(one, BedNews)]
    alone = [one.occupied for one in play(make(), volts) if isinstance(one, BedNews)]
    broken = play(make(), volts, kg[: 30 * LOAD_HZ])

    assert both == [False, True]
    assert alone[-1] is True
    assert [one.occupied for one in broken if isinstance(one, BedNews)][-1] is True


def test_rates_of_a_radar_serve_where_there_is_no_strip():
    pipeline = make(vitals=VitalsConfig(heart_rate_on_delay_s=30.0))
    found = []
    for second in range(60):
        for quantity, value in ((HEART_RATE, 150.0), (RESPIRATION_RATE, 16.0)):
            reading = Reading(quantity.code, 5, 1000 * second, value)
            found += pipeline.take(Received("bed-1", reading, 1000.0 + second), at(second))
        found += pipeline.tick(at(second))

    assert [one.condition for one in found if isinstance(one, Cause)] == ["heart_rate_high"]


def test_a_radar_says_who_is_in_bed_where_nothing_else_does():
    pipeline = make()
    found = []
    for second in range(120):
        reading = Reading(PRESENCE.code, 9, 1000 * second, float(10 <= second < 60))
        found += pipeline.take(Received("bed-1", reading, 1000.0 + second), at(second))
        found += pipeline.tick(at(second))

    news = [(one.occupied, round(one.since_utc_s - UTC_S)) for one in found
            if isinstance(one, BedNews)]  # fmt: skip
    assert news == [(True, 10), (False, 60)]


def test_a_strip_at_a_rate_that_nobody_can_judge_is_a_fault():
    block = Samples(BED_STRIP.code, 1, 0, 0, 1_000_000, 0.001, 1, bytes(20))
    (cause,) = make().take(Received("bed-1", block, 1001.0), at(1))

    assert (cause.condition, cause.reason) == (
        "sensor_fault", "bed strip at 1 Hz cannot be judged",
    )  # fmt: skip


def test_somebody_in_bed_without_any_rate_is_told_after_its_time_and_its_end_too():
    kg = np.full(150 * LOAD_HZ, 61.0) + np.random.default_rng(1).normal(0, 0.2, 150 * LOAD_HZ)
    noise = np.random.default_rng(2).normal(1.0, 0.2, 100 * RATE_HZ)
    good, _ = lying(50.0, heart_rate_bpm=64.0)
    limits = VitalsConfig(unavailable_s=60.0)
    found = play(make(vitals=limits), np.concatenate([noise, good]), kg)
    causes = [one for one in found if isinstance(one, Cause)]
    ends = [one for one in found if isinstance(one, Over)]

    assert [one.condition for one in causes] == ["vitals_unavailable"]
    assert ("vitals_unavailable", "bed-1") in [(one.condition, one.subject) for one in ends]


def test_a_night_is_summed_up_at_noon():
    pipeline = make()
    kg = np.concatenate([np.full(600, 61.0), np.zeros(600), np.full(600, 61.0), np.zeros(300)])
    noise = np.random.default_rng(1).normal(0, 0.2, len(kg))
    play(pipeline, np.full(100, 1.0), kg + noise)
    (news,) = [one for one in pipeline.tick(at(11 * 3600.0)) if isinstance(one, SleepNews)]

    assert news.summary.exits == 1
    assert news.summary.longest_absence_s == pytest.approx(60.0, abs=3.0)
    assert news.summary.in_bed_s == pytest.approx(120.0, abs=6.0)


def test_up_for_a_moment_and_down_again_is_restlessness_and_a_later_absence_still_an_alarm():
    rng = np.random.default_rng(1)
    up_and_down = np.concatenate([np.zeros(6), np.full(44, 61.0)])
    kg = np.concatenate([np.full(600, 61.0), np.tile(up_and_down, 20), np.zeros(11_000)])
    pipeline = make()
    found = play(pipeline, np.full(100, 1.0), kg + rng.normal(0, 0.02, len(kg)))
    news = [one for one in found if isinstance(one, BedNews)]
    causes = [one for one in found if isinstance(one, Cause)]

    assert [one.occupied for one in news] == [True, *[False, True] * 20, False]
    (cause,) = causes
    assert cause.condition == "bed_exit_not_returned"
    assert cause.evidence == {"away_s": 900.0}
    assert cause.onset_utc_s == pytest.approx(UTC_S + 160.0 + 900.0, abs=1.5)
    (sleep,) = [one for one in pipeline.tick(at(11 * 3600.0)) if isinstance(one, SleepNews)]
    assert (sleep.summary.exits, sleep.summary.restless) == (0, 20)
