"""The outbox's thread: work is done in order, whoever still waits, and errors come back."""

import asyncio
import threading

import pytest

from edge_agent.outbox.failover import Failover
from edge_agent.outbox.lane import Lane


@pytest.fixture
def lane(tmp_path):
    lane = Lane(Failover(tmp_path / "o.db", []))
    yield lane
    lane.shut()


async def test_work_is_done_in_the_order_it_was_queued_on_one_thread(lane):
    done = []
    await asyncio.gather(*(lane.submit(lambda _, n=n: done.append(n)) for n in range(100)))
    assert done == list(range(100))
    assert lane.submitted == 100


async def test_an_answer_and_an_error_come_back_to_who_asked(lane):
    assert await lane.submit(lambda failover: failover) is lane.failover
    with pytest.raises(ValueError, match=r"^wrong$"):
        await lane.submit(_fail)
    assert await lane.submit(lambda _: 1) == 1  # and the thread goes on


def _fail(_):
    raise ValueError("wrong")


async def test_work_whose_asker_was_cancelled_is_done_all_the_same(lane):
    done = []
    answer = lane.submit(lambda _: done.append(1))
    answer.cancel()
    await lane.submit(lambda _: None)
    assert done == [1]


def test_an_answer_that_comes_after_the_loop_has_closed_hurts_nobody(lane):
    go, gone = threading.Event(), threading.Event()

    async def ask():
        lane.submit(lambda _: go.wait(10))

    asyncio.run(ask())
    go.set()

    async def ask_again():
        await lane.submit(lambda _: gone.set())

    asyncio.run(ask_again())
    assert gone.is_set()
