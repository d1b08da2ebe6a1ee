"""The whole unit on the ESP32's board files, over a `machine` that behaves as the chip's does."""

import json
import os
import subprocess

import numpy as np
import pytest

from protocol.messages import Event, EventKind, Hello, Impact, Log, Samples, Status, StatusFlag
from protocol.quantities import ACCELERATION, BED_STRIP, LOAD
from tests.firmware.vm import MICROPYTHON, ROOT, LockstepUnit, VmUnit, needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]

HERE = ROOT / "tests/firmware"
IDLE_MV, PRESSED_MV, OPEN_MV = 1650, 825, 3300
WIRES = {
    # module: chip, I2C (SCL, SDA), cord, button, light, radar's UART and pins, HX711 pins
    "esp32_devkit": ("esp32", [22, 21], 34, 32, 4, (2, [17, 16]), [19, 18]),
    "esp32_s3": ("esp32s3", [9, 8], 4, 7, 1, (1, [17, 18]), [11, 12]),
    "esp32_c3": ("esp32c3", [6, 5], 0, 20, 4, (1, [7, 10]), [7, 10]),
    "esp32_c6": ("esp32c6", [7, 6], 0, 18, 2, (1, [10, 11]), [20, 19]),
}


class Wired:
    """What the two kinds of unit here share: a wiring instead of a board of names."""

    def wire(self, module: str) -> None:
        self.module = module
        chip, i2c, self.cord, self.button, self.light, radar, self.hx711 = WIRES[module]
        self.radar_uart, self.radar_pins = radar
        self.heap = "512k"
        self.host = {
            "chip": chip,
            "unique_id": "a0b1c2d3e4f5",
            "reset_cause": 1,
            "nvs": self._hosted("nvs.json"),
            "pins": {str(self.button): {"steps": [[0, 1]]}},
            "adc_mv": {str(self.cord): {"steps": [[0, IDLE_MV]]}},
            "i2c": {"0": {"pins": i2c, "parts": {}}},
            "uart": {"1": {"pins": [25, 26], "line": self._hosted("link")}},
            "outputs": self._hosted("outputs.jsonl"),
        }
        self.nvs = {"anzhen": {"unit_id": b"bath-3f2a".hex()}}

    def _hosted(self, name: str) -> str:
        return f"/host{self.folder}/{name}"

    def _add_part(self, address, model, counts, rate, row):
        counts.tofile(self.folder / f"{model}.bin")
        part = {"model": model, "file": self._hosted(f"{model}.bin"), "rate_hz": rate} | row
        self.host["i2c"]["0"]["parts"][address] = part

    def command(self) -> list[object]:
        (self.folder / "nvs.json").write_text(json.dumps(self.nvs))
        config = self.folder / "wiring.json"
        config.write_text(json.dumps(self.host))
        script = HERE / "scripts/esp32_unit.py"
        return [MICROPYTHON, "-X", f"heapsize={self.heap}", script, config, self.flash, self.module]

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.outputs_path.read_text().splitlines()]


class Esp32Unit(Wired, LockstepUnit):
    """In virtual time, the agent on UART1."""

    def __init__(self, folder, module="esp32_devkit", profile="pendant", **settings):
        super().__init__(folder, profile, **{"link": "uart"} | settings)
        self.wire(module)

    def _launch(self, path, fds, environment):
        path = [path[0], ".frozen", str(HERE / "esp32"), str(ROOT)]
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                self.command(),
                env={"MICROPYPATH": ":".join(path), **environment},
                stdout=stderr,
                stderr=stderr,
                pass_fds=fds,
            )


@pytest.fixture
def make_esp32(tmp_path):
    units = []

    def make(**arguments):
        units.append(Esp32Unit(tmp_path, **arguments))
        return units[-1]

    yield make
    for unit in units:
        unit.close()


def test_a_pendant_on_a_devkit_samples_calls_and_keeps_an_impact(make_esp32):
    unit = make_esp32(acc_rate_hz=50)
    counts = steady(1500)
    counts[600, 2] = 6000
    unit._add_part("24", "lis3dh", counts.astype("<i2"), 50, {"hold": True})
    unit.host["pins"]["32"]["steps"] += [[8_000, 0], [8_300, 1]]
    unit.start()
    unit.advance(18_000)
    (hello,) = unit.of(Hello)
    assert (hello.unit_id, hello.reset_cause) == ("bath-3f2a", 1)
    blocks = unit.samples(ACCELERATION.code)
    assert {block.period_us for block in blocks} == {20_000}
    got = np.concatenate([np.frombuffer(b.data, "<i2").reshape(-1, 3) for b in blocks])
    start = int(got[0, 0])
    assert (got == counts[start : start + len(got)]).all()
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    pressed = unit.of(Event)[0].uptime_ms
    lit = [line["t"] for line in unit.lines() if line.get("pin") == 4 and line["value"] == 1]
    assert 0 <= lit[0] - 8_000 <= 200
    assert abs(pressed - 8_000) <= 100
    (impact,) = unit.of(Impact)
    samples = np.frombuffer(impact.data, "<i2").reshape(-1, 3)
    assert (len(samples), samples[150, 2]) == (400, 6000)  # 3 s before, 5 s from the crossing on
    status = unit.of(Status)[-1]
    assert (status.flags, status.overruns, status.rejected) == (StatusFlag.ALARM, 0, 0)


