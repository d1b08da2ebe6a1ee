"""The agent brings a version to a unit: over a cut line, not during an alarm, by command line."""

import asyncio
import json
import signal
import subprocess
import time

import msgspec
import pytest

from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from hil_tests.test_bed_and_call import IDLE, PRESSED, bath_unit, make_config
from hil_tests.test_command_line import ANZHEN, run
from tests.firmware.programs import (
    make_key,
    make_program,
    make_version,
    needs_tools,
    public_line,
)
from tests.firmware.test_update import BROKEN
from tests.firmware.vm import ROOT

pytestmark = needs_tools

CALL = "an alarm is open: Call for help in the bathroom; try again once it is closed"


def bath_config():
    config = make_config()
    units = [unit for unit in config.unit if unit.id == "bath-1"]
    return msgspec.structs.replace(config, unit=units)


class Home:
    """A bathroom's unit that is started again whenever it resets itself."""

    def __init__(self, stage: Stage, spec, bundle) -> None:
        self.stage = stage
        self.spec = spec
        self.boots = 1
        flash = stage.folder / "bath-1" / "flash"
        flash.mkdir(parents=True)
        (flash / "update.key").write_text(public_line("test"))
        self.bundle = stage.folder / "new.bundle"
        self.bundle.write_bytes(bundle.content)
        self.line = stage.lines["bath-1"]
        stage.start_agent()

    async def start(self):
        await self.boot()
        await asyncio.sleep(5)

    async def boot(self):
        """Start the unit so that its resets fall between two looks of the stage's watch."""
        await asyncio.sleep(1.3 - self.stage.now_s % 1.0)
        self.stage.start_unit(self.spec)

    def cut_after(self, count):
        """Cut the line when the agent has sent so many bytes: they take no virtual time."""
        left = [count]

        def pass_on(data):
            left[0] -= len(data)
            self.line.is_cut = self.line.is_cut or left[0] < 0
            return data

        self.line.damage_down = pass_on

    def mend(self):
        self.line.damage_down = bytes
        self.line.is_cut = False

    async def ask(self, **request):
        return await self.stage.agent.updates.answer({"do": "upgrade", **request})

    async def begin(self):
        return await self.ask(unit="bath-1", bundle=str(self.bundle))

    async def until(self, *states, at=0, limit_s=600.0):
        end_s = self.stage.now_s + limit_s
        while (told := await self.ask())["state"] not in states or told["at"] < at:
            assert self.stage.now_s < end_s, told
            await asyncio.sleep(0.05)
            _, machine = self.stage._vms["bath-1"]
            if machine.is_gone:
                self.stage.stop_unit("bath-1")
                await self.boot()
                self.boots += 1
        return told


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return make_version(tmp_path_factory.mktemp("second"))


@pytest.mark.timeout(120)
def test_a_version_comes_over_a_line_that_is_cut_and_is_kept(second):
    async def story(stage: Stage):
        home = Home(stage, bath_unit([]), second)
        await home.start()
        home.cut_after(40_000)
        assert (await home.begin())["state"] == "waiting"
        assert "is being updated" in (await home.begin())["error"]
        away = await home.until("waiting", at=20_000)
        await asyncio.sleep(100)
        home.mend()
        told = await home.until("kept", "refused", "taken back", "lost")
        status = await stage.agent.status()
        return away, told, home.boots, status["open_alarms"]

    away, told, boots, alarms = on_stage(bath_config(), StageOptions(), story)
    assert 20_000 < away["at"] < 40_000
    assert (told["state"], told["version"], told["why"]) == ("kept", "0.2.0", "")
    assert boots == 2
    assert alarms == []


@pytest.mark.timeout(120)
def test_a_version_that_does_not_run_is_told_to_have_been_taken_back(tmp_path):
    async def story(stage: Stage):
        home = Home(stage, bath_unit([]), make_version(tmp_path, 5, BROKEN))
        await home.start()
        await home.begin()
        told = await home.until("taken back", "kept", "refused", "lost")
        return told, home.boots

    told, boots = on_stage(bath_config(), StageOptions(), story)
    assert (told["state"], told["why"]) == (
        "taken back",
        'build 5: ImportError("can\'t import name Clok",)',
    )
    assert boots == 2


@pytest.mark.timeout(120)
def test_a_call_ends_what_is_being_sent_and_nothing_is_sent_while_it_is_open(second):
    async def story(stage: Stage):
        home = Home(stage, bath_unit([[8_000, PRESSED], [8_600, IDLE]]), second)
        await home.start()
        home.cut_after(40_000)
        await home.begin()
        await home.until("waiting", at=20_000)
        await asyncio.sleep(10)
        home.mend()
        first = await home.until("refused", "kept")
        await asyncio.sleep(5)
        await home.begin()
        return first, await home.until("refused", "kept"), stage.events

    first, again, events = on_stage(bath_config(), StageOptions(), story)
    assert 20_000 < first["at"] < 40_000
    assert first["why"] in ("a call is open", CALL)
    assert (again["state"], again["why"], again["at"]) == ("refused", CALL, 0)
    assert events[0].condition == "call"


CONFIG = """
state_dir = "{folder}/state"
[home]
region = "640302001001"
home = "h0001"
[[place]]
id = "bath"
zh = "卫生间"
en = "bathroom"
[[unit]]
id = "bath-1"
port = "{folder}/port"
place = "bath"
person = "p1"
source = "cord"
"""


@pytest.mark.timeout(120)
def test_the_command_line_makes_a_bundle_and_shows_what_the_unit_says(tmp_path):
    for program, board, words in (
        (ROOT, "esp32", "version 0.1.0  build 1  "),
        (make_program(tmp_path / "program", 2), "linux", "version 0.2.0  build 2  "),
    ):
        arguments = [program, tmp_path / "new.bundle", "--key", make_key("test"), "--board", board]
        made = run("bundle", *arguments, timeout=60)
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith(words)
    config = tmp_path / "anzhen.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    upgrade = ["upgrade", "--unit", "bath-1", tmp_path / "new.bundle", "--config", config]
    assert run(*upgrade).returncode == 3
    flash = tmp_path / "flash"
    unit = [*ANZHEN, "unit", "bathroom", "--id", "bath-1", "--port", tmp_path / "port"]
    processes = [
        subprocess.Popen([*unit, "--flash", flash], stderr=subprocess.DEVNULL),
        subprocess.Popen([*ANZHEN, "run", "--config", config], stderr=subprocess.DEVNULL),
    ]
    try:
        for _ in range(300):
            status = run("status", "--config", config, "--json").stdout
            if status and json.loads(status)["units"][0]["state"] == "online":
                break
            time.sleep(0.1)
        refused = run(*upgrade, "--json", timeout=60)
        unknown = run("upgrade", "--unit", "x", tmp_path / "new.bundle", "--config", config)
        damaged = run("upgrade", "--unit", "bath-1", config, "--config", config)
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)  # the unit's VM ends with it
            process.wait(timeout=20)
    told = json.loads(refused.stdout.splitlines()[-1])
    assert (refused.returncode, told["state"], told["why"]) == (
        1,
        "refused",
        "the signature is not right",
    )
    assert (unknown.returncode, unknown.stderr) == (2, "anzhen: unknown unit; known: bath-1\n")
    assert damaged.returncode == 2
    assert damaged.stderr.endswith("not a bundle\n")
