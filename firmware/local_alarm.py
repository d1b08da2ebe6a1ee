"""Light and buzzer of a call: works with nobody listening, and shows who has heard.

| in state, on | press | stored | delivered | acknowl. | dispatched | ended | 90 s |
|---|---|---|---|---|---|---|---|
| off | pressed | stored | delivered | acknowl. | dispatched | off | off |
| pressed | pressed | stored | delivered | acknowl. | dispatched | off | escalated |
| stored | pressed | stored | delivered | acknowl. | dispatched | off | escalated |
| delivered | pressed | delivered | delivered | acknowl. | dispatched | off | escalated |
| acknowledged | pressed | ack. | ack. | ack. | dispatched | off | ack. |
| dispatched | pressed | disp. | disp. | disp. | disp. | off | disp. |
| escalated | escalated | esc. | esc. | acknowl. | dispatched | off | esc. |

The 90 s run from the first press that nobody has acknowledged. In `pressed` only what
concerns the newest press counts; later the stages of any press of this call do. When it is
off nothing counts, but for calls of an earlier boot that the agent had stored: it tells their
stages again after the greeting, and the light is back.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Pin

OFF, PRESSED, STORED, DELIVERED, ACKNOWLEDGED, DISPATCHED, ESCALATED = range(7)
"""States."""
PRESS, ON_STORED, ON_DELIVERED, ON_ACKNOWLEDGED, ON_DISPATCHED, ON_ENDED, LATE = range(7)
"""Events; 1 to 5 are the stages of an Ack."""

TRANSITIONS = (
    (PRESSED, STORED, DELIVERED, ACKNOWLEDGED, DISPATCHED, OFF, OFF),
    (PRESSED, STORED, DELIVERED, ACKNOWLEDGED, DISPATCHED, OFF, ESCALATED),
    (PRESSED, STORED, DELIVERED, ACKNOWLEDGED, DISPATCHED, OFF, ESCALATED),
    (PRESSED, DELIVERED, DELIVERED, ACKNOWLEDGED, DISPATCHED, OFF, ESCALATED),
    (PRESSED, ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED, DISPATCHED, OFF, ACKNOWLEDGED),
    (PRESSED, DISPATCHED, DISPATCHED, DISPATCHED, DISPATCHED, OFF, DISPATCHED),
    (ESCALATED, ESCALATED, ESCALATED, ACKNOWLEDGED, DISPATCHED, OFF, ESCALATED),
)
"""New state for each state (row) and event (column)."""

ESCALATE_MS = 90_000

PATTERNS = (
    ((1000, 0, 0),),
    ((200, 1, 1), (200, 0, 0)),
    ((300, 1, 1), (500, 1, 0), (800, 0, 0)),
    ((100, 1, 1), (900, 1, 0), (1000, 0, 0), (1000, 1, 0), (1000, 0, 0)),
    ((100, 1, 1), (100, 1, 0), (100, 1, 1), (29_700, 1, 0)),
    ((100, 1, 1), (100, 1, 0), (100, 1, 1), (100, 1, 0), (100, 1, 1), (59_500, 1, 0)),
    ((400, 1, 1), (100, 0, 0)),
)
"""For each state what is repeated: (ms, light, buzzer)."""

_MAX_CALLS = 8


class LocalAlarm:
    """Drives the light and the buzzer. `tick` is called every 100 ms or so."""

    def __init__(self, light: "Pin", buzzer: "Pin") -> None:
        self._light = light
        self._buzzer = buzzer
        self.state = OFF
        self.calls: "list[tuple[bytes, int]]" = []
        """(boot id, seq) of each press of the open call, oldest first."""
        self._named = True
        self._late_ms = 0
        self._step = 0
        self._step_ends_ms = 0
        self._asked = [0, 0]
        self._asked_until_ms = [0, 0]

    def press(self, now_ms: int) -> None:
        """Light and sound at once; `name_call` says later which record it became."""
        if self.state in (ACKNOWLEDGED, DISPATCHED):
            self._late_ms = now_ms + ESCALATE_MS
        self._named = False
        self._change(PRESS, now_ms)

    def name_call(self, boot_id: bytes, seq: int) -> None:
        """Say which record the last press is, so that its acknowledgements count."""
        self._named = True
        self.calls.append((boot_id, seq))
        del self.calls[:-_MAX_CALLS]

    def acknowledge(self, boot_id: bytes, seq: int, stage: int, now_ms: int) -> None:
        """Take how far a record has come; other records than our calls are ignored."""
        call = (boot_id, seq)
        if call not in self.calls or stage < ON_STORED:
            return
        if self.state == PRESSED and not (self._named and call == self.calls[-1]):
            return
        self._change(min(stage, ON_ENDED), now_ms)

    def ask(self, output: int, level: int, until_ms: int) -> None:
        """Switch the light (0) or the buzzer (1) as the agent asks; a call goes before it."""
        self._asked[output] = level
        self._asked_until_ms[output] = until_ms

    def blink(self, until_ms: int) -> None:
        """Light up for a moment, unless the agent has asked for something."""
        if not self._asked[0]:
            self.ask(0, 1, until_ms)

    def tick(self, now_ms: int) -> None:
        """Go on in the pattern; escalate when it is time."""
        if self.state != OFF and now_ms >= self._late_ms:
            self._change(LATE, now_ms)
        if self.state == OFF:
            for output in (0, 1):
                if self._asked[output] and now_ms >= self._asked_until_ms[output]:
                    self._asked[output] = 0
            self._show(self._asked[0], self._asked[1])
        elif now_ms >= self._step_ends_ms:
            pattern = PATTERNS[self.state]
            self._step = (self._step + 1) % len(pattern)
            self._begin_step(now_ms)

    def _change(self, event: int, now_ms: int) -> None:
        state = TRANSITIONS[self.state][event]
        if state == self.state != OFF and event != PRESS:
            return
        if self.state == OFF:
            self._late_ms = now_ms + ESCALATE_MS
        self.state = state
        self._step = 0
        if state == OFF:
            self.calls = []
            self._show(0, 0)
        else:
            self._begin_step(now_ms)

    def _begin_step(self, now_ms: int) -> None:
        duration_ms, light, buzzer = PATTERNS[self.state][self._step]
        self._step_ends_ms = now_ms + duration_ms
        self._show(light, buzzer)

    def _show(self, light: int, buzzer: int) -> None:
        self._light.write(light)
        self._buzzer.write(buzzer)
