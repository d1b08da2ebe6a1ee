"""The crash harness's unit: the protocol on a pty, and a steady stream of records."""

import asyncio
import os
import pty
import random
import termios
import time
import tty
from contextlib import suppress

from protocol.messages import Ack, Event, EventKind, Hello, Stage
from protocol.unit_session import UnitSession

PRESS_S = 0.08
"""The unit makes a record this often: presses, and a cord that is cut and restored."""


class SteadyUnit:
    """The unit's end of the line: records that are kept until they are called stored."""

    def __init__(self, rng: random.Random) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        attributes = termios.tcgetattr(self._slave)
        attributes[6][termios.VMIN] = attributes[6][termios.VTIME] = 0
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.boot_id = rng.randbytes(8)
        self._session = UnitSession(
            Hello("cord-1", self.boot_id, 1, rng.randbytes(8), "bathroom", "crash")
        )
        self._started_s = time.monotonic()
        self._backlog: dict[int, Event] = {}
        self.made: dict[int, int] = {}
        """Every record by its number: its kind."""
        self.stored: set[int] = set()
        self._session.start(0)

    @property
    def is_empty(self) -> bool:
        return not self._backlog

    def _now_ms(self) -> int:
        return int((time.monotonic() - self._started_s) * 1000)

    async def press(self, stop: asyncio.Event) -> None:
        """Make records until told to stop."""
        kinds = (EventKind.CALL_PRESSED, EventKind.CORD_CUT, EventKind.CORD_RESTORED)
        while not stop.is_set():
            seq = len(self.made)
            kind = kinds[0] if seq % 3 else kinds[1 + seq // 3 % 2]
            self.made[seq] = kind
            self._backlog[seq] = Event(self.boot_id, seq, kind, 0, self._now_ms())
            await asyncio.sleep(PRESS_S)

    async def run(self) -> None:
        """Carry bytes, in small steps: the other end comes and goes."""
        while True:
            with suppress(BlockingIOError, OSError):
                self._session.receive_data(os.read(self._master, 65_536), self._now_ms())
            for event in self._session.events():
                if isinstance(event, Ack) and event.stage >= Stage.STORED:
                    self.stored.add(event.seq)
                    self._backlog.pop(event.seq, None)
            due_ms = self._session.next_timeout_ms()
            if due_ms is not None and due_ms <= self._now_ms():
                self._session.handle_timeout(self._now_ms())
            for seq, event in self._backlog.items():
                if not self._session.has_room():
                    break
                if not self._session.in_flight(self.boot_id, seq):
                    self._session.offer(self.boot_id, seq, [event], self._now_ms())
            with suppress(BlockingIOError, OSError):
                os.write(self._master, self._session.data_to_send())
            await asyncio.sleep(0.005)
