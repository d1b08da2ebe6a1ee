"""Cuts the power at every write to a littlefs flash in the middle of an update.

The flash is an array of blocks under the real VfsLfs2; at the chosen program or erase of a
block the power goes: before it, half way through it, or just after it. Then the unit boots, as
often as it takes, and the update goes on. Prints one JSON line for each cut; other lines are
the garbage collector's, about the dead program's open files.
"""

import json
import os
import sys

import vfs

from firmware import flash
from firmware.update import state as update_state
from firmware.update.receive import Receiver
from firmware.update.slots import FileSlots
from firmware.update.state import State

FOLDER, FIRST, STEP, WHEN = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ROOT = "/lfs"
BLOCK = 4096
BLOCKS = 100
ERASED = b"\xff" * BLOCK
RECORD = ROOT + "/backlog/00000001.rec"
PIECE = 800


class Cut(BaseException):
    """The power is gone."""


class Device:
    """A flash whose power goes at its `left`-th write, and stays away."""

    def __init__(self, content, left=-1):
        self.content = content
        self.left = left
        self.writes = 0

    def readblocks(self, block, buf, offset=0):
        start = block * BLOCK + offset
        buf[:] = memoryview(self.content)[start : start + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        self.change(block * BLOCK + offset, buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.change(argument * BLOCK, ERASED)
        return 0

    def change(self, start, data):
        if self.left == 0:
            raise Cut
        self.writes += 1
        self.left -= 1
        length = len(data)
        if self.left == 0:
            length = {"before": 0, "half": length // 2, "after": length}[WHEN]
        self.content[start : start + length] = bytes(data[:length])
        if self.left == 0:
            raise Cut


class Bundle:
    def __init__(self, name):
        with open(FOLDER + "/" + name + ".bundle", "rb") as file:
            self.content = file.read()
        with open(FOLDER + "/" + name + ".json") as file:
            row = json.load(file)
        self.build = row["build"]
        self.front = row["front"]
        self.identity = bytes.fromhex(row["identity"])


def mount(device):
    if ROOT[1:] in os.listdir("/"):
        vfs.umount(ROOT)
    vfs.mount(vfs.VfsLfs2(device, readsize=32, progsize=32, lookahead=32), ROOT)


def boot():
    """Return the state and the slot that a boot would run, after its look at all files."""
    state = State(ROOT)
    slot = FileSlots(ROOT, state).choose()
    module = state.path(slot) + "/x.py" if slot else ""
    state = State(ROOT, module)
    update_state.BUILD = FileSlots(ROOT, state).about(slot).build if slot else 1
    return state, slot


def receive(bundle, state):
    """Send what is missing and put it on trial."""
    receiver = Receiver(FileSlots(ROOT, state), state)
    status, text = 4, ""
    while status == 4:
        status, text = receiver.begin(bundle.identity, bundle.front)
    begun = int(text)
    while not state.trial:
        assert status in (0, 4), text
        if status == 0 and int(text) < len(bundle.content):
            at = int(text)
            status, text = receiver.block(at, bundle.content[at : at + PIECE])
        else:
            status, text = receiver.finish([])
    return begun


def update(bundle):
    """Do the whole of an update from a boot on; return what it came upon."""
    state, slot = boot()
    begun = -1
    if not state.on_trial and bundle.build != update_state.BUILD:
        begun = receive(bundle, state)
        state, slot = boot()
    if state.on_trial:
        state.mark_valid()
    return begun, slot


def main():
    old, new = Bundle("old"), Bundle("new")
    device = Device(bytearray(BLOCK * BLOCKS))
    vfs.VfsLfs2.mkfs(device, readsize=32, progsize=32, lookahead=32)
    mount(device)
    flash.write_checked(ROOT + "/settings.json", "{}")
    with open(FOLDER + "/update.key") as file:
        key = file.read().encode()
    flash.write_file(ROOT + "/update.key", (key,), len(key))
    flash.make_folder(ROOT + "/backlog")
    flash.write_file(RECORD, (b"a call",), 6)
    update(old)
    before = bytes(device.content)
    at = FIRST
    while True:
        device = Device(bytearray(before), at)
        mount(device)
        cut = False
        try:
            update(new)
        except Cut:
            cut = True
        device.forgotten = True
        writes = device.writes
        mount(Device(device.content))
        state, slot = boot()
        ran = update_state.BUILD
        on_trial = state.on_trial
        begun, _ = update(new)
        state, slot = boot()
        with open(RECORD, "rb") as file:
            record = str(file.read(), "utf-8")
        print(json.dumps({
            "at": at, "cut": cut, "writes": writes, "ran": ran, "trial": on_trial, "begun": begun,
            "last": update_state.BUILD, "good": state.good == slot, "failed": state.failed,
            "record": record, "loose": [name for name in os.listdir(ROOT) if ".tmp" in name],
        }))  # fmt: skip
        if not cut:
            break
        at += STEP


main()
