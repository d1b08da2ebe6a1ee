"""A unit's key comes from a file of its own, that nobody else may read."""

import pytest

from edge_agent.config.home import UnitConfig
from edge_agent.config.reading import ConfigError
from edge_agent.link.key_file import read_key

pytestmark = pytest.mark.fast


def unit(path):
    return UnitConfig(id="u1", port="x", place="room", key_file=path and str(path))


@pytest.fixture
def write(tmp_path):
    def make(body, mode=0o600):
        path = tmp_path / "u1.key"
        path.write_bytes(body)
        path.chmod(mode)
        return unit(path)

    return make


def test_a_key_of_64_digits_is_read_and_a_unit_without_a_file_has_none(write):
    assert read_key(write(b"ab" * 32 + b"\n")) == b"\xab" * 32
    assert read_key(unit(None)) == b""


@pytest.mark.parametrize("body", [b"", b"ab" * 31, b"ab" * 33, b"zz" * 32, b"ab" * 5000])
def test_what_is_no_key_is_refused(write, body):
    with pytest.raises(ConfigError) as caught:
        read_key(write(body))
    assert str(caught.value) == "key_file of unit u1: expected 64 hexadecimal digits"


def test_a_file_that_others_may_read_is_refused(write):
    with pytest.raises(ConfigError) as caught:
        read_key(write(b"ab" * 32, 0o640))
    assert str(caught.value) == "key_file of unit u1: others may read it: chmod 600"


def test_a_file_that_cannot_be_read_is_named(tmp_path, write):
    for one in (unit(tmp_path / "none"), write(b"\xff" * 64)):
        with pytest.raises(ConfigError, match="key_file of unit u1: cannot be read"):
            read_key(one)
