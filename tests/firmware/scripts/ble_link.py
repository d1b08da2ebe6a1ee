"""One `BleLink` on a board whose clock stands still: does what stdin says, tells what came of it."""

import json
import sys

from firmware.boards import host_bluetooth

host_bluetooth.path = sys.argv[1]
sys.modules["bluetooth"] = host_bluetooth

from firmware.boards.ble_link import BleLink


class Board:
    unit_id = "unit-0001"
    flash_root = sys.argv[2]
    now_ms = 0

    def ticks_ms(self):
        return self.now_ms & ((1 << 30) - 1)

    def unique_key(self):
        return bytes(range(32))


board = Board()
link = BleLink(board)
for line in sys.stdin:
    told = json.loads(line)
    board.now_ms += told.get("wait_ms", 0)
    result = None
    if told.get("pull"):
        host_bluetooth.BLE()._pull()
    if told["do"] == "open":
        result = link.open()
    elif told["do"] == "write":
        result = link.write(bytes.fromhex(told["data"]))
    elif told["do"] == "read":
        buffer = bytearray(told["size"])
        count = link.readinto(buffer)
        result = None if count is None else buffer[:count].hex()
    state = {"result": result, "ready": link.ioctl(3, 1), "overflows": link.overflows}
    print(json.dumps(dict(state, refused=link.refused)))
