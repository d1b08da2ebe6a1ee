"""A radar on its line: commands, silence, restarts, frozen values, damage."""

import json
import random
from itertools import pairwise

import pytest

from edge_agent.simulator.player import write_uart
from edge_agent.simulator.sensors import radar_hilink, radar_sip, radar_tinyframe
from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from firmware.boards.host_uart import HostUart
from firmware.drivers.radar import AXES, UNKNOWN, Setup
from firmware.drivers.radar_hilink import HiLinkRadar
from firmware.drivers.radar_line import BEAT_MS, Radar
from firmware.drivers.radar_sip import SipRadar
from firmware.drivers.radar_tinyframe import TinyFrameRadar
from protocol.messages import EventKind
from protocol.sensors import hilink_commands, sip, tinyframe

pytestmark = [
    pytest.mark.fast,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AS_IT_IS = Setup(0, 0, 0, False)
CHOSEN = Setup(2.5, 3, 1.2, False)
WALKS = [RadarSpan(0, 600, RadarState.MOVING, (0.0, 0.5), (1.0, 3.0))]
SLEEPS = [RadarSpan(0, 600, RadarState.STILL, (0.2, 0.8), in_bed=True)]
FALLS = [
    RadarSpan(1, 20, RadarState.MOVING, (0.0, 0.5), (1.0, 1.5)),
    RadarSpan(20, 60, RadarState.FALLEN, (1.0, 1.5)),
]
EMPTY: list[RadarSpan] = []


class Record:
    """Keeps what a radar tells."""

    def __init__(self):
        self.falls = []
        self.conditions = []
        self.names = 0
        self.cuts = 0
        self.looks = []

    def fall(self, code, now_ms):
        self.falls.append((now_ms, code))

    def condition(self, kind, value):
        self.conditions.append((self.bench.now, kind, value))

    def named(self):
        self.names += 1

    def cut(self):
        self.cuts += 1

    def look(self, now_ms):
        self.looks.append(self.bench.radar.seen.samples)


class Bench:
    """A radar, its line and a clock that stands still until it is advanced."""

    def __init__(self, folder, module, stream, powered=False, **row):
        self.now = 0
        self._written = folder / "written.jsonl"
        played = write_uart(folder / "play.bin", stream) | {"written": str(self._written)}
        self.uart = HostUart(played | row, module.baud, lambda: self.now)
        self.watch = Record()
        self.watch.bench = self
        self.level = 1
        self.switched = []
        self.radar = Radar(module, self.uart, self if powered else None, self, self.watch)

    def now_ms(self):
        return self.now

    def write(self, level):
        """Be the pin of the supply."""
        self.switched.append((self.now, level))
        self.uart.switch(level)

    def read(self):
        return self.level

    def to(self, end_ms):
        while self.now < end_ms:
            self.now += BEAT_MS
            self.radar.poll(self.now)

    def written(self):
        if not self._written.exists():
            return []
        rows = [json.loads(line) for line in self._written.read_text().splitlines()]
        return [(row["t"], bytes.fromhex(row["hex"])) for row in rows]

    def commands(self):
        return [frame for _, frame in self.written()]


@pytest.fixture
def make(tmp_path):
    benches = []

    def make_bench(module, stream=(), **row):
        benches.append(Bench(tmp_path, module, stream, **row))
        return benches[-1]

    yield make_bench
    for bench in benches:
        bench.uart._file.close()


def answers(*pairs):
    return {asked.hex(): answer.hex() for asked, answer in pairs}


def sip_answer(kind, data):
    return sip.encode(kind >> 8, kind & 0xFF | 0x80, data)


def hilink_answer(code, value=b""):
    return hilink_commands.encode(code | 0x100, b"\x00\x00" + value)


SIP_ANSWERS = answers(
    (sip.encode_query(0x02A4), sip.encode(0x02, 0xA4, b"SFD1.SY-01.02.07")),
    (sip.encode_query(0x800E), sip_answer(0x800E, b"\x00\x78")),
    (sip.encode_query(0x800D), sip_answer(0x800D, b"\x00\x78")),
    (sip.encode_query(0x0602), sip_answer(0x0602, b"\x00\xfa")),
    (sip.encode_query(0x830D), sip_answer(0x830D, b"\x03")),
    (sip.encode_command("presence_reporting", 1), sip.encode(0x80, 0, b"\x01")),
    (sip.encode_command("fall_detection", 1), sip.encode(0x83, 0, b"\x01")),
    (sip.encode_query(0x8301), sip_answer(0x8301, b"\x01")),
    (sip.encode_query(0x8001), sip_answer(0x8001, b"\x01")),
    (sip.encode_query(0x8002), sip_answer(0x8002, b"\x02")),
)
"""What a module says that has been set up already, and sees somebody who has fallen."""


def test_a_module_that_is_set_up_is_only_asked_and_tells_what_it_sees(make):
    bench = make(SipRadar("r60afd1", CHOSEN), radar_sip.r60afd1(EMPTY, 8, 1), answers=SIP_ANSWERS)
    bench.to(8_000)
    assert {frame.hex() for frame in bench.commands()} == set(SIP_ANSWERS)
    set_up = bench.commands()[: len(SIP_ANSWERS) - 3]
    assert len(set_up) == len(set(set_up))  # each was answered
    radar = bench.radar
    assert radar.unanswered == 0
    assert radar.module.firmware == "SFD1.SY-01.02.07"
    assert bench.watch.names == 1
    assert (radar.seen.presence, radar.seen.motion) == (1, 1)
    assert [code for _, code in bench.watch.falls] == [0, 1]
    assert bench.watch.falls[1][0] < 1_500


def test_other_values_are_set_and_taken_over_by_a_restart_that_is_not_repeated_for_ever(make):
    stream = radar_sip.r60afd1(EMPTY, 200, 1)
    told = SIP_ANSWERS | answers(
        (sip.encode_query(0x0602), sip_answer(0x0602, b"\x01\x0e")),
        (sip.encode_query(0x8001), sip_answer(0x8001, b"\x00")),
    )
    bench = make(SipRadar("r60afd1", CHOSEN), stream, answers=told)
    bench.to(100_000)
    height = sip.encode_command("install_height_m", 2.5)
    assert bench.commands().count(height) == 3 * 3  # three starts, nobody answers: three times
    assert bench.commands().count(sip.encode_command("reset", 15)) == 2
    assert not bench.watch.conditions  # the silence that we asked for is no fault


def test_a_module_that_answers_nothing_is_listened_to_all_the_same(make):
    bench = make(SipRadar("r60afd1", AS_IT_IS), radar_sip.r60afd1(FALLS, 60, 1))
    bench.to(40_000)
    assert bench.radar.unanswered == 3
    assert [code for _, code in bench.watch.falls] == [0, 1]
    assert 30_000 <= bench.watch.falls[1][0] <= 30_400


def test_a_c1001_is_brought_into_the_mode_of_the_settings(make):
    modes = answers((sip.encode_query(0x0208), sip_answer(0x0208, b"\x01")))
    stream = list(radar_sip.r60abd1(EMPTY, 60, 1))
    bench = make(SipRadar("c1001", Setup(0, 0, 0, True)), stream, answers=modes)
    bench.to(6_000)
    assert bench.commands().count(sip.encode_command("work_mode", 2)) == 1
    bench.to(50_000)
    assert bench.commands().count(sip.encode_command("work_mode", 2)) == 2
    assert sip.encode_command("breath_reporting", 1) in bench.commands()
    assert sip.encode_command("fall_detection", 1) not in bench.commands()


def test_tinyframe_parameters_are_compared_before_they_are_set(make):
    parameters = bytes.fromhex("00002040 9a99193f 04000000") + 4 * bytes.fromhex("9a99993f")
    told = answers(
        (tinyframe.encode_command("version"), tinyframe.encode(0xFFFF, b"V1.02.3\0")),
        (
            tinyframe.encode_command("get_parameters"),
            tinyframe.encode(0x0E06) + tinyframe.encode(0x0E06, parameters),
        ),
    )
    bench = make(
        TinyFrameRadar("ld6002c", CHOSEN), radar_tinyframe.ld6002c(EMPTY, 8, 1), answers=told
    )
    bench.to(4_000)
    assert {frame.hex() for frame in bench.commands()} == set(told)
    assert len(bench.commands()) == 2
    assert bench.radar.module.firmware == "V1.02.3"


def test_tinyframe_parameters_that_differ_are_set(make):
    told = answers((tinyframe.encode_command("version"), tinyframe.encode(0xFFFF, b"\x01\x02")))
    bench = make(
        TinyFrameRadar("mr60fda2", CHOSEN), radar_tinyframe.ld6002c(EMPTY, 8, 1), answers=told
    )
    bench.to(8_000)
    assert bench.radar.module.firmware == "0102"
    once = list(dict.fromkeys(bench.commands()))
    assert once == [
        tinyframe.encode_command("version"),
        tinyframe.encode_command("get_parameters"),
        tinyframe.encode_command("install_height_m", 2.5),
        tinyframe.encode_command("fall_sensitivity", 4),
        tinyframe.encode_command("alarm_area_m", 1.2, 1.2, 1.2, 1.2),
        tinyframe.encode_command("report_height"),
    ]


@pytest.mark.parametrize(
    ("product", "told", "set_to"),
    [
        (
            "ld2410",
            {0x61: b"\xaa\x08\x08\x08" + 9 * b"\x32" + 9 * b"\x28" + b"\x05\x00"},
            [
                hilink_commands.encode_ld2410_range(2, 2, 5),
                hilink_commands.encode_ld2410_sensitivity(65535, 25, 25),
            ],
        ),
        ("ld2410", {0x61: b"\xaa\x08\x02\x02" + 18 * b"\x19" + b"\x05\x00"}, []),
        ("ld2412", {0x12: b"\x01\x02\x05\x00\x00", 0x13: 14 * b"\x19", 0x14: 14 * b"\x19"}, []),
        (
            "ld2450",
            {0xC1: bytes(26)},
            [hilink_commands.encode_ld2450_zones(1, [(-1.2, 0, 1.2, 1.2)])],
        ),
        ("ld2450", {0xC1: bytes.fromhex("0100 50fb 0000 b004 b004") + bytes(16)}, []),
    ],
)
def test_hilink_commands_stand_between_configure_and_end(make, product, told, set_to):
    table = hilink_commands.COMMANDS
    pairs = [
        (hilink_commands.encode_command(name), hilink_answer(code, told.get(code, b"")))
        for name, (code, _) in table.items()
    ]
    version = hilink_commands.encode_command("version")
    pairs.append((version, hilink_answer(0xA0, bytes.fromhex("0000 0204 16240712"))))
    pairs += [(frame, hilink_answer(frame[6])) for frame in set_to]
    frames = radar_hilink.ld2450 if product == "ld2450" else radar_hilink.ld2410
    bench = make(HiLinkRadar(product, CHOSEN), frames(EMPTY, 4, 1), answers=answers(*pairs))
    bench.to(3_000)
    commands = bench.commands()
    assert commands[0] == hilink_commands.encode_command("configure")
    assert commands[-1] == hilink_commands.encode_command("end")
    assert len(commands) == len(set(commands))  # each was answered
    assert [frame for frame in commands if frame in set_to] == set_to
    named = {hilink_commands.encode_command(name) for name in table}
    assert {frame for frame in commands if frame not in named} == set(set_to)
    assert bench.radar.module.firmware == "V4.02.12072416"


# Silence


def test_silence_is_asked_then_restarted_with_back_off_then_told(make):
    bench = make(SipRadar("r60afd1", AS_IT_IS), radar_sip.r60afd1(EMPTY, 20, 1))
    bench.to(400_000)
    last = 20_000
    reset = sip.encode_command("reset", 15)
    restarts = [t for t, frame in bench.written() if frame == reset]
    assert last + 5_000 <= restarts[0] <= last + 7_000
    gaps = [round((b - a) / 1000) for a, b in pairwise(restarts)]
    assert gaps == [10, 20, 40, 80, 160]
    ((at_ms, kind, _),) = bench.watch.conditions
    assert kind == EventKind.SENSOR_FAULT
    assert last + 9_000 <= at_ms <= last + 10_200
    assert bench.radar.seen.presence == -1


def test_a_module_in_an_empty_room_that_only_answers_is_well(make):
    kinds = (0x8301, 0x8001, 0x8002)
    alive = answers(*[(sip.encode_query(kind), sip_answer(kind, b"\x00")) for kind in kinds])
    bench = make(
        SipRadar("r60afd1", AS_IT_IS), [(0.5, sip.encode(0x80, 1, b"\x00"))], answers=alive
    )
    bench.to(120_000)
    assert not bench.watch.conditions
    assert sip.encode_command("reset", 15) not in bench.commands()


def test_a_module_that_hangs_until_it_is_restarted_is_back_set_up_and_told(make):
    reset = sip.encode_command("reset", 15)
    states = {sip.encode_query(kind).hex() for kind in (0x8301, 0x8001, 0x8002)}
    told = {asked: one for asked, one in SIP_ANSWERS.items() if asked not in states}
    bench = make(
        SipRadar("r60afd1", CHOSEN),
        radar_sip.r60afd1(FALLS, 120, 1, fall_after_s=20),
        answers=told,
        hangs=[10_000],
        restart=reset.hex(),
        boot_ms=9_000,
        boots=sip.encode(0x05, 0x01, b"\x01").hex(),
    )
    bench.to(58_000)
    kinds = [kind for _, kind, _ in bench.watch.conditions]
    assert kinds == [EventKind.SENSOR_FAULT, EventKind.SENSOR_RESTORED]
    assert bench.commands().count(reset) == 1
    assert bench.commands().count(sip.encode_query(0x0602)) >= 2
    assert [code for _, code in bench.watch.falls] == [0, 1]


def test_a_board_that_can_switches_the_supply(make):
    bench = make(
        TinyFrameRadar("mr60bha2", AS_IT_IS),
        radar_tinyframe.mr60bha2(WALKS, 60, 1),
        powered=True,
        power=True,
        hangs=[10_000],
        boot_ms=2_000,
    )
    bench.to(40_000)
    (off, on) = bench.switched
    assert (off[1], on[1]) == (0, 1)
    assert 15_900 <= off[0] <= 16_200
    assert on[0] - off[0] == 500
    assert not bench.watch.conditions  # back within ten seconds
    assert bench.radar.seen.presence == 1


def test_a_module_that_seems_to_start_again_and_again_is_not_set_up_for_ever(make):
    frames = [
        (0.1 * k, tinyframe.encode(0x0F09, b"\x01", 20 if k % 2 else 0)) for k in range(3_000)
    ]
    bench = make(TinyFrameRadar("mr60fda2", AS_IT_IS), frames)
    bench.to(300_000)
    versions = bench.commands().count(tinyframe.encode_command("version"))
    assert versions <= 3 * 6


# Frozen values


@pytest.mark.parametrize("family", ["sip", "tinyframe", "hilink"])
def test_values_that_freeze_while_somebody_moves_are_told_and_the_module_restarted(make, family):
    if family == "sip":
        module = SipRadar("r60afd1", AS_IT_IS)
        live = list(radar_sip.r60afd1(WALKS, 30, 1))
        same = [(30 + k, sip.encode(0x80, 3, b"\x37")) for k in range(80)]
        free = (111.0, sip.encode(0x80, 3, b"\x38"))
    elif family == "tinyframe":
        module = TinyFrameRadar("ld6002c", AS_IT_IS)
        one = bytes.fromhex("01000000 0000803f 0000803f 00000000 05000000 01000000")
        live = [(0.1, tinyframe.encode(0x0F09, b"\x01", 1))]
        same = [(1 + 0.1 * k, tinyframe.encode(0x0A04, one, 2)) for k in range(1000)]
        free = (111.0, tinyframe.encode(0x0A04, one[:16] + b"\x06" + one[17:], 3))
    else:
        module = HiLinkRadar("ld2450", AS_IT_IS)
        live = list(radar_hilink.ld2450(WALKS, 30, 1))
        track = radar_hilink.Track(500, 1000, 30)
        same = [(30 + 0.1 * k, radar_hilink.ld2450_frame([track])) for k in range(800)]
        free = (111.0, radar_hilink.ld2450_frame([radar_hilink.Track(510, 1000, 30)]))
    bench = make(module, [*live, *same, free])
    bench.to(112_000)
    (stuck, free_again) = bench.watch.conditions
    assert stuck[1:] == (EventKind.SENSOR_STUCK, 30)
    since_ms = 1_000 if family == "tinyframe" else 30_000
    assert since_ms + 29_000 <= stuck[0] <= since_ms + 32_000
    assert free_again[1] == EventKind.SENSOR_FREE
    assert abs(free_again[2] - (111_000 - since_ms) / 1000) <= 2
    restarts = bench.commands().count(module.restart()[-1][1]) if module.restart() else 2
    assert 2 <= restarts <= 4


def test_a_sleeper_is_not_frozen(make):
    bench = make(SipRadar("r60abd1", AS_IT_IS), radar_sip.r60abd1(SLEEPS, 600, 1))
    bench.to(600_000)
    assert not bench.watch.conditions


def test_a_person_too_still_to_be_measured_is_not_frozen(make):
    frames = [(t, sip.encode(0x80, 3, b"\x00")) for t in range(1, 600)]
    bench = make(SipRadar("r60afd1", AS_IT_IS), [(0.5, sip.encode(0x80, 1, b"\x01")), *frames])
    bench.to(600_000)
    assert bench.radar.seen.presence == 1
    assert not bench.watch.conditions


def test_an_empty_room_is_not_frozen(make):
    bench = make(HiLinkRadar("ld2410", AS_IT_IS), radar_hilink.ld2410(EMPTY, 600, 1))
    bench.to(600_000)
    assert not bench.watch.conditions


def test_rates_that_stay_when_the_person_has_left_are_forgotten(make):
    spans = [RadarSpan(0, 90, RadarState.STILL, (0.2, 0.8))]
    frames = [
        (t, frame)
        for t, frame in radar_tinyframe.mr60bha2(spans, 130, 1)
        if frame[5:7] != b"\x0f\x09" or t < 1  # it never says that nobody is there
    ]
    bench = make(TinyFrameRadar("mr60bha2", AS_IT_IS), frames)
    bench.to(89_000)
    assert bench.radar.seen.heart_bpm > 0
    assert bench.radar.is_fresh(bench.now)
    bench.to(92_000)
    assert bench.radar.seen.presence == 1
    last_ms = bench.radar.seen.heart_ms
    bench.to(129_000)
    assert bench.radar.seen.heart_ms - last_ms < 2_000 or not bench.radar.is_fresh(bench.now)


# Damage


MODULES = [
    ("r60abd1", SipRadar, radar_sip.r60abd1, SLEEPS),
    ("r60afd1", SipRadar, radar_sip.r60afd1, FALLS),
    ("mr60bha2", TinyFrameRadar, radar_tinyframe.mr60bha2, SLEEPS),
    ("ld6002c", TinyFrameRadar, radar_tinyframe.ld6002c, FALLS),
    ("ld2410", HiLinkRadar, radar_hilink.ld2410, WALKS),
    ("ld2450", HiLinkRadar, radar_hilink.ld2450, WALKS),
]


@pytest.mark.parametrize(("product", "driver", "stream", "spans"), MODULES)
def test_noise_and_cut_frames_cost_only_themselves(make, product, driver, stream, spans):
    chance = random.Random(5)
    frames = []
    for t, frame in stream(spans, 60, 1):
        draw = chance.random()
        if draw < 0.1:
            frame = frame[: chance.randrange(len(frame))]
        elif draw < 0.2:
            place = chance.randrange(len(frame))
            frame = (
                frame[:place]
                + bytes((frame[place] ^ 1 << chance.randrange(8),))
                + frame[place + 1 :]
            )
        elif draw < 0.3:
            frame = chance.randbytes(chance.randrange(60)) + frame
        frames.append((t, frame))
    there = answers((sip.encode_query(0x8001), sip_answer(0x8001, b"\x01")))
    bench = make(driver(product, AS_IT_IS), frames, answers=there)
    bench.to(60_000)
    assert bench.radar.lost > 0
    assert bench.radar.seen.presence == 1
    assert not bench.watch.conditions
    assert len(bench.radar.module.parser._rest) < 1_400
    if spans is FALLS:
        assert 1 in [code for _, code in bench.watch.falls]


@pytest.mark.parametrize(("product", "driver", "stream", "spans"), MODULES)
def test_pure_noise_is_silence(make, product, driver, stream, spans):
    chance = random.Random(6)
    frames = [(0.05 * k, chance.randbytes(200)) for k in range(600)]
    bench = make(driver(product, AS_IT_IS), frames)
    bench.to(30_000)
    assert [kind for _, kind, _ in bench.watch.conditions] == [EventKind.SENSOR_FAULT]
    assert bench.watch.falls == []
    assert len(bench.radar.module.parser._rest) < 1_400


def test_a_fall_whose_only_frame_was_lost_is_asked_for(make):
    fallen = answers((sip.encode_query(0x8301), sip_answer(0x8301, b"\x01")))
    bench = make(SipRadar("r60afd1", AS_IT_IS), radar_sip.r60afd1(EMPTY, 30, 1), answers=fallen)
    bench.to(20_000)
    assert [code for _, code in bench.watch.falls] == [0, 1]
    asked = [t for t, frame in bench.written() if frame == sip.encode_query(0x8301)]
    assert max(b - a for a, b in pairwise(asked)) == 4_000


def test_a_damaged_length_does_not_hold_back_the_next_fall(make):
    cut = sip.encode(0x80, 5, bytes(6))[:4] + b"\x00\xff"  # says 255 bytes, and nothing comes
    fall = sip.encode(0x83, 1, b"\x01")
    bench = make(SipRadar("r60afd1", AS_IT_IS), [(1.0, cut), (1.5, fall)])
    bench.to(2_000)
    assert bench.watch.falls == [(1500, 1)]


def test_targets_become_samples_of_a_track(make):
    frame = radar_hilink.ld2450_frame(
        [radar_hilink.Track(-500, 1500, 30), radar_hilink.Track(200, 3000, -10)]
    )
    bench = make(HiLinkRadar("ld2450", AS_IT_IS), [(0.1 * k + 0.05, frame) for k in range(20)])
    bench.to(1_000)
    tracks = bench.radar.seen.tracks[:AXES].tolist()
    assert tracks[:4] == [-500, 1500, UNKNOWN, 300]
    assert tracks[4:8] == [200, 3000, UNKNOWN, -100]
    assert tracks[8:] == [UNKNOWN] * 4
    assert sum(bench.watch.looks) == 10
