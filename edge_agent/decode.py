"""`anzhen decode`: what the bytes of a sensor mean, one JSON object a frame.

A frame is `{"offset", "bytes", "frame", "readings"}`; a stretch that is none is
`{"offset", "bytes", "rejected"}` with the reason, in the order of the bytes. Offsets count from
the first byte given. For an installer with a serial monitor, and for bug reports.
"""

import argparse
import json
import struct
from collections.abc import Callable, Iterator

from edge_agent.console import NO, OK, WRONG_INPUT, say, show
from protocol.errors import ProtocolError
from protocol.sensors import adc, gatt, hilink, imu, sip, ti_mmwave, tinyframe, tinyframe_reports
from protocol.sensors.parser import Frame, Parser
from protocol.sensors.reading import Reading

Row = dict[str, object]
Decode = Callable[[bytes], Iterator[Row]]


def run_decode(options: argparse.Namespace) -> int:
    """Print what `options.hex` means to `options.product`; a rejected byte makes the answer no."""
    decode = PRODUCTS.get(options.product.lower())
    if decode is None:
        return say(f"unknown product {options.product!r}; known: {' '.join(PRODUCTS)}", WRONG_INPUT)
    try:
        data = bytes.fromhex(" ".join(options.hex).replace(":", " "))
    except ValueError as error:
        return say(f"not hex: {error}", WRONG_INPUT)
    if not data:
        return say("no bytes", WRONG_INPUT)
    code = OK
    for row in decode(data):
        show(json.dumps(row, ensure_ascii=False))
        if "rejected" in row:
            code = NO
    return code


def _frame_row(offset: int, size: int, label: str, readings: list[Reading]) -> Row:
    rows = [reading.as_dict() for reading in readings]
    return {"offset": offset, "bytes": size, "frame": label, "readings": rows}


def _rejected_row(offset: int, size: int, why: str) -> Row:
    return {"offset": offset, "bytes": size, "rejected": why}


# -- serial modules ------------------------------------------------------------------------


def _stream(
    parser_type: type[Parser],
    label: Callable[[Frame], str],
    decode: Callable[[Frame], list[Reading]],
) -> Decode:
    """Return what decodes a serial stream: frames, and the stretches between them."""

    def rows(data: bytes) -> Iterator[Row]:
        reasons: dict[int, str] = {}
        parser = parser_type(reasons.setdefault)
        frames = parser.feed(data) + parser.flush()
        at = 0
        for frame in frames:
            yield from between(at, frame.offset, reasons)
            at = frame.end
            size = frame.end - frame.offset
            try:
                yield _frame_row(frame.offset, size, label(frame), decode(frame))
            except ProtocolError as error:
                yield _rejected_row(frame.offset, size, str(error))
        yield from between(at, len(data), reasons)

    def between(at: int, end: int, reasons: dict[int, str]) -> Iterator[Row]:
        first = min((offset for offset in reasons if at <= offset < end), default=end)
        if first > at:
            yield _rejected_row(at, first - at, "begins no frame")
        if end > first:
            yield _rejected_row(first, end - first, reasons[first])

    return rows


def _tinyframe(product: str) -> Decode:
    def decode(frame: Frame) -> list[Reading]:
        return tinyframe.decode(frame, product)

    return _stream(tinyframe.TinyFrameParser, lambda frame: f"{frame.kind:04x}", decode)


def _hilink(product: str) -> Decode:
    def decode(frame: Frame) -> list[Reading]:
        return hilink.decode(frame, product)

    return _stream(hilink.HiLinkParser, lambda frame: hilink.KINDS[frame.kind], decode)


def _ti(data: bytes) -> Iterator[Row]:
    at = 0
    while at < len(data):
        start = data.find(ti_mmwave.MAGIC, at)
        if start != at:
            end = len(data) if start < 0 else start
            yield _rejected_row(at, end - at, "begins no frame")
            at = end
            continue
        following = data.find(ti_mmwave.MAGIC, at + 1)
        end = len(data) if following < 0 else following
        if end - at >= 16:
            (length,) = struct.unpack_from("<I", data, at + 12)
            end = min(end, at + length) if length else end
        try:
            frame = ti_mmwave.decode_frame(data[at:end])
            yield _frame_row(at, end - at, str(frame.number), _ti_readings(frame))
        except ProtocolError as error:
            yield _rejected_row(at, end - at, str(error))
        at = end


def _ti_readings(frame: ti_mmwave.TiFrame) -> list[Reading]:
    readings = [Reading("points", len(frame.cartesian) + len(frame.polar))]
    readings += [
        Reading("point", point[:3], "m", index=index) for index, point in enumerate(frame.cartesian)
    ]
    if frame.presence is not None:
        readings.append(Reading("presence", frame.presence == 1))
    for target in frame.targets:
        readings.append(Reading("position", target.place, "m", index=target.number))
        readings.append(Reading("velocity", target.velocity, "m/s", index=target.number))
        if target.high_m is not None:
            readings.append(Reading("highest", target.high_m, "m", index=target.number))
    return readings


# -- values without a framing ----------------------------------------------------------------


def _value(label: str, decode: Callable[[bytes], list[Reading]]) -> Decode:
    def rows(data: bytes) -> Iterator[Row]:
        try:
            yield _frame_row(0, len(data), label, decode(data))
        except ProtocolError as error:
            yield _rejected_row(0, len(data), str(error))

    return rows


def _characteristic(number: int) -> Decode:
    return _value(f"{number:04x}", lambda data: gatt.decode(number, data))


PRODUCTS: dict[str, Decode] = {
    **{
        name: _stream(sip.SipParser, lambda frame: f"{frame.kind:04x}", sip.decode)
        for name in sip.PRODUCTS
    },
    **{name: _tinyframe(name) for name in tinyframe_reports.PRODUCTS},
    **{name: _hilink(name) for name in hilink.PRODUCTS},
    "iwr6843": _ti,
    **{f"{number:04x}": _characteristic(number) for number in gatt.CHARACTERISTICS},
    "itag": _characteristic(gatt.ITAG_BUTTON),
    "nau7802": _value("conversion", adc.decode_load_cell),
    "hx711": _value("conversion", adc.decode_load_cell),
    "ads1115": _value("conversion", adc.decode_ads1115),
    "max30102": _value("fifo", adc.decode_max30102),
    "mpu6050": _value("block", imu.decode_mpu6050),
    "lis3dh": _value("samples", imu.decode_lis3dh),
}
"""Name to what decodes it. Registers are read as at the part's full scale in `imu` and `adc`."""
