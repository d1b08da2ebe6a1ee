"""What the unit tells the agent of itself, and where what the agent says goes.

```
 LinkUp, TimeSync -> clock         told: states at every LinkUp, what was wrong once a boot,
 Ack ------------> calls                 Status every 15 s
 the rest -------> commands -> Result
```
"""

from firmware.local_alarm import OFF
from protocol import quantity_codes
from protocol.messages import Ack, Command, Configure, Inventory, Log, Reading, StatusFlag, TimeSync
from protocol.session import LinkUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from firmware.backlog import Backlog
    from firmware.button_test import ButtonTest
    from firmware.calls import Calls
    from firmware.drivers.contact import Contact
    from firmware.health import Health
    from firmware.local_alarm import LocalAlarm
    from firmware.parts import Parts
    from firmware.room import Room
    from firmware.safe_mode import SafeMode
    from firmware.settings import Settings
    from firmware.uplink import Uplink
    from firmware.uptime import Clock
    from protocol.messages import Result, Status

    class Answering(Protocol):
        """What carries out commands."""

        def answer(self, message: object) -> Result | None:
            """Do what a message asks."""

    class Unit(Protocol):
        """What is told of, and whom it is for."""

        alarm: LocalAlarm
        backlog: Backlog
        button_test: ButtonTest | None
        calls: Calls
        clock: Clock
        contact: Contact | None
        contact_channel: int
        health: Health
        parts: Parts
        room: Room | None
        safe_mode: SafeMode
        settings: Settings
        uplink: Uplink

        @property
        def commands(self) -> Answering:
            """Return what carries out commands."""

        def inventory(self) -> str:
            """Return what the unit is made of."""

        def note_inventory(self) -> None:
            """Let the next greeting tell the inventory of now."""


_WARNING = 30


class Talk:
    """The unit's side of the talk with its agent."""

    def __init__(self, unit: "Unit") -> None:
        self._unit = unit
        self._told_boot = False

    def take(self, event: object) -> None:
        """Take an event of the session."""
        unit = self._unit
        now_ms = unit.clock.now_ms()
        if isinstance(event, Ack):
            if unit.button_test is not None:
                unit.button_test.acknowledge(event)
            unit.calls.acknowledge(event)
        elif isinstance(event, TimeSync):
            unit.clock.learn_utc(event.utc_ms, event.quality)
        elif isinstance(event, LinkUp):
            unit.clock.learn_utc(event.welcome.utc_ms, event.welcome.quality)
            self._tell_boot()
            self.tell_contact(now_ms)
            if unit.room is not None:
                unit.room.tell_again()
        elif isinstance(event, (Command, Configure)):
            result = unit.commands.answer(event)
            if result is not None:
                unit.uplink.send(result)

    def tell_contact(self, at_ms: int) -> None:
        """Tell the state of the call contact."""
        unit = self._unit
        if unit.contact is not None and unit.uplink.online:
            state = float(unit.contact.state)
            code = quantity_codes.CONTACT
            unit.uplink.send(Reading(code, unit.contact_channel, at_ms, state))

    def tell_inventory(self) -> None:
        """Tell what the unit is made of, which has changed."""
        unit = self._unit
        unit.note_inventory()
        if unit.uplink.online:
            unit.uplink.send(Inventory(unit.inventory()))

    def report(self, status: "Status") -> None:
        """Fill in a Status and send it."""
        unit = self._unit
        if not unit.uplink.online:
            return
        status.dropped = unit.uplink.dropped
        status.rejected = unit.uplink.rejected
        status.backlog = len(unit.backlog)
        unit.parts.report(status)
        if unit.room is not None:
            unit.room.report(status)
        if unit.backlog.flash_errors or unit.backlog.damaged:
            status.flags |= StatusFlag.FLASH
        if unit.alarm.state != OFF:
            status.flags |= StatusFlag.ALARM
        unit.uplink.send(status)

    def _tell_boot(self) -> None:
        """Say once what was wrong at the start."""
        if self._told_boot:
            return
        self._told_boot = True
        unit = self._unit
        now_ms = unit.clock.now_ms()
        if unit.settings.complaint:
            text = "settings: %s (using %s)" % (unit.settings.complaint, unit.settings.origin)
            unit.uplink.send(Log(_WARNING, now_ms, text))
        if unit.safe_mode.is_on:
            text = "safe mode: no sensor is read, after failures one after the other"
            unit.uplink.send(Log(_WARNING, now_ms, text))
        if unit.health.last_words:
            text = "the last boot ended: %s" % unit.health.last_words
            unit.uplink.send(Log(_WARNING, now_ms, text))
            unit.health.forget_last_words()
