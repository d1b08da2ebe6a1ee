"""Byte lines for the parsers' tests: the vectors joined, and simulated modules with damage."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from edge_agent.simulator.sensors.radar_hilink import ld2410, ld2450
from edge_agent.simulator.sensors.radar_sip import r60abd1, r60afd1
from edge_agent.simulator.sensors.radar_tinyframe import ld6002c, mr60bha2
from protocol.sensors import hilink, sip, tinyframe
from protocol.sensors.parser import Frame, Parser
from protocol.sensors.tinyframe_reports import PRODUCTS as TINYFRAMES

REPOSITORY = Path(__file__).parents[3]
VECTORS = json.loads((REPOSITORY / "tests/vectors/sensors.json").read_text(encoding="utf-8"))
PARSERS = {
    "sip": sip.SipParser,
    "tinyframe": tinyframe.TinyFrameParser,
    "hilink": hilink.HiLinkParser,
}
LONGEST = {"sip": 9 + sip.MAX_DATA, "tinyframe": 9 + tinyframe.MAX_DATA, "hilink": 74}


def framing_of(product: str) -> str | None:
    if product in sip.PRODUCTS:
        return "sip"
    if product in TINYFRAMES:
        return "tinyframe"
    return "hilink" if product in hilink.PRODUCTS else None


def good_frames(framing: str) -> list[bytes]:
    return [
        bytes.fromhex(vector["hex"])
        for vector in VECTORS["vectors"]
        if framing_of(vector["product"]) == framing and vector["kind"] != "negative"
    ]


NIGHT = [
    RadarSpan(2.0, 20.0, RadarState.MOVING, (0.4, 3.0), (0.2, 0.9)),
    RadarSpan(20.0, 120.0, RadarState.STILL, (0.2, 0.9), in_bed=True),
    RadarSpan(125.0, 170.0, RadarState.FALLEN, (0.3, 1.0)),
]
MODULES: dict[str, Callable] = {
    "r60abd1": r60abd1,
    "r60afd1": r60afd1,
    "mr60bha2": mr60bha2,
    "ld6002c": ld6002c,
    "ld2410": ld2410,
    "ld2450": ld2450,
}


def simulated(product: str, duration_s: float = 180.0) -> list[bytes]:
    """Return the frames that a simulated module sends over a short night with a fall."""
    return [frame for _, frame in MODULES[product](NIGHT, duration_s, 1)]


def sliced(line: bytes, random: Random) -> Iterator[bytes]:
    at = 0
    while at < len(line):
        size = random.choice((1, 2, 7, 20, 64, 300, 2000))
        yield line[at : at + size]
        at += size


def taken(parser: Parser, pieces: Iterator[bytes]) -> list[Frame]:
    frames = list(itertools.chain.from_iterable(parser.feed(piece) for piece in pieces))
    return frames + parser.flush()
