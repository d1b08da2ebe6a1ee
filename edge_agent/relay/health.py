"""A minute of vital signs, a night's sleep, as publications; only consent lets them out."""

from edge_agent.clock import format_utc
from edge_agent.home.vitals_sums import Share
from edge_agent.pipeline.findings import SleepNews, VitalsNews
from edge_agent.relay.profiles.native import (
    NativeProfile,
    Publication,
    RateBody,
    SleepBody,
    VitalsBody,
)


def health_publication(profile: NativeProfile, news: VitalsNews | SleepNews) -> Publication:
    """Return news of a bed as a message; whoever publishes it has asked for consent."""
    if isinstance(news, VitalsNews):
        vitals = news.vitals
        return profile.vitals(
            VitalsBody(
                bed=news.bed,
                place=news.place,
                unit=news.unit,
                at=format_utc(news.at_utc_s),
                occupied=vitals.occupied,
                heart_rate=_rate(vitals.heart),
                respiration=_rate(vitals.respiration),
            )
        )
    summary = news.summary
    return profile.sleep(
        SleepBody(
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
    )


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
