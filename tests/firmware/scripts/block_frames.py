"""Fills one block from an array in all lengths; prints which frames are not those of Samples."""

import json
from array import array

from protocol.block import Block
from protocol.framing import encode_frame
from protocol.messages import Samples

CAPACITY, AXES = 32, 3

counts = array("h", bytes(2 * AXES * CAPACITY))
block = Block(1, 0, 10_000, 0.0073, AXES, CAPACITY)
frames, others = 0, []
for turn in range(4 * CAPACITY):
    count = 1 + 7 * turn % CAPACITY
    for place in range(len(counts)):
        counts[place] = (turn * 0x1235 + place * 0x3B41) % 0x10000 - 0x8000
    uptime_ms, index = (turn * 0x1C0DB1C0DB) % 2**48, turn * 0x4C0DB
    tag = b"\xc0\xdb\xdc\xdd1234" if turn % 3 == 0 else b""
    data = bytes(memoryview(counts)[: AXES * count])
    whole = Samples(1, 0, uptime_ms, index, 10_000, 0.0073, AXES, data).pack()
    block.fill(counts, count, uptime_ms, index)
    if block.frame(turn, block.pack(), tag) != encode_frame(Samples.TYPE, turn, whole, tag):
        others.append([turn, count])
    frames += 1
print(json.dumps({"frames": frames, "others": others}))
