"""The heap of every profile where words have 32 bits, as on an ESP32; figures: `make footprint`."""

import pytest

from tests.firmware.footprint import PROFILES, compile_all, find_wasm, run_in_32_bits
from tests.firmware.vm import needs_vm

_WASM = find_wasm()
pytestmark = [
    needs_vm,
    pytest.mark.skipif(isinstance(_WASM, str), reason=f"not measured: {_WASM}"),
]

MOST = {"bed": 90 * 1024}
MOST_OF_ANY = 100 * 1024


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    compile_all(folder)
    return folder


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_fits_its_heap(code, name):
    assert run_in_32_bits(code, PROFILES[name])["live"] <= MOST.get(name, MOST_OF_ANY)
