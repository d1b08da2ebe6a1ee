"""The agent's side: a table that the agent takes, added to a file that stays what it was."""

import stat
import tomllib

import pytest

from edge_agent.config.load import load
from edge_agent.config.reading import ConfigError
from edge_agent.provision.agents_side import append_unit, lasting_name, place_words, unit_table

pytestmark = pytest.mark.fast

CONFIG = """\
[home]
region = "640302001001"   # a comment that stays
home = "h0001"

[[place]]
id = "bathroom"
zh = "卫生间"
en = "bathroom"

[[unit]]
id = "bath-1"
port = "/dev/a"
place = "bathroom"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "anzhen.toml"
    path.write_text(CONFIG)
    path.chmod(0o640)
    return path


def table(**values):
    given = {"id": "pend-1", "port": "ble:pend-1", "place": "bathroom", "key_file": "/k"}
    return unit_table(**given | values)


def test_a_table_holds_what_it_was_given_whatever_the_letters(tmp_path):
    path = 'C:\\x "quoted" 钥匙'
    assert tomllib.loads(table(key_file=path))["unit"][0]["key_file"] == path


@pytest.mark.parametrize("path", ["a\nb", "a\x7fb", "a\udc80b", "\u2028"])
def test_letters_that_cannot_be_printed_are_refused(path):
    with pytest.raises(ConfigError) as caught:
        table(key_file=path)
    assert str(caught.value) == f"unit.key_file: {path!r} has letters that cannot be printed"


def test_a_table_that_the_agent_would_not_take_is_refused():
    with pytest.raises(ConfigError) as caught:
        table(port="")
    assert caught.value.key == "unit.port"


def test_appending_adds_the_table_and_leaves_the_rest_byte_for_byte(config):
    assert append_unit(config, table())
    assert config.read_text() == CONFIG + "\n" + table()
    assert [unit.id for unit in load(config).unit] == ["bath-1", "pend-1"]
    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_a_unit_that_is_there_is_not_added_twice_and_its_port_may_have_been_filled_in(config):
    append_unit(config, table())
    config.write_text(config.read_text().replace("ble:pend-1", "ble:AA:BB:CC:DD:EE:FF"))
    before = config.read_bytes()
    assert not append_unit(config, table())
    assert config.read_bytes() == before


def test_a_unit_that_is_there_with_other_values_is_left_alone(config):
    with pytest.raises(ConfigError) as caught:
        append_unit(config, table(id="bath-1"))
    assert str(caught.value) == f"unit bath-1: is in {config} with other values: change it there"
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"place": "hall"}, "unit[1].place: no place 'hall'; places: bathroom"),
        ({"port": "/dev/a"}, "unit[1].port: '/dev/a' is another unit's port"),
    ],
)
def test_what_the_agent_would_not_take_as_a_whole_is_not_written(config, values, message):
    with pytest.raises(ConfigError) as caught:
        append_unit(config, table(**values))
    assert str(caught.value) == message
    assert config.read_text() == CONFIG


def test_a_list_in_one_line_cannot_be_added_to(config):
    config.write_text('unit = []\nplace = []\n[home]\nregion = "640302001001"\nhome = "h"\n')
    with pytest.raises(ConfigError) as caught:
        append_unit(config, table())
    assert caught.value.why.startswith("takes no [[unit]] at its end: ")


def test_places_have_the_words_of_the_home(config):
    assert place_words(config, "bathroom") == "卫生间 bathroom"
    assert place_words(None, "bathroom") == "bathroom"
    with pytest.raises(ConfigError) as caught:
        place_words(config, "hall")
    assert caught.value.why == f"no place 'hall' in {config}; places: bathroom"


@pytest.mark.parametrize("value", ["3", '"a"', "[1]", "{id = 'bathroom'}"])
def test_a_configuration_of_another_form_is_said(tmp_path, value):
    path = tmp_path / "anzhen.toml"
    path.write_text(f"unit = {value}\nplace = {value}\n")
    with pytest.raises(ConfigError) as caught:
        place_words(path, "bathroom")
    assert str(caught.value) == f"place in {path}: is no list of tables [[place]]"
    with pytest.raises(ConfigError) as caught:
        append_unit(path, table())
    assert str(caught.value) == f"unit in {path}: is no list of tables [[unit]]"


def test_a_port_is_named_so_that_it_outlives_unplugging(tmp_path):
    port = tmp_path / "ttyUSB3"
    port.touch()
    assert lasting_name(port, tmp_path / "by-id") == str(port)
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-a").symlink_to(tmp_path / "ttyUSB0")
    (tmp_path / "by-id" / "usb-b").symlink_to("../ttyUSB3")
    assert lasting_name(port, tmp_path / "by-id") == str(tmp_path / "by-id" / "usb-b")
