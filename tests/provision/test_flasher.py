"""What a board answers is believed only when it is the answer, and every file is the kit's."""

import hashlib

import pytest

from edge_agent.provision.flasher import _answer, _check
from edge_agent.provision.keys import ToolError

pytestmark = pytest.mark.fast


@pytest.fixture
def flash(tmp_path):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "app.mpy").write_bytes(b"app")
    (tmp_path / "link.key").write_bytes(bytes(32))
    return tmp_path


def found(**changed):
    files = {"firmware/app.mpy": b"app", "link.key": bytes(32), "boot.py": b""} | changed
    return {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}


def test_a_board_that_has_every_file_of_the_kit_is_right_whatever_else_is_on_it(flash):
    _check(flash, found())


@pytest.mark.parametrize("name", ["firmware/app.mpy", "link.key"])
def test_a_file_that_is_missing_or_otherwise_is_named(flash, name):
    for there in (found(**{name: b"half"}), {k: v for k, v in found().items() if k != name}):
        with pytest.raises(ToolError) as caught:
            _check(flash, there)
        assert str(caught.value) == f"{name} did not arrive whole: run this again"


@pytest.mark.parametrize("text", ["", "{}", "rst:0x1 (POWERON)", "[1", "\x00" * 9, "[" * 5000])
def test_what_is_no_answer_is_said_and_not_believed(text):
    with pytest.raises(ToolError, match=r"^no MicroPython answers: "):
        _answer(text, list)


def test_an_answer_is_a_value():
    assert _answer("['boot.py', 'main.py']\r\n", list) == ["boot.py", "main.py"]
