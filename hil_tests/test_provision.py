"""As an installer: a kit is made, put on a unit, and the agent hears that unit and no other."""

import asyncio
import json
import logging
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.__main__ import main
from edge_agent.alarm.alarm import State
from edge_agent.config.load import load
from edge_agent.provision import flasher
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from edge_agent.simulator.vm import UnitSpec
from edge_agent.update_bundle import compile_file
from protocol.edge_session import EdgeSession
from protocol.messages import EventKind, Hello
from protocol.session import ONLINE
from tests.firmware.test_esp32 import PRESSED_MV, Esp32Unit
from tests.firmware.vm import ROOT
from tests.provision.repl import ReplBoard

HOME = """\
state_dir = "{folder}/state"

[home]
region = "000000000000"
home = "h1"

[[place]]
id = "bathroom"
zh = "卫生间"
en = "bathroom"
"""
IDLE, PRESSED = 0.5, 0.25
needs_mpremote = pytest.mark.skipif(
    not (
        shutil.which("mpremote", path=str(Path(sys.executable).parent)) or shutil.which("mpremote")
    ),
    reason="no mpremote (pip install mpremote)",
)


def provision(folder: Path, target: object, *arguments: str, code: str = "none") -> int:
    """Provision the unit of a bathroom."""
    fixed = "--unit-id bath-1 --profile bathroom --board esp32_devkit --link uart"
    fixed += f" --place bathroom --person p1 --code {code}"
    keys = ["--keys", str(folder / "keys")]
    return main(["provision", str(target), *fixed.split(), *keys, *arguments])


def play(folder: Path, flash: Path):
    """The cord is pulled 5 s after power on; what the agent of this folder then knows."""
    unit = UnitSpec(
        "bath-1",
        "bathroom",
        {"adc": {"cord": {"steps": [[0, IDLE], [5000, PRESSED], [5600, IDLE]]}}},
    )

    async def story(stage: Stage):
        shutil.copytree(flash, stage.folder / "bath-1" / "flash")
        stage.start_agent()
        stage.start_unit(unit)
        await asyncio.sleep(70)
        session = stage.agent.units["bath-1"].session
        return [(event.condition, event.state) for event in stage.events], session

    return on_stage(load(folder / "anzhen.toml"), StageOptions(), story)


@pytest.fixture
def installed(tmp_path):
    """An agent's folder with one unit's key, and that unit's kit."""
    config = tmp_path / "anzhen.toml"
    config.write_text(HOME.format(folder=tmp_path))
    assert provision(tmp_path, tmp_path / "kit", "--config", str(config), "--append") == 0
    return tmp_path


def test_a_unit_with_its_kit_is_heard_with_every_frame_proved(installed):
    events, session = play(installed, installed / "kit" / "flash")

    assert events == [("call", State.CONFIRMED)]
    assert session.state == ONLINE
    assert session.unverified == 0


def test_a_kit_made_for_another_agent_is_refused_and_that_is_said(installed, caplog):
    assert provision(installed / "other", installed / "other" / "kit") == 0
    with caplog.at_level(logging.WARNING):
        events, session = play(installed, installed / "other" / "kit" / "flash")

    assert events == [("unit_lost", State.CONFIRMED)]
    assert session.state != ONLINE
    assert session.unverified > 0
    assert [line for line in caplog.messages if "key" in line] == [
        "unit bath-1: no frame carries its key's tag: its link.key and our key_file differ; provision it anew"
    ]


def test_an_agent_given_a_new_key_hears_the_unit_only_with_the_new_kit(installed):
    old = installed / "old"
    shutil.copytree(installed / "kit", old)
    assert provision(installed, installed / "kit", "--replace") == 0

    assert play(installed, old / "flash")[0] == [("unit_lost", State.CONFIRMED)]
    assert play(installed, installed / "kit" / "flash")[0] == [("call", State.CONFIRMED)]


@pytest.fixture
def board(tmp_path):
    board = ReplBoard(tmp_path)
    yield board
    board.close()


class ProvisionedUnit(Esp32Unit):
    """A DevKit that runs what lies on its flash, and nothing of this folder."""

    def __init__(self, folder: Path, flash: Path, nvs: Path) -> None:
        super().__init__(folder, "esp32_devkit")
        self.flash = flash
        self.nvs = json.loads(nvs.read_text())

    def _launch(self, path, fds, environment):
        chip = ROOT / "tests/firmware/esp32"
        script = ROOT / "tests/provision/scripts/board_unit.py"
        vm, wiring = self.command()[:3], self.folder / "wiring.json"
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*vm, script, wiring, self.flash],
                env={"MICROPYPATH": f"{path[0]}:.frozen:{chip}:{self.flash}", **environment},
                stdout=stderr,
                stderr=stderr,
                pass_fds=fds,
            )


@needs_mpremote
@pytest.mark.timeout(240)  # a hundred modules are compiled
def test_a_board_written_through_its_serial_port_is_the_unit_that_was_meant(
    tmp_path, board, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert provision(tmp_path, board.port, code="mpy") == 0
    assert board.wait() == 3  # started anew
    assert not (tmp_path / "bath-1/flash/link.key").exists()  # it is on the unit now

    for model in (ROOT / "firmware/boards").glob("host*.py"):  # of the chip's model, not of ours
        compiled = board.flash / "firmware/boards" / f"{model.stem}.mpy"
        compiled.write_bytes(compile_file(model, model.name))
    unit = ProvisionedUnit(tmp_path, board.flash, board.nvs)
    unit.session = EdgeSession(
        b"agent---", bytes.fromhex((tmp_path / "keys/bath-1.key").read_text())
    )
    unit.host["adc_mv"]["34"]["steps"] += [[8_000, PRESSED_MV], [8_300, 1650]]
    try:
        unit.start()
        unit.advance(20_000)
        assert [hello.unit_id for hello in unit.of(Hello)] == ["bath-1"], unit.explain()
        assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
        assert unit.session.unverified == 0
    finally:
        unit.close()


@needs_mpremote
def test_a_board_that_is_a_unit_already_is_not_written(tmp_path, board, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (board.flash / "main.py").write_text("print('mine')")
    assert provision(tmp_path, board.port, code="py") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"anzhen: {board.port}: has a unit's program already: erase the flash first"
        " (esptool erase-flash)"
    )
    assert [path.name for path in board.flash.iterdir()] == ["main.py"]


@needs_mpremote
def test_a_board_unplugged_half_way_can_be_filled_again(tmp_path, board, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (board.flash / "firmware").mkdir()
    (board.flash / "firmware" / "app.py").write_bytes(b"half")
    (board.flash / "link.key").write_bytes(b"half")
    assert provision(tmp_path, board.port, code="py") == 0
    key = bytes.fromhex((tmp_path / "keys/bath-1.key").read_text())
    assert (board.flash / "link.key").read_bytes() == key


@needs_mpremote
def test_a_port_where_nobody_answers_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(flasher, "_ANSWER_S", 2.0)
    master, slave = pty.openpty()
    try:
        port = os.ttyname(slave)
        assert provision(tmp_path, port, code="py") == 3
    finally:
        os.close(master)
        os.close(slave)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"anzhen: {port}: no answer: is MicroPython on it, and no other program at the port?"
    )
