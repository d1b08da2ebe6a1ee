"""The command line as its user meets it: codes, one-line mistakes, a missing port."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.vm import needs_vm

ANZHEN = [sys.executable, "-m", "edge_agent"]

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
port = "{folder}/no-such-port"
place = "bath"
"""


def run(*arguments, timeout=30):
    return subprocess.run(
        [*ANZHEN, *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )


def test_a_wrong_key_is_one_line_and_code_2(tmp_path: Path):
    config = tmp_path / "anzhen.toml"
    config.write_text(CONFIG.format(folder=tmp_path) + "bauds = 9600\n")
    result = run("run", "--config", config)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "anzhen: unit[0].bauds: unknown key; allowed here:"
        " id, port, place, person, bed, source, baud, input, radar, tag, key_file, worn\n"
    )


def test_a_missing_port_is_a_technical_alarm_and_tried_again(tmp_path: Path, broker, subscriber):
    config = tmp_path / "anzhen.toml"
    config.write_text(
        CONFIG.format(folder=tmp_path) + f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    )
    agent = subprocess.Popen(
        [*ANZHEN, "run", "--config", config], stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 20
        alarms = []
        while not alarms and time.monotonic() < deadline:
            time.sleep(0.1)
            alarms = [json.loads(body) for topic, body in subscriber.lines() if "/alarm/" in topic]
        assert (alarms[0]["condition"], alarms[0]["unit"]) == ("unit_lost", "bath-1")
        assert alarms[0]["reason"] == f"{tmp_path}/no-such-port: No such file or directory"
        status = run("status", "--config", config, "--json")
        assert status.returncode == 1  # it runs, and is not well
        assert json.loads(status.stdout)["units"][0]["state"] == "waiting"
    finally:
        agent.terminate()
        log = agent.communicate(timeout=10)[1]
    assert log.count("no-such-port") == 1  # said once, not at every retry
    assert agent.returncode == 0


def test_a_drill_is_begun_on_the_command_line_or_says_why_not(tmp_path: Path):
    config = tmp_path / "anzhen.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    agent = subprocess.Popen(
        [*ANZHEN, "run", "--config", config], stderr=subprocess.DEVNULL, text=True
    )
    try:
        deadline = time.monotonic() + 20
        while run("status", "--config", config).returncode == 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        begun = run("drill", "bath-1", "--condition", "fall", "--config", config)
        refused = run("drill", "bath-2", "--config", config)
        status = json.loads(run("status", "--config", config, "--json").stdout)
    finally:
        agent.terminate()
        agent.wait(10)

    assert (begun.returncode, begun.stdout) == (0, "bath-1: fall is rehearsed, 600 s left\n")
    assert (refused.returncode, refused.stderr) == (1, "anzhen: no unit 'bath-2'\n")
    assert [drill["condition"] for drill in status["drills"]] == ["fall"]


def test_no_agent_is_code_3(tmp_path: Path):
    config = tmp_path / "anzhen.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    result = run("status", "--config", config)

    assert result.returncode == 3
    assert result.stderr.startswith(f"anzhen: no agent answers at {tmp_path}/state/control.sock: ")


@pytest.mark.parametrize("what", ["absent", "rubbish", "cut"])
def test_an_unreadable_recording_is_one_line_naming_the_file(tmp_path: Path, what):
    path = tmp_path / "r.npz"
    if what == "rubbish":
        path.write_bytes(bytes(range(256)) * 40)
    elif what == "cut":
        np.savez(
            path,
            x=np.zeros((5000, 3), np.int16),
            start=np.array([0, 5000]),
            subject=np.array(["A"]),
            label=np.array(["F01"]),
            is_fall=np.array([True]),
            fs=np.float64(200.0),
            scale_g=np.float64(0.004),
        )
        path.write_bytes(path.read_bytes()[:9000])
    result = run("replay", path)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"anzhen: {path}")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    if what != "absent":
        assert "byte" in result.stderr or "offset" in result.stderr


def test_a_trial_that_is_not_there_and_a_broker_that_is_not_there(sisfall, tmp_path: Path):
    from hil_tests.conftest import DATA

    path = DATA / "sisfall_acc_200hz_dev.npz"
    trial = run("replay", path, "--trial", 99999)
    broker = run("replay", path, "--broker", "127.0.0.1:9")

    assert (trial.returncode, broker.returncode) == (2, 3)
    assert trial.stderr == f"anzhen: {path}: no trial 99999, there are 0 to {len(sisfall) - 1}\n"
    assert broker.stderr == "anzhen: no broker at 127.0.0.1:9\n"


@needs_vm
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_unit_that_is_told_to_stop_takes_its_vm_with_it(tmp_path: Path, number):
    flash = tmp_path / "unit"
    unit = subprocess.Popen(
        [*ANZHEN, "unit", "bathroom", "--port", tmp_path / "port", "--flash", flash],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not _vms(flash) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(_vms(flash)) == 1
    unit.send_signal(number)
    unit.wait(10)
    assert not _vms(flash)


def test_presses_of_a_unit_that_cannot_be_are_one_line(tmp_path: Path):
    unit = ("unit", "bathroom", "--port", tmp_path / "port", "--flash", tmp_path / "unit")
    for presses, words in (
        ("-1", "nothing is pressed at -1.0 s"),
        ("5 5.5", "before the last one"),
    ):
        options = [word for at_s in presses.split() for word in ("--press", at_s)]
        result = run(*unit, *options)
        assert (result.returncode, result.stdout) == (2, "")
        assert words in result.stderr
        assert result.stderr.count("\n") == 1


def _vms(flash: Path) -> list[str]:
    """Return the processes that run a unit's configuration."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line for line in lines if b"main.py" in line and bytes(flash) in line]
