"""A radar module on a serial line: what every family of modules shares.

```
 board.uart --> parser --frames--> module.take() --> Seen --> radar_watch.py
     ^             `----answers--> the next of module.commands()
     `-- commands, question, restart <-- silence, frozen values
```

| the module | what is done |
|---|---|
| has started, or is back after a pause | its commands, one after the other's answer |
| has been silent for 2 s, or reports changes only | it is asked, every 2 s |
| for 6 s | started anew, again after 10, 20 .. 300 s |
| for 10 s | `SENSOR_FAULT`; `SENSOR_RESTORED` when it has talked for 5 s |
| repeats itself (30 s moving, 5 min still) | `SENSOR_STUCK`, started anew likewise |

Started anew: by its supply where the board has an output `radar_power`, else by its command.
The line is listened to all the time, so that no fall flag waits for an answer.

Known weakness: a module that is frozen while nobody is there cannot be told from an empty
room; one whose rounded values honestly stay the same for 5 min is started anew for nothing.
"""

from firmware.drivers.radar import RESTARTS, Seen
from firmware.drivers.radar_life import Life
from protocol.errors import ProtocolError
from protocol.messages import EventKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from firmware.boards.board import Pin, Uart
    from firmware.drivers.radar import Module
    from firmware.uptime import Clock
    from protocol.sensors.parser import Frame

    class Watch(Protocol):
        """Who is told."""

        def fall(self, code: int, now_ms: int) -> None:
            """Take the module's fall flag, 0 when it has fallen."""

        def condition(self, kind: int, value: int) -> None:
            """Take an event of the sensor itself."""

        def named(self) -> None:
            """Note that the module has told its version."""

        def cut(self) -> None:
            """Note that the next track does not follow the last one."""

        def look(self, now_ms: int) -> None:
            """Look at what was seen, once a beat."""


BEAT_MS = 100
"""Longer than any pause inside a frame: a beat without bytes gives up what waits."""

_READ_BYTES = 256
_MAX_READS = 16
_ANSWER_MS = 500
_TRIES = 3
ASK_MS = 2_000
RESTART_MS = 6_000
FAULT_MS = 10_000
HEALTHY_MS = 5_000
RESTART_FIRST_MS = 10_000
RESTART_SLOWEST_MS = 300_000
FORGIVEN_MS = 60_000
"""Talking for this long, the next silence is met without back-off."""
BEGIN_AGAIN_MS = 60_000
"""Commands at most so often, for a module that only seems to start again and again."""
_POWER_OFF_MS = 500


