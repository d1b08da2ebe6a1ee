"""A unit at link level, for processors that no MicroPython VM exists for.

It speaks the wire with the real `UnitSession`, on virtual time, and plays the same signals
and contacts as the firmware would read. It has no flash: what it must not lose stays in
memory. It stands in for the firmware in a demo and proves nothing about it.
"""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_agent.link.serial_port import SerialPort
from edge_agent.simulator.line import Line
from protocol.messages import Ack, Event, EventKind, Hello, Samples, Status
from protocol.quantities import Quantity
from protocol.unit_session import UnitSession

BLOCK_MS = 100
STATUS_MS = 15_000


@dataclass(frozen=True, slots=True)
class Signal:
    """One sampled channel.

    Attributes:
        counts: shape (n, axes), int16; after the last sample it is repeated.
        scale: the quantity's unit for each count.
    """

    quantity: Quantity
    channel: int
    rate_hz: int
    counts: NDArray[np.int16]
    scale: float


@dataclass(slots=True)
class LinkUnit:
    """One unit: its signals, and the times (ms) at which its contact is pressed."""

    unit_id: str
    profile: str
    signals: list[Signal]
    presses_ms: list[int] = field(default_factory=list)
    stages: list[tuple[int, int]] = field(default_factory=list)
    """(ms, stage) of every acknowledgement: what the light would show."""

    async def run(self, line: Line, boot_id: bytes, nonce: bytes) -> None:
        """Play until cancelled."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        port = line.open_unit_port()
        hello = Hello(self.unit_id, boot_id, 1, nonce, self.profile, "link-level")
        session = UnitSession(hello)

        def now_ms() -> int:
            return round((loop.time() - began_s) * 1000)

        def take(data: bytes) -> None:
            session.receive_data(data, now_ms())
            self._drain(session, port, now_ms())

        port.start(take, lambda reason: None)
        session.start(now_ms())
        presses = sorted(self.presses_ms)
        waiting: list[Event] = []
        try:
            while True:
                self._drain(session, port, now_ms())
                await asyncio.sleep(BLOCK_MS / 1000)
                at_ms = now_ms()
                while presses and presses[0] <= at_ms:
                    number = len(self.presses_ms) - len(presses) + 1
                    pressed_ms = presses.pop(0)
                    waiting.append(Event(boot_id, number, EventKind.CALL_PRESSED, 3, pressed_ms))
                for signal in self.signals:
                    block = _block(signal, at_ms)
                    if block is not None:
                        session.send(block)
                if at_ms % STATUS_MS < BLOCK_MS:
                    session.send(Status(at_ms))
                while waiting and session.has_room():
                    event = waiting.pop(0)
                    session.offer(boot_id, event.seq, [event], at_ms)
                due_ms = session.next_timeout_ms()
                if due_ms is not None and due_ms <= at_ms:
                    session.handle_timeout(at_ms)
        finally:
            port.close()

    def _drain(self, session: UnitSession, port: SerialPort, at_ms: int) -> None:
        for event in session.events():
            if isinstance(event, Ack):
                self.stages.append((at_ms, event.stage))
        data = session.data_to_send()
        if data:
            port.write(data)


def _block(signal: Signal, at_ms: int) -> Samples | None:
    """Return the samples of the last block before a time."""
    first = (at_ms - BLOCK_MS) * signal.rate_hz // 1000
    last = at_ms * signal.rate_hz // 1000
    if last <= first:
        return None
    rows = np.minimum(np.arange(first, last), len(signal.counts) - 1)
    return Samples(
        signal.quantity.code,
        signal.channel,
        first * 1000 // signal.rate_hz,
        first,
        1_000_000 // signal.rate_hz,
        signal.scale,
        signal.quantity.axes,
        signal.counts[rows].astype("<i2").tobytes(),
    )
