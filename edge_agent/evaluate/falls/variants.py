"""Recorded trials as poorer sensors and links would have brought them."""

from dataclasses import dataclass

import numpy as np

from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.evaluate.falls.score import PACKET_S
from edge_agent.evaluate.falls.trials import Trial, TrialSet
from edge_agent.stream.chunk import Channel, Chunk


@dataclass(frozen=True, slots=True)
class Variant:
    """What a trial is degraded to; None leaves it as recorded.

    Attributes:
        rate_hz: sampling rate.
        clip_g: full scale.
        lost: share of packets of PACKET_S that never arrive.
    """

    rate_hz: float | None = None
    clip_g: float | None = None
    lost: float = 0.0


AS_RECORDED = Variant()

VARIANTS = (
    AS_RECORDED,
    Variant(rate_hz=50.0),
    Variant(rate_hz=25.0),
    Variant(rate_hz=20.0),
    Variant(clip_g=4.0),
    Variant(clip_g=2.0),
    Variant(rate_hz=20.0, clip_g=2.0),
    Variant(lost=0.05),
    Variant(lost=0.2),
    Variant(lost=0.2),  # as often again: other packets are lost
    Variant(rate_hz=50.0, lost=0.2),
)
"""What a home's sensors may be. Rotation is not among them: no feature sees it."""


def variants_of(trials: TrialSet) -> list[Variant]:
    """Return the variants that change anything about a set, as recorded first."""
    full_scale = float(np.abs(trials.counts.astype(np.int32)).max()) * trials.scale_g
    return [
        one
        for one in VARIANTS
        if (one.rate_hz is None or one.rate_hz < 0.9 * trials.rate_hz)
        and (one.clip_g is None or one.clip_g < 0.9 * full_scale)
    ]


def degrade(trial: Trial, variant: Variant, channel: Channel, random: np.random.Generator) -> Chunk:
    """Return a whole trial as one chunk that starts at zero, lost packets masked."""
    g = trial.counts * trial.scale_g
    rate_hz = trial.rate_hz
    if variant.clip_g is not None:
        g = np.clip(g, -variant.clip_g, variant.clip_g)
    if variant.rate_hz is not None:
        # Sensors filter little at low output rates: average two samples, then take points.
        g[1:] = 0.5 * (g[1:] + g[:-1])
        place = np.arange(0.0, len(g) - 1, rate_hz / variant.rate_hz)
        whole = place.astype(np.intp)
        share = (place - whole)[:, None]
        g = g[whole] + (g[np.minimum(whole + 1, len(g) - 1)] - g[whole]) * share
        rate_hz = variant.rate_hz
    missing = None
    if variant.lost and len(g):
        packet = (np.arange(len(g)) / (rate_hz * PACKET_S)).astype(np.intp)
        missing = (random.random(int(packet[-1]) + 1) < variant.lost)[packet]
    return Chunk(channel, 0.0, rate_hz, (g * STANDARD_GRAVITY).astype(np.float32), missing)
