"""The power goes at every write of an update, before it, in it and after it."""

import pytest

from tests.firmware.programs import needs_tools
from tests.firmware.test_update_cuts import check_cuts, cut_everywhere, folder
from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm, needs_tools, pytest.mark.timeout(180)]

__all__ = ["folder"]


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_a_power_cut_at_any_write_leaves_a_good_version(folder, when):
    cuts = cut_everywhere(folder, when, 1, 1)
    assert len(cuts) > 120
    check_cuts(cuts)
