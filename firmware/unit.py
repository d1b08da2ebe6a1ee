"""What commands, self-test and update may reach of a unit."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from firmware.backlog import Backlog
    from firmware.boards.board import Board
    from firmware.drivers.contact import Button, Contact
    from firmware.drivers.cord import Cord
    from firmware.health import Health
    from firmware.impact_gate import ImpactGate
    from firmware.local_alarm import LocalAlarm
    from firmware.parts import Parts
    from firmware.room import Room
    from firmware.sampler import Sampler
    from firmware.settings import Settings
    from firmware.uplink import Uplink
    from firmware.uptime import Clock
    from protocol.messages import Hello

    class Unit(Protocol):
        """The parts that a command may reach."""

        board: Board
        clock: Clock
        settings: Settings
        alarm: LocalAlarm
        health: Health
        backlog: Backlog
        uplink: Uplink
        hello: Hello
        parts: Parts
        gate: ImpactGate | None
        samplers: dict[int, Sampler]
        contact: Contact | None
        contact_channel: int
        contact_input: Button | Cord | None
        room: Room | None

        def inventory(self) -> str:
            """Return what the unit is made of."""

        def note_inventory(self) -> None:
            """Let the next greeting tell the inventory of now."""
