"""The task queue of MicroPython's asyncio on virtual time: `_asyncio`, written in Python.

The VM's own `_asyncio` is C and stamps tasks with the real clock, which would let real time
decide the order of tasks. Here a task that is ready is due at the virtual instant, and tasks
due at one instant run in the order in which they were queued. `time.py` puts this module in
`_asyncio`'s place before asyncio looks for it. What asyncio expects of the two classes:
micropython/micropython, extmod/asyncio/core.py.
"""

import lockstep


class TaskQueue:
    """Tasks by the time they are due, first queued first."""

    def __init__(self) -> None:
        self._tasks: "list[Task]" = []

    def peek(self) -> "Task | None":
        return self._tasks[0] if self._tasks else None

    def push(self, task: "Task", key: "int | None" = None) -> None:
        task.data = None
        task.ph_key = lockstep.now_ms if key is None else key
        place = len(self._tasks)
        while place and self._tasks[place - 1].ph_key > task.ph_key:
            place -= 1
        self._tasks.insert(place, task)

    def pop(self) -> "Task":
        return self._tasks.pop(0)

    def remove(self, task: "Task") -> None:
        self._tasks.remove(task)


class Task:
    """A coroutine that runs by itself. `state` is True, a queue of waiters, or falsy when done."""

    def __init__(self, coro: object, names: "dict[str, object] | None" = None) -> None:
        self.coro = coro
        self.data: object = None
        self.state: object = True
        self.ph_key = 0
        self._core = names or {}

    def __iter__(self) -> "Task":
        if not self.state:
            self.state = False  # somebody asks for the result, so it is not lost
        elif self.state is True:
            self.state = TaskQueue()
        elif not isinstance(self.state, TaskQueue):
            raise RuntimeError("can't wait")
        return self

    def __next__(self) -> None:
        if not self.state:
            raise self.data
        waiting = self._core["cur_task"]
        self.state.push(waiting)
        waiting.data = self

    def done(self) -> bool:
        return not self.state

    def cancel(self) -> bool:
        if not self.state:
            return False
        if self is self._core["cur_task"]:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data
        ready = self._core["_task_queue"]
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            ready.push(task)
        elif task.ph_key > lockstep.now_ms:
            ready.remove(task)
            ready.push(task)
        task.data = self._core["CancelledError"]
        return True
