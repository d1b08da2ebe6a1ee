"""Messages: any values go round, any bytes are a message or refused."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.framing import MAX_PAYLOAD
from protocol.from_unit import FROM_UNIT, check_id
from protocol.messages import (
    FROM_AGENT,
    MAX_PARTS,
    MAX_TEXT,
    Ack,
    Command,
    Configure,
    Event,
    Hello,
    Impact,
    Inventory,
    Log,
    Message,
    Reading,
    Result,
    Samples,
    Status,
    TimeSync,
    Welcome,
)

pytestmark = pytest.mark.fast

PARSERS = {**FROM_UNIT, **FROM_AGENT}

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
u48 = st.one_of(st.integers(0, 2**48 - 1), st.integers(2**32 - 3, 2**32 + 3))
eight = st.binary(min_size=8, max_size=8)
ids = st.text("AZaz09_-", min_size=1, max_size=64)
short = st.text(max_size=255).filter(lambda text: len(text.encode()) <= 255)
texts = st.one_of(
    st.text(max_size=300).filter(lambda text: len(text.encode()) <= MAX_TEXT),
    st.just("x" * MAX_TEXT),
)
scales = st.floats(width=32, min_value=-999_936.0, max_value=999_936.0).filter(bool)
periods = st.integers(500, 60_000_000)


@st.composite
def counts(draw: st.DrawFn, room: int) -> tuple[int, bytes]:
    """Return axes and a block of whole samples that fits into `room`."""
    axes = draw(st.integers(1, 16))
    samples = draw(st.integers(1, min(40, room // (2 * axes))))
    size = 2 * axes * samples
    return axes, draw(st.binary(min_size=size, max_size=size))


@st.composite
def impacts(draw: st.DrawFn) -> Impact:
    parts = draw(st.integers(1, MAX_PARTS))
    part = draw(st.integers(0, parts - 1))
    head = [draw(s) for s in (eight, u32)]
    times = [draw(s) for s in (u8, u48, u48, u48, periods, scales)]
    return Impact(*head, part, parts, *times, *draw(counts(MAX_PAYLOAD - 42)))


MESSAGES = {
    Hello: st.builds(Hello, ids, eight, u32, eight, short, short, u32, u48, u8),
    Welcome: st.builds(Welcome, eight, eight, u48, u8),
    Samples: st.tuples(u8, u8, u48, u32, periods, scales, counts(MAX_PAYLOAD - 21)).map(
        lambda drawn: Samples(*drawn[:-1], *drawn[-1])
    ),
    Reading: st.builds(
        Reading, u8, u8, u48, st.floats(width=32, min_value=-999_999_872.0, max_value=999_999_872.0)
    ),
    Event: st.builds(Event, eight, u32, u8, u8, u48, u48, st.integers(-(2**31), 2**31 - 1)),
    Impact: impacts(),
    Status: st.builds(Status, u48, u32, u32, u16, u32, u32, u32, u16, u16, u8),
    Inventory: st.builds(Inventory, texts),
    Log: st.builds(Log, u8, u48, texts),
    Result: st.builds(Result, u32, u8, texts),
    Ack: st.builds(Ack, eight, u32, u8),
    TimeSync: st.builds(TimeSync, u32, u48, u48, u8),
    Configure: st.builds(Configure, u32, texts),
    Command: st.builds(Command, u32, u8, st.binary(max_size=MAX_PAYLOAD - 5)),
}
any_message = st.one_of(*MESSAGES.values())
each_kind = pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)


def fields(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in type(message).__slots__}


def test_every_code_has_a_message_to_try() -> None:
    assert {kind.TYPE for kind in MESSAGES} == set(PARSERS)


@each_kind
@settings(max_examples=50)
@given(data=st.data())
def test_every_message_goes_round(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    payload = message.pack()
    again = PARSERS[message.TYPE](payload)
    assert len(payload) <= MAX_PAYLOAD
    assert type(again) is type(message)
    assert fields(again) == fields(message)
    assert again == message
    assert hash(again) == hash(message)
    assert again != Message()
    assert repr(again).startswith(type(message).__name__ + "(b'") or '"' in repr(again)


@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=MAX_PAYLOAD))
def test_any_payload_is_a_message_that_packs_again_or_refused(code: int, payload: bytes) -> None:
    try:
        message = PARSERS[code](payload)
    except ProtocolError:
        return
    packed = message.pack()
    assert payload.startswith(packed)  # trailing bytes are ignored
    assert PARSERS[code](packed) == message
    assert repr(message)
    hash(message)


@given(any_message, st.data())
def test_a_message_with_changed_bytes_is_a_message_or_refused(
    message: Message, data: st.DataObject
) -> None:
    payload = bytearray(message.pack())
    for at in data.draw(st.lists(st.integers(0, max(0, min(60, len(payload) - 1))), max_size=4)):
        if payload:
            payload[at] = data.draw(u8)
    cut = data.draw(st.integers(0, len(payload)))
    for changed in (bytes(payload), bytes(payload[:cut])):
        try:
            again = PARSERS[message.TYPE](changed)
        except ProtocolError:
            continue
        assert PARSERS[message.TYPE](again.pack()) == again


@pytest.mark.parametrize(
    ("code", "head"),
    [(Inventory.TYPE, 0), (Log.TYPE, 7), (Result.TYPE, 5), (Configure.TYPE, 4)],
)
def test_a_text_over_the_limit_is_refused_not_kept_and_fatal_later(code: int, head: int) -> None:
    assert PARSERS[code](bytes(head) + b"y" * MAX_TEXT).pack()
    with pytest.raises(ProtocolError, match=r"^text of 901 bytes$"):
        PARSERS[code](bytes(head) + b"y" * (MAX_TEXT + 1))


# What a signal may be: (changed fields, why it is refused; empty when it is a signal)
SIGNALS = [
    ({"period_us": 500}, ""),
    ({"period_us": 499}, "sample period of 499 us"),
    ({"period_us": 60_000_000}, ""),
    ({"period_us": 60_000_001}, "sample period of 60000001 us"),
    ({"axes": 1}, ""),
    ({"axes": 0}, "0 axes"),
    ({"axes": 16, "data": bytes(32)}, ""),
    ({"axes": 17, "data": bytes(34)}, "17 axes"),
    ({"scale": 999_999.9375}, ""),
    ({"scale": -999_999.9375}, ""),
    ({"scale": 1e6}, "scale 1000000.0"),
    ({"scale": 0.0}, "scale 0.0"),
    ({"scale": float("nan")}, "scale nan"),
    ({"data": b""}, "0 bytes of samples on 3 axes"),
    ({"data": bytes(5)}, "5 bytes of samples on 3 axes"),
]


@pytest.mark.parametrize("kind", [Samples, Impact], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("changed", "reason"), SIGNALS)
def test_what_cannot_be_a_signal_is_refused_and_its_limits_are_not(
    kind: type[Message], changed: dict[str, object], reason: str
) -> None:
    named = {"quantity": 1, "channel": 0, "uptime_ms": 0, "index": 0, "boot_id": bytes(8)}
    named |= {"seq": 0, "part": 0, "parts": 1, "trigger_ms": 0, "utc_ms": 0}
    named |= {"period_us": 10_000, "scale": 0.5, "axes": 3, "data": bytes(6)} | changed
    payload = kind(**{name: named[name] for name in kind.__slots__}).pack()
    if reason:
        with pytest.raises(ProtocolError) as caught:
            PARSERS[kind.TYPE](payload)
        assert str(caught.value) == reason
    else:
        assert PARSERS[kind.TYPE](payload).pack() == payload


@pytest.mark.parametrize("value", [1e9, -1e9, float("inf"), float("nan")])
def test_a_reading_beyond_all_quantities_is_refused(value: float) -> None:
    with pytest.raises(ProtocolError) as caught:
        FROM_UNIT[Reading.TYPE](Reading(1, 0, 0, value).pack())
    assert str(caught.value) == f"reading of {value!r}"


@pytest.mark.parametrize(("part", "parts"), [(0, 0), (1, 1), (2, 1), (0, MAX_PARTS + 1)])
def test_a_part_that_no_snippet_has_is_refused(part: int, parts: int) -> None:
    impact = Impact(bytes(8), 0, part, parts, 0, 0, 0, 0, 10_000, 0.5, 3, bytes(6))
    with pytest.raises(ProtocolError) as caught:
        FROM_UNIT[Impact.TYPE](impact.pack())
    assert str(caught.value) == f"part {part} of {parts}"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Inventory("x" * 901), "text of 901 bytes, at most 900"),
        (Log(20, 0, "安" * 301), "text of 903 bytes, at most 900"),
        (Hello("bed", bytes(8), 0, bytes(8), "p" * 256), "text of 256 bytes, at most 255"),
    ],
)
def test_our_own_long_text_is_a_value_error(message: Message, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared whole)
        message.pack()
    assert str(caught.value) == text


def test_a_status_clips_what_a_field_cannot_hold() -> None:
    status = Status(1, lag_ms=70_000, dropped=2**32 + 3, backlog=70_000, battery_mv=70_000)
    again = FROM_UNIT[Status.TYPE](status.pack())
    assert (again.lag_ms, again.backlog, again.battery_mv) == (0xFFFF, 0xFFFF, 0xFFFF)
    assert again.dropped == 3


def test_a_message_says_nothing_of_what_it_was_not_given() -> None:
    assert Status(7) == Status(7, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert Result(1, 0) == Result(1, 0, "")


def test_a_block_knows_how_many_samples_it_holds() -> None:
    assert Samples(1, 0, 0, 0, 10_000, 1.0, 3, bytes(60)).count == 10


@given(st.text(max_size=70))
def test_an_id_is_a_topic_level(text: str) -> None:
    letters = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    if 1 <= len(text) <= 64 and set(text) <= letters:
        assert check_id(text) == text
    else:
        with pytest.raises(ProtocolError):
            check_id(text)


def test_a_float_that_fits_no_binary32_never_leaves() -> None:
    with pytest.raises(OverflowError):
        Reading(1, 0, 0, 1e300).pack()
    with pytest.raises(struct.error):
        Hello("bed", bytes(8), 2**32, bytes(8)).pack()


def test_the_base_of_all_messages_has_no_payload() -> None:
    with pytest.raises(NotImplementedError):
        Message().pack()
