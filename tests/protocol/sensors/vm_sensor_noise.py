"""Feeds noise to the sensor parsers and times what they read, on CPython and in the VM.

Usage: `python vm_sensor_noise.py sensors.json MEGABYTES`, with the repository on the module path.
Prints a line a framing: its name, frames that noise gave, headers rejected, bytes held at most,
microseconds to cut a frame and to decode it, bytes allocated for both.
"""

import binascii
import gc
import hashlib
import json
import struct
import sys
import time

from protocol.sensors import hilink, sip, tinyframe
from protocol.sensors.tinyframe_reports import PRODUCTS as TINYFRAMES

MICROPYTHON = sys.implementation.name == "micropython"
ROUNDS = 50
FRAMINGS = (
    ("sip", sip.SipParser, tuple(sip.PRODUCTS)),
    ("tinyframe", tinyframe.TinyFrameParser, tuple(TINYFRAMES)),
    ("hilink", hilink.HiLinkParser, tuple(hilink.PRODUCTS)),
)


def ticks_us():
    return time.ticks_us() if MICROPYTHON else int(time.perf_counter() * 1e6)


def decode(product, frame):
    if product in sip.PRODUCTS:
        return sip.decode(frame)
    if product in TINYFRAMES:
        return tinyframe.decode(frame, product)
    return hilink.decode(frame, product)


def noise(header, number):
    """Return 300 bytes from a counter, three beginnings of frames among them."""
    parts = []
    for index in range(9):
        if index % 3 == 0:
            parts.append(header)
        parts.append(hashlib.sha256(struct.pack("<II", number, index)).digest())
    return b"".join(parts)


def feed_noise(parser, megabytes):
    frames = 0
    held = 0
    for number in range(int(megabytes * 1e6) // 300):
        frames += len(parser.feed(noise(parser.HEADERS[number % len(parser.HEADERS)], number)))
        held = max(held, len(parser._rest))
    return frames, held


def fastest(calls):
    """Return the mean microseconds of a call in the fastest of the rounds."""
    best = None
    for _ in range(ROUNDS):
        gc.collect()
        began = ticks_us()
        for call in calls:
            call()
        took = ticks_us() - began
        best = took if best is None else min(best, took)
    return best / len(calls)


def main():
    with open(sys.argv[1]) as file:
        vectors = [one for one in json.load(file)["vectors"] if one["kind"] != "negative"]
    for name, parser_type, products in FRAMINGS:
        parser = parser_type()
        found, held = feed_noise(parser, float(sys.argv[2]))
        parser.flush()
        good = [
            (one["product"], binascii.unhexlify(one["hex"]))
            for one in vectors
            if one["product"] in products
        ]
        cut_us = fastest([lambda data=data, parser=parser: parser.feed(data) for _, data in good])
        whole = [(product, parser.feed(data)[0]) for product, data in good]
        decode_us = fastest([lambda one=one: decode(*one) for one in whole])
        allocated = -1
        if MICROPYTHON:
            gc.collect()
            gc.disable()
            before = gc.mem_alloc()
            for product, data in good:
                decode(product, parser.feed(data)[0])
            allocated = (gc.mem_alloc() - before) // len(good)
            gc.enable()
        print(name, found, parser.rejected, held, f"{cut_us:.1f} {decode_us:.1f}", allocated)


if __name__ == "__main__":
    main()
