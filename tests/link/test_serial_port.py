"""A serial port on the event loop, over a real pty."""

import asyncio
import os
import pty
import tty

import pytest

from edge_agent.link.link import LinkError
from edge_agent.link.serial_port import MAX_UNSENT, SerialPort


@pytest.fixture
def cable():
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, os.ttyname(slave)
    for fd in (master, slave):
        os.close(fd)


async def turn(until):
    for _ in range(2000):
        if until():
            return
        await asyncio.sleep(0.001)
    pytest.fail("nothing came")


async def test_bytes_go_both_ways_and_are_counted(cable):
    master, path = cable
    port = SerialPort(path, 115200)
    got = bytearray()
    port.start(got.extend, lambda why: pytest.fail(why))
    os.write(master, b"\x00\xc0\xff\n\x03\x04")
    port.write(b"\x11\x13\x1a\r\n")

    await turn(lambda: len(got) == 6)
    assert bytes(got) == b"\x00\xc0\xff\n\x03\x04"
    assert os.read(master, 100) == b"\x11\x13\x1a\r\n"
    assert (port.bytes_read, port.bytes_written) == (6, 5)
    port.close()


async def test_an_unplugged_port_is_lost_once_with_the_reason():
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    port = SerialPort(path, 115200)
    lost = []
    port.start(lambda data: None, lost.append)
    os.close(slave)
    os.close(master)

    await turn(lambda: lost)
    assert lost == [f"{path}: unplugged"]
    assert port.is_closed
    port.write(b"into the void")


async def test_a_port_that_nobody_reads_is_called_broken_before_memory_fills(cable):
    _, path = cable
    port = SerialPort(path, 115200)
    lost = []
    port.start(lambda data: None, lost.append)
    for _ in range(200):
        port.write(bytes(1024))

    assert lost == [f"{path}: nobody reads the other end"]
    assert MAX_UNSENT < 200 * 1024


async def test_ports_that_cannot_be_opened_say_why(cable, tmp_path):
    _, path = cable
    port = SerialPort(path, 115200)
    (tmp_path / "file").write_text("")
    messages = []
    for wrong in (path, str(tmp_path / "absent"), str(tmp_path / "file")):
        with pytest.raises(LinkError) as caught:
            SerialPort(wrong, 115200)
        messages.append(str(caught.value))
    port.close()

    assert messages[0] == f"{path}: in use by another program"
    assert messages[1] == f"{tmp_path}/absent: No such file or directory"
    assert messages[2].startswith(f"{tmp_path}/file: ")


async def test_closing_ends_the_callbacks(cable):
    master, path = cable
    port = SerialPort(path, 115200)
    port.start(lambda data: pytest.fail("read after close"), lambda why: pytest.fail(why))
    port.close()
    os.write(master, b"x")
    await asyncio.sleep(0.02)
    port.close()
