"""Runs mutmut on one package after another, each with the tests that must notice.

`python -m tests.mutation.functions alarm protocol`; all without names. `--ending 16` takes only
the mutants whose number ends in 1 or 6, a fifth of each function's; `--every 25 --start 3` takes
the fourth and then every 25th of all. mutmut is no part of the development environment:
`pip install mutmut` first.
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
    """Patterns of files to change, not to change, the tests, and what pytest leaves out."""

    only: tuple[str, ...]
    tests: tuple[str, ...]
    never: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ("-m", "fast")


TARGETS = {
    "alarm": Target(("edge_agent/alarm/*",), ("tests/alarm",)),
    "protocol": Target(
        ("protocol/*",),
        tuple(
            f"tests/protocol/test_{name}.py"
            for name in (
                "auth",
                "auth_attacks",
                "framing",
                "messages",
                "pair",
                "session",
                "vectors",
            )
        ),
        ("protocol/sensors/*",),
    ),
    "sensors": Target(("protocol/sensors/*",), ("tests/protocol/sensors",)),
    "outbox": Target(
        ("edge_agent/outbox/*",),
        ("tests/outbox", "tests/test_outbox.py", "tests/alarm/test_restamp.py"),
        chosen=("-k", "not bench_outbox and not power_cut and not week and not noise_anywhere"),
    ),
    "profiles": Target(("edge_agent/relay/profiles/*",), ("tests/relay",)),
    "relay": Target(
        ("edge_agent/relay/*",),
        ("tests/relay",),
        never=("edge_agent/relay/profiles/*",),
        chosen=(
            *("-k", "not (test_tls and (clock or shown or past_for_sure))"),
            # mutmut has an order of its own: what one test leaves, the collector finds in another
            *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
        ),
    ),
}
CONFIG = """
[tool.mutmut]
source_paths = ["edge_agent", "protocol"]
also_copy = ["firmware", "hil_tests", "docs"]
pytest_add_cli_args = {arguments}
only_mutate = {only}
do_not_mutate = {never}
pytest_add_cli_args_test_selection = {tests}
"""
SQL = re.compile(
    r"\b(pragma|select|insert|update|delete|where|values|set|order by|returning|from|and)\b",
    re.IGNORECASE,
)
QUOTED = re.compile(r"'[^']*'")
CHANGE = re.compile(r"^[-+] .*$", re.MULTILINE)


def main() -> int:
    """Print mutmut's counts and the change of each survivor, target by target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], default=[])
    parser.add_argument(
        "--ending", default="", help="only mutants whose number ends in one of these"
    )
    parser.add_argument("--every", type=int, default=1, help="only every so many-th mutant")
    parser.add_argument("--start", type=int, default=0, help="the first one of `--every`")
    arguments = parser.parse_args()
    taken = slice(arguments.start, None, arguments.every)
    mutmut = shutil.which("mutmut", path=Path(sys.executable).parent) or shutil.which("mutmut")
    if mutmut is None:
        print("no mutmut (pip install mutmut)", file=sys.stderr)
        return 3
    failed = 0
    for name in arguments.target or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            failed += not _judge(Path(folder), name, mutmut, arguments.ending, taken)
    return 1 if failed else 0


def _judge(folder: Path, name: str, mutmut: str, ending: str, taken: slice) -> bool:
    """Return False when mutmut could not begin: a test fails without any change."""
    target = TARGETS[name]
    for one in COPIED:
        source = ROOT / one
        copier = shutil.copytree if source.is_dir() else shutil.copy
        copier(source, folder / one)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(
            CONFIG.format(
                only=list(target.only),
                never=list(target.never),
                tests=list(target.tests),
                arguments=["-p", "no:cacheprovider", "-q", *target.chosen],
            )
        )
    said = folder / "said.txt"
    wanted = [f"*[{ending}]"] if ending else []
    if taken != slice(0, None, 1):
        _output(mutmut, "run", "none", folder=folder)  # makes all mutants, and finds no such one
        wanted = list(_verdicts(mutmut, folder))[taken]
    with said.open("w", encoding="utf-8") as file:
        command = [mutmut, "run", "--max-children", "1", *wanted]
        done = subprocess.run(command, cwd=folder, stdout=file, stderr=file, check=False)
    if done.returncode:
        print(f"{name}: mutmut gave up", said.read_text("utf-8")[-3000:], sep="\n", file=sys.stderr)
        return False
    verdicts = _verdicts(mutmut, folder)
    verdicts = {mutant: verdict for mutant, verdict in verdicts.items() if verdict != "not checked"}
    for mutant, verdict in verdicts.items():
        if verdict != "killed":
            change = CHANGE.findall(_output(mutmut, "show", mutant, folder=folder))
            if _is_the_same_sql(change):
                verdicts[mutant] = "same SQL"
            else:
                print(f"{mutant}: {verdict}", *change, sep="\n  ", flush=True)
    counts = Counter(verdicts.values())
    noticed = counts["killed"] + counts["timeout"]
    share = 100.0 * noticed / max(1, len(verdicts) - counts["same SQL"])
    print(f"{name}: {share:.1f} % killed, {dict(counts)}", flush=True)
    return True


def _verdicts(mutmut: str, folder: Path) -> dict[str, str]:
    lines = _output(mutmut, "results", "--all", "true", folder=folder).splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)


def _is_the_same_sql(change: list[str]) -> bool:
    """Return True for a statement in capitals or without: mutmut changes them, SQLite does not."""
    if len(change) != 2:
        return False
    before, after = (line[1:].strip() for line in change)
    same_values = QUOTED.findall(before) == QUOTED.findall(after)
    return bool(SQL.search(before)) and same_values and before.casefold() == after.casefold()


def _output(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    sys.exit(main())
