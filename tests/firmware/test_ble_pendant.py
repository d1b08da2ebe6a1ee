"""The pendant on the air: the real firmware, real ATT and SMP, the real bleak; all in real time."""

import asyncio
import random
import statistics

import pytest
from bleak.exc import BleakGATTProtocolError

from edge_agent.link.ble import EMPTY_FRAME, TO_UNIT, _disconnect
from edge_agent.unit import LinkLost
from protocol.messages import Event, EventKind, Hello, Samples, Status
from tests.ble.home import KEY, NAME, home, listening
from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm]

CALL = [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]


async def test_a_call_comes_over_the_air_and_samples_in_packets_that_are_worth_it(tmp_path):
    async with home(tmp_path) as made, listening(made):
        made.pendant.press(3000)
        made.pendant.start()
        await made.until(lambda: len(made.of(Event)) == 2)
        pressed = made.of(Event)[0].uptime_ms
        assert abs(pressed - 3050) <= 60
        await made.until(lambda: len(made.of(Samples)) > 40 and len(made.of(Status)) > 0)
        assert made.kinds() == CALL
        at = made.messages.index(made.of(Event)[0])
        before = [one for one in made.messages[:at] if isinstance(one, Samples)]
        assert before[-1].uptime_ms < pressed + 200  # it has not waited for a packet to fill
        assert made.central.pairings == [True]
        assert len(made.of(Hello)) == 1
        assert made.unit.session.samples_lost == made.unit.session.frames_lost == 0
        assert made.unit.session.rejected == 0
        assert made.of(Status)[-1].heap_free > 30_000  # the played radio takes 8 kB of it
        await made.until(lambda: not made.backlog())
        packets = made.radio.notified[5:]
        assert max(packets) <= 244
        assert statistics.median(packets) > 195
        assert len(packets) < 0.7 * len(made.of(Samples))


async def test_a_pendant_found_again_needs_no_passkey_also_after_a_power_cut(tmp_path):
    async with home(tmp_path) as made:
        made.pendant.start()
        async with listening(made):
            await made.until(lambda: len(made.of(Samples)) > 3)
            await made.until(lambda: (made.pendant.flash / "ble.json").exists())
        made.central.passkey = None  # nobody there to type it
        for power_cut in (False, True):
            made.messages.clear()
            if power_cut:
                made.pendant.kill()
                made.pendant.start()
            async with listening(made):
                await made.until(lambda: len(made.of(Samples)) > 3)
        assert made.of(Hello)[0].boot_count == 2
        assert made.central.pairings == [True]


async def test_hanging_up_again_and_again_loses_no_event(tmp_path):
    dice = random.Random(11)
    async with home(tmp_path) as made, listening(made):
        made.pendant.press(*range(2000, 6_500, 900))
        made.pendant.start()
        for _ in range(4):
            known = len(made.of(Hello)) + len(made.of(Samples))
            await made.until(
                lambda known=known: len(made.of(Hello)) + len(made.of(Samples)) > known
            )
            await asyncio.sleep(dice.uniform(0.0, 1.0))
            await made.radio.hang_up()
        await made.until(lambda: len(made.kinds()) == 10 and not made.backlog(), 30)
        assert made.kinds() == CALL * 5
        assert set(made.lost) == {f"ble:{NAME}: disconnected"}
        assert made.pendant.process.poll() is None


async def test_a_stack_without_memory_for_notifications_delays_and_damages_nothing(tmp_path):
    """One buffer, and a connection event every 0.3 s: the air is slower than the samples."""
    async with home(tmp_path) as made:
        made.radio.buffers, made.radio.burst, made.radio.pace_s = 1, 1, 0.3
        made.pendant.press(3000)
        made.pendant.start()
        async with listening(made):
            await made.until(lambda: len(made.of(Samples)) > 8 and len(made.kinds()) == 2)
            event = made.of(Event)[0]
            await made.until(lambda: not made.backlog())
            assert made.unit.session.rejected == 0
            assert made.kinds() == CALL
            assert abs(event.uptime_ms - 3050) <= 60
        made.radio.burst, made.radio.pace_s = 4, 0.0075
        made.messages.clear()
        async with listening(made):
            await made.until(lambda: len(made.of(Samples)) > 30)
            assert made.unit.session.rejected == 0


