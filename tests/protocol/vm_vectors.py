"""Reads the wire vectors with `protocol/`, on CPython and in the MicroPython VM alike.

Usage: `python vm_vectors.py wire.json` with the repository on the module path. Prints one
line: `ok` and how many checks were made, or `failed` and the vectors that were not right.
"""

import binascii
import json
import struct
import sys

from protocol import messages
from protocol.errors import ProtocolError
from protocol.framing import Deframer, decode_body, encode_frame

BYTES = ("boot_id", "nonce", "data", "argument")
FLOATS = ("scale", "value")
PARSERS = {}
for _table in (messages.FROM_UNIT, messages.FROM_AGENT):
    for _type in _table:
        PARSERS[_type] = _table[_type]


def to_fields(fields):
    """Return a vector's fields as the message's class takes them."""
    taken = {}
    for name in fields:
        value = fields[name]
        taken[name] = binascii.unhexlify(value) if name in BYTES else value
    return taken


def alike(name, found, wanted):
    if name in FLOATS and isinstance(wanted, float):  # binary32 on the wire, binary64 here
        return struct.pack("<f", found) == struct.pack("<f", wanted)
    return type(found) is type(wanted) and found == wanted


def differs(message, fields):
    for name in fields:
        if not alike(name, getattr(message, name), fields[name]):
            return name
    return None


def check_message(vector):
    fields = to_fields(vector["fields"])
    line = binascii.unhexlify(vector["frame"])
    message = getattr(messages, vector["message"])(**fields)
    tag = binascii.unhexlify(vector["tag"])
    if encode_frame(message.TYPE, vector["sequence"], message.pack(), tag) != line:
        return "encodes to other bytes"
    (frame,) = Deframer().feed(line)
    if (frame.type, frame.sequence, frame.tag) != (vector["type"], vector["sequence"], tag):
        return "decodes to another frame"
    again = PARSERS[frame.type](frame.payload)
    name = differs(again, fields)
    if name:
        return "decodes to another " + name
    if again != message or hash(again) != hash(message) or not repr(again):
        return "decodes to a message that is not equal"
    return None


def check_tolerated(vector):
    (frame,) = Deframer().feed(binascii.unhexlify(vector["frame"]))
    message = PARSERS[frame.type](frame.payload)
    name = differs(message, to_fields(vector["fields"]))
    return "decodes to another " + name if name else None


def check_line(vector):
    line = binascii.unhexlify(vector["line"])
    for size in (len(line), 1, 7):
        deframer = Deframer()
        frames = []
        for at in range(0, len(line), size):
            for frame in deframer.feed(line[at : at + size]):
                payload = str(binascii.hexlify(frame.payload), "ascii")
                frames.append([frame.type, frame.sequence, payload])
        if frames != vector["frames"]:
            return "gives other frames in slices of " + str(size)
        if (deframer.rejected, deframer.skipped) != (vector["rejected"], vector["skipped"]):
            return "counts otherwise in slices of " + str(size)
    if "error" not in vector:
        return None
    for stretch in line.split(b"\xc0"):
        if stretch:
            try:
                decode_body(stretch)
            except ProtocolError as error:
                return None if str(error) == vector["error"] else "says " + str(error)
    return "is not refused"


def check_refused(vector):
    if vector.get("strict") and sys.implementation.name == "micropython":
        return None  # its decoder takes these forms, and a unit may
    unpack = getattr(messages, vector["message"]).unpack
    try:
        unpack(binascii.unhexlify(vector["payload"]))
    except ProtocolError as error:
        said = str(error)
        if said == vector["error"] or vector["error"] == "letter " == said[:7]:  # repr() differs
            return None
        return "says " + said
    return "is taken"


CHECKS = (
    ("messages", check_message),
    ("tolerated", check_tolerated),
    ("lines", check_line),
    ("refused", check_refused),
)


def main():
    with open(sys.argv[1]) as file:
        vectors = json.load(file)
    failed = []
    count = 0
    for section, check in CHECKS:
        for vector in vectors[section]:
            count += 1
            why = check(vector)
            if why:
                failed.append(section + "/" + vector["name"] + ": " + why)
    print("failed " + "; ".join(failed) if failed else "ok " + str(count))


if __name__ == "__main__":
    main()
