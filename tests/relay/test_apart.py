"""Work in a task of its own: no cancellation is lost in it, none is left over by it."""

import asyncio
import gc

import pytest

from edge_agent.relay.apart import apart

pytestmark = pytest.mark.fast


async def test_it_returns_and_raises_what_the_work_does():
    async def good():
        return 3

    async def bad():
        raise ValueError("why")

    assert await apart(good()) == 3
    with pytest.raises(ValueError, match="why"):
        await apart(bad())


async def test_a_cancellation_in_the_moment_of_the_answer_ends_the_caller():
    answer = asyncio.get_running_loop().create_future()

    async def wait():  # on 3.11 this returns and forgets about the cancellation
        return await asyncio.wait_for(answer, 60)

    async def call():
        await apart(wait())
        await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer.set_result(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_work_has_ended_when_the_caller_has():
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    task = asyncio.create_task(apart(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_a_task_group_leaves_no_cancellation_behind():
    async def fail():
        raise ValueError

    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    for _ in range(3):
        with pytest.raises(ExceptionGroup):
            await apart(work())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_holds_nothing_that_only_the_collector_frees():
    class Socket:
        freed = False

        def __del__(self):
            Socket.freed = True

    async def work():
        held = Socket()
        raise ValueError("why", id(held))

    gc.disable()
    try:
        with pytest.raises(ValueError, match="why"):
            await apart(work())
        await asyncio.sleep(0)
        assert Socket.freed
    finally:
        gc.enable()
