"""Units in the VM, switched off when their test is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.firmware.vm import LockstepUnit, VmUnit


@pytest.fixture
def make_unit(tmp_path: Path) -> Iterator[Callable[..., LockstepUnit]]:
    """Return a maker of units in virtual time."""
    units: list[VmUnit] = []

    def make(name: str = "unit", **arguments: object) -> LockstepUnit:
        folder = tmp_path / name
        folder.mkdir()
        units.append(LockstepUnit(folder, **arguments))
        return units[-1]

    yield make
    for unit in units:
        unit.close()


@pytest.fixture
def make_real_time_unit(tmp_path: Path) -> Iterator[Callable[..., VmUnit]]:
    """Return a maker of units in real time."""
    units: list[VmUnit] = []

    def make(name: str = "unit", **arguments: object) -> VmUnit:
        folder = tmp_path / name
        folder.mkdir()
        units.append(VmUnit(folder, **arguments))
        return units[-1]

    yield make
    for unit in units:
        unit.close()
