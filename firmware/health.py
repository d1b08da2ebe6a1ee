"""Is every task alive? Watchdog, restarts, and the Status message.

```
 task dies   -> its traceback, and it is started anew (after a second when it died young);
                the sixth death in ten minutes resets the unit
 task stands -> after its limit the watchdog is fed no more; ten seconds later the unit
                resets itself, and if it cannot, the hardware watchdog does
```
A reset leaves its reason on the flash, until a boot has told the agent.
"""

import asyncio
import gc
import json
import sys

from firmware import flash
from protocol.messages import Status, StatusFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Protocol

    from firmware.boards.board import Board
    from firmware.uptime import Clock

    class Beating(Protocol):
        """Something whose progress can be seen."""

        beats: int


WATCH_MS = 1000
STATUS_MS = 15_000
STUCK_RESET_MS = 10_000
RESTART_MS = 1000
MAX_DEATHS = 5
DEATHS_WINDOW_MS = 600_000

_LAST_WORDS = "/last_words.json"
_MAX_WHY = 200


class _Watched:
    __slots__ = ("beats", "limit_ms", "name", "seen_ms", "task")

    def __init__(self, name: str, task: "Beating", limit_ms: int, now_ms: int) -> None:
        self.name = name
        self.task = task
        self.limit_ms = limit_ms
        self.beats = task.beats
        self.seen_ms = now_ms


class Health:
    """Keeps the unit's tasks going and reports how they are.

    Args:
        report: fills in a Status and sends it.
    """

    def __init__(self, board: "Board", clock: "Clock", report: "Callable[[Status], None]") -> None:
        self._board = board
        self._clock = clock
        self._report = report
        self._watched: "list[_Watched]" = []
        self._deaths: "list[int]" = []
        gc.collect()
        self._heap_low = gc.mem_free()
        self._lag_ms = 0
        self._reset_why = ""
        self.restarts = 0
        self.flags = 0
        """Flags that stay up for the rest of this boot."""
        self.last_words, self.words_are_new = recall_last_words(board.flash_root)
        """Why a boot ended that nobody was told of yet; whether it was the one before this."""

    def keep(
        self,
        name: str,
        run: "Callable[[], Awaitable[None]]",
        progress: "Beating | None" = None,
        limit_ms: int = 0,
    ) -> None:
        """Start a task and keep it going; with `progress` it must beat within the limit."""
        if progress is not None:
            self._watched.append(_Watched(name, progress, limit_ms, self._clock.now_ms()))
        asyncio.create_task(self._keep(name, run))  # noqa: RUF006 (MicroPython keeps it)

    def reset(self, why: str) -> None:
        """Write down why, and start the unit anew."""
        leave_last_words(self._board.flash_root, why)
        self._board.reset()

    def forget_last_words(self) -> None:
        """Forget why the last boot ended; the agent has been told."""
        self.last_words = ""
        flash.remove_file(self._board.flash_root + _LAST_WORDS)

    def reset_soon(self, why: str) -> None:
        """Start the unit anew within a second or two, after what is queued has been sent."""
        self._reset_why = why

    async def run(self) -> None:
        """Watch the tasks every second and report every 15 s, for ever."""
        status_due_ms = self._clock.now_ms()
        while True:
            due_ms = self._clock.now_ms() // WATCH_MS * WATCH_MS + WATCH_MS
            await self._clock.wait_beat(WATCH_MS)
            now_ms = self._clock.now_ms()
            if self._reset_why:
                self.reset(self._reset_why)
            self._lag_ms = max(self._lag_ms, now_ms - due_ms)
            self._watch(now_ms)
            if now_ms >= status_due_ms:
                status_due_ms = now_ms // STATUS_MS * STATUS_MS + STATUS_MS
                self._tell(now_ms)

    def _watch(self, now_ms: int) -> None:
        stuck = None
        for watched in self._watched:
            if watched.task.beats != watched.beats:
                watched.beats = watched.task.beats
                watched.seen_ms = now_ms
            elif now_ms - watched.seen_ms > watched.limit_ms:
                stuck = watched
        if stuck is None:
            self._board.feed()
        elif now_ms - stuck.seen_ms > stuck.limit_ms + STUCK_RESET_MS:
            self.reset("task %s stands still" % stuck.name)

    def _tell(self, now_ms: int) -> None:
        gc.collect()
        free = gc.mem_free()
        self._heap_low = min(self._heap_low, free)
        status = Status(now_ms, free, self._heap_low, self._lag_ms)
        status.flags = self.flags
        self._lag_ms = 0
        self._report(status)

    async def _keep(self, name: str, run: "Callable[[], Awaitable[None]]") -> None:
        while True:
            started_ms = self._clock.now_ms()
            try:
                await self._run_once(name, run)
            except MemoryError:  # not even for saying so
                gc.collect()
            if self._clock.now_ms() - started_ms < RESTART_MS:
                await asyncio.sleep_ms(RESTART_MS)

    async def _run_once(self, name: str, run: "Callable[[], Awaitable[None]]") -> None:
        try:
            await run()
            reason = "task %s ended" % name
        except Exception as error:
            gc.collect()
            sys.print_exception(error, sys.stderr)  # type: ignore[arg-type]
            reason = "task %s: %r" % (name, error)
        self._count_death(reason)

    def _count_death(self, reason: str) -> None:
        now_ms = self._clock.now_ms()
        self.restarts += 1
        self.flags |= StatusFlag.RESTARTED
        self._deaths.append(now_ms)
        while self._deaths[0] < now_ms - DEATHS_WINDOW_MS:
            self._deaths.pop(0)
        if len(self._deaths) > MAX_DEATHS:
            self.reset(reason)


def leave_last_words(root: str, why: str, seen: bool = False) -> None:
    """Keep the reason of a reset for the boots to come, until one can tell it."""
    try:
        flash.write_checked(root + _LAST_WORDS, json.dumps({"why": why[:_MAX_WHY], "seen": seen}))
    except OSError:
        pass


def recall_last_words(root: str) -> "tuple[str, bool]":
    """Return why a boot ended, empty when none said, and whether this is the first to read it."""
    words = flash.read_checked(root + _LAST_WORDS)
    if not isinstance(words, dict):
        return "", False
    why, is_new = str(words.get("why", "")), not words.get("seen")
    if is_new:
        leave_last_words(root, why, True)
    return why, is_new
