"""One key for a unit and its agent: made once, kept for ever, never open to others."""

import os
import shutil
import stat

import pytest

from edge_agent.config.home import UnitConfig
from edge_agent.config.reading import ConfigError
from edge_agent.link.key_file import read_key
from edge_agent.provision import files
from edge_agent.provision.files import make_folder, write_file
from edge_agent.provision.keys import make_release_key, read_update_key, settle_key

pytestmark = pytest.mark.fast


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "agent.key", tmp_path / "link.key"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_agent_and_unit_get_the_same_32_bytes_for_their_owner_alone(keys):
    agents, units = keys
    assert settle_key(agents, units, replace=False)
    unit = UnitConfig(id="u1", port="x", place="room", key_file=str(agents))
    assert read_key(unit) == units.read_bytes()
    assert len(units.read_bytes()) == 32
    assert (mode(agents), mode(units)) == (0o600, 0o600)


def test_no_two_units_get_the_same_key(tmp_path):
    made = set()
    for number in range(20):
        settle_key(tmp_path / f"{number}.key", tmp_path / f"{number}.bin", replace=False)
        made.add((tmp_path / f"{number}.bin").read_bytes())
    assert len(made) == 20


def test_a_second_run_keeps_the_key_and_touches_neither_file(keys):
    settle_key(*keys, replace=False)
    before = [(path.read_bytes(), path.stat().st_ino) for path in keys]
    assert not settle_key(*keys, replace=False)
    assert [(path.read_bytes(), path.stat().st_ino) for path in keys] == before


@pytest.mark.parametrize("lost", [0, 1])
def test_the_side_that_is_missing_gets_the_key_that_is_there(keys, lost):
    settle_key(*keys, replace=False)
    before = keys[lost].read_bytes()
    keys[lost].unlink()
    assert not settle_key(*keys, replace=False)
    assert keys[lost].read_bytes() == before


def test_two_keys_that_differ_are_left_alone(keys):
    agents, units = keys
    settle_key(agents, units, replace=False)
    units.write_bytes(bytes(32))
    with pytest.raises(ConfigError) as caught:
        settle_key(agents, units, replace=False)
    assert str(caught.value) == (
        f"{agents}: is not the key in {units}: --replace makes a new one for both"
    )
    assert units.read_bytes() == bytes(32)


def test_only_replace_makes_a_new_key_and_makes_it_for_both(keys):
    agents, units = keys
    settle_key(agents, units, replace=False)
    before = units.read_bytes()
    assert settle_key(agents, units, replace=True)
    assert units.read_bytes() != before
    assert agents.read_text().strip() == units.read_bytes().hex()


@pytest.mark.parametrize("body", [b"", b"ab" * 31, b"ab" * 33, b"zz" * 32, b"\xff" * 64])
def test_a_damaged_key_is_said_and_not_replaced_by_itself(keys, body):
    agents, units = keys
    write_file(agents, body, 0o600)
    with pytest.raises(ConfigError) as caught:
        settle_key(agents, units, replace=False)
    assert str(caught.value) == (
        f"{agents}: is damaged, not 64 hexadecimal digits: --replace makes a new key"
    )
    assert agents.read_bytes() == body
    assert settle_key(agents, units, replace=True)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_damaged_key_of_a_unit_is_said(keys, size):
    agents, units = keys
    write_file(units, bytes(size), 0o600)
    with pytest.raises(ConfigError) as caught:
        settle_key(agents, units, replace=False)
    assert caught.value.why == "is damaged, not 32 bytes: --replace makes a new key"
    assert not agents.exists()


@pytest.mark.parametrize("which", [0, 1])
def test_a_key_that_others_may_read_is_refused(keys, which):
    settle_key(*keys, replace=False)
    keys[which].chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        settle_key(*keys, replace=False)
    assert str(caught.value) == f"{keys[which]}: others may read it: chmod 600, or --replace it"


def test_a_link_in_the_place_of_a_key_is_replaced_and_what_it_leads_to_is_not_written(keys):
    agents, units = keys
    elsewhere = agents.with_name("elsewhere")
    elsewhere.write_text("mine")
    agents.symlink_to(elsewhere)
    settle_key(agents, units, replace=True)
    assert elsewhere.read_text() == "mine"
    assert not agents.is_symlink()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_file(path, b"old", 0o600)

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, b"new", 0o600)
    assert os.listdir(tmp_path) == ["a"]
    assert path.read_bytes() == b"old"


def test_a_file_that_is_there_is_not_overwritten_by_one_who_may_not(tmp_path):
    write_file(tmp_path / "a", b"old", 0o600)
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "a", b"new", 0o600, replace=False)
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_folder_of_keys_is_ours_alone_and_one_that_others_write_is_refused(tmp_path):
    make_folder(tmp_path / "etc" / "keys")
    assert mode(tmp_path / "etc" / "keys") == 0o700
    (tmp_path / "etc" / "keys").chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        make_folder(tmp_path / "etc" / "keys")
    assert caught.value.why == "others may write there: chmod go-w"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_the_pair_that_signs_is_made_once_and_its_public_half_is_what_a_unit_takes(tmp_path):
    make_release_key(tmp_path / "release")
    private, public = (tmp_path / "release" / name for name in ("release.pem", "update.key"))
    before = private.read_bytes(), public.read_bytes()
    assert mode(private) == 0o600
    assert read_update_key(public) == before[1]
    make_release_key(tmp_path / "release")
    assert (private.read_bytes(), public.read_bytes()) == before


@pytest.mark.parametrize("body", [b"", b"Modulus=", b"Modulus=zz", b"Modulus=FF", b"\xff" * 5000])
def test_what_the_firmware_would_not_take_as_update_key_is_refused(tmp_path, body):
    path = tmp_path / "update.key"
    path.write_bytes(body)
    with pytest.raises(ConfigError) as caught:
        read_update_key(path)
    assert caught.value.why == "is no line `Modulus=...` of an RSA key of 3072 bits"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_makes_belongs_to_whom_the_folder_belongs(tmp_path):
    os.chown(tmp_path, 1234, 4321)
    make_folder(tmp_path / "keys")
    settle_key(tmp_path / "keys" / "u.key", tmp_path / "link.key", replace=False)
    for path in (tmp_path / "keys", tmp_path / "keys" / "u.key", tmp_path / "link.key"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)
