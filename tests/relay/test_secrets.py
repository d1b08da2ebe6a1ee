"""Passwords come from files that are for their owner alone, on every kind of route."""

import pytest

from edge_agent.config.reading import ConfigError
from edge_agent.relay.profiles.table import read_secret

pytestmark = pytest.mark.fast


def write(folder, body: bytes, mode: int = 0o600):
    path = folder / "secret"
    path.write_bytes(body)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_is_read_without_the_end_of_its_line(tmp_path, mode):
    assert read_secret("mqtt.password_file", write(tmp_path, b"s3cret\n", mode)) == "s3cret"


@pytest.mark.parametrize(
    ("body", "mode", "why"),
    [
        (b"s3cret", 0o640, "others may read it: chmod 600"),
        (b"s3cret", 0o604, "others may read it: chmod 600"),
        (b" \n", 0o600, "is empty"),
        (b"x" * 100_000, 0o600, "longer than "),
        (b"\xff", 0o600, "cannot be read"),
    ],
)
def test_a_secret_that_cannot_be_used_names_its_key(tmp_path, body, mode, why):
    with pytest.raises(ConfigError, match=f"^mqtt.password_file: {why}"):
        read_secret("mqtt.password_file", write(tmp_path, body, mode))


def test_a_secret_that_is_not_there_names_its_key(tmp_path):
    with pytest.raises(ConfigError, match=r"^route\[0\].settings.token_file: cannot be read"):
        read_secret("route[0].settings.token_file", str(tmp_path / "none"))
