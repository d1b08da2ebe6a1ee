"""Await work in a task of its own, so that a cancellation is heeded and none is left over.

```
 ours:   apart(work) --wait--------------------------> result | error | CancelledError
 its own:    work ... wait_for loses a cancellation, a task group leaves one behind
```
Two things of Python 3.11 must not reach the task that runs a route for ever. `asyncio.wait_for`,
which aiomqtt waits with, returns an answer that comes in the same moment as a cancellation and
forgets about the latter (python/cpython#86296, mended in 3.12): the agent would never stop. And a
TaskGroup that a child ends leaves `cancelling()` above zero in the task around it: no flag to go
by. A task that ends with the work takes both with it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def apart(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what the work returns, or raise what it raises.

    When cancelled, the work is cancelled too and has ended before this ends.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})  # a cancellation never gets lost here
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    try:
        return task.result()
    finally:
        del task  # else an error, by its traceback, would hold itself and a socket for long
