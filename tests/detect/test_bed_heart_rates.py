"""Many beds at once: the numbers of one bed, whatever the neighbours do."""

import numpy as np
import pytest

from edge_agent.detect.bed.heart_rate import HeartRate
from edge_agent.detect.bed.heart_rates import HeartRates
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import BED_STRIP

pytestmark = pytest.mark.fast

SECONDS = 60.0


def bed(seed, rate_hz=100.0, **person):
    spans = [BedSpan(0.0, SECONDS, BedState.LYING)]
    sleeper = Sleeper(turns_per_hour=0.0, **person)
    volts, _ = strip(spans, sleeper, rate_hz, SECONDS, seed, j_to_noise=4.0)
    return volts.astype(np.float32)[:, None], rate_hz


def ward():
    """Beds that differ: sound ones, other clocks, a move, holes, noise, nothing at all."""
    random = np.random.default_rng(1)
    moved, holed = bed(2)[0], bed(3)[0]
    moved[3000:3100] += random.normal(0.0, 0.5, (100, 1)).astype(np.float32)
    holed[2000:2400:2] = np.nan
    return [
        bed(1, heart_rate_bpm=50),
        bed(4, 87.3, heart_rate_bpm=75),
        bed(5, 175.0),
        (moved, 100.0),
        (holed, 100.0),
        (np.full((6000, 1), 3e38, dtype=np.float32), 100.0),
        (np.zeros((6000, 1), dtype=np.float32), 100.0),
        (random.normal(0.0, 0.1, (6000, 1)).astype(np.float32), 100.0),
    ]


def chunks(channel, values, rate_hz, packet_s):
    step = max(1, round(packet_s * rate_hz))
    return [
        Chunk(channel, at / rate_hz, rate_hz, values[at : at + step])
        for at in range(0, len(values), step)
    ]


@pytest.mark.parametrize("packet_s", [0.1, 1.0, 7.3])
def test_each_bed_gets_what_it_would_get_alone(packet_s):
    beds = ward()
    channels = [Channel(f"bed-{i}", BED_STRIP) for i in range(len(beds))]
    queues = [chunks(channel, *one, packet_s) for channel, one in zip(channels, beds)]
    many, found = HeartRates(channels), [[] for _ in beds]
    for turn in range(max(map(len, queues))):
        row = [queue[turn] if turn < len(queue) else None for queue in queues]
        for told, rates in zip(found, many.update(row)):
            told += rates
    for channel, queue, told in zip(channels, queues, found):
        single = HeartRate(channel)
        alone = [rate for chunk in queue for rate in single.update(chunk)]
        assert [rate.reason for rate in told] == [rate.reason for rate in alone]
        assert [rate.at_s for rate in told] == [rate.at_s for rate in alone]
        assert [rate.bpm or 0.0 for rate in told] == pytest.approx(
            [rate.bpm or 0.0 for rate in alone], abs=1e-3
        )
        assert [rate.quality for rate in told] == pytest.approx(
            [rate.quality for rate in alone], abs=1e-4
        )
    assert [sum(rate.bpm is not None for rate in told) > 20 for told in found[:3]] == [True] * 3
    assert not any(rate.bpm for told in found[5:] for rate in told)


def test_a_gap_of_one_bed_is_no_other_beds_business():
    channels = [Channel("a", BED_STRIP), Channel("b", BED_STRIP)]
    values, many = bed(1)[0], HeartRates(channels)
    first = [Chunk(channel, 0.0, 100.0, values[:3000]) for channel in channels]
    assert [rates[-1].bpm is not None for rates in many.update(first)] == [True, True]
    many.gap(0, Gap(channels[0], 30.0, 32.0))
    second = [
        Chunk(channels[0], 32.0, 100.0, values[3200:4000]),
        Chunk(channels[1], 30.0, 100.0, values[3000:4000]),
    ]
    told_a, told_b = many.update(second)
    assert {rate.reason.value for rate in told_a} == {"warming_up"}
    assert all(rate.bpm is not None for rate in told_b)


def test_nothing_comes_of_nothing_and_a_wrong_count_is_refused():
    many = HeartRates([Channel("a", BED_STRIP)])
    assert many.update([None]) == [[]]
    assert HeartRates([]).update([]) == []
    with pytest.raises(ValueError, match=r"^2 chunks for 1 streams$"):
        many.update([None, None])
