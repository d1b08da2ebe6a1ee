"""The broker is away for a week, and comes back: 10 000 alarms and all telemetry, through a relay.

tests/outbox/test_week.py has the half that needs no broker.
"""

import asyncio
import gc
import json
import sys
from array import array
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest

from edge_agent.alarm.alarm import SCHEMA, AgentStamp, Alarm, AlarmEvent, State, Trigger
from edge_agent.clock import SystemClock, format_utc
from edge_agent.config.home import HomeConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, Telemetry
from edge_agent.outbox.trimming import DAY_S, TELEMETRY_S
from edge_agent.relay.making import Maker
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.route import Hooks, Presence
from hil_tests.conftest import Broker, Subscriber

ALARMS = 10_000
STEPS = 1000
STEP_S = 7 * DAY_S / STEPS
TELEMETRY_PER_STEP = 30
"""Three messages a minute, all week."""
IN_MIDDLE = 4000
NEW = 70_000_000
"""The number of the alarm that comes then."""
REPORTS = 500
"""As much of the telemetry is watched going out."""
SETTLED = 100
MAX_BLOCKS = 10_000
"""Python objects that all the rest of the backlog may add: the outbox knows the last 1024 rows that
it handed out, three objects each, and that is all. The backlog itself would be 40 000."""


@pytest.fixture
def patient_broker(tmp_path: Path):
    """A mosquitto that drops nothing for a watcher that is slower than the agent."""
    broker = Broker(tmp_path)
    with broker._config.open("a") as config:
        config.write("max_queued_messages 0\n")
    broker.start()
    yield broker
    broker.kill()


def alarm(number: int, event: int, at_s: float) -> Alarm:
    """Every hundredth is high and has three events; the others are low and have one."""
    is_high = number % 100 == 0
    last = AlarmEvent(
        SCHEMA, f"a{number}", event, "call" if is_high else "unit_lost",
        State.CONFIRMED if event == 1 else State.CLOSED, "high" if is_high else "low",
        "000000000000", "h1", "bath", "p1", "u1", "cord", format_utc(at_s), format_utc(at_s), "ntp",
        0.0, None, {}, None, [], {"zh": "呼救", "en": "Call"}, AgentStamp("s", "0"),
        None if event == 1 else Trigger.CLOSE,
    )  # fmt: skip
    return Alarm(last, at_s, at_s)


async def prefill(path: Path, now_s: float) -> list[tuple[str, int]]:
    """Live through a week without a route; return the events in the order they are due."""
    outbox = Outbox(path, ["mqtt"], nullcontext)
    await outbox.open()
    events: list[tuple[str, int]] = []
    for step in range(STEPS):
        at_s = now_s - (STEPS - step) * STEP_S
        made = [
            alarm(number, event, at_s)
            for number in range(step * ALARMS // STEPS, (step + 1) * ALARMS // STEPS)
            for event in ((1, 2, 3) if number % 100 == 0 else (1,))
        ]
        events += [(one.alarm_id, one.last.event) for one in made]
        minute = [Telemetry("vitals/b1", b'{"at_s":%d}' % at_s)] * TELEMETRY_PER_STEP
        assert await outbox.put(Batch(made, telemetry=minute), at_s)
    await outbox.close()
    return sorted(events, key=lambda one: int(one[0][1:]) % 100 > 0)  # high first, then as stored


class Talk:
    """The native route over an outbox, with the hooks that the agent lends."""

    def __init__(self, path: Path, port: int) -> None:
        self.outbox = Outbox(path, ["mqtt"], nullcontext)
        self.accepted = array("q")
        """Numbers and not objects: these are not counted as the relay's."""
        clock = SystemClock()
        profile = NativeProfile("000000000000", "h1")

        def state(word: str):
            return profile.agent_state(AgentState(word, "s", "0", "ntp", None))

        presence = Presence("s", lambda: [state("online")], lambda: state("lost"))
        home = HomeConfig(region="000000000000", home="h1")
        hooks = Hooks(self.accept, self.accept, None)
        self.route, _ = Maker(home, self.outbox, clock, hooks).native(
            MqttConfig(host="127.0.0.1", port=port), presence
        )

    async def accept(self, route, row):
        await self.outbox.put(Batch(accepted=[(route, row.row)]), 0.0)
        self.accepted.append(10 * int(row.alarm_id[1:]) + row.event)


@pytest.mark.broker
@pytest.mark.timeout(150)
async def test_after_a_week_all_alarms_go_in_order_and_a_new_one_is_first_in_line(
    patient_broker, tmp_path
):
    now_s = SystemClock().now().utc_s
    due = await prefill(tmp_path / "o.db", now_s)
    subscriber = Subscriber(patient_broker.port, tmp_path)
    await asyncio.sleep(0.3)
    talk = Talk(tmp_path / "o.db", patient_broker.port)
    await talk.outbox.open()
    before = most = None
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    task = asyncio.create_task(talk.route.run())
    put_at = None
    try:
        async with asyncio.timeout(100):
            while len(talk.accepted) <= len(due):
                await asyncio.sleep(0.01)
                if before is None and len(talk.accepted) >= SETTLED:
                    gc.collect()  # what was open at the start has been handed over by now
                    before = most = sys.getallocatedblocks()
                elif before is not None:
                    most = max(most, sys.getallocatedblocks())
                if put_at is None and len(talk.accepted) >= IN_MIDDLE:
                    await talk.outbox.put(Batch([alarm(NEW, 1, now_s)]), now_s)
                    put_at = len(talk.accepted)
                    talk.route.wake()
            took_s = loop.time() - began_s
            while sum("/vitals/" in topic for topic, _ in subscriber.lines()) < REPORTS:
                await asyncio.sleep(0.5)
        assert await talk.outbox.backlog() == {"mqtt": 0}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await talk.outbox.close()
        await asyncio.sleep(0.5)
        lines = subscriber.lines()
        subscriber.stop()

    assert put_at is not None
    at = talk.accepted.index(10 * NEW + 1)
    assert at <= put_at + 1  # one message of the backlog was under way
    said = [json.loads(body) for topic, body in lines if "/alarm/" in topic]
    heard = [(one["alarm_id"], one["event"]) for one in said]
    assert heard.pop(at) == (f"a{NEW}", 1)
    assert heard == due  # each once, and in order
    assert most - before < MAX_BLOCKS

    kinds = [topic.split("/")[4] for topic, _ in lines]
    last_alarm = len(kinds) - 1 - kinds[::-1].index("alarm")
    assert "vitals" not in kinds[:last_alarm]
    ages_s = [
        now_s - msgspec.json.decode(body)["at_s"] for topic, body in lines if "/vitals/" in topic
    ]
    assert ages_s == sorted(ages_s, reverse=True)
    assert TELEMETRY_S - STEP_S <= ages_s[0] <= TELEMETRY_S + 3600 + 2 * STEP_S
    print(f"{len(due)} events in {took_s:.1f} s, {most - before} objects more")
