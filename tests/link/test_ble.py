"""The agent's end of a Bluetooth line: the real bleak on Bumble's host stack and virtual radios."""

import asyncio
import logging
import random
import sys

import pytest

from edge_agent.__main__ import main
from edge_agent.link import ble
from edge_agent.link.ble import EMPTY_FRAME, MAX_UNSENT, BlePort, BleRadio
from edge_agent.link.link import LinkError
from tests.ble.central import Central, adapter_of, client_of, scanner_of
from tests.ble.radio import ADDRESS, Air
from tests.ble.uart import UartPeripheral

NAME = "pend-0001"


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
async def central(air: Air) -> Central:
    central = Central(air)
    await central.start()
    return central


@pytest.fixture
def radio(central: Central, monkeypatch: pytest.MonkeyPatch) -> BleRadio:
    monkeypatch.setattr(ble, "SEARCH_S", 0.3)
    monkeypatch.setattr(ble, "AGAIN_FIRST_S", 0.01)
    monkeypatch.setattr(ble, "AGAIN_SLOWEST_S", 0.02)
    return BleRadio(scanner_of(central), client_of(central), adapter_of(central))


class Heard:
    """What a port says."""

    def __init__(self, port: BlePort) -> None:
        self.port = port
        self.bytes = bytearray()
        self.lost: list[str] = []
        port.start(self.bytes.extend, self.lost.append)


async def turn(until) -> None:
    for _ in range(2000):
        if until():
            return
        await asyncio.sleep(0.002)
    pytest.fail("nothing came")


async def open_line(air, radio, port=f"ble:{NAME}") -> tuple[UartPeripheral, Heard]:
    unit = UartPeripheral(air, NAME)
    await unit.show()
    heard = Heard(radio.open(port))
    await turn(lambda: unit.written)
    return unit, heard


@pytest.mark.parametrize("port", [f"ble:{NAME}", f"ble:{ADDRESS}", f"ble:{ADDRESS.lower()}"])
async def test_a_unit_is_found_by_name_and_by_address_and_told_that_we_listen(air, radio, port):
    unit, heard = await open_line(air, radio, port)
    assert unit.written == [EMPTY_FRAME]
    await unit.notify(b"\x00\xc0\xff")
    await turn(lambda: len(heard.bytes) == 3)
    assert heard.bytes == b"\x00\xc0\xff"
    heard.port.close()


async def test_a_name_longer_than_an_advertisement_shows_is_found(air, radio):
    name = "pendant-of-the-left-bed-in-room-12"
    unit = UartPeripheral(air, name[: ble.NAME_LENGTH])
    await unit.show()
    heard = Heard(radio.open(f"ble:{name}"))
    await turn(lambda: unit.written)
    heard.port.close()


async def test_bytes_go_in_packets_that_one_frame_of_the_air_carries_and_are_counted(air, radio):
    unit, heard = await open_line(air, radio)
    sent = random.Random(1).randbytes(3000)
    for start in range(0, len(sent), 100):
        heard.port.write(sent[start : start + 100])
    await turn(lambda: sum(map(len, unit.written)) == len(sent) + 1)
    assert b"".join(unit.written[1:]) == sent
    assert max(map(len, unit.written)) == 244
    for start in range(0, len(sent), 244):
        await unit.notify(sent[start : start + 244])
    await turn(lambda: len(heard.bytes) == len(sent))
    assert heard.bytes == sent
    await turn(lambda: heard.port.bytes_written == len(sent))
    assert heard.port.bytes_read == len(sent)
    heard.port.close()


async def test_a_unit_that_is_not_there_is_complained_of_once_and_found_when_it_comes(
    air, radio, caplog
):
    caplog.set_level(logging.WARNING, "edge_agent.link.ble")
    heard = Heard(radio.open(f"ble:{NAME}"))
    await asyncio.sleep(1.5)
    heard.port.write(b"into the void")
    unit = UartPeripheral(air, NAME)
    await unit.show()
    await turn(lambda: unit.written)
    await turn(lambda: len(caplog.messages) == 2)
    assert caplog.messages == [
        f"ble:{NAME}: not found; trying again for ever",
        f"ble:{NAME}: connected",
    ]
    assert heard.lost == []
    assert unit.written == [EMPTY_FRAME]
    heard.port.close()


async def test_a_broken_line_is_lost_once_and_the_next_port_opens_it_again(air, radio):
    unit, heard = await open_line(air, radio)
    for count in range(2, 6):
        await unit.drop()
        await turn(lambda heard=heard: heard.lost)
        assert heard.lost == [f"ble:{NAME}: disconnected"]
        assert not heard.port.is_open
        heard.port.write(b"into the void")
        heard.port.close()
        await unit.show()
        heard = Heard(radio.open(f"ble:{NAME}"))
        await turn(lambda count=count: len(unit.written) == count)
        assert unit.written == [EMPTY_FRAME] * count
    heard.port.close()