class Radar:
    """One module on its line."""

    def __init__(
        self, module: "Module", uart: "Uart", power: "Pin | None", clock: "Clock", watch: "Watch"
    ) -> None:
        self.module = module
        self.seen = Seen()
        self._uart = uart
        self._power = power
        self._clock = clock
        self._watch = watch
        self._buffer = bytearray(_READ_BYTES)
        self._commands: "Iterator[tuple[int, bytes]] | None" = None
        self._command = b""
        self._awaited = RESTARTS
        self._tries = 0
        self._answer_by_ms = 0
        self._begin_ms = 0
        self._began_ms = 0
        self._is_expected = True
        self._on_ms = -1
        self._heard_ms = clock.now_ms()
        self._calm_ms = 0
        self._healthy_ms = -1
        self._ask_ms = 0
        self._question = -1
        self._restart_ms = 0
        self._wait_ms = RESTART_FIRST_MS
        self._life = Life(self._heard_ms)
        self._asked_again = False
        self.damaged = 0
        """Frames whose values cannot be."""
        self.unanswered = 0
        self.faulty = False
        self.beats = 0

    @property
    def stuck(self) -> bool:
        """Return True while the module repeats itself."""
        return self._life.stuck_ms >= 0

    @property
    def lost(self) -> int:
        """Return how many frames were damaged on the line."""
        return self.module.parser.rejected + self.damaged

    def is_fresh(self, now_ms: int) -> bool:
        """Return False when what moves with heart and breath has stood still."""
        return self._life.is_fresh(now_ms)

    def start_again(self) -> None:
        """Start the module anew at the next beat."""
        self._asked_again = True

    async def run(self) -> None:
        """Listen, for ever."""
        while True:
            await self._clock.wait_beat(BEAT_MS)
            self.beats += 1
            self.poll(self._clock.now_ms())

    def poll(self, now_ms: int) -> None:
        """Work on what has come since the last beat."""
        if self._power is not None and 0 <= self._on_ms <= now_ms:
            self._power.write(1)
            self._on_ms = -1
        self._read(now_ms)
        self._configure(now_ms)
        if self._asked_again:
            self._asked_again = False
            self._restart(now_ms)
        self._check_silence(now_ms)
        self._check_life(now_ms)
        self._watch.look(now_ms)
        self.seen.samples = 0

    # What comes

    def _read(self, now_ms: int) -> None:
        parser = self.module.parser
        heard = False
        for _ in range(_MAX_READS):
            count = self._uart.readinto(self._buffer)
            if not count:
                break
            heard = True
            for frame in parser.feed(memoryview(self._buffer)[:count]):
                self._take(frame, now_ms)
        if not heard:
            for frame in parser.flush():
                self._take(frame, now_ms)

    def _take(self, frame: "Frame", now_ms: int) -> None:
        module = self.module
        seen = self.seen
        fall = seen.fall
        firmware = module.firmware
        try:
            module.take(frame, seen, now_ms)
        except ProtocolError:
            self.damaged += 1
            return
        if seen.fall != fall:
            self._watch.fall(max(0, seen.fall), now_ms)
        self._note_heard(now_ms)
        if module.restarted:
            module.restarted = False
            self._note_start(now_ms)
        if module.firmware != firmware:
            self._watch.named()
        if self._commands is not None and module.answer(frame) == self._awaited:
            self._awaited = RESTARTS
        if frame.kind in module.lively and any(frame.payload):  # zeros: nothing is measured
            self._tell_free(self._life.take(frame.kind, frame.payload, now_ms))

    def _note_heard(self, now_ms: int) -> None:
        if now_ms - self._heard_ms >= self.module.gap_ms:
            self._watch.cut()
            if self._commands is None:  # else the pause is our commands' doing
                self._note_start(now_ms)
        if self._healthy_ms < 0 or now_ms - self._heard_ms >= HEALTHY_MS:
            self._healthy_ms = now_ms
        self._heard_ms = now_ms
        talking_ms = now_ms - self._healthy_ms
        if self.faulty and talking_ms >= HEALTHY_MS:
            self.faulty = False
            self._watch.condition(EventKind.SENSOR_RESTORED, 0)
        if talking_ms >= FORGIVEN_MS and not self.stuck:
            self._wait_ms = RESTART_FIRST_MS

    def _note_start(self, now_ms: int) -> None:
        """Note that the module may have started: let the commands begin, but not for ever."""
        if self._is_expected:
            self._begin_ms = now_ms
        elif self._begin_ms < 0:
            self._begin_ms = max(now_ms, self._began_ms + BEGIN_AGAIN_MS)

    def _tell_free(self, frozen_ms: int) -> None:
        """Tell it when a module that has repeated itself so long does so no more."""
        if frozen_ms >= 0:
            self._watch.condition(EventKind.SENSOR_FREE, frozen_ms // 1000)

    # What goes

    def _configure(self, now_ms: int) -> None:
        """Send the next command once the last one was answered, or never will be."""
        if 0 <= self._begin_ms <= now_ms:
            self._begin_ms = -1
            self._began_ms = now_ms
            self._is_expected = False
            self._commands = self.module.commands()
            self._awaited = RESTARTS
        if self._commands is None:
            return
        if self._awaited != RESTARTS:
            if now_ms < self._answer_by_ms:
                return
            if self._tries < _TRIES:
                self._send(now_ms)
                return
            self.unanswered += 1
        step = next(self._commands, None)
        if step is None:
            self._commands = None
            return
        self._awaited, self._command = step
        self._tries = 0
        self._send(now_ms)
        if self._awaited == RESTARTS:
            self._expect_restart(now_ms)

    def _send(self, now_ms: int) -> None:
        self._tries += 1
        self._answer_by_ms = now_ms + _ANSWER_MS
        self._uart.write(self._command)

    def _restart(self, now_ms: int) -> None:
        """Start the module anew, and not soon again."""
        self._restart_ms = now_ms + self._wait_ms
        self._wait_ms = min(2 * self._wait_ms, RESTART_SLOWEST_MS)
        if self._power is not None:
            self._power.write(0)
            self._on_ms = now_ms + _POWER_OFF_MS
        else:
            steps = self.module.restart()
            if steps:
                self._commands = iter(steps)
                self._awaited = RESTARTS
                self._begin_ms = -1
                return
        self._expect_restart(now_ms)

    def _expect_restart(self, now_ms: int) -> None:
        self._commands = None
        self._begin_ms = now_ms + self.module.boot_ms
        self._is_expected = True
        if now_ms - self._heard_ms < RESTART_MS:  # it was talking: this silence is our doing
            self._calm_ms = self._begin_ms
        self._watch.cut()

    # What does not come

    def _check_silence(self, now_ms: int) -> None:
        """Ask, start it anew and tell it, the longer it is silent."""
        silent_ms = now_ms - max(self._heard_ms, self._calm_ms)
        module = self.module
        is_due = silent_ms >= ASK_MS or module.asks_always
        if is_due and now_ms >= self._ask_ms and self._commands is None and module.questions:
            self._ask_ms = now_ms + ASK_MS
            self._question = (self._question + 1) % len(module.questions)
            self._uart.write(module.questions[self._question])
        if silent_ms >= FAULT_MS and not self.faulty:
            self.faulty = True
            self.seen.forget()
            self._watch.condition(EventKind.SENSOR_FAULT, 0)
        if silent_ms >= RESTART_MS and now_ms >= self._restart_ms:
            self._restart(now_ms)

    def _check_life(self, now_ms: int) -> None:
        """Tell it once when the module repeats itself while somebody is there."""
        life = self._life
        if self.seen.presence != 1:
            if self.seen.presence == 0:
                self._tell_free(life.note_change(now_ms))
            return
        if not life.is_frozen(now_ms, self.seen.motion == 1):
            return
        if not self.stuck:
            self.seen.forget_rates()
            self._watch.condition(EventKind.SENSOR_STUCK, life.freeze(now_ms) // 1000)
        if now_ms >= self._restart_ms:
            self._restart(now_ms)
