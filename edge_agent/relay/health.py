"""A minute of vital signs, a night's sleep, as messages; only consent lets them out."""

import msgspec

from edge_agent.clock import format_utc
from edge_agent.home.vitals_sums import Share
from edge_agent.pipeline.findings import SleepNews, VitalsNews
from edge_agent.relay.profiles.native import RateBody, SleepBody, VitalsBody


def health_message(news: VitalsNews | SleepNews) -> tuple[str, bytes]:
    """Return topic and body of a bed's news; whoever sends it has asked for consent."""
    if isinstance(news, VitalsNews):
        vitals = news.vitals
        minute = VitalsBody(
            bed=news.bed,
            place=news.place,
            unit=news.unit,
            at=format_utc(news.at_utc_s),
            occupied=vitals.occupied,
            heart_rate=_rate(vitals.heart),
            respiration=_rate(vitals.respiration),
        )
        return f"vitals/{news.bed}", msgspec.json.encode(minute)
    summary = news.summary
    night = SleepBody(
        bed=news.bed,
        place=news.place,
        unit=news.unit,
        begin=format_utc(summary.begin_utc_s),
        end=format_utc(summary.end_utc_s),
        in_bed_s=round(summary.in_bed_s),
        exits=summary.exits,
        longest_absence_s=round(summary.longest_absence_s),
        restless=summary.restless,
        heart_rate=_rate(news.night.heart),
        respiration=_rate(news.night.respiration),
    )
    return f"sleep/{news.bed}", msgspec.json.encode(night)


def _rate(share: Share) -> RateBody:
    return RateBody(
        mean=_rounded(share.mean),
        low=_rounded(share.low),
        high=_rounded(share.high),
        quality=round(share.quality, 2),
        share=round(share.share, 2),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
