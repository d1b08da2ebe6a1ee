"""Reads the sensor vectors with `protocol/sensors/`, on CPython and in the MicroPython VM alike.

Usage: `python vm_sensors.py sensors.json [damage]` with the repository on the module path. Prints
`ok` and how many checks were made, or `failed` and the vectors that were not right. With `damage`
every single bit of every frame that has a checksum is turned, and no frame may come of it.
"""

import binascii
import json
import sys

from protocol.errors import ProtocolError
from protocol.sensors import adc, gatt, hilink, ieee11073, imu, sip, tinyframe
from protocol.sensors.reading import Reading
from protocol.sensors.tinyframe_reports import PRODUCTS as TINYFRAMES

SUMMED = tuple(sip.PRODUCTS) + tuple(TINYFRAMES)


def parser_of(product):
    if product in sip.PRODUCTS:
        return sip.SipParser()
    if product in TINYFRAMES:
        return tinyframe.TinyFrameParser()
    return hilink.HiLinkParser() if product in hilink.PRODUCTS else None


def decode(product, frame):
    if product in sip.PRODUCTS:
        return sip.decode(frame)
    if product in TINYFRAMES:
        return tinyframe.decode(frame, product)
    return hilink.decode(frame, product)


def decode_value(vector, data):
    product = vector["product"]
    if product == "sfloat":
        return [Reading("number", ieee11073.sfloat(data, 0))]
    if product == "float":
        return [Reading("number", ieee11073.long_float(data, 0))]
    if product == "ads1115":
        return adc.decode_ads1115(data, vector["full_scale_v"])
    if product == "nau7802":
        return adc.decode_load_cell(data)
    if product == "max30102":
        return adc.decode_max30102(data)
    if product == "mpu6050":
        return imu.decode_mpu6050(data)
    return gatt.decode(int(product, 16), data)


def frames_of(product, data, size):
    parser = parser_of(product)
    frames = []
    for at in range(0, len(data), size):
        frames.extend(parser.feed(data[at : at + size]))
    frames.extend(parser.flush())
    return frames


def alike(found, wanted):
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(alike(*pair) for pair in zip(found, wanted))
    if wanted is None or isinstance(wanted, (bool, str)):
        return type(found) is type(wanted) and found == wanted
    return not isinstance(found, bool) and abs(found - wanted) <= 1e-6 * max(1e-3, abs(wanted))


def why_not(vector, readings):
    found = {(one.name, one.index): one for one in readings}
    for wanted in vector["means"]:
        reading = found.get((wanted["name"], wanted.get("index", -1)))
        if reading is None:
            return "has no " + wanted["name"]
        if not alike(reading.value, wanted["value"]):
            return "reads " + repr(reading)
    return None


def check(vector):
    data = binascii.unhexlify(vector["hex"])
    product = vector["product"]
    if parser_of(product) is None:
        try:
            return why_not(vector, decode_value(vector, data))
        except ProtocolError as error:
            return "is rejected: " + str(error)
    for size in (len(data), 1, 3, 20):
        frames = frames_of(product, data, size)
        if vector["kind"] == "negative":
            if frames:
                return "is taken"
            continue
        if len(frames) != 1:
            return f"gives {len(frames)} frames in slices of {size}"
        why = why_not(vector, decode(product, frames[0]))
        if why:
            return why
    return None


def check_damage(vector):
    if vector["product"] not in SUMMED:
        return None
    data = bytearray(binascii.unhexlify(vector["hex"]))
    if vector["kind"] == "negative":
        return None
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        if frames_of(vector["product"], bytes(data), len(data)):
            return f"gives a frame with bit {bit} turned"
        data[bit // 8] ^= 1 << bit % 8
    return None


def main():
    with open(sys.argv[1]) as file:
        vectors = json.load(file)["vectors"]
    function = check_damage if "damage" in sys.argv else check
    failed = []
    for number, vector in enumerate(vectors):
        why = function(vector)
        if why:
            failed.append(f"{number} {vector['product']} {vector['hex']} {why}")
    print("failed " + "; ".join(failed) if failed else f"ok {len(vectors)}")


if __name__ == "__main__":
    main()
