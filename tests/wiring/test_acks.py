"""What a unit is told of a record: nothing that lets it forget one that is only in memory."""

import asyncio

import pytest

from edge_agent.outbox import outbox as outbox_module
from protocol.messages import Stage
from tests.wiring.bedside import running, until


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(outbox_module, "RETRY_FIRST_S", 0.1)
    monkeypatch.setattr(outbox_module, "RETRY_SLOWEST_S", 0.2)


def calls(agent):
    return [one for one in agent._retained.open_events if one.condition == "call"]


async def test_a_press_is_stored_once_it_is_on_disk(tmp_path):
    async with running(tmp_path / "state" / "o.db") as (agent, unit):
        unit.press()
        await until(lambda: not unit.keeps())
        assert unit.stages == [Stage.STORED]
        assert len(calls(agent)) == 1


async def test_a_press_that_is_only_in_memory_stays_with_its_unit_whatever_becomes_of_its_alarm(
    tmp_path,
):
    in_the_way = tmp_path / "state"
    in_the_way.write_text("no folder")
    async with running(in_the_way / "o.db") as (agent, unit):
        assert not agent.outbox.health.is_durable
        unit.press()
        await until(lambda: calls(agent))
        for _ in range(3):
            unit.greet()  # a unit that greets again is told of its open alarms
            await asyncio.sleep(0.2)
            unit.press()
            await asyncio.sleep(0.3)
        assert unit.keeps()
        assert unit.stages == []
        assert len(calls(agent)) == 1  # told again and again, and one press all the same

        in_the_way.unlink()
        await until(lambda: agent.outbox.health.is_durable)
        await until(lambda: not unit.keeps())
        assert set(unit.stages) == {Stage.STORED}
        unit.stages.clear()
        unit.greet()
        await until(lambda: unit.stages == [Stage.STORED])
        assert len(calls(agent)) == 1
