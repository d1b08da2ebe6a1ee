"""The label of a unit: readable in two languages, and it fits."""

import re
import xml.etree.ElementTree as ET

import pytest

from edge_agent.provision.label import Label
from protocol.passkey import passkey

pytestmark = pytest.mark.fast

KEY = bytes(range(32))


def test_a_label_says_unit_place_kind_and_passkey():
    label = Label("pend-1", "pendant", "卧室 bedroom", KEY)
    assert label.as_text() == (
        "安枕 Anzhen · 请勿撕下 Do not remove\n"
        "设备 Unit       pend-1\n"
        "位置 Place      卧室 bedroom\n"
        "类型 Kind       吊坠 pendant\n"
        f"配对码 Passkey  {passkey(KEY):06d}\n"
    )


def test_a_passkey_keeps_its_leading_zeros():
    key = next(
        bytes([n, m]) * 16
        for n in range(256)
        for m in range(256)
        if passkey(bytes([n, m]) * 16) < 1000
    )
    assert re.search(r"Passkey  000\d{3}\n", Label("u", "pendant", "p", key).as_text())


def test_a_unit_on_a_wire_has_no_passkey():
    assert "Passkey" not in Label("bed-1", "bed", "卧室 bedroom", b"").as_svg()


def test_the_picture_is_well_formed_whatever_the_words_and_says_the_same():
    label = Label("u" * 64, "room", "<&\"'> 很长很长很长很长很长很长很长的名字", KEY)
    texts = ET.fromstring(label.as_svg()).findall("{http://www.w3.org/2000/svg}text")
    words = [text.text for text in texts]
    assert words[1:] == [word for row in label.rows() for word in row]
    for text in texts:
        assert 0 < float(text.get("y")) < 29
        ems = sum(1 if ord(letter) > 255 else 0.64 for letter in text.text)
        assert float(text.get("x")) + ems * float(text.get("font-size")) <= 60
    assert 0.5 < float(texts[2].get("font-size")) < 1  # 64 letters, small but whole
    assert float(texts[-1].get("font-size")) == 3.6  # the passkey