async def test_a_wrong_passkey_brings_nobody_in_and_the_alarm_sounds(tmp_path):
    async with home(tmp_path) as made, listening(made):
        made.central.passkey = (made.central.passkey + 1) % 1_000_000
        made.pendant.press(3000)
        made.pendant.start()
        await made.until(lambda: made.central.pairings.count(False) >= 2, 30)
        assert True not in made.central.pairings
        await made.until(lambda: any(row[1:] == ("buzzer", 1) for row in made.pendant.outputs()))
        assert made.messages == []
        assert made.radio.notified == []
        assert made.backlog()
        assert not (made.pendant.flash / "ble.json").exists()


async def test_a_pairing_without_a_passkey_is_put_off(tmp_path):
    async with home(tmp_path) as made, listening(made):
        made.central.just_works = True
        made.pendant.start()
        await made.until(lambda: len(made.central.pairings) >= 1)
        await made.until(lambda: not made.radio.connections)
        assert made.messages == []
        assert made.radio.notified == []


async def test_a_central_that_has_not_paired_can_write_nothing(tmp_path):
    async with home(tmp_path) as made:
        made.central.passkey = None
        made.pendant.start()
        client = await _connected(made)
        characteristic = client.services.get_characteristic(TO_UNIT)
        with pytest.raises(BleakGATTProtocolError) as caught:
            await _written(characteristic, b"\xc0" * 20)
        assert caught.value.code == 5  # insufficient authentication
        assert made.radio.notified == []
        await _disconnect(client)


async def test_an_agent_with_another_key_has_paired_in_vain(tmp_path):
    async with home(tmp_path, agent_key=KEY[::-1]) as made, listening(made):
        made.pendant.press(1000)
        made.pendant.start()
        await made.until(lambda: made.central.pairings == [True])
        await made.until(lambda: len(made.radio.notified) > 1)  # greetings, and no more
        await asyncio.sleep(1)
        assert [type(message) for message in made.messages if type(message) is not LinkLost] == []
        assert made.unit.session.unverified > 1
        await made.until(lambda: len(made.backlog()) == 2)


async def test_a_unit_without_a_key_does_not_show_itself(tmp_path):
    async with home(tmp_path, key=b"") as made, listening(made):
        made.pendant.press(1000)
        made.pendant.start()
        await made.until(lambda: any(row[1:] == ("buzzer", 1) for row in made.pendant.outputs()))
        await asyncio.sleep(2)
        assert made.radio.advertised_us == []
        assert made.backlog()


async def test_rubbish_of_one_who_has_paired_is_counted_and_harmless(tmp_path):
    dice = random.Random(4)
    async with home(tmp_path) as made:
        made.pendant.start()
        client = await _connected(made)
        await client.pair()
        characteristic = client.services.get_characteristic(TO_UNIT)
        await client.write_gatt_char(characteristic, EMPTY_FRAME, response=True)
        await made.until(lambda: made.radio.notified)
        for _ in range(60):
            size = dice.choice([1, 20, 100, 244])
            await client.write_gatt_char(characteristic, dice.randbytes(size), response=True)
        await _disconnect(client)
        async with listening(made):
            await made.until(lambda: len(made.of(Samples)) > 5)
            assert made.unit.session.rejected == 0


async def test_a_radio_that_dies_does_not_take_the_unit_with_it(tmp_path):
    async with home(tmp_path) as made, listening(made):
        made.pendant.press(4000)
        made.pendant.start()
        await made.until(lambda: len(made.of(Samples)) > 3)
        await made.radio.die()
        await made.until(lambda: any(row[1:] == ("buzzer", 1) for row in made.pendant.outputs()))
        await asyncio.sleep(1)
        assert made.pendant.process.poll() is None
        await made.radio.start()
        await made.until(lambda: made.kinds() == CALL, 30)


async def _connected(made):
    """Connect as a stranger's program would, without the agent's link."""
    while True:
        try:
            return await made.ble.connect(NAME, lambda: None)
        except Exception as error:
            assert "not found" in str(error)


async def _written(characteristic, data):
    from bumble.att import ATT_Error

    try:
        await characteristic.obj.write_value(data, with_response=True)
    except ATT_Error as error:
        raise BleakGATTProtocolError(error.error_code) from None
