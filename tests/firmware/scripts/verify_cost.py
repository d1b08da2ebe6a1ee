"""What it costs to verify a signature: best time in us and bytes taken, one JSON line."""

import gc
import hashlib
import json
import sys
import time

from firmware.update.verify import is_signed, read_key

FOLDER, ROUNDS = sys.argv[1], 20

key = read_key(FOLDER)
with open(FOLDER + "/front", "rb") as file:
    front = file.read()
digest = hashlib.sha256(front[:-384]).digest()
signature = front[-384:]
best = 1 << 30
gc.collect()
gc.disable()
before = gc.mem_alloc()
good = is_signed(digest, signature, key)
taken = gc.mem_alloc() - before
gc.enable()
for _ in range(ROUNDS):
    began = time.ticks_us()
    good = good and is_signed(digest, signature, key)
    best = min(best, time.ticks_diff(time.ticks_us(), began))
print(json.dumps({"good": good, "us": best, "bytes": taken}))
