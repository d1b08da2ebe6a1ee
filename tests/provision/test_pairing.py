"""A unit that nobody has paired: the agent says what is to be done, once, and goes on trying."""

import logging

import pytest
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError

from edge_agent.link.ble import NOT_PAIRED, _reason
from protocol.passkey import passkey
from tests.ble.home import KEY, NAME, home, listening
from tests.firmware.vm import needs_vm


@pytest.mark.fast
@pytest.mark.parametrize(
    "error",
    [
        BleakDBusError("org.bluez.Error.NotPermitted", ["Not paired"]),
        BleakDBusError("org.bluez.Error.AuthenticationFailed", ["Authentication Failed"]),
        BleakDBusError("org.bluez.Error.AuthenticationCanceled", []),
        *(BleakGATTProtocolError(code) for code in (0x05, 0x0C, 0x0F)),
    ],
)
def test_each_way_in_which_bluez_says_not_paired_is_told_as_what_to_do(error):
    assert _reason(error) == NOT_PAIRED


@pytest.mark.fast
@pytest.mark.parametrize(
    "error", [BleakError("not found"), BleakGATTProtocolError(0x0E), BleakError("disconnected")]
)
def test_what_may_be_something_else_is_told_as_it_is(error):
    assert _reason(error) == str(error)


@pytest.mark.vm
@needs_vm
async def test_an_agent_whose_machine_has_not_paired_says_so_once(tmp_path, caplog):
    async with home(tmp_path) as made, listening(made):
        made.central.passkey = None
        made.pendant.start()
        with caplog.at_level(logging.WARNING, "edge_agent.link.ble"):
            await made.until(lambda: any(NOT_PAIRED in line for line in caplog.messages), 40)
            made.central.passkey = passkey(KEY)
            await made.until(lambda: made.central.pairings == [True], 40)
            await made.until(lambda: bool(made.messages), 40)
    told = [line for line in caplog.messages if line.startswith(f"ble:{NAME}")]
    assert told.count(f"ble:{NAME}: {NOT_PAIRED}; trying again for ever") == 1
