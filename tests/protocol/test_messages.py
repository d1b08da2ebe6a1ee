"""Messages: any values go round, any bytes are a message or refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.framing import MAX_PAYLOAD
from protocol.messages import (
    FROM_AGENT,
    FROM_UNIT,
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
    check_id,
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


any_message = st.one_of(
    st.builds(Hello, ids, eight, u32, eight, short, short, u32, u48, u8),
    st.builds(Welcome, eight, eight, u48, u8),
    st.tuples(u8, u8, u48, u32, periods, scales, counts(MAX_PAYLOAD - 21)).map(
        lambda drawn: Samples(*drawn[:-1], *drawn[-1])
    ),
    st.builds(
        Reading, u8, u8, u48, st.floats(width=32, min_value=-999_999_872.0, max_value=999_999_872.0)
    ),
    st.builds(Event, eight, u32, u8, u8, u48, u48, st.integers(-(2**31), 2**31 - 1)),
    impacts(),
    st.builds(Status, u48, u32, u32, u16, u32, u32, u32, u16, u16, u8),
    st.builds(Inventory, texts),
    st.builds(Log, u8, u48, texts),
    st.builds(Result, u32, u8, texts),
    st.builds(Ack, eight, u32, u8),
    st.builds(TimeSync, u32, u48, u48, u8),
    st.builds(Configure, u32, texts),
    st.builds(Command, u32, u8, st.binary(max_size=MAX_PAYLOAD - 5)),
)


def fields(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in type(message).__slots__}


@given(any_message)
def test_every_message_goes_round(message: Message) -> None:
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


@pytest.mark.parametrize("code", [0x07, 0x08, 0x09, 0x24])
def test_a_text_over_the_limit_is_refused_not_kept_and_fatal_later(code: int) -> None:
    with pytest.raises(ProtocolError, match=r"^text of \d{3,4} bytes$"):
        PARSERS[code](b"y" * MAX_PAYLOAD)


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
    again = Status.unpack(status.pack())
    assert (again.lag_ms, again.backlog, again.battery_mv) == (0xFFFF, 0xFFFF, 0xFFFF)
    assert again.dropped == 3


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
