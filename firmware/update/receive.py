# ruff: noqa: D102 (the calls of `Slots` are documented in slots.py)
"""Takes a bundle in pieces, in any number of attempts, and puts it on trial.

```
 begin ----> clear, a few files a call ----> front: head and signature --verified--> files
   |                                                                                  |
   +--- the same bundle again: goes on where the flash ends                           |
 finish ---> read back, a file a call; one that is not as signed is received anew ----+--> trial
```
Every answer that is DONE says in its text which byte of the bundle is wanted next, so that a
lost, repeated or late block does no harm: the sender goes on from there. GOING_ON asks for the
same command again. Each call is short, and holds at most `BUFFER` bytes of the bundle.

Where the bytes lie is the business of `Slots`: `FileSlots` keeps files; an image of the whole
flash would be a bundle of one file, and `length` what has been written to an `esp32.Partition`.
Its `set_boot` and `mark_app_valid_cancel_rollback` are a `State`'s `begin_trial`, `mark_valid`.
"""

import binascii
import sys

from protocol import bundle
from protocol.bundle import BundleError
from protocol.messages import ResultStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from firmware.update.state import State
    from protocol.bundle import About, Entry

    class Slots(Protocol):
        """Where versions lie (`FileSlots` says what each call does)."""

        @property
        def target(self) -> str: ...
        def coming(self) -> object: ...
        def clear(self) -> bool: ...
        def expect(self, name: str) -> None: ...
        def length(self, name: str) -> int: ...
        def append(self, name: str, piece: bytes | bytearray | memoryview) -> None: ...
        def remove(self, name: str) -> None: ...
        def about(self, name: str) -> About: ...
        def entries(self, name: str, about: About) -> Iterator[Entry]: ...
        def has_room(self, about: About) -> bool: ...
        def is_file_whole(self, name: str, entry: Entry) -> bool: ...


HEAD = "head"
BUFFER = 2048
"""The flash is written in pieces of this size: a block of it lasts some 10^5 times."""

_ID_LENGTH = 32
_MAX_FRONT = bundle.front_length(bundle.MAX_HEAD)


