# ruff: noqa: D102 (the table says what each member is)
"""What a board gives to the firmware; one file for each kind of board.

| member | what |
|---|---|
| `unit_id` | name of the unit, `[A-Za-z0-9_-]{1,64}` |
| `flash_root` | folder on the flash that outlives power cuts (littlefs) |
| `ticks_ms()` | milliseconds, 30 bits, wrapping at 2^30 |
| `random(n)` | n random bytes |
| `unique_key()` | 32 secret bytes of this unit, for frame tags; empty when it has none |
| `reset_cause()` | number as in `machine.reset_cause()` |
| `reset()` | start anew; does not come back |
| `feed()` | feeds the hardware watchdog, which resets the unit after about 20 s without it |
| `i2c(name)` | `I2C`, raises OSError when the board has none of that name; likewise the next |
| `uart(name, baud)` | `Uart`, 8N1, that keeps `uart_buffer_bytes(baud)` until they are read |
| `adc(name)` | `Adc` |
| `pin(name)` | `Pin`; outputs are `light` and `buzzer`, low at the start, and where there is \
one `radar_power`, high at the start: the radar's supply |
| `paced(read, period_ms, depth)` | `Paced`: reads a part that has no FIFO of its own; the \
period is a multiple of 10 ms |
| `pulse(clock, data)` | a function that clocks a part once, high for less than 60 us, and \
returns the level of `data` after it; OSError when it took longer |
| `save_power()` | clock the processor down, for a unit on a battery |
| `link()` | `Link` to the agent |

A timer calls `read` of `paced` at its period and keeps the results, so that neither a
flash write nor a wait of the program makes a hole in the signal, and the program wakes up
once a block and not once a sample. `read` is short, allocates little, and returns an
int16; an OSError in it makes that read a lost one.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable
    from typing import Protocol

    Buffer = bytearray | memoryview | array[int]

    class I2C(Protocol):
        """The three calls of `machine.I2C` that drivers make. OSError: no answer."""

        def readfrom_mem_into(self, addr: int, memaddr: int, buf: Buffer) -> None:
            """Read `len(buf)` bytes from a register on."""

        def writeto_mem(self, addr: int, memaddr: int, buf: bytes) -> None:
            """Write bytes to a register."""

    class Uart(Protocol):
        """A serial line of a module."""

        def readinto(self, buf: Buffer) -> int | None:
            """Read what there is; never blocks."""

        def write(self, buf: bytes | memoryview) -> int | None:
            """Write, and return how many bytes were taken."""

    class Adc(Protocol):
        """An analogue input."""

        def read_u16(self) -> int:
            """Return the ratio to the supply, 0..65535."""

    class Pin(Protocol):
        """A digital input or output."""

        def read(self) -> int:
            """Return the level, 0 or 1."""

        def write(self, level: int) -> None:
            """Set the level of an output."""

    class Paced(Protocol):
        """What a timer has read since the last `take`."""

        @property
        def lost(self) -> int:
            """Return how many reads since the start failed or found the store full."""

        def take(self, out: array[int]) -> int:
            """Move the oldest results to `out`, return how many."""

    class Link(Protocol):
        """The line to the agent; asyncio can wait until it is readable.

        Two members more are a radio's, and may be missing (`uplink.py` asks):

        batch_bytes: what one packet takes. Samples and readings wait until so much is there or
            400 ms have gone, an event takes them along at once; and above twice as much unsent
            no block of samples is made. Missing or 0, a wire: everything is written at once.
        reopen_ms: how long to wait after `open` said False. Missing: a second. A radio that
            only looks whether somebody has connected is asked more often, so that a pendant
            is heard soon after its agent is back.
        """

        def open(self) -> bool:
            """Make sure that the line is open; False while it is away."""

        def readinto(self, buf: Buffer) -> int | None:
            """Read what there is, 0 or None when nothing; never blocks."""

        def write(self, buf: bytes | memoryview) -> int | None:
            """Write, and return how many bytes were taken; never blocks for long."""

    class Board(Protocol):
        """One unit's hardware."""

        unit_id: str
        flash_root: str

        def ticks_ms(self) -> int: ...
        def random(self, count: int) -> bytes: ...
        def unique_key(self) -> bytes: ...
        def reset_cause(self) -> int: ...
        def reset(self) -> None: ...
        def feed(self) -> None: ...
        def i2c(self, name: str) -> I2C: ...
        def uart(self, name: str, baud: int) -> Uart: ...
        def adc(self, name: str) -> Adc: ...
        def pin(self, name: str) -> Pin: ...
        def paced(self, read: Callable[[], int], period_ms: int, depth: int) -> Paced: ...
        def pulse(self, clock: str, data: str) -> Callable[[], int]: ...
        def save_power(self) -> None: ...
        def link(self) -> Link: ...


_UART_MS = 250
"""A full line fills the buffer in this time: longer than a block of the flash is erased."""
_UART_LEAST = 2048
_UART_MOST = 16_384


def uart_buffer_bytes(baud: int) -> int:
    """Return the size of a receive buffer: the 256 bytes of a bare ESP32 overrun in silence."""
    return max(_UART_LEAST, min(_UART_MOST, baud // 10 * _UART_MS // 1000))
