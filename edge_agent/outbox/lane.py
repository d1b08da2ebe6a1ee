"""A store with the thread that it lives on: work goes in, in order, and its answer comes back.

```
 loop --work--> queue --> thread: work(failover) --answer--> loop
```
A ThreadPoolExecutor does the same and takes 40 us more each way and back, of the 500 that a commit
takes on a fast disk: its futures have locks of their own, and are copied into the loop's.
A thread that a disk holds for ever does not hold up the end of the process.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from edge_agent.outbox.failover import Failover

_T = TypeVar("_T")
_Work = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[Failover], Any]]


class Lane:
    """One store and its thread; `submitted` counts what was ever queued."""

    def __init__(self, failover: Failover) -> None:
        self.failover = failover
        self.submitted = 0
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread: Thread | None = None

    def submit(self, work: Callable[[Failover], _T]) -> asyncio.Future[_T]:
        """Queue work behind all that was queued before; it is done whoever still waits for it."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="outbox", daemon=True)
            self._thread.start()
        self.submitted += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._queue.put((loop, answer, work))
        return answer

    def shut(self) -> None:
        """Let the thread end once the work that was queued is done."""
        self._queue.put(None)
        self._thread = None

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            loop, answer, work = item
            result: Any = None
            error: BaseException | None = None
            try:
                result = work(self.failover)
            except BaseException as caught:  # whoever waits has to know, whatever it is
                error = caught
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, answer, result, error)
            del item, answer, work, result, error  # else they live until there is more to do


def _settle(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return  # whoever waited was cancelled
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
