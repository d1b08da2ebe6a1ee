"""The label's passkey: the same on both sides and in every version, for any key."""

import random

import pytest

from protocol.passkey import passkey

pytestmark = pytest.mark.fast


def test_a_label_printed_once_stays_right():
    assert passkey(bytes(range(32))) == 280424
    assert passkey(bytes(32)) != passkey(bytes(range(32)))


def test_passkeys_have_six_digits_and_are_spread_over_all_of_them():
    dice = random.Random(1)
    found = [passkey(dice.randbytes(32)) for _ in range(20_000)]
    assert 0 <= min(found) < 1000
    assert 999_000 < max(found) <= 999_999
    tenths = [sum(one // 100_000 == tenth for one in found) for tenth in range(10)]
    assert max(tenths) - min(tenths) < 300  # 2000 each, sd 42
