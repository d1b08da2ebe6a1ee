"""What every command shares: exit codes, results on stdout, prose on stderr."""

import sys

OK, NO, WRONG_INPUT, ABSENT, INTERRUPTED = 0, 1, 2, 3, 130
"""Done; ran, and the answer is no; the input is wrong; something needed is absent; stopped."""


def show(text: str) -> None:
    """Print a result."""
    print(text, flush=True)  # noqa: T201


def say(text: str, code: int = OK) -> int:
    """Print prose, and return the exit code it goes with."""
    print(f"anzhen: {text}", file=sys.stderr)  # noqa: T201
    return code