class Receiver:
    """One update, from the first byte to the trial."""

    def __init__(self, slots: "Slots", state: "State") -> None:
        self._slots = slots
        self._state = state
        self._name = ""
        self._front = 0
        self._about: "About | None" = None
        self._entries: "Iterator[Entry] | None" = None
        self._file = HEAD
        self._start = self._size = self._done = 0
        self._buffer = bytearray(BUFFER)
        self._held = 0
        self._checks: "Iterator[Entry] | None" = None
        self._checked = 0

    @property
    def next(self) -> int:
        """Return which byte of the bundle is wanted next."""
        return self._start + self._done + self._held

    def begin(self, identity: bytes, front: int) -> "tuple[int, str]":
        """Begin a bundle, or go on with it.

        Args:
            identity: SHA-256 of its first `front` bytes, which makes it known again.
            front: length of prefix, head and signature.
        """
        if len(identity) != _ID_LENGTH or not 0 < front <= _MAX_FRONT:
            return ResultStatus.REFUSED, "not the beginning of a bundle"
        name = str(binascii.hexlify(identity), "utf-8")
        if name == self._name:
            return ResultStatus.DONE, str(self.next)
        self._name = ""
        try:
            if self._slots.coming() != name:
                if not self._slots.clear():
                    return ResultStatus.GOING_ON, "making room"
                self._slots.expect(name)
        except OSError as error:
            return _flash_failed(error)
        self._front = front
        self._name = name
        return self._go_on()

    def block(self, offset: int, piece: bytes) -> "tuple[int, str]":
        """Take bytes of the bundle; those that are not wanted next are not looked at."""
        if not self._name:
            return ResultStatus.REFUSED, "no update has begun"
        if offset == self.next:
            try:
                self._take(memoryview(piece))
            except OSError as error:
                self._name = ""
                return _flash_failed(error)
            except BundleError as error:
                return self._drop(error)
        return ResultStatus.DONE, str(self.next)

    def finish(self, faulty: "list[str]") -> "tuple[int, str]":
        """Read back what was received, one file a call; then put it on trial.

        Args:
            faulty: the parts that are faulty now.
        """
        if not self._name or self._about is None:
            return ResultStatus.REFUSED, "no update has begun"
        if self._file:
            return ResultStatus.DONE, str(self.next)
        slots = self._slots
        try:
            if self._checks is None:
                self._checked = self._front
                self._checks = slots.entries(slots.target, self._about)
            for entry in self._checks:
                if not slots.is_file_whole(slots.target, entry):
                    slots.remove(entry.name)
                    return self._go_on()
                self._checked += entry.size
                return ResultStatus.GOING_ON, str(self._checked)
            self._state.begin_trial(slots.target, self._about.build, faulty)
        except OSError as error:
            self._name = ""
            return _flash_failed(error)
        self._name = ""
        return ResultStatus.DONE, str(self._checked)

    def _go_on(self) -> "tuple[int, str]":
        """Find out from the flash what is there, and where to go on."""
        self._about = self._entries = self._checks = None
        self._held = 0
        self._file, self._start, self._size = HEAD, 0, self._front
        self._done = max(0, self._slots.length(HEAD))
        try:
            if self._done >= self._front:
                self._next_file()
        except OSError as error:
            self._name = ""
            return _flash_failed(error)
        except BundleError as error:
            return self._drop(error)
        return ResultStatus.DONE, str(self.next)

    def _take(self, piece: memoryview) -> None:
        """Keep bytes; write them when the buffer or their file is full."""
        at = 0
        while at < len(piece) and self._file:
            missing = self._size - self._done - self._held
            count = min(len(piece) - at, missing, BUFFER - self._held)
            self._buffer[self._held : self._held + count] = piece[at : at + count]
            self._held += count
            at += count
            if self._held == BUFFER or count == missing:
                held, self._held = self._held, 0
                self._slots.append(self._file, memoryview(self._buffer)[:held])
                self._done += held
            if count == missing:
                self._next_file()

    def _next_file(self) -> None:
        """Go to the first file that is not there in full; none when all are."""
        slots = self._slots
        if self._about is None:
            self._about = self._accept()
        if self._entries is None:
            self._entries = slots.entries(slots.target, self._about)
            self._start, self._size = 0, self._front
        for entry in self._entries:
            self._start, self._size = self._start + self._size, entry.size
            self._done = max(0, slots.length(entry.name))
            if self._done > entry.size:
                slots.remove(entry.name)
                self._done = 0
            if self._done < entry.size:
                self._file = entry.name
                return
        self._file = ""
        self._start, self._done = self._start + self._size, 0

    def _accept(self) -> "About":
        """Return what the front says, when all of it may come in.

        Raises:
            BundleError: it may not.
        """
        slots = self._slots
        about = slots.about(slots.target)
        least = self._state.least_build
        if about.build < least:
            raise BundleError("build %d is below %d" % (about.build, least))
        if sys.platform not in about.boards:
            raise BundleError("not for %s" % sys.platform)
        bytecode = "mpy%d" % (getattr(sys.implementation, "_mpy", 0) & 0xFF)
        if about.code not in ("py", bytecode):
            raise BundleError("%s is not %s" % (about.code, bytecode))
        if not slots.has_room(about):
            raise BundleError("the flash has no room for it")
        return about

    def _drop(self, error: BundleError) -> "tuple[int, str]":
        """Refuse the bundle; what has come of it is removed when the next one begins."""
        self._name = ""
        self._slots.remove(HEAD)
        return ResultStatus.REFUSED, str(error)


def _flash_failed(error: OSError) -> "tuple[int, str]":
    return ResultStatus.FAILED, "flash: %r" % error
