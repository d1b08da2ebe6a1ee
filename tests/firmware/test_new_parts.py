"""HX711 and MPU6050 through the real firmware: as written, run over, frozen, away."""

from itertools import pairwise

import numpy as np
import pytest

from protocol.messages import EventKind, Impact, Log, Status
from protocol.quantities import ACCELERATION, LOAD
from tests.firmware.vm import needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]

FAULT, RESTORED = EventKind.SENSOR_FAULT, EventKind.SENSOR_RESTORED


def bed(make_unit, **row):
    """Return a bed whose HX711 weighs 1 kg more each 100 ms, and its file."""
    unit = make_unit(profile="bed", load="hx711", load_zero=1000)
    counts = 1000 + 10_000 * (np.arange(1200) % 90)
    path = unit.folder / "hx711.bin"
    counts.astype("<i4").tofile(path)
    unit.host["hx711"] = {"model": "hx711", "file": str(path), "rate_hz": 10} | row
    unit.add_strip(np.arange(12_000) % 1000)
    return unit


def pendant(make_unit, counts, rate_hz=100, **row):
    unit = make_unit(
        accelerometer="mpu6050", acc_rate_hz=rate_hz, acc_range_g=row.get("range_g", 16)
    )
    unit._add_part("104", "mpu6050", counts.astype("<i2"), rate_hz, row)
    return unit


def kilograms(unit):
    return np.concatenate([np.frombuffer(b.data, "<i2") for b in unit.samples(LOAD.code)]) / 100


def acceleration(unit):
    blocks = unit.samples(ACCELERATION.code)
    return np.concatenate([np.frombuffer(b.data, "<i2").reshape(-1, 3) for b in blocks])


def test_an_hx711_is_the_file_in_kilogram(make_unit):
    unit = bed(make_unit)
    unit.start()
    unit.advance(30_000)
    assert unit.of(Status)[-1].flags == 0
    assert len(kilograms(unit)) > 270
    assert set(np.diff(kilograms(unit))) <= {1.0, -89.0}
    assert unit.of(Status)[-1].overruns <= 10  # before the first conversion


def test_a_hx711_that_froze_is_put_to_sleep_and_comes_back(make_unit):
    unit = bed(make_unit, freezes=[10_000])
    unit.start()
    unit.advance(40_000)
    assert unit.kinds() == [FAULT, RESTORED]
    assert set(np.diff(kilograms(unit)[-50:])) <= {1.0, -89.0}


def test_a_hx711_whose_cell_is_broken_stays_in_fault(make_unit):
    unit = bed(make_unit, freezes=[10_000], stubborn_ms=60_000)
    unit.start()
    unit.advance(60_000)
    assert unit.kinds() == [FAULT]
    unit.advance(60_000)
    assert unit.kinds() == [FAULT, RESTORED]


def test_a_hx711_whose_wire_is_off_is_told_once_and_told_when_it_is_back(make_unit):
    unit = bed(make_unit, away=[[0, 20_000]])
    unit.start()
    unit.advance(15_000)
    assert unit.kinds() == [FAULT]
    unit.advance(60_000)
    assert unit.kinds() == [FAULT, RESTORED]


def test_no_hx711_at_all_is_a_fault_and_the_strip_goes_on(make_unit):
    unit = bed(make_unit)
    del unit.host["hx711"]
    unit.start()
    unit.advance(5_000)
    assert unit.kinds() == [FAULT]
    assert unit.of(Log) == []


@pytest.mark.parametrize("rate_hz", [50, 100])
def test_an_mpu6050_is_the_file(make_unit, rate_hz):
    counts = steady(3000)
    counts[:, 1] = -np.arange(3000)
    unit = pendant(make_unit, counts, rate_hz)
    unit.start()
    unit.advance(20_000)
    got = acceleration(unit)
    start = -int(got[0, 1])
    assert len(got) > 19 * rate_hz
    assert (got == counts[start : start + len(got)]).all()
    (block,) = unit.samples(ACCELERATION.code)[:1]
    assert block.period_us == 1_000_000 // rate_hz
    assert block.scale == pytest.approx(16 * 9.80665 / 32768)
    assert unit.of(Status)[-1].flags == 0


def test_at_8_g_a_count_is_half_as_much_and_a_fall_as_hard(make_unit):
    counts = steady(3000)
    counts[:, 2] = 4096 + np.arange(3000) % 2
    counts[1000, 2] = 3 * 4096
    unit = pendant(make_unit, counts, range_g=8)
    unit.start()
    unit.advance(18_000)
    (impact,) = unit.of(Impact)
    samples = np.frombuffer(impact.data, "<i2").reshape(-1, 3)
    assert samples[:, 2].max() * impact.scale == pytest.approx(3 * 9.80665, rel=1e-3)


def test_an_mpu6050_that_ran_over_begins_at_a_whole_sample(make_unit):
    counts = steady(6000)
    counts[:, 1] = -np.arange(6000)
    unit = pendant(make_unit, counts)
    unit.start()
    unit.advance(10_000)
    unit.stall(3_000)  # 300 samples; the FIFO holds 170 and two thirds of one
    unit.advance(10_000)
    blocks = unit.samples(ACCELERATION.code)
    jumps = [b.index - a.index - a.count for a, b in pairwise(blocks)]
    (jump,) = [jump for jump in jumps if jump]
    assert 295 <= jump <= 320
    after = np.frombuffer(blocks[-1].data, "<i2").reshape(-1, 3)
    first = np.frombuffer(blocks[0].data, "<i2").reshape(-1, 3)
    assert abs((-after[0, 1] - blocks[-1].index) - (-first[0, 1] - blocks[0].index)) <= 1
    assert (after[:, 2] == 1333).all()
    assert unit.of(Status)[-1].overruns == jump


def test_an_mpu6050_that_froze_is_reset_and_a_stubborn_one_stays_in_fault(make_unit):
    unit = pendant(make_unit, steady(20_000), freezes=[10_000], stubborn_ms=40_000)
    unit.start()
    unit.advance(45_000)
    assert unit.kinds() == [FAULT]
    unit.advance(60_000)
    assert unit.kinds() == [FAULT, RESTORED]
    assert unit.of(Status)[-1].flags == 0


def test_an_mpu6050_that_answers_no_more_is_told_and_set_up_anew(make_unit):
    unit = pendant(make_unit, steady(20_000), away=[[5_000, 9_000]])
    unit.start()
    unit.advance(40_000)
    assert unit.kinds() == [FAULT, RESTORED]
