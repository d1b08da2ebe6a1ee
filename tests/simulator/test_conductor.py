"""Virtual time: it jumps, it stands still for the outside world, and it says who is stuck."""

import asyncio
import time

import pytest

from edge_agent.simulator import conductor as module
from edge_agent.simulator.conductor import (
    Conductor,
    LockstepError,
    LockstepLoop,
    Machine,
    VirtualClock,
)
from edge_agent.simulator.line import Line


def run(story, conductor=None):
    conductor = conductor or Conductor()
    with asyncio.Runner(loop_factory=lambda: LockstepLoop(conductor)) as runner:
        return runner.run(story(conductor))


@pytest.mark.fast
def test_a_day_passes_at_once_and_timers_fire_in_order():
    order = []

    async def sleeper(seconds):
        await asyncio.sleep(seconds)
        order.append((seconds, asyncio.get_running_loop().time()))

    async def story(conductor):
        await asyncio.gather(*(sleeper(s) for s in (86_400, 1, 0.001, 60)))

    run(story)
    assert order == [(0.001, 0.001), (1, 1.0), (60, 60.0), (86_400, 86_400.0)]


def test_time_stands_still_while_the_outside_world_works():
    async def story(conductor):
        clock = VirtualClock(conductor, 0.0, 1)
        loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(asyncio.sleep(0.5))
        with clock.outside():
            await loop.run_in_executor(None, time.sleep, 0.1)
        held_s = loop.time()
        await ticking
        return held_s, loop.time()

    held_s, after_s = run(story)
    assert (held_s, after_s) == (0.0, 0.5)


def test_chance_and_time_come_from_the_seed():
    async def story(conductor):
        clock = VirtualClock(conductor, 1000.0, 5)
        await asyncio.sleep(2)
        return clock.now().utc_s, clock.random(8)

    assert run(story) == run(story)
    assert run(story)[0] == 1002.0


def test_a_unit_that_never_reports_is_named(monkeypatch):
    monkeypatch.setattr(module, "STALL_S", 0.1)

    async def story(conductor):
        line = Line("pendant-7")
        line.start()
        machine = Machine("pendant-7", line)
        conductor.add_machine(machine)
        try:
            await asyncio.sleep(1)
        finally:
            conductor.remove_machine(machine)
            machine.vm_control.close()
            line.close()

    with pytest.raises(LockstepError) as caught:
        run(story)
    assert str(caught.value) == "no progress for 0.1 s; waiting for ['pendant-7']"


@pytest.mark.fast
def test_a_timer_between_two_microseconds_fires():
    async def story(conductor):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.8651)
        done = asyncio.Event()
        loop.call_at(loop.time() + 4.27e-7, done.set)
        await done.wait()
        return loop.time()

    assert run(story) == pytest.approx(0.865101)
