"""A short run of the crash harness; `python -m hil_tests.crash 1000` is the long one."""

import shutil

import pytest

from hil_tests.conftest import absent
from hil_tests.crash import run_crash


@pytest.mark.broker
@pytest.mark.timeout(180)
def test_ten_kills_and_a_connection_that_swallows_lose_nothing_and_repeat_only_the_same():
    for program in ("mosquitto_sub", "mosquitto_pub"):
        if shutil.which(program) is None:
            absent(f"no {program} (apt-get install mosquitto-clients)")
    verdict = run_crash(10, seed=1)

    assert verdict.is_clean, verdict
    assert sum(verdict.faults.values()) == 10
    assert verdict.faults["swallow"] == 1
    assert verdict.records > 50
    assert verdict.received - verdict.duplicates == verdict.events
