"""The unit's own parts, as the settings name them, and where their findings go.

```
 sources -> sampler --+--> uplink (samples, best effort)
                      +--> impact gate -> backlog
 contact -> calls (app.py)        a part that fails or is back -> backlog
```
The radar and the digital inputs are in `room.py`.
"""

from firmware import profile, setting_names
from firmware.drivers.contact import Contact
from protocol.messages import EventKind, StatusFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

    from firmware.backlog import Backlog, Record
    from firmware.battery import Battery
    from firmware.boards.board import Board
    from firmware.drivers.contact import Button
    from firmware.drivers.cord import Cord
    from firmware.drivers.hx711 import Hx711
    from firmware.drivers.nau7802 import Nau7802
    from firmware.health import Health
    from firmware.impact_gate import ImpactGate
    from firmware.sampler import Sampler, Source
    from firmware.settings import Settings
    from firmware.uplink import Uplink
    from firmware.uptime import Clock
    from firmware.worn import Worn
    from protocol.messages import Status

_SAMPLER_LIMIT_MS = 10_000


class Parts:
    """Samplers, the impact gate, the call contact and the battery of one unit.

    Args:
        changed: called with the state before, the state and the uptime when the contact has
            changed.
        is_safe: set up no sensor, and tell each as in fault.
    """

    def __init__(
        self,
        board: "Board",
        chosen: "Settings",
        clock: "Clock",
        backlog: "Backlog",
        uplink: "Uplink",
        changed: "Callable[[int, int, int], None]",
        is_safe: bool = False,
    ) -> None:
        self._clock = clock
        self._backlog = backlog
        self._uplink = uplink
        self._early: "Record | None" = None
        self._load: "Nau7802 | Hx711 | None" = None
        self.flags = 0
        """Status flags of parts that the board has not."""
        self.gate: "ImpactGate | None" = None
        self.samplers: "dict[int, Sampler]" = {}
        self.contact: "Contact | None" = None
        self.contact_channel = profile.contact_channel(chosen)
        self.contact_input: "Button | Cord | None" = None
        self.battery: "Battery | None" = None
        self.worn: "Worn | None" = None
        for channel in profile.source_channels(chosen):
            if is_safe:
                self._tell(channel, True)
            else:
                self._add_source(channel, board, chosen)
        if profile.has_contact(chosen):
            self._add_contact(board, chosen, changed)
        if chosen.whole("battery_full_mv"):
            self._add_battery(board, chosen)

    def start(self, health: "Health") -> None:
        """Start a task for each sampler."""
        for channel, sampler in self.samplers.items():
            name = "sampler " + profile.NAMES[channel]
            health.keep(name, sampler.run, sampler, _SAMPLER_LIMIT_MS)

    def poll(self, now_ms: int) -> None:
        """Look at the contact, the battery and the strap."""
        if self.contact is not None:
            self.contact.poll(now_ms)
        told = self.battery is not None and self.battery.poll(now_ms)
        if self.worn is not None and self.worn.poll(now_ms):
            told = True
        if told:
            self._uplink.pump()

    def apply(self, chosen: "Settings") -> None:
        """Take what may be changed over the link."""
        if self._load is not None:
            self._load.set_scale(chosen.whole("load_zero"), chosen.number("load_kg_per_count"))
        if self.contact_channel == profile.CORD and self.contact_input is not None:
            from firmware.drivers.cord import Cord

            assert isinstance(self.contact_input, Cord)
            self.contact_input.set_limits(
                chosen.number("cord_short_below"),
                chosen.number("cord_pressed_below"),
                chosen.number("cord_idle_below"),
            )
        if self.battery is not None:
            self.battery.low_mv = chosen.whole("battery_low_mv")
        if self.worn is not None:
            self.worn.still_min = chosen.whole("still_min")

    def report(self, status: "Status") -> None:
        """Add how the parts are to a Status."""
        for sampler in self.samplers.values():
            status.overruns += sampler.lost
            if sampler.faulty:
                status.flags |= StatusFlag.SENSOR
        if self.battery is not None:
            status.battery_mv = self.battery.mv
            if self.battery.is_low:
                status.flags |= StatusFlag.BATTERY
        if self.worn is not None and not self.worn.is_worn:
            status.flags |= StatusFlag.NOT_WORN

    def _add_source(self, channel: int, board: "Board", chosen: "Settings") -> None:
        from firmware import making

        source: "Source"
        try:
            if channel == profile.ACC:
                source = acc = making.make_accelerometer(board, chosen)
                self._add_gate(acc.period_ms, acc.g_per_digit, chosen)
                if chosen.text("profile") == setting_names.PENDANT:
                    self._add_worn(acc.g_per_digit, board, chosen)
            elif channel == profile.LOAD:
                source = self._load = making.make_load(board, chosen)
            else:
                source = making.make_strip(board, chosen)
        except OSError:
            self._tell(channel, True)
            return
        self.samplers[channel] = self._make_sampler(channel, source)

    def _add_gate(self, period_ms: int, g_per_digit: float, chosen: "Settings") -> None:
        from firmware.impact_gate import ImpactGate

        limit_g = chosen.number("impact_limit_g")
        self.gate = ImpactGate(period_ms, g_per_digit, limit_g, self._keep_impact)

    def _add_worn(self, g_per_digit: float, board: "Board", chosen: "Settings") -> None:
        how = chosen.text("worn")
        if how == setting_names.NONE:
            return
        from firmware.worn import Worn

        try:
            strap = board.pin("strap") if how == setting_names.STRAP else None
        except OSError:
            self.flags |= StatusFlag.SETTINGS
            return
        still_min = chosen.whole("still_min")
        self.worn = Worn(profile.ACC, g_per_digit, still_min, strap, self._backlog)

    def _add_battery(self, board: "Board", chosen: "Settings") -> None:
        from firmware.battery import Battery

        full_mv, low_mv = chosen.whole("battery_full_mv"), chosen.whole("battery_low_mv")
        try:
            self.battery = Battery(board.adc("battery"), full_mv, low_mv, self._backlog)
        except OSError:
            self.flags |= StatusFlag.SETTINGS

    def _add_contact(
        self, board: "Board", chosen: "Settings", changed: "Callable[[int, int, int], None]"
    ) -> None:
        from firmware import making

        try:
            self.contact_input = making.make_contact(self.contact_channel, board, chosen)
            debounce_ms = chosen.whole("debounce_ms")
            self.contact = Contact(board, self.contact_input.read, debounce_ms, changed)
        except OSError:
            self._tell(self.contact_channel, True)

    def _make_sampler(self, channel: int, source: "Source") -> "Sampler":
        from firmware.sampler import Sampler
        from protocol.block import Block

        uplink = self._uplink
        worn = self.worn if channel == profile.ACC else None
        block = Block(
            profile.QUANTITIES[channel],
            channel,
            1000 * source.period_ms,
            source.scale,
            source.axes,
            source.capacity,
        )

        def emit(counts: "array[int]", count: int, first_ms: int, index: int) -> None:
            if worn is not None:
                worn.feed(counts, first_ms)
            if uplink.wants_samples():
                block.fill(counts, count, first_ms, index)
                uplink.send(block)

        def tell(faulty: bool) -> None:
            self._tell(channel, faulty)
            uplink.pump()

        tap = self.gate if channel == profile.ACC else None
        return Sampler(source, self._clock, emit, tell, tap)

    def _tell(self, channel: int, faulty: bool) -> None:
        kind = EventKind.SENSOR_FAULT if faulty else EventKind.SENSOR_RESTORED
        self._backlog.add_event(kind, channel, profile.QUANTITIES[channel])

    def _keep_impact(
        self,
        first_ms: int,
        trigger_ms: int,
        peak_mg: int,
        pieces: "list[memoryview]",
        whole: bool,
    ) -> None:
        source = self.samplers[profile.ACC].source
        record = self._backlog.add_impact(
            profile.ACC,
            first_ms,
            trigger_ms,
            1000 * source.period_ms,
            source.scale,
            source.axes,
            pieces,
            peak_mg,
            not whole,
            self._early,
        )
        self._early = None if whole else record
        if whole:
            self._uplink.pump()
