"""What two outboxes hold joins to the same whole, in any order and however often."""

from itertools import permutations

import msgspec
import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import Alarm, Due, State, Trigger
from edge_agent.outbox.connection import Connection
from edge_agent.outbox.merge import merge, rebuild_alarms, take_contents
from edge_agent.outbox.rows import Batch, Telemetry, UnitEvent
from edge_agent.outbox.store import Store, Waiting
from tests.test_outbox import make_alarm

ROUTE = "mqtt"


def contents_of(*steps):
    """Write steps of (batch, accepted, cursors); return what is stored then."""
    store = Store(Connection(None), [ROUTE])
    for at_s, (batch, accepted, cursors) in enumerate(steps, 1):
        assert store.write([Waiting(batch, accepted, float(at_s))], cursors) == [None]
    return held(store._db)


def held(connection):
    return take_contents(connection, waiting=99, done=99, telemetry=99, unit_events=99)


EARLIER = (
    Batch([make_alarm("a", 1)], [UnitEvent("u", b"bootboot", 1)], telemetry=[Telemetry("t", b"1")]),
    [],
    {},
)
LATER = (
    Batch([make_alarm("a", 2, State.CLOSED)], telemetry=[Telemetry("t", b"2")]),
    [(ROUTE, "a", 1)],
    {ROUTE: 1},
)
ELSEWHERE = (
    Batch(
        [make_alarm("b", 1)],
        [UnitEvent("u", b"bootboot", 1, "b")],
        telemetry=[Telemetry("t", b"9")],
    ),
    [],
    {ROUTE: 0},
)


@pytest.mark.parametrize("order", sorted(set(permutations([0, 1, 2, 0]))))
def test_a_union_in_any_order_and_done_twice_forgets_nothing_and_takes_nothing_back(order):
    parts = [contents_of(EARLIER), contents_of(EARLIER, LATER), contents_of(ELSEWHERE)]
    connection = Connection(None)
    for part in order:
        merge(connection, parts[part], [ROUTE])
    whole = held(connection)

    last = {
        name: msgspec.json.decode(body, type=Alarm).last.event for name, *_, body in whole.alarms
    }
    assert last == {"a": 2, "b": 1}
    names = {row: (alarm_id, event) for row, alarm_id, event, *_ in whole.events}
    assert sorted(names.values()) == [("a", 1), ("a", 2), ("b", 1)]
    assert {names[row]: verdict for _, row, _, verdict, _ in whole.deliveries} == {
        ("a", 1): "accepted", ("a", 2): None, ("b", 1): None,
    }  # fmt: skip
    assert sorted(body for *_, body in whole.telemetry) == [b"1", b"2", b"9"]
    assert whole.cursors == [(ROUTE, 1)]
    assert [row[:4] for row in whole.unit_events] == [("u", b"bootboot", 1, "b")]


def test_an_alarm_is_rebuilt_from_its_last_readable_event_with_the_time_it_was_stored():
    event = replace(make_alarm("a", 1).last, onset="2026-11-99")
    rows = [(1, "a", 1, 0, 5.0, msgspec.json.encode(event)), (2, "a", 2, 0, 6.0, b'{"alarm_id')]

    assert rebuild_alarms(rows) == [Alarm(event, 5.0, 5.0, Due(Trigger.CONFIRM, 0.0, ""))]
