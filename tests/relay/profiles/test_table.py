"""A route's table to a profile: secrets come out of files that only their owner may read."""

import pytest

from edge_agent.config.reading import ConfigError
from edge_agent.relay.profiles.table import make_http_profile, make_mqtt_profile

pytestmark = pytest.mark.fast


def refusal(tree, profile="thingsboard", make=make_mqtt_profile):
    with pytest.raises(ConfigError) as caught:
        make(profile, tree, "county")
    return str(caught.value)


def test_a_secret_in_the_configuration_itself_is_refused():
    assert refusal({"access_token": "abc"}) == (
        "access_token: a secret has a file of its own: access_token_file"
    )


@pytest.mark.parametrize(
    "name", ["access_token", "device_secret", "device_key", "password", "secret", "secure_key"]
)
def test_whatever_is_secret_has_a_file(name):
    assert refusal({name: "abc"}) == f"{name}: a secret has a file of its own: {name}_file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("abc")
    path.chmod(mode)

    assert refusal({"access_token_file": str(path)}) == (
        "access_token_file: others may read it: chmod 600"
    )


def test_a_secret_that_is_away_empty_or_no_text_is_refused(tmp_path):
    path = tmp_path / "token"
    assert "cannot be read" in refusal({"access_token_file": str(path)})
    for raw, why in ((b" \n", "is empty"), (b"\xff\xfe", "cannot be read")):
        path.write_bytes(raw)
        path.chmod(0o600)
        assert why in refusal({"access_token_file": str(path)})
    assert refusal({"access_token_file": 5}) == "access_token_file: expected the path of a file"


def test_a_wrong_key_is_named(tmp_path):
    path = tmp_path / "key"
    path.write_text("not base64!")
    path.chmod(0o600)

    assert refusal({}).startswith("access_token: required key is missing")
    assert refusal({"drill": True}).startswith("drill: unknown key; allowed here: access_token")
    assert refusal(
        {"product_id": "1/2", "device_name": "d", "device_key_file": str(path)}, "onenet"
    ).startswith("product_id: ")


def test_a_wrong_county_key_is_named():
    tree = {"url": "https://c.example/", "success": "a == ", "fields": {"a": "{unit}"}}

    assert refusal(tree, "county", make_http_profile) == (
        "success: expected a value at the end of 'a == '"
    )