def test_a_bed_with_an_hx711(make_esp32):
    unit = make_esp32(profile="bed", load="hx711")
    strip = np.arange(12_000) % 1000
    unit._add_part("72", "ads1115", strip.astype("<i2"), 100, {"hold": True})
    load = 100_000 + 10_000 * (np.arange(1_200) % 90)
    load.astype("<i4").tofile(unit.folder / "load.bin")
    unit.host["hx711"] = {
        "pins": unit.hx711, "file": unit._hosted("load.bin"), "rate_hz": 10, "model": "hx711",
    }  # fmt: skip
    unit.start()
    unit.advance(16_000)
    assert unit.of(Status)[-1].flags == 0, unit.explain()
    got = [np.frombuffer(block.data, "<i2") for block in unit.samples(BED_STRIP.code)]
    assert (np.diff(np.concatenate(got)) % 1000 == 1).all()
    kilograms = np.concatenate([np.frombuffer(b.data, "<i2") for b in unit.samples(LOAD.code)])
    # a cell read by another clock than its own: steps of 1 kg, now and then none or two
    assert set(np.diff(kilograms)) <= {0, 100, 200, -8900, -8800}
    assert len(kilograms) > 120


@pytest.mark.parametrize(
    ("module", "millivolts", "kind"),
    [
        ("esp32_devkit", OPEN_MV, EventKind.CORD_CUT),
        ("esp32_devkit", 0, EventKind.CORD_SHORT),
        ("esp32_devkit", PRESSED_MV, EventKind.CALL_PRESSED),
        ("esp32_s3", OPEN_MV, EventKind.CORD_CUT),
    ],
)
def test_a_cord_is_read_through_a_converter_with_less_range_than_the_supply(
    make_esp32, module, millivolts, kind
):
    unit = make_esp32(module=module, profile="bathroom")
    if module == "esp32_s3":
        unit.host["uart"] = {"2": {"pins": [15, 16], "line": unit._hosted("link")}}
    unit.host["adc_mv"][str(unit.cord)]["steps"] += [[2_000, millivolts]]
    unit.start()
    unit.advance(4_000)
    assert unit.kinds() == [kind], unit.explain()


def test_a_bus_that_a_part_holds_down_is_clocked_free(make_esp32):
    unit = make_esp32()
    unit.add_acc(steady(6000), hold=True)
    unit.host["i2c"]["0"]["held"] = [[3_000, 7]]
    unit.start()
    unit.advance(8_000)
    last = unit.samples(ACCELERATION.code)[-1]
    assert last.uptime_ms > 7_500
    assert not unit.kinds()  # free again within a second: nobody need come


def test_a_program_that_stands_still_loses_no_sample_silently(make_esp32):
    """80 ms are made up by the scheduler's queue; what is beyond is counted and placed."""
    unit = make_esp32(profile="bed")
    strip = np.arange(12_000) % 1000
    unit._add_part("72", "ads1115", strip.astype("<i2"), 100, {"hold": True})
    unit._add_part("42", "nau7802", (np.arange(1_200) * 100).astype("<i4"), 10, {"hold": True})
    unit.start()
    unit.advance(10_000)
    unit.stall(2_000)
    unit.advance(4_000)
    blocks = unit.samples(BED_STRIP.code)
    lost = blocks[-1].index + blocks[-1].count - sum(block.count for block in blocks)
    assert 185 <= lost <= 200
    assert unit.of(Status)[-1].overruns >= 185
    last = np.frombuffer(blocks[-1].data, "<i2")
    age = (blocks[-1].uptime_ms + 10 * (len(last) - 1)) // 10 % 1000 - int(last[-1])
    assert abs(age) <= 9


def test_the_watchdog_bites_a_unit_whose_program_stands(make_esp32):
    unit = make_esp32()
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(3_000)
    unit.stall(25_000)
    unit.advance(3_000)
    assert unit.exit_code == 4
    assert unit.lines()[-1]["wdt"] == "bites"


def test_a_key_in_nvs_goes_before_the_file_and_a_damaged_one_is_not_none(make_esp32):
    unit = make_esp32()
    unit.nvs["anzhen"]["link_key"] = (b"k" * 65).hex()  # does not fit: unreadable
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(5_000)
    assert not unit.of(Status)  # the unit has a key, so this agent without one is not there
    unit.kill()
    del unit.nvs["anzhen"]["link_key"]
    unit.make_line()
    unit.session = type(unit.session)(b"agent---")
    unit.start()
    unit.advance(5_000)
    assert unit.of(Status)


def test_a_board_without_a_part_of_the_settings_says_so_and_goes_on(make_esp32):
    unit = make_esp32(profile="room", radar="ld2450", input_19="pir")
    unit.start()
    unit.advance(5_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT]  # input_19: the board has no such pin
    assert unit.of(Status)[-1].flags == 0
    assert unit.of(Log) == []


class ConsoleUnit(Wired, VmUnit):
    """In real time, the agent on the console."""

    def __init__(self, folder, module, profile):
        super().__init__(folder, profile, link="usb")
        self.wire(module)

    def _launch(self, path, fds, environment):
        path = [".frozen", str(HERE / "esp32"), str(ROOT)]
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                self.command(),
                env={"MICROPYPATH": ":".join(path), **environment},
                stdin=self.slave,
                stdout=self.slave,
                stderr=stderr,
            )


@pytest.mark.parametrize("module", ["esp32_c3", "esp32_c6"])
def test_the_console_becomes_the_line_and_control_c_is_a_byte(tmp_path, module):
    unit = ConsoleUnit(tmp_path, module, "pendant")
    unit.host["uart"] = {}
    unit.add_acc(steady(100), hold=True)
    unit.start()
    try:
        unit.run(lambda: len(unit.of(Samples)) > 5)
        os.write(unit.master, b"\x03\x03\x03")
        seen = len(unit.of(Samples))
        unit.run(lambda: len(unit.of(Samples)) > seen + 5 and bool(unit.of(Status)))
    finally:
        unit.close()
    assert unit.of(Hello)
    assert unit.session.rejected <= 1  # what was on the line before the first frame
