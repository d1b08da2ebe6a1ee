"""A tag on the breastbone warns before its bed is left."""

import numpy as np
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, TagConfig, UnitConfig
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import BedWarning
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.unit import Received
from protocol.messages import Hello, Samples
from protocol.quantities import ACCELERATION

pytestmark = pytest.mark.fast

UTC_S = 1_795_400_000.0
G, SCALE = 9.80665, 0.01


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def test_sitting_up_is_told_with_its_bed_and_lying_is_not():
    config = Config(
        home=HomeConfig(region="640302001001", home="h1"),
        place=[PlaceConfig(id="room", zh="卧室", en="bedroom")],
        unit=[
            UnitConfig(id="bed-1", port="x", place="room", bed="b1"),
            UnitConfig(
                id="tag-1", port="y", place="room", tag=TagConfig(bed="b1", up=(0.0, 1.0, 0.0))
            ),
        ],
    )
    pipeline = Pipeline(config, Home(config), "boot", at(0))
    hello = Hello("tag-1", b"bootboot", 1, b"n" * 8)
    pipeline.take(Received("tag-1", hello, 1000.0), at(0))
    warnings = []
    for i in range(600):  # a minute: lying on the back, then the trunk comes up within 2 s
        second = i / 10
        angle = np.deg2rad(60.0 * np.clip((second - 40.0) / 2.0, 0.0, 1.0))
        g = np.tile([0.0, np.sin(angle), np.cos(angle)], (10, 1))
        counts = np.round(g * G / SCALE).astype("<i2")
        block = Samples(ACCELERATION.code, 0, 100 * i, 10 * i, 10_000, SCALE, 3, counts.tobytes())
        warnings += pipeline.take(Received("tag-1", block, 1000.1 + second), at(second + 0.1))

    (warning,) = [one for one in warnings if isinstance(one, BedWarning)]
    assert (warning.bed, warning.what, warning.place) == ("b1", "sitting_up", "room")
    assert UTC_S + 40.0 < warning.at_utc_s < UTC_S + 42.5
