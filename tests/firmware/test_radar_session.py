"""A real module's session in the VM: every rate that it reported reaches the agent, once, in time.

The recording is of a radar alone: nobody asked it anything. Presence, which the firmware asks for,
is answered here as a module answers that sees somebody.
"""

import csv
from pathlib import Path

import pytest

from firmware.radar_watch import BREATH, HEART, MOTION, RADAR
from protocol.messages import Status
from protocol.sensors import sip
from tests.firmware.vm import needs_vm

SESSION = Path(__file__).parents[3] / "shared" / "data" / "radar" / "r60a_sample_session.csv"
START_S = 9.0
"""The unit has asked and listens by then."""
PRESENT = {sip.encode_query(0x8001).hex(): sip.encode(0x80, 0x81, b"\x01").hex()}

pytestmark = [
    pytest.mark.vm,
    needs_vm,
    pytest.mark.skipif(not SESSION.is_file(), reason="no ../shared/data/radar here"),
]


def session():
    """Return what the module sent, and (seconds, value) of each field, by START_S."""
    sent, fields = {}, {}
    with SESSION.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        at_s = START_S + float(row["unix_ts"]) - float(rows[0]["unix_ts"])
        sent[at_s, row["raw_hex"]] = bytes.fromhex(row["raw_hex"])
        fields.setdefault(row["field_name"], []).append((at_s, float(row["value"])))
    return [(at_s, data) for (at_s, _), data in sent.items()], fields


@pytest.mark.parametrize("sliced", [False, True])
def test_every_rate_of_a_real_session_is_told(make_unit, sliced):
    stream, fields = session()
    if sliced:  # a frame comes in two pieces, 20 ms apart
        stream = [
            piece for at_s, data in stream for piece in ((at_s, data[:7]), (at_s + 0.02, data[7:]))
        ]
        stream.sort(key=lambda piece: piece[0])
    unit = make_unit(profile="room", radar="r60abd1")
    unit.add_radar(stream, answers=PRESENT)
    unit.start()
    unit.advance(round(1000 * stream[-1][0]) + 2000)

    for channel, name in ((HEART, "heart_rate_bpm"), (BREATH, "breathing_rate_bpm")):
        told = unit.readings(channel)
        assert [value for _, value in told] == [value for _, value in fields[name]]
        late_ms = [
            at_ms - 1000 * at_s for (at_ms, _), (at_s, _) in zip(told, fields[name], strict=True)
        ]
        assert min(late_ms) >= 0
        assert max(late_ms) <= 150
    assert {value for _, value in unit.readings(RADAR)} == {1}
    assert {value for _, value in unit.readings(MOTION)} == {0, 1}
    assert unit.of(Status)[-1].rejected == 0
    assert not unit.kinds()
