"""`anzhen decode`: one JSON object a frame, why a frame is rejected, exit codes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.__main__ import main
from edge_agent.decode import PRODUCTS
from protocol.sensors import gatt, hilink, sip, tinyframe
from protocol.sensors.tinyframe_reports import PRODUCTS as TINYFRAMES
from tests.protocol.sensors.lines import VECTORS, framing_of

HEART = "5359850200014 77b5443".replace(" ", "")
WRONG = "5359840f000100ae5443"


SENSORS = [one for one in VECTORS["vectors"] if one["product"] not in ("sfloat", "float")]


def run(capsys: pytest.CaptureFixture, product: str, *hex_: str) -> tuple[int, list[dict], str]:
    code = main(["decode", "--product", product, *hex_])
    out, said = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], said


@pytest.mark.fast
def test_a_frame_is_one_object(capsys: pytest.CaptureFixture) -> None:
    assert run(capsys, "r60abd1", HEART) == (
        0,
        [
            {
                "offset": 0,
                "bytes": 10,
                "frame": "8502",
                "readings": [
                    {"name": "heart_rate", "value": 71, "unit": "1/min", "quality": "good"}
                ],
            }
        ],
        "",
    )


@pytest.mark.fast
@pytest.mark.parametrize(
    "hex_",
    [
        ["53 59 85 02 00 01 47 7b 54 43"],
        ["53:59:85:02:00:01:47:7B:54:43"],
        [*map("".join, zip(*[iter(HEART)] * 2, strict=True))],
    ],
)
def test_bytes_may_be_spaced(capsys: pytest.CaptureFixture, hex_: list[str]) -> None:
    code, (row,), _ = run(capsys, "R60ABD1", *hex_)
    assert (code, row["frame"]) == (0, "8502")


@pytest.mark.fast
def test_what_is_rejected_stands_in_the_order_of_the_bytes(capsys: pytest.CaptureFixture) -> None:
    code, rows, said = run(capsys, "r60abd1", "0000", HEART, WRONG, HEART, "53598001")
    assert (code, said) == (1, "")
    assert [(row["offset"], row["bytes"]) for row in rows] == [
        (0, 2),
        (2, 10),
        (12, 10),
        (22, 10),
        (32, 4),
    ]
    assert [row.get("rejected") for row in rows] == [
        "begins no frame",
        None,
        "sum ae, must be 40",
        None,
        "cut off after 4 bytes",
    ]


@pytest.mark.fast
@pytest.mark.parametrize("vector", SENSORS, ids=lambda vector: vector["hex"][:40])
def test_every_vector_is_answered(capsys: pytest.CaptureFixture, vector: dict) -> None:
    product = vector["product"]
    code, rows, _ = run(capsys, product, vector["hex"])
    assert sum(row["bytes"] for row in rows) == len(vector["hex"]) // 2
    if vector["kind"] == "negative":
        assert code == 1
        assert "rejected" in rows[0]
        return
    assert code == 0
    (row,) = rows
    names = [one["name"] for one in row["readings"]]
    assert {one["name"] for one in vector["means"]} <= set(names)
    if framing_of(product) is None:
        assert row["offset"] == 0


@pytest.mark.fast
@pytest.mark.parametrize(
    ("product", "hex_", "why"),
    [
        ("2a37", "16", "heart rate needs 1 bytes at 1, 0 there"),
        ("ads1115", "00", "conversion of 1 bytes, must be 2"),
        ("ld2450", "aaff0300" + "11a7" * 12 + "55cc", "target at 10001, 10001 mm with 10001 cm/s"),
        ("mr60fda2", "01000000010e08f701fe", "head sum f7, must be f9"),
        ("iwr6843", "0201040306050807", "no frame of 8 bytes"),
        ("iwr6843", "00", "begins no frame"),
    ],
)
def test_why_a_value_is_rejected(
    capsys: pytest.CaptureFixture, product: str, hex_: str, why: str
) -> None:
    code, rows, _ = run(capsys, product, hex_)
    assert code == 1
    assert rows[0]["rejected"] == why


@pytest.mark.fast
def test_an_unknown_report_is_no_rejection(capsys: pytest.CaptureFixture) -> None:
    code, (row,), _ = run(capsys, "c1001", sip.encode(0x80, 0x10).hex())
    assert code == 0
    assert row["readings"] == [{"name": "unknown", "value": "", "quality": "unknown"}]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("product", "hex_", "said"),
    [
        ("nothing", "00", "anzhen: unknown product 'nothing'; known: r60abd1 r60afd1 "),
        ("2a37", "164", "anzhen: not hex: "),
        ("2a37", "xy", "anzhen: not hex: "),
        ("2a37", "", "anzhen: no bytes"),
    ],
)
def test_a_wrong_input_is_said_on_the_other_stream(
    capsys: pytest.CaptureFixture, product: str, hex_: str, said: str
) -> None:
    code, rows, prose = run(capsys, product, hex_)
    assert (code, rows) == (2, [])
    assert prose.startswith(said)


@pytest.mark.fast
def test_every_product_of_the_codecs_has_a_name() -> None:
    numbers = [f"{number:04x}" for number in gatt.CHARACTERISTICS]
    for name in [*sip.PRODUCTS, *TINYFRAMES, *hilink.PRODUCTS, *numbers, "iwr6843", "itag"]:
        assert name in PRODUCTS


@pytest.mark.fast
def test_two_frames_of_a_radar_in_one_call(capsys: pytest.CaptureFixture) -> None:
    line = tinyframe.encode(0x0F09, b"\x01") + tinyframe.encode(0x0E02, b"\x01")
    code, rows, _ = run(capsys, "ld6002c", line.hex())
    assert code == 0
    assert [row["frame"] for row in rows] == ["0f09", "0e02"]


LINES = [bytes.fromhex(vector["hex"]) for vector in VECTORS["vectors"]]
PIECES = st.one_of(
    st.sampled_from(LINES),
    st.binary(max_size=20),
    st.sampled_from(LINES).map(lambda line: line[1:]),
)


@given(st.sampled_from(sorted(PRODUCTS)), st.lists(PIECES, min_size=1, max_size=4).map(b"".join))
@settings(max_examples=300)
def test_every_byte_is_answered_for_once(product: str, data: bytes) -> None:
    at = 0
    for row in PRODUCTS[product](data):
        json.dumps(row, allow_nan=False)
        assert row["offset"] == at
        assert row["bytes"] > 0 or not data
        assert ("rejected" in row) != ("readings" in row)
        at += row["bytes"]
    assert at == len(data)
