"""A block filled in place gives the bytes that `Samples` and `encode_frame` give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.block import Block
from protocol.framing import MAX_PAYLOAD, TAG_LENGTH, encode_frame
from protocol.messages import Samples
from tests.firmware.vm import needs_vm, run_script

CAPACITY = 32
AXES = 3

nasty_bytes = st.one_of(st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD]), st.integers(0, 255))
blocks = st.tuples(
    st.lists(nasty_bytes, min_size=6, max_size=6 * CAPACITY).map(bytes),
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**33),
    st.sampled_from([0, 1, 0xC0DBC0DB, 0xFFFFFFFF]),
    st.sampled_from([b"", b"\xc0\xdb\xdc\xdd" * (TAG_LENGTH // 4)]),
)


@pytest.mark.fast
@given(st.lists(blocks, min_size=1, max_size=6))
def test_a_block_used_again_is_a_new_samples_each_time(rows) -> None:
    block = Block(0xC0, 0xDB, 10_000, 0.0073, AXES, CAPACITY)
    for data, uptime_ms, index, sequence, tag in rows:
        count = len(data) // (2 * AXES)
        block.fill(data, count, uptime_ms, index)
        used = data[: 2 * AXES * count]
        whole = Samples(0xC0, 0xDB, uptime_ms, index, 10_000, 0.0073, AXES, used)
        payload = block.pack()
        assert payload == whole.pack()
        assert block.frame(sequence, payload, tag) == encode_frame(
            Samples.TYPE, sequence, whole.pack(), tag
        )


@pytest.mark.fast
def test_the_widest_block_of_a_unit_fits_a_frame() -> None:
    block = Block(1, 0, 500, 1.0, 1, 500)
    block.fill(b"\xc0\xdb" * 500, 500, 0, 0)
    assert len(block.pack()) <= MAX_PAYLOAD


@pytest.mark.vm
@needs_vm
def test_a_block_of_an_array_in_the_vm_is_the_same_with_and_without_a_tag() -> None:
    assert run_script("block_frames.py") == [{"frames": 4 * CAPACITY, "others": []}]
