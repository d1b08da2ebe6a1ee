"""Two slots of files on the flash: what comes in, and whether it is whole.

```
 /slots/a, /slots/b     head (what was signed), part (which bundle comes in), firmware/, protocol/
 /slots.json, .bak      which of them runs: `state.py`
 the factory's copy     where main.py lies; never written; runs when nothing else is whole
```
A slot is run only while all of its files have the hashes that were signed: what a worn flash
has spoilt is not run, nor is what somebody wrote there.
"""

import binascii
import hashlib
import os

from firmware import flash
from firmware.update.state import FOLDER, MAX_TRIAL_BOOTS, SLOTS
from firmware.update.verify import is_signed, read_key
from protocol import bundle
from protocol.bundle import BundleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.update.state import State
    from protocol.bundle import About, Entry

_HEAD = "/head"
_PART = "/part"
_PIECE = 512
_REMOVED_AT_ONCE = 4
_IS_FOLDER = 0x4000
_BLOCK = 4096
_RESERVE = 98_304
"""Bytes of the flash that an update leaves to the backlog and the settings."""


class FileSlots:
    """The slots of a flash whose program is files."""

    def __init__(self, root: str, state: "State") -> None:
        self._root = root
        self._state = state
        self._key = read_key(root)

    def choose(self, refused: str = "") -> str:
        """Return the slot to run, empty for the factory's; counts the boots of a trial.

        Args:
            refused: a slot that was seen not to run.
        """
        state = self._state
        if state.trial:
            if state.boots >= MAX_TRIAL_BOOTS:
                state.take_back("%d boots failed" % state.boots)
            elif not self.is_whole(state.trial):
                state.take_back("damaged")
            else:
                try:
                    state.count_boot()
                except OSError:
                    pass
                else:
                    return state.trial
        if state.good and state.good != refused and self.is_whole(state.good):
            return state.good
        return ""

    def is_whole(self, slot: str) -> bool:
        """Return True when every file of a slot is as it was signed."""
        try:
            for entry in self.entries(slot, self.about(slot)):
                if not self.is_file_whole(slot, entry):
                    return False
        except (OSError, BundleError):
            return False
        return True

    def about(self, slot: str) -> "About":
        """Return what a slot's head says, after its signature.

        Raises:
            BundleError: it is not signed, or not as it must be.
            OSError: there is none.
        """
        path = self._state.path(slot) + _HEAD
        with open(path, "rb") as file:
            prefix = file.read(bundle.PREFIX_LENGTH)
            left = bundle.read_prefix(prefix)
            digest = hashlib.sha256(prefix)
            while left:
                piece = file.read(min(_PIECE, left))
                if not piece:
                    raise BundleError("cut short")
                digest.update(piece)
                left -= len(piece)
            signature = file.read(bundle.SIGNATURE_LENGTH + 1)
            if not is_signed(digest.digest(), signature, self._key):
                raise BundleError("the signature is not right")
        with open(path, "rb") as file:
            file.seek(bundle.PREFIX_LENGTH)
            return bundle.read_about(file.readline(bundle.MAX_LINE + 1))

    def entries(self, slot: str, about: "About") -> "Iterator[Entry]":
        """Yield the files that a slot should have.

        Raises:
            BundleError: a line of the head is not as it must be.
            OSError: the head cannot be read.
        """
        return bundle.read_entries(self._lines(slot), about.code)

    def is_file_whole(self, slot: str, entry: "Entry") -> bool:
        """Return True when a file on the flash has the hash that was signed."""
        try:
            digest = hashlib.sha256()
            with open(self._state.path(slot) + "/" + entry.name, "rb") as file:
                piece = file.read(_PIECE)
                while piece:
                    digest.update(piece)
                    piece = file.read(_PIECE)
        except OSError:
            return False
        return binascii.hexlify(digest.digest()) == entry.sha256.encode()

    # What comes in, always into `target`

    @property
    def target(self) -> str:
        """Return the slot that a bundle goes into; empty while both are in use."""
        state = self._state
        for slot in SLOTS:
            if slot not in (state.good, state.trial, state.running):
                return slot
        return ""

    def coming(self) -> object:
        """Return the name of the bundle that `target` holds a beginning of, or None."""
        return flash.read_checked(self._state.path(self.target) + _PART)

    def clear(self) -> bool:
        """Remove a few files of `target`; True when none is left. Short, so that all goes on.

        Raises:
            OSError: the flash is failing.
        """
        flash.make_folder(self._root + FOLDER)
        folder = self._state.path(self.target)
        flash.make_folder(folder)
        flash.remove_file(folder + _PART)  # first: what is left belongs to no bundle
        return _remove_some(folder, _REMOVED_AT_ONCE) > 0

    def expect(self, name: str) -> None:
        """Let the empty `target` hold the beginning of a bundle.

        Raises:
            OSError: the flash is full or failing.
        """
        flash.write_checked(self._state.path(self.target) + _PART, '"%s"' % name)

    def length(self, name: str) -> int:
        """Return how long a file of `target` is, -1 when it is not there."""
        try:
            return int(os.stat(self._state.path(self.target) + "/" + name)[6])
        except OSError:
            return -1

    def append(self, name: str, piece: "bytes | bytearray | memoryview") -> None:
        """Add to a file of `target`; it is on the flash when this returns.

        Raises:
            OSError: the flash is full or failing.
        """
        path = self._state.path(self.target)
        folders = name.split("/")
        for folder in folders[:-1]:
            path += "/" + folder
            flash.make_folder(path)
        with open(path + "/" + folders[-1], "ab") as file:
            if file.write(piece) != len(piece):
                raise OSError(28)  # ENOSPC

    def remove(self, name: str) -> None:
        """Remove a file of `target`, to be received anew."""
        flash.remove_file(self._state.path(self.target) + "/" + name)

    def has_room(self, about: "About") -> bool:
        """Return True when what is missing in `target` fits on the flash."""
        blocks = 0
        last = ""
        for entry in self.entries(self.target, about):
            if self.length(entry.name) < 0:
                blocks += (entry.size + _BLOCK - 1) // _BLOCK
            folder = entry.name.rsplit("/", 1)[0]
            if folder != last and self.length(folder) < 0:
                blocks += 2
            last = folder
        free = os.statvfs(self._root or "/")
        return int(free[0]) * int(free[3]) >= blocks * _BLOCK + _RESERVE

    def _lines(self, slot: str) -> "Iterator[bytes]":
        with open(self._state.path(slot) + _HEAD, "rb") as file:
            left = bundle.read_prefix(file.read(bundle.PREFIX_LENGTH))
            left -= len(file.readline(bundle.MAX_LINE + 1))
            while left > 0:
                line = file.readline(min(left, bundle.MAX_LINE + 1))
                if not line:
                    raise BundleError("cut short")
                left -= len(line)
                yield line


def _remove_some(folder: str, most: int) -> int:
    """Remove up to `most` files below a folder, return how many more could have been."""
    for name in os.listdir(folder):
        if most <= 0:
            break
        path = folder + "/" + name
        if os.stat(path)[0] & _IS_FOLDER:
            most = _remove_some(path, most)
            if most > 0:
                os.rmdir(path)
        else:
            os.remove(path)
        most -= 1
    return most
