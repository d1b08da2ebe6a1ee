"""An outbox whose disk can be made to fail, and what it says about its health."""

import asyncio
from contextlib import nullcontext

import pytest

from edge_agent.evaluate.costs.bad_disk import AbsentError, BadDisk, Fault
from edge_agent.outbox import outbox as outbox_module
from edge_agent.outbox.outbox import Outbox


@pytest.fixture
def disk():
    try:
        with BadDisk(keep_log=True) as disk:
            try:
                yield disk
            finally:  # or a test that failed would leave its outbox hanging
                disk.fault = Fault.NONE
                disk.hold.set()
    except AbsentError as reason:
        pytest.skip(str(reason))


class Watched:
    """An outbox and every change of its health."""

    def __init__(self, path, routes=("mqtt",)):
        self._said = asyncio.Queue()
        self.outbox = Outbox(path, list(routes), nullcontext, self._said.put_nowait)

    async def next_health(self):
        async with asyncio.timeout(10):
            return await self._said.get()

    def said_more(self):
        return not self._said.empty()


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(outbox_module, "RETRY_FIRST_S", 0.01)
    return Watched
