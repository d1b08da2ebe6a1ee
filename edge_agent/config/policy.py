"""Limits, delays, hours and consent in the configuration file."""

from typing import Annotated, Literal

import msgspec

from edge_agent.config.values import Minute, per_minute, seconds


class AlarmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays. None of them can switch a life-critical condition off."""

    fall_confirm_s: Annotated[float, seconds(3, 60)] = 10.0
    escalate_s: Annotated[float, seconds(30, 600)] = 90.0
    remind_s: Annotated[float, seconds(60, 3600)] = 600.0
    arrival_s: Annotated[float, seconds(300, 14400)] = 1800.0
    bed_return_s: Annotated[float, seconds(60, 7200)] = 900.0
    night_start: Minute = "20:00"
    night_end: Minute = "08:00"


Ruled = Literal[
    "bed_exit_not_returned",
    "bathroom_stay",
    "heart_rate_high",
    "heart_rate_low",
    "respiration_high",
    "respiration_low",
    "water_leak",
    "wandering",
    "unit_lost",
    "battery_low",
    "mains_lost",
    "sensor_stuck",
    "sensor_fault",
    "pendant_not_worn",
    "vitals_unavailable",
    "platform_unreachable",
    "certificate_expiring",
    "storage_low",
    "tamper",
]
"""Conditions that take a rule. None of those that protect a life is here, nor the last nets under
them (`inactivity`, `protection_lost`), nor what says that a call or a clock does not work."""


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When some conditions count, how long they must last, and how often they may come.

    Equal hours are the whole day.
    """

    conditions: Annotated[list[Ruled], msgspec.Meta(min_length=1, max_length=32)]
    effective_start: Minute = "00:00"
    effective_end: Minute = "00:00"
    on_delay_s: Annotated[float, seconds(0, 3600)] = 0.0
    off_delay_s: Annotated[float, seconds(0, 3600)] = 0.0
    silence_s: Annotated[float, seconds(0, 86_400)] = 0.0


class ActivityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long silence and a stay may last; learnt limits lie between floor and ceiling.

    No floor lies above its ceiling, and no limit is endless.
    """

    residents: Annotated[int, msgspec.Meta(ge=1, le=8, description="people, 1 to 8")] = 1
    day_floor_s: Annotated[float, seconds(7200, 21_600)] = 14_400.0
    day_ceiling_s: Annotated[float, seconds(21_600, 43_200)] = 28_800.0
    night_floor_s: Annotated[float, seconds(14_400, 36_000)] = 28_800.0
    night_ceiling_s: Annotated[float, seconds(36_000, 50_400)] = 43_200.0
    out_floor_s: Annotated[float, seconds(14_400, 43_200)] = 43_200.0
    out_ceiling_s: Annotated[float, seconds(43_200, 86_400)] = 57_600.0
    stay_day_s: Annotated[float, seconds(600, 3600)] = 1800.0
    stay_night_s: Annotated[float, seconds(600, 3600)] = 1200.0


class BedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bed occupancy from load cells."""

    occupied_kg: Annotated[float, msgspec.Meta(ge=5, le=60, description="kilograms, 5 to 60")] = (
        20.0
    )
    off_delay_s: Annotated[float, seconds(0, 300)] = 0.4
    """All of the load is gone for this long; where some is left, for 1 s or more."""
    on_delay_s: Annotated[float, seconds(0, 300)] = 2.0
    strip_off_delay_s: Annotated[float, seconds(1, 60)] = 3.0
    strip_on_delay_s: Annotated[float, seconds(1, 60)] = 3.0


class VitalsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and delays of heart and breath in bed; `breathing_stopped` knows none of them."""

    heart_rate_high_bpm: Annotated[float, per_minute(90, 148)] = 130.0
    heart_rate_low_bpm: Annotated[float, per_minute(38, 60)] = 40.0
    respiration_high_rpm: Annotated[float, per_minute(18, 39)] = 24.0
    respiration_low_rpm: Annotated[float, per_minute(6, 14)] = 9.0
    heart_rate_deadband_bpm: Annotated[float, per_minute(0, 20)] = 5.0
    respiration_deadband_rpm: Annotated[float, per_minute(0, 5)] = 1.0
    heart_rate_on_delay_s: Annotated[float, seconds(0, 600)] = 60.0
    heart_rate_off_delay_s: Annotated[float, seconds(0, 3600)] = 120.0
    respiration_on_delay_s: Annotated[float, seconds(0, 600)] = 60.0
    respiration_off_delay_s: Annotated[float, seconds(0, 3600)] = 120.0
    unavailable_s: Annotated[float, seconds(60, 3600)] = 600.0
    available_s: Annotated[float, seconds(0, 600)] = 10.0
    latching: Annotated[
        list[Literal["heart_rate_high", "heart_rate_low", "respiration_high", "respiration_low"]],
        msgspec.Meta(max_length=4),
    ] = []


class ConsentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the installation's consent lets leave the home (health data are sensitive)."""

    vitals: bool = False
