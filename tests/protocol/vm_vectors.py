"""Reads the wire vectors with `protocol/`, on CPython and in the MicroPython VM alike.

Usage: `python vm_vectors.py wire.json` with the repository on the module path. Prints one
line: `ok` and how many checks were made, or `failed` and the vectors that were not right.
"""

import binascii
import json
import struct
import sys

from protocol import messages
from protocol.auth import LinkKey
from protocol.edge_session import EdgeSession
from protocol.errors import ProtocolError
from protocol.framing import Deframer, decode_body, encode_frame
from protocol.from_unit import FROM_UNIT
from protocol.unit_session import UnitSession

BYTES = ("boot_id", "nonce", "data", "argument")
FLOATS = ("scale", "value")
PARSERS = {}
for _table in (FROM_UNIT, messages.FROM_AGENT):
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
    unpack = PARSERS[getattr(messages, vector["message"]).TYPE]
    try:
        unpack(binascii.unhexlify(vector["payload"]))
    except ProtocolError as error:
        said = str(error)
        if said == vector["error"] or vector["error"] == "letter " == said[:7]:  # repr() differs
            return None
        return "says " + said
    return "is taken"


def tagger_of(vector):
    """Return a tagger of the vector's direction that has not tagged anything."""
    key = LinkKey(binascii.unhexlify(vector["key"]))
    if vector["direction"] == "hello":
        return key.hello
    if vector["direction"] == "knock":
        return key.knock
    boot_id = binascii.unhexlify(vector["boot_id"])
    unit_nonce = binascii.unhexlify(vector["unit_nonce"])
    hello = messages.Hello("", boot_id, vector["boot_count"], unit_nonce)
    agent_nonce = binascii.unhexlify(vector["agent_nonce"])
    make = key.up if vector["direction"] == "up" else key.down
    return make(hello, agent_nonce)


def receiver_of(vector):
    """Return a tagger that has taken the frames that came before."""
    sender, receiver = tagger_of(vector), tagger_of(vector)
    for sequence in vector["after"]:
        tag = sender.seal(0x1F, sequence, b"")
        (frame,) = Deframer().feed(encode_frame(0x1F, sequence, b"", tag))
        assert receiver.check(frame)
    return receiver


def check_tag(vector):
    sender = tagger_of(vector)
    for sequence in vector["after"]:
        sender.seal(0x1F, sequence, b"")
    payload = binascii.unhexlify(vector["payload"])
    line = binascii.unhexlify(vector["frame"])
    if vector["first"] == 0x11:  # what we send
        tag = sender.seal(vector["type"], vector["sequence"], payload)
        if tag != binascii.unhexlify(vector["tag"]):
            return "has another tag"
        if encode_frame(vector["type"], vector["sequence"], payload, tag) != line:
            return "encodes to other bytes"
    receiver = receiver_of(vector)
    (frame,) = Deframer().feed(line)
    if not receiver.check(frame):
        return "is refused"
    if receiver.check(frame) != (vector["direction"] in ("hello", "knock")):
        return "is taken twice"
    return None


def check_forged(vector):
    receiver = receiver_of(vector)
    (forged,) = Deframer().feed(binascii.unhexlify(vector["forged"]))
    (genuine,) = Deframer().feed(binascii.unhexlify(vector["genuine"]))
    if receiver.check(forged):
        return "is taken"
    return None if receiver.check(genuine) else "makes the genuine frame fail"


def check_nonce(vector):
    following = LinkKey(binascii.unhexlify(vector["key"])).next_nonce(
        binascii.unhexlify(vector["nonce"])
    )
    return None if following == binascii.unhexlify(vector["next"]) else "is followed by another"


def check_greeting(vector):
    """Play both ends; every byte that one says is the vector's."""
    key = binascii.unhexlify(vector["key"])
    unit = UnitSession(messages.Hello(**to_fields(vector["hello"])), key)
    agent = None
    for number, (what, at_ms, line) in enumerate(vector["steps"]):
        line = binascii.unhexlify(line)
        said = line
        if what == "unit starts":
            unit.start(at_ms)
        elif what == "agent starts":
            agent = EdgeSession(line, key)
        elif what == "unit sends":
            unit.send(messages.Status(at_ms))
        elif what == "unit says":
            said = unit.data_to_send()
            agent.receive_data(line, at_ms)
        else:
            said = agent.data_to_send()
            unit.receive_data(line, at_ms)
        if said != line:
            return "goes otherwise at step " + str(number)
    if (unit.state, agent.state) != ("online", "online") or unit.unverified:
        return "does not end online"
    return None


CHECKS = (
    ("messages", check_message),
    ("tolerated", check_tolerated),
    ("lines", check_line),
    ("refused", check_refused),
    ("tags", check_tag),
    ("forged", check_forged),
    ("nonces", check_nonce),
    ("greetings", check_greeting),
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
