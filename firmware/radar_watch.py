"""What a radar says, to the local alarm, events, readings and tracks.

```
 fall flag --> light and buzzer, then FALL_SEEN, FALL_OVER --> backlog --> uplink
 presence, motion, in bed --> Reading, on each change and every 15 s
 heart, breath --> Reading, once a second at most, while somebody is there and they are fresh
 targets --> RADAR_TRACK Samples
```
A state that ends is told after 2 s, a fall flag that ends after 5 s, so that one that flickers
is one. What begins is told at once.
"""

from array import array

from firmware.drivers.radar import AXES, MILLIMETRE
from firmware.drivers.radar_line import BEAT_MS
from firmware.sample_clock import SampleClock
from protocol import quantity_codes
from protocol.messages import EventKind, Reading, Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.backlog import Backlog
    from firmware.drivers.radar_line import Radar
    from firmware.local_alarm import LocalAlarm
    from firmware.uplink import Uplink

RADAR, MOTION, HEART, BREATH, BED = range(5, 10)
"""Channels: the module with its presence, events and tracks; its other readings."""

STATE_MS = 15_000
RATE_MS = 1_000
HOLD_MS = 2_000
FALL_HOLD_MS = 5_000
RATE_LASTS_MS = 10_000
_MAY_BE_OWED = 1


class _State:
    """A state that was told, and whether it is to be told now."""

    def __init__(self, code: int, channel: int) -> None:
        self.code = code
        self.channel = channel
        self.told = -1
        self._due_ms = 0
        self._was_ms = 0

    def is_due(self, state: int, now_ms: int) -> bool:
        """Return True when `told` is to be sent now."""
        if state < 0:
            self.told = -1
            return False
        if state == 1:
            self._was_ms = now_ms
        elif self.told == 1 and now_ms - self._was_ms < HOLD_MS:
            state = 1
        if state == self.told and now_ms < self._due_ms:
            return False
        self.told = state
        self._due_ms = now_ms + STATE_MS
        return True

    def tell_again(self) -> None:
        """Let it be told at once: somebody new listens."""
        self._due_ms = 0


class RadarWatch:
    """One radar's way to whom it concerns. `radar` is to be set before the first look."""

    radar: "Radar"

    def __init__(
        self,
        alarm: "LocalAlarm",
        backlog: "Backlog",
        uplink: "Uplink",
        renamed: "Callable[[], None]",
    ) -> None:
        self._alarm = alarm
        self._backlog = backlog
        self._uplink = uplink
        self._renamed = renamed
        self._untold: "list[tuple[int, int, int]]" = []
        self._fallen = 0
        self._over_ms = -1
        self._presence = _State(quantity_codes.PRESENCE, RADAR)
        self._motion = _State(quantity_codes.MOTION, MOTION)
        self._bed = _State(quantity_codes.PRESENCE, BED)
        self._rates_ms = [-RATE_MS, -RATE_MS]
        self._seen_ms = [-1, -1]
        self._times: "SampleClock | None" = None
        self._track_ms = -1
        self._owed = 0

    def tell_again(self) -> None:
        """Tell every state at the next look."""
        self._presence.tell_again()
        self._motion.tell_again()
        self._bed.tell_again()

    # Called by the radar

    def fall(self, code: int, now_ms: int) -> None:
        """Light and sound at once when the flag rises; note when it has fallen."""
        if not code:
            self._over_ms = now_ms + FALL_HOLD_MS if self._fallen else -1
            return
        self._over_ms = -1
        if not self._fallen:
            self._fallen = code
            self._alarm.press(now_ms)
            self._untold.append((EventKind.FALL_SEEN, code, now_ms))
            self._record()

    def condition(self, kind: int, value: int) -> None:
        """Record that the module is silent or frozen, or is back."""
        if kind in (EventKind.SENSOR_FAULT, EventKind.SENSOR_RESTORED):
            value = quantity_codes.RADAR_TRACK
        self._backlog.add_event(kind, RADAR, value)
        self._uplink.pump()

    def named(self) -> None:
        """Let the inventory tell the module's version."""
        self._renamed()

    def cut(self) -> None:
        """Note that the next track does not follow the last one."""
        if self._times is not None:
            self._times.restart()
        self._track_ms = -1

    def look(self, now_ms: int) -> None:
        """Tell what is new; once a beat."""
        if 0 <= self._over_ms <= now_ms:
            self._over_ms = -1
            self._untold.append((EventKind.FALL_OVER, self._fallen, now_ms - FALL_HOLD_MS))
            self._fallen = 0
        self._record()
        seen = self.radar.seen
        if seen.samples:
            self._tell_track(seen.tracks, seen.samples, now_ms)
        if not self._uplink.online:
            return
        for state, value in (
            (self._presence, seen.presence),
            (self._motion, seen.motion),
            (self._bed, seen.in_bed),
        ):
            if state.is_due(value, now_ms):
                self._send(state.code, state.channel, now_ms, state.told)
        if seen.presence == 1 and self.radar.is_fresh(now_ms):
            self._tell_rate(0, seen.heart_bpm, seen.heart_ms, now_ms)
            self._tell_rate(1, seen.breath_rpm, seen.breath_ms, now_ms)

    def _record(self) -> None:
        """Record what has not been recorded yet."""
        while self._untold:
            kind, code, at_ms = self._untold[0]
            record = self._backlog.add_event(kind, RADAR, code, at_ms)
            self._untold.pop(0)
            if kind == EventKind.FALL_SEEN:
                self._alarm.name_call(record.boot_id, record.seq)
            self._uplink.pump()

    def _tell_rate(self, which: int, value: float, at_ms: int, now_ms: int) -> None:
        is_new = at_ms > self._seen_ms[which] and now_ms - at_ms < RATE_LASTS_MS
        if value < 0 or not is_new or now_ms - self._rates_ms[which] < RATE_MS:
            return
        self._rates_ms[which] = now_ms
        self._seen_ms[which] = at_ms
        code = (quantity_codes.HEART_RATE, quantity_codes.RESPIRATION_RATE)[which]
        self._send(code, (HEART, BREATH)[which], at_ms, value)

    def _tell_track(self, tracks: "array[int]", count: int, now_ms: int) -> None:
        period_ms = self.radar.module.track_ms
        if self._times is None:
            self._times = SampleClock(period_ms)
        lost = self._count_lost(count, period_ms, now_ms)
        first_ms = self._times.stamp(count, lost, max(0, now_ms - BEAT_MS), now_ms)
        if not self._uplink.wants_samples():
            return
        try:
            data = bytes(memoryview(tracks)[: count * AXES])
        except MemoryError:
            self._uplink.dropped += 1
            return
        code = quantity_codes.RADAR_TRACK
        index = self._times.index
        block = Samples(code, RADAR, first_ms, index, 1000 * period_ms, MILLIMETRE, AXES, data)
        self._uplink.send(block)

    def _count_lost(self, count: int, period_ms: int, now_ms: int) -> int:
        """Return how many samples are missing before these.

        A report that comes about a beat's end is counted in this beat or the next: one that is
        owed is not lost yet.
        """
        if self._track_ms < 0:
            self._track_ms, self._owed = now_ms, 0
            return 0
        self._owed += (now_ms - self._track_ms + period_ms // 2) // period_ms - count
        self._track_ms = now_ms
        lost = max(0, self._owed - _MAY_BE_OWED)
        self._owed = max(-_MAY_BE_OWED, self._owed - lost)
        return lost

    def _send(self, code: int, channel: int, at_ms: int, value: float) -> None:
        self._uplink.send(Reading(code, channel, at_ms, float(value)))
