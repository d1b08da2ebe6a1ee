"""What watches a room: the radar and the digital inputs that the settings name.

```
 radar  -> radar_watch.py -> local alarm, backlog, uplink
 inputs -> Reading ---------------------------> uplink
```
`making.py` makes them.
"""

from firmware import profile, setting_names
from protocol import quantity_codes
from protocol.messages import EventKind, Reading, StatusFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.backlog import Backlog
    from firmware.boards.board import Board
    from firmware.drivers.inputs import Input, Inputs
    from firmware.drivers.radar_line import Radar
    from firmware.health import Health
    from firmware.local_alarm import LocalAlarm
    from firmware.radar_watch import RadarWatch
    from firmware.settings import Settings
    from firmware.uplink import Uplink
    from firmware.uptime import Clock
    from protocol.messages import Status

_RADAR_LIMIT_MS = 10_000


class Room:
    """The radar and the inputs of one unit; it may have neither.

    Args:
        renamed: called when the radar has told its version.
        is_safe: leave the radar alone, and tell it as in fault.
    """

    def __init__(
        self,
        board: "Board",
        chosen: "Settings",
        clock: "Clock",
        alarm: "LocalAlarm",
        backlog: "Backlog",
        uplink: "Uplink",
        renamed: "Callable[[], None]",
        is_safe: bool = False,
    ) -> None:
        self._uplink = uplink
        self._backlog = backlog
        self._watch: "RadarWatch | None" = None
        self.radar: "Radar | None" = None
        self.inputs: "list[Input]" = []
        self._reader: "Inputs | None" = None
        if chosen.text("radar") != setting_names.NONE:
            try:
                if is_safe:
                    raise OSError
                from firmware import making
                from firmware.radar_watch import RadarWatch

                watch = RadarWatch(alarm, backlog, uplink, renamed)
                watch.radar = self.radar = making.make_radar(board, chosen, clock, watch)
                self._watch = watch
            except OSError:
                backlog.add_event(EventKind.SENSOR_FAULT, profile.RADAR, quantity_codes.RADAR_TRACK)
        self._make_inputs(board, chosen)

    def start(self, health: "Health") -> None:
        """Start the radar's task."""
        if self.radar is not None:
            health.keep("radar", self.radar.run, self.radar, _RADAR_LIMIT_MS)

    def poll(self, now_ms: int) -> None:
        """Work on what the inputs' timer has read."""
        if self._reader is not None:
            self._reader.poll(now_ms)

    def tell_again(self) -> None:
        """Let every state be told at once: the agent has only now begun to listen."""
        if self._watch is not None:
            self._watch.tell_again()
        for one in self.inputs:
            one.tell_again()

    def parts(self) -> "list[list[object]]":
        """Return rows of the inventory; a radar's has its firmware behind, empty until told."""
        rows: "list[list[object]]" = []
        if self.radar is not None:
            module = self.radar.module
            rate_hz = 1000 // module.track_ms if module.track_ms else 0
            name = profile.NAMES[profile.RADAR]
            rows.append([profile.RADAR, name, module.product, rate_hz, module.firmware])
        for one in self.inputs:
            rows.append([one.channel, one.kind, "input", 0])
        return rows

    def report(self, status: "Status") -> None:
        """Add how the radar is to a Status."""
        if self.radar is not None:
            status.overruns += self.radar.lost
            if self.radar.faulty or self.radar.stuck:
                status.flags |= StatusFlag.SENSOR

    def _make_inputs(self, board: "Board", chosen: "Settings") -> None:
        from firmware import making

        debounce_ms = chosen.whole("debounce_ms")
        for channel, kind, level in chosen.inputs():
            try:
                one = making.make_input(channel, kind, level, board, debounce_ms)
            except OSError:
                self._backlog.add_event(EventKind.SENSOR_FAULT, channel, quantity_codes.CONTACT)
            else:
                self.inputs.append(one)
        if self.inputs:
            from firmware.drivers.inputs import Inputs

            self._reader = Inputs(board, self.inputs, self._tell_input)

    def _tell_input(self, one: "Input", at_ms: int) -> None:
        if self._uplink.online:
            self._uplink.send(Reading(one.quantity, one.channel, at_ms, float(one.told)))
