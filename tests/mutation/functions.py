"""Runs mutmut on one package after another, each with the tests that must notice.

`python -m tests.mutation.functions alarm protocol`; all without names. mutmut is no part of the
development environment: `pip install mutmut` first.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.tables import COPIED, ROOT


@dataclass(frozen=True, slots=True)
class Target:
    """Patterns of files to change, not to change, and the tests."""

    only: tuple[str, ...]
    tests: tuple[str, ...]
    never: tuple[str, ...] = ()


TARGETS = {
    "alarm": Target(("edge_agent/alarm/*",), ("tests/alarm",)),
    "protocol": Target(
        ("protocol/*",),
        tuple(
            f"tests/protocol/test_{name}.py"
            for name in ("auth", "auth_attacks", "framing", "messages", "pair", "session")
        ),
        ("protocol/sensors/*",),
    ),
    "sensors": Target(("protocol/sensors/*",), ("tests/protocol/sensors",)),
    "outbox": Target(("edge_agent/outbox/*",), ("tests/outbox", "tests/test_outbox.py")),
    "relay": Target(("edge_agent/relay/*",), ("tests/relay",)),
}
CONFIG = """
[tool.mutmut]
source_paths = ["edge_agent", "protocol"]
also_copy = ["firmware", "hil_tests", "docs"]
pytest_add_cli_args = ["-m", "fast", "-p", "no:cacheprovider", "-q"]
only_mutate = {only}
do_not_mutate = {never}
pytest_add_cli_args_test_selection = {tests}
"""
CHANGE = re.compile(r"^[-+] .*$", re.MULTILINE)


def main() -> int:
    """Print mutmut's counts and the change of each survivor, target by target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], default=[])
    arguments = parser.parse_args()
    mutmut = shutil.which("mutmut", path=Path(sys.executable).parent) or shutil.which("mutmut")
    if mutmut is None:
        print("no mutmut (pip install mutmut)", file=sys.stderr)
        return 3
    for name in arguments.target or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            _judge(Path(folder), name, mutmut)
    return 0


def _judge(folder: Path, name: str, mutmut: str) -> None:
    target = TARGETS[name]
    for one in COPIED:
        source = ROOT / one
        copier = shutil.copytree if source.is_dir() else shutil.copy
        copier(source, folder / one)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        only, never, tests = list(target.only), list(target.never), list(target.tests)
        file.write(CONFIG.format(only=only, never=never, tests=tests))
    subprocess.run([mutmut, "run"], cwd=folder, stdout=subprocess.DEVNULL, check=False)
    lines = _output(mutmut, "results", "--all", "true", folder=folder).splitlines()
    verdicts = dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)
    for mutant, verdict in verdicts.items():
        if verdict != "killed":
            change = CHANGE.findall(_output(mutmut, "show", mutant, folder=folder))
            print(f"{mutant}: {verdict}", *change, sep="\n  ", flush=True)
    counts = Counter(verdicts.values())
    share = 100.0 * counts["killed"] / max(1, len(verdicts))
    print(f"{name}: {share:.1f} % killed, {dict(counts)}", flush=True)


def _output(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    sys.exit(main())
