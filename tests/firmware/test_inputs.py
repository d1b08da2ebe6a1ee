"""Digital inputs in the VM: debounce, repeats, the hold of a PIR, one timer for all."""

from itertools import pairwise

import pytest

from edge_agent.simulator.sensors.contact import REED, merge, press
from firmware.drivers.inputs import Input, Inputs
from protocol import quantities
from protocol.messages import EventKind, Reading, Status
from tests.firmware.vm import needs_vm


@pytest.mark.vm
@needs_vm
def test_a_door_is_told_when_it_opens_and_closes_and_each_minute(make_unit):
    unit = make_unit(profile="room", input_12="reed")
    steps = merge([press(10, 5, 1, REED), press(40, 0.2, 2, REED)], REED)
    unit.host["pins"]["input_12"] = {"steps": steps}
    unit.start()
    unit.advance(170_000)
    readings = [one for one in unit.of(Reading) if one.channel == 12]
    assert {one.quantity for one in readings} == {quantities.CONTACT.code}
    assert [one.value for one in readings] == [0, 1, 0, 1, 0, 0, 0]
    times = [one.uptime_ms for one in readings]
    assert times[0] <= 200
    assert [round(t / 1000) for t in times[1:5]] == [10, 15, 40, 40]
    assert [round((b - a) / 1000) for a, b in pairwise(times[4:])] == [60, 60]


@pytest.mark.vm
@needs_vm
def test_a_pir_is_told_at_once_then_at_most_every_ten_seconds(make_unit):
    unit = make_unit(profile="bathroom", input_10="pir", input_11="mat", input_11_level=0)
    triggers = []
    for k in range(30):  # two seconds on, one off, for 90 s
        triggers += [[10_000 + 3000 * k, 1], [12_000 + 3000 * k, 0]]
    unit.host["pins"]["input_10"] = {"steps": [[0, 0], *triggers]}
    unit.host["pins"]["input_11"] = {"steps": [[0, 1], [50_000, 0], [70_000, 1]]}
    unit.start()
    unit.advance(150_000)
    motion = [one for one in unit.of(Reading) if one.channel == 10]
    assert {one.quantity for one in motion} == {quantities.MOTION.code}
    active = [one.uptime_ms for one in motion if one.value == 1]
    assert 10_000 <= active[0] <= 10_200
    assert min(b - a for a, b in pairwise(active)) >= 10_000
    assert 7 <= len(active) <= 10
    ended = [one.uptime_ms for one in motion if one.value == 0 and one.uptime_ms > 10_000]
    assert 108_000 <= ended[0] <= 110_000
    mat = [
        (round(one.uptime_ms / 1000), one.value) for one in unit.of(Reading) if one.channel == 11
    ]
    assert mat == [(0, 0), (50, 1), (70, 0), (130, 0)]


@pytest.mark.vm
@needs_vm
def test_every_state_is_told_when_an_agent_comes(make_unit):
    unit = make_unit(profile="room", input_10="pir", input_15="flush")
    unit.host["pins"]["input_10"] = {"steps": [[0, 0]]}
    unit.host["pins"]["input_15"] = {"steps": [[0, 0], [5_000, 1]]}
    unit.listening = False
    unit.start()
    unit.advance(20_000)
    unit.listening = True
    unit.advance(20_000)
    assert unit.readings(15)[0][1] == 1
    assert unit.readings(10)[0][1] == 0
    assert unit.of(Status)[-1].flags == 0


@pytest.mark.vm
@needs_vm
def test_a_room_needs_no_cord_and_has_one_where_the_settings_say_so(make_unit):
    bare = make_unit("bare", profile="room")
    del bare.host["adc"]["cord"]
    bare.start()
    bare.advance(5_000)
    assert not bare.kinds()
    assert bare.of(Status)[-1].flags == 0
    corded = make_unit("corded", profile="room", room_cord=True)
    corded.host["adc"]["cord"]["steps"] = [[0, 0.5], [2_000, 0.25], [3_000, 0.5]]
    corded.start()
    corded.advance(5_000)
    assert corded.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    assert corded.outputs()[0][1:] == ("light", 1)


class Board:
    """Pins that are levels, and a timer that has read what the test says."""

    def __init__(self):
        self.reads = []

    def paced(self, read, period_ms, depth):
        self.read = read
        return self

    def take(self, out):
        count = min(len(self.reads), len(out))
        for position in range(count):
            out[position] = self.reads.pop(0)
        return count


class Level:
    level = 0

    def read(self):
        return self.level


@pytest.mark.fast
def test_all_inputs_are_one_word_of_one_timer():
    board = Board()
    pins = [Level() for _ in range(10)]
    told = []
    made = [Input(10 + k, "reed", pin, k % 2, 40) for k, pin in enumerate(pins)]
    inputs = Inputs(board, made, lambda one, at_ms: told.append((one.channel, one.told, at_ms)))
    assert board.read() == 0b0101010101
    for pin in pins:
        pin.level = 1
    assert board.read() == 0b1010101010
    board.reads = [0b11] * 4 + [0b10] * 6
    inputs.poll(100)
    assert [row for row in told if row[1]] == [(11, 1, 50)]  # the other was not long enough
    board.reads = [0b10] * 10
    told.clear()
    inputs.poll(200)
    assert not told


@pytest.mark.fast
def test_blips_shorter_than_the_debounce_time_do_not_add_up():
    board = Board()
    told = []
    inputs = Inputs(board, [Input(10, "reed", Level(), 1, 40)], lambda *row: told.append(row))
    inputs.poll(0)
    told.clear()
    for k in range(50):
        board.reads = [1, 1, 1] + [0] * 7
        inputs.poll(100 + 100 * k)
    assert not told
