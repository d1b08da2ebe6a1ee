"""A bad night: power cuts, a line that comes and goes, lost acknowledgements, all at once."""

import random

import numpy as np
import pytest

from protocol.edge_session import EdgeSession
from protocol.messages import Event, EventKind, Impact, Stage
from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm]

NIGHT_MS = 500_000
PRESS_MS = 300


@pytest.mark.parametrize("seed", [1, 2])
def test_every_call_and_every_fall_arrives(make_unit, seed):
    chance = random.Random(seed)
    presses = [7_000 + 23_000 * k + chance.randrange(5_000) for k in range(20)]
    falls = [15_000 + 41_000 * k + chance.randrange(9_000) for k in range(11)]
    counts = np.zeros((NIGHT_MS // 10 + 3000, 3), dtype="<i2")
    counts[:, 2] = 1333
    for number, fall_ms in enumerate(falls):
        counts[fall_ms // 10] = (0, 16 * number, 4000)
    unit = make_unit()
    unit.acknowledging = False
    boots = [0]
    cuts = []

    def boot():
        start = unit.time_ms
        unit.add_acc(counts, start_ms=-start, hold=True)
        steps = [[-start, 1]]
        for press in presses:
            steps += [[press - start, 0], [press + PRESS_MS - start, 1]]
        unit.host["pins"]["button"]["steps"] = steps
        unit.session = EdgeSession(b"agent---")
        unit.start()

    def acknowledge(share):
        for event in unit.events[boot.seen :]:
            if isinstance(event, (Event, Impact)) and chance.random() < share:
                unit.session.acknowledge(event.boot_id, event.seq, Stage.STORED)
        boot.seen = len(unit.events)

    boot.seen = 0
    boot()
    while unit.time_ms < NIGHT_MS:
        unit.advance(chance.randrange(200, 6_000))
        acknowledge(0.6)
        what = chance.random()
        if what < 0.12:
            unit.listening = not unit.listening
        elif what < 0.17:
            cuts.append(unit.time_ms)
            unit.kill()
            unit.time_ms += chance.randrange(500, 8_000)
            boots.append(unit.time_ms)
            boot()
    unit.listening = True
    for _ in range(60):
        unit.advance(1_000)
        acknowledge(1.0)
    assert len(boots) > 3
    assert not list((unit.flash / "backlog").iterdir())

    def was_on(begin_ms, end_ms):
        """Return True when one boot lasted from begin to end."""
        ends = [*cuts, unit.time_ms]
        return any(b + 200 <= begin_ms and end_ms <= e for b, e in zip(boots, ends, strict=True))

    calls = {(e.boot_id, e.seq) for e in unit.of(Event) if e.kind == EventKind.CALL_PRESSED}
    certain = [press for press in presses if was_on(press, press + 400)]
    assert len(certain) <= len(calls) <= len(presses) + len(boots)
    arrived = set()
    for impact in unit.of(Impact):
        snippet = np.frombuffer(impact.data, "<i2").reshape(-1, 3)
        arrived.update(int(y) // 16 for y, z in snippet[:, 1:] if z == 4000)
    for number, fall_ms in enumerate(falls):
        if was_on(fall_ms, fall_ms + 1_300):
            assert number in arrived, (number, fall_ms)
    assert len(arrived) > 6
    assert "Traceback" not in unit.stderr.read_text()
