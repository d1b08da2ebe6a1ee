"""The VM's serial line: time, buffer, answers, silence and starts."""

import pytest

from edge_agent.simulator.player import write_uart
from firmware.boards.board import uart_buffer_bytes
from firmware.boards.host_uart import HostUart

pytestmark = pytest.mark.fast


class Line:
    def __init__(self, folder, stream, **row):
        self.now = 0
        played = write_uart(folder / "play.bin", stream)
        self.uart = HostUart(played | row, 115_200, lambda: self.now)

    def read(self, now, size=4096):
        self.now = now
        buffer = bytearray(size)
        count = self.uart.readinto(buffer)
        return bytes(buffer[: count or 0])


@pytest.fixture
def make(tmp_path):
    lines = []

    def make_line(stream, **row):
        lines.append(Line(tmp_path, stream, **row))
        return lines[-1]

    yield make_line
    for line in lines:
        line.uart._file.close()


TICKS = [(0.1 * k, bytes((k,))) for k in range(100)]


def test_bytes_come_at_their_time_and_as_many_as_there_is_room_for(make):
    line = make(TICKS, start_ms=1000)
    assert line.read(999) == b""
    assert line.read(1000) == b"\x00"
    assert line.read(1250, 1) == b"\x01"
    assert line.read(1250) == b"\x02"
    assert line.read(1_000_000) == bytes(range(3, 100))
    assert line.uart.readinto(bytearray(9)) is None


def test_a_buffer_that_nobody_reads_loses_the_newest(make):
    line = make([(0.001 * k, bytes(100)) for k in range(100)])
    size = uart_buffer_bytes(115_200)
    assert size == 2880
    assert len(line.read(10_000)) == size
    assert line.uart.lost == 100 * 100 - size


@pytest.mark.parametrize(
    ("baud", "size"), [(9_600, 2048), (115_200, 2880), (256_000, 6400), (1_382_400, 16_384)]
)
def test_a_buffer_holds_a_quarter_of_a_second(baud, size):
    assert uart_buffer_bytes(baud) == size


def test_what_the_unit_writes_is_kept_and_answered(make, tmp_path):
    path = tmp_path / "written.jsonl"
    line = make([], written=str(path), answers={"0102": "aabb"})
    line.now = 500
    assert line.uart.write(b"\x01\x02") == 2
    assert line.uart.write(b"\x03") == 1
    assert path.read_text() == '{"t": 500, "hex": "0102"}\n{"t": 500, "hex": "03"}\n'
    assert line.read(519) == b""
    assert line.read(520) == b"\xaa\xbb"


def test_a_silent_module_neither_talks_nor_answers(make):
    line = make(TICKS, silent=[[100, 200]], answers={"01": "ff"})
    assert line.read(100) == b"\x00"
    line.uart.write(b"\x01")
    assert line.read(199) == b""
    assert line.read(200) == b"\x02"


def test_a_module_that_hangs_is_back_after_its_restart(make):
    line = make(TICKS, hangs=[150, 900], restart="0f", boot_ms=200, boots="5501")
    assert line.read(500) == b"\x00\x01"
    line.uart.write(b"\x0f")
    assert line.read(650) == b""
    assert line.read(800) == b"\x55\x01\x07\x08"
    assert line.read(3_000) == b""


def test_a_module_without_supply_is_silent_and_starts_when_it_has_it_again(make):
    line = make(TICKS, boot_ms=100, hangs=[150], power=True)
    line.now = 200
    line.uart.switch(0)
    assert line.read(300) == b"\x00\x01"
    line.uart.write(b"\x0f")
    line.now = 310
    line.uart.switch(1)
    assert line.read(400) == b""
    assert line.read(500) == b"\x05"
