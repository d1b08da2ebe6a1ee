"""The radar encoders against frames of real modules that nobody here has made."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from edge_agent.simulator.sensors.radar_hilink import Presence, Track, ld2410_report, ld2450_frame
from edge_agent.simulator.sensors.radar_sip import (
    Trajectory,
    sip_distance,
    sip_frame,
    sip_place,
    sip_trajectories,
)
from edge_agent.simulator.sensors.radar_ti import ti_frame, ti_points
from edge_agent.simulator.sensors.radar_tinyframe import tinyframe, tinyframe_distance

FOLDER = Path(__file__).parents[4] / "shared" / "vectors"
pytestmark = [
    pytest.mark.fast,
    pytest.mark.skipif(
        not (FOLDER / "sensors.json").is_file(), reason="no ../shared/vectors/sensors.json here"
    ),
]

BYTE_REPORTS = {
    "breath_bpm": 0x8102,
    "heart_bpm": 0x8502,
    "body_movement": 0x8003,
    "motion": 0x8002,
    "keepalive": 0x0101,
}
MOTION = {"still": 1, "active": 2}


def vectors(*sensors, kinds=("report", "frame")):
    rows = json.loads((FOLDER / "sensors.json").read_text(encoding="utf-8"))["vectors"]
    return [
        (bytes.fromhex(row["hex"]), row["meaning"], row["source"])
        for row in rows
        if row["sensor"] in sensors and row["kind"] in kinds
    ]


def test_sip_reports():
    checked = 0
    for frame, meaning, source in vectors("micradar_sip"):
        ((name, value),) = meaning.items()
        match name:
            case "pos_cm":
                made = sip_place(*value)
            case "distance_cm":
                made = sip_distance(value)
            case _:
                kind = BYTE_REPORTS[name]
                made = sip_frame(kind >> 8, kind & 0xFF, bytes((MOTION.get(value, value),)))
        assert made.hex() == frame.hex(), source
        checked += 1
    assert checked == 21


def test_sip_trajectory_with_its_minus_zero():
    ((frame, _, source),) = vectors("micradar_sip_r60afd1")
    targets = [Trajectory(0, 1, 0, 35, 57, 199, -0.0), Trajectory(1, 1, 0, -64, 111, 198, 2)]

    assert sip_trajectories(targets).hex() == frame.hex(), source


def test_sip_frames_of_a_whole_capture():
    capture = FOLDER / "r60a_capture.bin"
    if not capture.is_file():
        pytest.skip("no ../shared/vectors/r60a_capture.bin here")
    stream, at, count = capture.read_bytes(), 0, 0
    while at < len(stream):
        control, command, length = struct.unpack_from(">BBH", stream, at + 2)
        made = sip_frame(control, command, stream[at + 6 : at + 6 + length])
        assert stream[at : at + len(made)] == made
        at += len(made)
        count += 1
    assert count == 86


def test_sip_commands_have_our_sum_and_wrong_ones_do_not():
    for frame, _, source in vectors("micradar_sip", kinds=("command",)):
        assert sip_frame(frame[2], frame[3], frame[6:-3]).hex() == frame.hex(), source
    negatives = vectors("micradar_sip", kinds=("negative",))
    assert len(negatives) == 2
    for frame, _, source in negatives:
        assert sip_frame(frame[2], frame[3], frame[6:-3]).hex() != frame.hex(), source


def test_tinyframe_reports():
    checked = 0
    for frame, meaning, source in vectors("tinyframe_hlk_mr60"):
        number, _, kind = struct.unpack_from(">HHH", frame, 1)
        match meaning:
            case {"human": value} | {"fall": value}:
                payload = bytes((value,))
            case {"heart_bpm": value} | {"breath_bpm": value}:
                payload = struct.pack("<f", value)
            case {"distance": None}:
                payload = tinyframe_distance(None)
            case {"distance_cm": value}:
                payload = tinyframe_distance(value)
            case {"hold_delay_s": value}:
                payload = struct.pack("<I", value)
            case _:
                raise AssertionError(meaning)
        assert tinyframe(number, kind, payload).hex() == frame.hex(), source
        checked += 1
    assert checked == 9


def test_tinyframe_commands_have_our_sums_and_the_vendors_misprints_do_not():
    others = vectors("tinyframe_hlk_mr60", kinds=("command", "ack"))
    negatives = vectors("tinyframe_hlk_mr60", kinds=("negative",))
    assert (len(others), len(negatives)) == (8, 5)
    for frame, _, source in others:
        number, length, kind = struct.unpack_from(">HHH", frame, 1)
        assert tinyframe(number, kind, frame[8 : 8 + length]).hex() == frame.hex(), source
    for frame, _, source in negatives:
        number, length, kind = struct.unpack_from(">HHH", frame, 1)
        assert tinyframe(number, kind, frame[8 : 8 + length]).hex() != frame.hex(), source


def test_ld2410_basic_reports():
    checked = 0
    for frame, meaning, source in vectors("ld2410", "ld2410_ble"):
        if "gates_move" in meaning:
            continue  # engineering mode, which the model does not send
        state = Presence[meaning["state"].upper()]
        names = ("move_cm", "move_e", "still_cm", "still_e", "detect_cm")
        made = ld2410_report(state, *(meaning.get(name, 0) for name in names))
        assert made.hex() == frame.hex(), source
        checked += 1
    assert checked == 2


def test_ld2450_reports():
    rows = vectors("ld2450")
    assert len(rows) == 2
    for frame, meaning, source in rows:
        tracks = [
            Track(one["x_mm"], one["y_mm"], one["v_cms"], one["res_mm"])
            for one in meaning["targets"]
        ]
        assert ld2450_frame(tracks).hex() == frame.hex(), source


def test_ti_frame_of_the_out_of_box_demo():
    ((frame, meaning, source),) = vectors("ti_mmwave_oob")
    *_, cycles, points, _, subframe, static = struct.unpack_from("<9I", frame, 8)
    cloud = np.frombuffer(frame, "<f4", 20, 52).reshape(-1, 4).astype(float)
    made = ti_frame(
        meaning["frame"],
        [(1, ti_points(cloud)), (7, frame[140:160])],
        points,
        cycles=cycles,
        subframe=subframe,
        static_points=static,
    )

    assert np.round(cloud, 3).tolist() == meaning["tlv"][0]["points"]
    assert made.hex() == frame.hex(), source
