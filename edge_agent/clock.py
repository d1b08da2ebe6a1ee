"""The one door to time: monotonic seconds, UTC and how far UTC is to be trusted.

Nobody else in the agent calls `time` or `datetime.now`. Waiting goes through the event loop,
so that a virtual clock can hold it.
"""

import ctypes
import os
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from edge_agent import BUILD_DATE_S

TOLD_AHEAD_S = 10 * 365 * 86_400.0
"""No gateway was switched off for longer: a platform that says so is wrong."""

_TIME_ERROR = 5
"""Return value of adjtimex(2) while the kernel's clock is not synchronised."""
_TIMEX_BYTES = 512
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Quality(IntEnum):
    """How far UTC is to be trusted; the names go on topics, the numbers on the wire."""

    NONE = 0
    RTC = 1
    NTP = 2
    PLATFORM = 3

    @property
    def label(self) -> str:
        """Return the name used in messages."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of the clock.

    Attributes:
        monotonic_s: seconds that never go back and never jump.
        utc_s: UNIX seconds, as good as `quality` says.
        quality: how far `utc_s` is to be trusted.
    """

    monotonic_s: float
    utc_s: float
    quality: Quality

    def utc_of(self, monotonic_s: float) -> float:
        """Return the UTC that this reading gives to another monotonic time."""
        return self.utc_s + (monotonic_s - self.monotonic_s)


class Clock(Protocol):
    """What the agent needs of time and chance."""

    def now(self) -> Instant:
        """Return one reading."""
        ...

    def not_before(self, utc_s: float) -> None:
        """Take note of a time that is past for sure: UTC never lies before it."""
        ...

    def floor_s(self) -> float:
        """Return a UTC that is past for sure, however wrong the clock is."""
        ...

    def told(self, utc_s: float) -> bool:
        """Take a platform's time if nobody better vouches for UTC; return whether it was."""
        ...

    def host_boot(self) -> str:
        """Return a name of this boot of the host; monotonic times compare within one boot."""
        ...

    def random(self, count: int) -> bytes:
        """Return random bytes (from a seed in a simulation)."""
        ...

    def outside(self) -> AbstractContextManager[None]:
        """Mark work of the outside world in flight; virtual time stands still meanwhile."""
        ...


class SystemClock:
    """The host's clock, never before its floor.

    A Pi without a battery-backed clock may boot weeks in the past; until the kernel says
    that its clock is synchronised, UTC goes on from the floor (the later of the build date
    and the last stored time), or from what a platform told.
    """

    def __init__(self) -> None:
        self._floor_s: float = BUILD_DATE_S
        self._started_s = time.monotonic()
        self._told: tuple[float, float] | None = None
        self._adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)

    def now(self) -> Instant:
        """Return one reading."""
        monotonic_s = time.monotonic()
        utc_s = time.time()
        quality = self._quality(utc_s)
        if quality is Quality.NONE and self._told is not None:
            utc_s = self._told[1] + (monotonic_s - self._told[0])
            quality = Quality.PLATFORM
        elif quality is Quality.NONE:
            utc_s = max(utc_s, self._floor_s + (monotonic_s - self._started_s))
        return Instant(monotonic_s, utc_s, quality)

    def not_before(self, utc_s: float) -> None:
        """Raise the floor."""
        self._floor_s = max(self._floor_s, utc_s)

    def floor_s(self) -> float:
        """Return the later of the build date and the last stored time."""
        return self._floor_s

    def told(self, utc_s: float) -> bool:
        """Go on from a platform's time until the kernel's clock is synchronised.

        It lies between the floor and `TOLD_AHEAD_S` after it, or is not believed.
        """
        if self.now().quality not in (Quality.NONE, Quality.PLATFORM):
            return False
        if not self._floor_s <= utc_s <= self._floor_s + TOLD_AHEAD_S:
            return False
        self._told = time.monotonic(), utc_s
        return True

    def host_boot(self) -> str:
        """Return the kernel's boot id, or a new name where there is none."""
        try:
            return _BOOT_ID.read_text("ascii").strip()
        except OSError:
            return os.urandom(8).hex()

    def random(self, count: int) -> bytes:
        """Return random bytes of the kernel."""
        return os.urandom(count)

    def outside(self) -> AbstractContextManager[None]:
        """Do nothing: real time goes on."""
        return nullcontext()

    def _quality(self, utc_s: float) -> Quality:
        if utc_s < self._floor_s:
            return Quality.NONE
        if self._adjtimex is None:
            return Quality.RTC
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only read
        state = self._adjtimex(timex)
        if 0 <= state < _TIME_ERROR:
            return Quality.NTP
        return Quality.RTC if Path("/dev/rtc").exists() else Quality.NONE


def format_utc(utc_s: float) -> str:
    """Return RFC 3339 UTC with milliseconds and `Z`."""
    moment = datetime.fromtimestamp(round(utc_s * 1000) / 1000, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_utc(text: str) -> float:
    """Return the UNIX seconds of an RFC 3339 time.

    Raises:
        ValueError: it is none, or does not say which time zone it is of.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone: {text[:40]!r}")
    return moment.timestamp()


def parse_utc_form(text: str, form: str) -> float:
    """Return the UNIX seconds of a UTC time in a form of `strptime`.

    Raises:
        ValueError: it is not of that form.
    """
    return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()


def uuid7(utc_s: float, random: bytes) -> str:
    """Return a UUID of version 7 from a time and ten random bytes.

    Source: RFC 9562, "Universally Unique IDentifiers (UUIDs)", section 5.7.
    """
    value = int(utc_s * 1000) << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
