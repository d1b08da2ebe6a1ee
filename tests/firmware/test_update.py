"""From one version to the next over the line, and back when the next is no good."""

import json
import struct

import pytest

from edge_agent.update_bundle import read_bundle
from firmware.update.trial import LATEST_MS, PROVEN_MS
from protocol.edge_session import EdgeSession
from protocol.messages import CommandKind, EventKind, Hello, Log, Stage, Status
from tests.firmware import update_heap
from tests.firmware.programs import install, make_version, needs_tools, public_line
from tests.firmware.updater import InstalledUnit, ask, begin, finish, send
from tests.firmware.vm import needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm, needs_tools]

FACTORY = {"version": "0.1.0", "build": 1, "slot": "", "trial": False, "failed": ""}
SECOND = {"version": "0.2.0", "build": 2, "slot": "a", "trial": False, "failed": ""}
REFUSED = 2
BROKEN = {"import Clock": "import Clok"}
CRASH = {"Unit(board).start()": "raise RuntimeError(board)"}


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Return a maker of bundles that makes each only once."""
    made = {}

    def make(name, build, changes=None, **arguments):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = make_version(folder, build, changes, **arguments)
        return made[name]

    return make


@pytest.fixture(scope="module")
def second(versions):
    return versions("second", 2)


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def make_unit(tmp_path, factory):
    units = []

    def make(**settings):
        units.append(InstalledUnit(tmp_path, factory, **settings))
        return units[-1]

    yield make
    for unit in units:
        unit.close()


@pytest.fixture
def unit(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    (unit.flash / "update.key").write_text(public_line("test"))
    unit.start()
    unit.advance(3_000)
    return unit


def state(unit):
    return json.loads(ask(unit, CommandKind.UPDATE_STATE)[1])


def boot(unit):
    unit.kill()
    unit.start()
    unit.advance(3_000)


def boot_deaf(unit, duration_ms):
    """Let a version run that never reads the line, until it resets the unit."""
    unit.listening = False
    unit.kill()
    unit.start()
    unit.advance(duration_ms)
    assert unit.process is None, unit.explain()
    unit.listening = True


def hand_over(unit, bundle):
    """Bring a version to the reset before its first boot."""
    assert send(unit, bundle) == (0, str(len(bundle.content)))
    assert finish(unit) == (0, str(len(bundle.content)))
    unit.advance(5_000)
    assert (unit.process, unit.exit_code) == (None, 3), unit.explain()


def put(unit, bundle):
    hand_over(unit, bundle)
    boot(unit)


def keep(unit, bundle):
    put(unit, bundle)
    unit.advance(PROVEN_MS)
    told = state(unit)
    assert (told["build"], told["trial"]) == (bundle.about.build, False), unit.explain()


def signed_by(bundle, signature):
    """Return a bundle with another signature."""
    start = bundle.front - len(signature)
    return read_bundle(bundle.content[:start] + signature + bundle.content[bundle.front :])


def test_a_version_is_received_tried_and_kept(unit, second):
    assert state(unit) == FACTORY
    put(unit, second)
    assert unit.of(Hello)[-1].firmware == "0.2.0"
    assert state(unit) == SECOND | {"trial": True}
    unit.advance(PROVEN_MS)
    assert state(unit) == SECOND
    assert unit.of(Log)[-1].text == "version 0.2.0 is kept"
    boot(unit)
    assert state(unit) == SECOND


def test_a_bundle_carries_nothing_that_only_mypy_reads(second):
    for word in (b"typing", b"collections.abc", b"TYPE_CHECKING"):
        assert word not in second.content


def test_a_program_in_source_goes_the_same_way_and_the_next_into_the_other_slot(unit, versions):
    unit.heap = "400k"  # compiling takes more than a device's bytecode
    boot(unit)
    keep(unit, versions("second in source", 2, code="py"))
    third = versions("third", 3)
    keep(unit, third)
    assert state(unit) == SECOND | {"version": "0.3.0", "build": 3, "slot": "b"}


def test_what_was_replayed_is_older_than_what_was_proven(unit, second, versions):
    third = versions("third", 3)
    keep(unit, third)
    assert send(unit, second) == (REFUSED, "build 2 is below 4")
    assert send(unit, third) == (REFUSED, "build 3 is below 4")
    # not even with the good version gone
    (unit.flash / "slots/a/head").unlink()
    boot(unit)
    assert state(unit) == FACTORY
    assert send(unit, third) == (REFUSED, "build 3 is below 4")


def test_a_damaged_block_is_received_again(unit, second):
    at = second.front + 3_000
    content = bytearray(second.content)
    content[at] ^= 0x20
    damaged = type(second)(second.about, second.front, second.identity, bytes(content))
    assert send(unit, damaged) == (0, str(len(content)))
    status, text = finish(unit)
    assert status == 0
    assert second.front <= int(text) <= at
    put(unit, second)
    assert state(unit)["build"] == 2


@pytest.mark.parametrize("signer", ["stranger", "noise", "zero", "one", "modulus"])
def test_what_is_not_signed_with_the_units_key_is_refused_before_its_files(
    unit, second, versions, signer
):
    if signer == "stranger":
        bundle = versions("stranger", 2, key="stranger")
    elif signer == "modulus":
        bundle = signed_by(second, bytes.fromhex(public_line("test").strip()[8:]))
    else:
        first = {"noise": b"\x5a", "zero": b"\0", "one": b"\0"}[signer]
        last = b"\x01" if signer == "one" else first
        bundle = signed_by(second, first * 383 + last)
    assert send(unit, bundle) == (REFUSED, "the signature is not right")
    assert sorted(path.name for path in (unit.flash / "slots/a").iterdir()) == ["part"]
    assert ask(unit, CommandKind.UPDATE_BLOCK, struct.pack("<I", bundle.front) + b"x" * 100) == (
        REFUSED,
        "no update has begun",
    )
    assert finish(unit) == (REFUSED, "no update has begun")
    put(unit, second)
    assert state(unit)["build"] == 2


@pytest.mark.parametrize("line", ["", "Modulus=12", "rubbish", "Modulus=" + "F" * 767 + "E"])
def test_without_a_usable_key_nothing_is_taken(unit, second, line):
    (unit.flash / "update.key").write_text(line)
    assert send(unit, second) == (REFUSED, "the signature is not right")


def test_a_bundle_cut_short_is_not_tried(unit, second):
    half = len(second.content) // 2
    assert send(unit, second, half) == (0, str(half))
    status, text = finish(unit)
    assert (status, int(text)) == (0, half)
    assert state(unit) == FACTORY


@pytest.mark.parametrize(
    ("board", "code", "why"),
    [("esp32", "mpy6", "not for linux"), ("linux", "mpy5", "mpy5 is not mpy6")],
)
def test_a_bundle_for_another_machine_is_refused(unit, versions, board, code, why):
    bundle = versions(f"{board} {code}", 2, head={"boards": [board], "code": code})
    assert send(unit, bundle) == (REFUSED, why)


def test_a_lost_line_and_a_power_cut_go_on_where_the_flash_ends(unit, second):
    third_of_it = len(second.content) // 3
    assert send(unit, second, third_of_it)[0] == 0
    unit.listening = False
    unit.advance(70_000)
    unit.listening = True
    unit.session = EdgeSession(b"agent-2-")
    unit.advance(10_000)
    status, text = begin(unit, second)
    assert (status, text) == (0, str(third_of_it))  # not even the buffer was lost
    assert send(unit, second, 2 * third_of_it)[0] == 0
    boot(unit)
    status, text = begin(unit, second)
    assert status == 0
    assert 2 * third_of_it - 2048 <= int(text) <= 2 * third_of_it
    put(unit, second)
    assert state(unit)["build"] == 2


def test_another_bundle_takes_the_place_of_a_beginning(unit, second, versions):
    third = versions("third", 3)
    assert send(unit, second, 20_000)[0] == 0
    assert begin(unit, third) == (0, "0")
    assert not (unit.flash / "slots/a/firmware").exists()
    put(unit, third)
    assert state(unit)["build"] == 3


def test_blocks_that_are_not_wanted_next_change_nothing(unit, second):
    assert send(unit, second, 8_000) == (0, "8000")
    for at in (0, 7_999, 8_001, 0xFFFFFFFF):
        block = struct.pack("<I", at) + b"x" * 800
        assert ask(unit, CommandKind.UPDATE_BLOCK, block) == (0, "8000")
    assert ask(unit, CommandKind.UPDATE_BLOCK, b"xyz") == (REFUSED, "argument of 3 bytes")
    for front in (0, 16_779, 0xFFFFFFFF):
        argument = b"i" * 32 + struct.pack("<I", front)
        assert ask(unit, CommandKind.UPDATE_BEGIN, argument) == (
            REFUSED,
            "not the beginning of a bundle",
        )
    put(unit, second)
    assert state(unit)["build"] == 2


def test_three_boots_that_fail_bring_the_old_version_back(unit, versions):
    hand_over(unit, versions("crashes", 4, CRASH))
    for _ in range(3):
        boot_deaf(unit, 8_000)
    boot(unit)
    assert state(unit) == FACTORY | {"failed": "build 4: 3 boots failed"}
    assert unit.of(Log)[-1].text == "an update was taken back: build 4: 3 boots failed"
    assert "RuntimeError" in unit.of(Log)[-2].text
    unit.advance(200_000)
    assert state(unit)["version"] == "0.1.0"


def test_they_bring_back_the_last_good_one_not_the_factorys(unit, second, versions):
    keep(unit, second)
    hand_over(unit, versions("crashes", 4, CRASH))
    for _ in range(3):
        boot_deaf(unit, 8_000)
    boot(unit)
    assert state(unit) == SECOND | {"failed": "build 4: 3 boots failed"}


def test_a_version_that_cannot_be_imported_is_taken_back_at_once(unit, versions):
    put(unit, versions("broken", 5, BROKEN))
    assert state(unit) == FACTORY | {
        "failed": 'build 5: ImportError("can\'t import name Clok",)',
    }


def test_a_version_that_finds_no_agent_in_ten_minutes_starts_anew(unit, versions):
    hand_over(unit, versions("sixth", 6))
    boot_deaf(unit, LATEST_MS + 2_000)
    assert unit.uptime_ms >= LATEST_MS
    for _ in range(2):
        unit.start()
        unit.kill()
    boot(unit)
    assert state(unit) == FACTORY | {"failed": "build 6: 3 boots failed"}
    texts = [log.text for log in unit.of(Log)]
    assert "the last boot ended: not proven: no agent" in texts


def test_a_version_that_never_reads_its_line_resets_itself_within_a_minute(unit, versions):
    deaf = {'keep("link reader", self.uplink.run_reader)': "pass"}
    hand_over(unit, versions("deaf", 7, deaf))
    boot_deaf(unit, 45_000)
    assert "task link timer stands still" in (unit.flash / "last_words.json").read_text()


def test_a_version_with_which_a_sensor_no_longer_answers_is_not_kept(unit, versions):
    put(unit, versions("blind", 7, {"self.samplers = self.parts.samplers": "self.samplers = {}"}))
    unit.advance(LATEST_MS)
    assert unit.process is None
    boot(unit)
    assert unit.of(Log)[-1].text == "the last boot ended: not proven: acc is faulty"


def test_a_sensor_that_was_faulty_before_need_not_be_mended(make_unit, second):
    unit = make_unit()
    (unit.flash / "update.key").write_text(public_line("test"))
    unit.start()
    unit.advance(3_000)
    assert ask(unit, CommandKind.SELF_TEST)[1].startswith("acc faulty")
    keep(unit, second)


def test_a_good_version_that_the_flash_has_spoilt_gives_way_to_the_factorys(unit, second):
    keep(unit, second)
    path = unit.flash / "slots/a/firmware/backlog.mpy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    boot(unit)
    assert state(unit) == FACTORY


@pytest.mark.parametrize("files", [["slots.json"], ["slots.bak"], ["slots.json", "slots.bak"]])
def test_a_damaged_state_never_stops_the_unit(unit, second, files):
    keep(unit, second)
    for name in files:
        (unit.flash / name).write_text("00000000\n{}")
    boot(unit)
    assert state(unit)["build"] == (1 if len(files) == 2 else 2)


def test_nothing_is_taken_while_a_call_is_open(make_unit, second):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [6_000, 0], [6_300, 1]]
    (unit.flash / "update.key").write_text(public_line("test"))
    unit.start()
    unit.advance(3_000)
    assert send(unit, second, 5_000) == (0, "5000")
    unit.advance(4_000)
    assert EventKind.CALL_PRESSED in unit.kinds()
    for kind in (
        CommandKind.UPDATE_BEGIN,
        CommandKind.UPDATE_BLOCK,
        CommandKind.UPDATE_FINISH,
    ):
        assert ask(unit, kind, b"x" * 40) == (REFUSED, "a call is open")
    call = next(e for e in unit.events if getattr(e, "kind", 0) == EventKind.CALL_PRESSED)
    unit.session.acknowledge(call.boot_id, call.seq, Stage.ENDED)
    unit.advance(500)
    assert begin(unit, second) == (0, "5000")


def test_nothing_is_taken_while_an_alarm_is_not_stored(unit, second):
    unit.acknowledging = False
    unit.kill()
    unit.host["pins"]["button"]["steps"] = [[0, 1], [1_000, 0], [1_300, 1]]
    unit.start()
    unit.advance(4_000)
    assert begin(unit, second)[0] == REFUSED


def test_nothing_is_taken_on_a_low_battery(make_unit, second):
    unit = make_unit(battery_full_mv=4200)
    unit.add_acc(steady(100), hold=True)
    unit.host["adc"]["battery"] = {"steps": [[0, 0.84], [20_000, 0.95]]}
    unit.start()
    unit.advance(3_000)
    assert begin(unit, second) == (REFUSED, "the battery is at 3527 mV")
    unit.advance(20_000)
    assert begin(unit, second) == (0, "0")


def test_a_press_during_an_update_comes_through_at_once(make_unit, second):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [4_500, 0], [4_800, 1]]
    (unit.flash / "update.key").write_text(public_line("test"))
    unit.start()
    unit.advance(3_000)
    assert send(unit, second) == (REFUSED, "a call is open")
    (pressed, *_) = (t for t, pin, value in unit.outputs() if pin == "light" and value)
    assert 4_500 <= pressed <= 4_700
    assert EventKind.CALL_PRESSED in unit.kinds()
    assert unit.uptime_ms < 5_000


def test_an_update_fits_the_heap_and_loses_no_sample(unit, second):
    unit.advance(30_000)
    before = unit.of(Status)[-1]
    assert send(unit, second)[0] == 0
    unit.advance(20_000)
    during = unit.of(Status)[-1]
    assert before.heap_free - during.heap_low < 45_000  # half of it on a chip of 32 bits
    assert during.overruns == 0
    assert during.lag_ms < 1_000
    assert unit.session.samples_lost == 0


@pytest.mark.parametrize("name", ["bed", "bathroom"])
def test_units_of_the_other_profiles_update_in_the_heap_of_a_pendant(
    tmp_path, tmp_path_factory, name
):
    factory = install(tmp_path_factory.mktemp("whole"), is_whole=True)
    version = make_version(tmp_path_factory.mktemp("whole second"), is_whole=True)
    unit = update_heap.make_unit(tmp_path, factory, name, 256)
    assert update_heap.is_updated(unit, version), unit.stderr.read_text()