async def test_a_line_that_a_killed_agent_left_connected_is_taken_over(air, central, radio):
    """It does not advertise, so no search would ever find it."""
    unit, heard = await open_line(air, radio)
    heard.port.write(b"one")
    await turn(lambda: heard.port.bytes_written == 3)
    assert unit.connection is not None  # and stays, as if the process were gone
    another = BleRadio(scanner_of(central), client_of(central), adapter_of(central))
    again = Heard(another.open(f"ble:{NAME}"))
    await turn(lambda: unit.written == [EMPTY_FRAME, b"one", EMPTY_FRAME])
    await unit.notify(b"here")
    await turn(lambda: bytes(again.bytes) == b"here")
    again.port.close()


async def test_a_unit_that_reads_nothing_is_lost_and_costs_bounded_memory(air, radio):
    unit, heard = await open_line(air, radio)
    unit.may_answer.clear()
    for _ in range(MAX_UNSENT // 1000 + 2):
        heard.port.write(bytes(1000))
    assert heard.lost == [f"ble:{NAME}: nobody reads the other end"]
    heard.port.close()
    unit.may_answer.set()
    await turn(lambda: unit.connection is None)


async def test_a_write_without_an_answer_ends_the_line(air, radio, monkeypatch):
    unit, heard = await open_line(air, radio)
    monkeypatch.setattr(ble, "WRITE_S", 0.1)
    unit.may_answer.clear()
    heard.port.write(b"hello?")
    await turn(lambda: heard.lost)
    assert heard.lost == [f"ble:{NAME}: no answer in time"]
    unit.may_answer.set()
    heard.port.close()
    await turn(lambda: unit.connection is None)


async def test_a_device_of_that_name_without_the_service_is_refused_again_and_again(
    air, radio, caplog
):
    unit = UartPeripheral(air, NAME, service="6e400001-0000-0000-0000-000000000000")
    unit.device.gatt_server.attributes.clear()
    await unit.show()
    heard = Heard(radio.open(f"ble:{NAME}"))
    await turn(lambda: caplog.messages)
    assert "was not found!; trying again for ever" in caplog.messages[0]
    await turn(lambda: unit.connection is None)
    assert not heard.port.is_open
    heard.port.close()


async def test_two_units_take_turns_and_do_not_mix(air, radio):
    units = [
        UartPeripheral(air, f"unit-{n}", f"F{n}:F{n}:F{n}:F{n}:F{n}:F{n}") for n in range(2, 5)
    ]
    for unit in units:
        await unit.show()
    ports = [Heard(radio.open(f"ble:{unit.name}")) for unit in units]
    await turn(lambda: all(unit.written for unit in units))
    for unit in units:
        await unit.notify(unit.name.encode())
    await turn(lambda: all(port.bytes for port in ports))
    assert [bytes(port.bytes) for port in ports] == [unit.name.encode() for unit in units]
    for port in ports:
        port.port.close()


async def test_a_port_closed_while_it_searches_leaves_nothing_behind(air, radio, central):
    before = asyncio.all_tasks()
    for wait_s in (0.0, 0.02, 0.1, 0.35):
        heard = Heard(radio.open(f"ble:{NAME}"))
        await asyncio.sleep(wait_s)
        heard.port.close()
    await turn(lambda: asyncio.all_tasks() == before)
    assert not central.device.is_scanning
    unit, heard = await open_line(air, radio)
    heard.port.close()
    await turn(lambda: unit.connection is None)


async def test_a_port_closed_at_any_moment_of_connecting_gives_the_unit_free(air, radio):
    unit = UartPeripheral(air, NAME)
    dice = random.Random(5)
    for _ in range(25):
        await unit.show()
        heard = Heard(radio.open(f"ble:{NAME}"))
        await asyncio.sleep(dice.uniform(0.0, 0.08))
        heard.port.close()
        await asyncio.sleep(0.02)
    await turn(lambda: unit.connection is None)
    await unit.show()
    unit.written.clear()
    heard = Heard(radio.open(f"ble:{NAME}"))
    await turn(lambda: unit.written)
    heard.port.close()


async def test_a_port_without_a_name_is_said_to_be_one(radio):
    with pytest.raises(LinkError) as caught:
        radio.open("ble: ")
    assert str(caught.value) == "ble: : expected a unit's name or address after ble:"


def test_without_bleak_the_agent_says_what_to_install(tmp_path, monkeypatch, capsys):
    key = tmp_path / "key"
    key.write_text("00" * 32)
    config = tmp_path / "anzhen.toml"
    config.write_text(
        f"""state_dir = "{tmp_path / "state"}"
[home]
region = "000000000000"
home = "h1"
[[place]]
id = "bath"
zh = "卫生间"
en = "bathroom"
[[unit]]
id = "pend-1"
port = "ble:pend-1"
place = "bath"
key_file = "{key}"
"""
    )
    monkeypatch.setitem(sys.modules, "bleak", None)
    monkeypatch.delitem(sys.modules, "edge_agent.link.ble")
    assert main(["run", "--config", str(config)]) == 3
    assert capsys.readouterr().err == (
        "anzhen: a unit on Bluetooth: import of bleak halted; None in sys.modules; "
        "needs pip install 'anzhen[ble]'\n"
    )
    assert not (tmp_path / "state").exists()
