"""What the reports of SIP-S mean: one table of reports, one of rows, one of commands.

| control | reports of | modules |
|---|---|---|
| 01 02 05 07 | the module itself | all |
| 80 | presence, motion, distance, place | all |
| 81 84 85 | breath, bed and sleep, heart | R60ABD1 MR60BHA1, C1001 in sleep mode |
| 06 82 83 | installation, trajectories, falls | R60AFD1 MR60FDA1, C1001 in fall mode |

Known weaknesses of the modules: presence 80/01 comes on change only and may stay for minutes
after somebody left (DFRobot_HumanDetection issue 7); breath needs about 2 minutes; the fall flag
comes 83/0C seconds after the fall.

Sources: as in `sip.py`; ranges from radar_protocol.h of ZyoungInc/R60ABD1_Driver, 83/xx and 06/xx
from DFRobot_HumanDetection.cpp and its examples. 82/02 is inferred from one public sample, so
its readings are doubtful, as are those of `UNSURE`.
"""

from protocol.sensors.fields import flag, number, state, text
from protocol.sensors.reading import DOUBTFUL, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.sensors.fields import Report, Table

_SLEEP_STATES = ("deep", "light", "awake", "none")
_STRUGGLE = ("none", "normal", "abnormal")
_FAR_M = 10.0
_BREATH = number("breath_rate", "B", "1/min", 1, 0, 35, DOUBTFUL)
"""0 lies in the maker's range and may be a breath that stopped or one not found: it is kept."""

REPORTS: "Table" = {
    # the module
    0x0101: (number("keepalive", "B"),),
    0x0102: (number("reset", "B"),),
    0x0208: (state("work_mode", None, "fall", "sleep"),),
    0x02A1: (text("model"),),
    0x02A2: (text("product_id"),),
    0x02A3: (text("hardware"),),
    0x02A4: (text("firmware"),),
    0x0501: (number("initialised", "B"),),
    0x0601: (number("install_angle", "3h", "deg", 1, -180, 180),),
    0x0602: (number("install_height", "H", "m", 100, 0.5, 5.0),),
    0x0707: (flag("in_range"),),
    # presence
    0x8000: (flag("presence_reporting"),),
    0x8001: (flag("presence"),),
    0x8002: (state("motion", "none", "still", "active"),),
    0x8003: (number("body_movement", "B", "", 1, 0, 100),),
    0x8004: (number("distance", "H", "m", 100, 0, _FAR_M),),
    0x8005: (number("position", "3m", "m", 100, -_FAR_M, _FAR_M),),
    0x800D: (number("seated_distance", "H", "m", 100, 0, _FAR_M),),
    0x800E: (number("motion_distance", "H", "m", 100, 0, _FAR_M),),
    0x8012: (number("unattended_time", "I", "s"),),
    # breath
    0x8100: (flag("breath_reporting"),),
    0x8101: (state("breath_state", None, "normal", "high", "low", "none"),),
    0x8102: (_BREATH,),
    0x8105: (number("breath_wave", "5B", "count"),),
    0x810B: (number("low_breath_threshold", "B", "1/min", 1, 10, 20),),
    # heart
    0x8500: (flag("heart_reporting"),),
    0x8502: (number("heart_rate", "B", "1/min", 1, 60, 120, NONE),),
    0x8505: (number("heart_wave", "5B", "count"),),
    # bed and sleep
    0x8400: (flag("sleep_reporting"),),
    0x8401: (state("bed", "out", "in", "none"),),
    0x8402: (state("sleep", *_SLEEP_STATES),),
    0x8403: (number("awake", "H", "min"),),
    0x8404: (number("light_sleep", "H", "min"),),
    0x8405: (number("deep_sleep", "H", "min"),),
    0x8406: (number("sleep_score", "B", "", 1, 0, 100),),
    0x840C: (
        flag("presence"),
        state("sleep", *_SLEEP_STATES),
        number("mean_breath_rate", "B", "1/min", 1, 0, 35, DOUBTFUL),
        number("mean_heart_rate", "B", "1/min", 1, 60, 120, NONE),
        number("turns", "B"),
        number("large_movement", "B", "%", 1, 0, 100),
        number("small_movement", "B", "%", 1, 0, 100),
        number("apnoeas", "B"),
    ),
    0x840D: (
        number("sleep_score", "B", "", 1, 0, 100),
        number("sleep_time", "H", "min"),
        number("awake_share", "B", "%", 1, 0, 100),
        number("light_share", "B", "%", 1, 0, 100),
        number("deep_share", "B", "%", 1, 0, 100),
        number("out_of_bed", "B", "min"),
        number("bed_exits", "B"),
        number("turns", "B"),
        number("mean_breath_rate", "B", "1/min", 1, 0, 35, DOUBTFUL),
        number("mean_heart_rate", "B", "1/min", 1, 60, 120, NONE),
        number("apnoeas", "B"),
    ),
    0x840E: (state("sleep_abnormal", "under_4_h", "over_12_h", "long_absence", "none"),),
    0x840F: (state("report_mode", "real_time", "sleep"),),
    0x8410: (state("sleep_rating", "none", "good", "fair", "poor"),),
    0x8411: (state("struggle", *_STRUGGLE),),
    0x8412: (state("unattended", *_STRUGGLE),),
    0x8413: (flag("struggle_watch"),),
    0x8414: (flag("unattended_watch"),),
    0x8415: (number("unattended_limit", "B", "min", 1, 5, 120),),
    0x8416: (number("sleep_cut_off", "B", "min", 1, 30, 180),),
    0x841A: (state("struggle_sensitivity", "low", "medium", "high"),),
    # trajectories and falls
    0x8200: (flag("trajectory_reporting"),),
    0x8300: (flag("fall_detection"),),
    0x8301: (flag("fall"),),
    0x8305: (flag("static_residency"),),
    0x830A: (number("residency_time", "I", "s"),),
    0x830B: (flag("residency_watch"),),
    0x830C: (number("fall_time", "I", "s"),),
    0x830D: (number("fall_sensitivity", "B", "", 1, 0, 3),),
    0x830E: (number("track", "2m", "m", 100, -_FAR_M, _FAR_M),),
    0x830F: (number("height_time", "I", "s"),),
    0x8310: (number("measured_height", "H", "m", 100, 0.5, 5.0),),
    0x8311: (number("fall_height", "H", "m", 100, 0, 5.0),),
    0x8313: (number("trajectory_interval", "I"),),
    0x8314: (flag("trajectory_upload"),),
    0x8315: (flag("height_ratio"),),
}
"""Kind (control << 8 | command) to its fields."""

ROWS: "dict[int, Report]" = {
    0x8202: (
        number("target", "B"),
        number("target_size", "B"),
        number("target_feature", "B"),
        number("target_position", "3m", "m", 100, -_FAR_M, _FAR_M),
        number("target_speed", "m", "m/s", 100, -_FAR_M, _FAR_M),
    ),
}
"""Reports of equal rows, one a target. Position is x, y and height."""

UNSURE = (0x0601, 0x830E, 0x8313)
"""Signs, unit or axes are not verified: install angle, track, interval of trajectories."""

COMMANDS: "dict[str, tuple[int, str, int, float, float]]" = {
    "reset": (0x0102, "B", 1, 15, 15),
    "work_mode": (0x0208, "B", 1, 1, 2),
    "install_height_m": (0x0602, "H", 100, 0.5, 5.0),
    "presence_reporting": (0x8000, "B", 1, 1, 1),
    "seated_distance_m": (0x800D, "H", 100, 0.3, 5.0),
    "motion_distance_m": (0x800E, "H", 100, 0.3, 5.0),
    "unattended_time_s": (0x8012, "I", 1, 0, 3600),
    "breath_reporting": (0x8100, "B", 1, 0, 1),
    "low_breath_threshold_bpm": (0x810B, "B", 1, 10, 20),
    "heart_reporting": (0x8500, "B", 1, 0, 1),
    "sleep_reporting": (0x8400, "B", 1, 0, 1),
    "report_mode": (0x840F, "B", 1, 0, 1),
    "struggle_watch": (0x8413, "B", 1, 0, 1),
    "unattended_watch": (0x8414, "B", 1, 0, 1),
    "unattended_limit_min": (0x8415, "B", 1, 5, 120),
    "sleep_cut_off_min": (0x8416, "B", 1, 30, 180),
    "struggle_sensitivity": (0x841A, "B", 1, 0, 2),
    "fall_detection": (0x8300, "B", 1, 1, 1),
    "residency_time_s": (0x830A, "I", 1, 1, 3600),
    "residency_watch": (0x830B, "B", 1, 0, 1),
    "fall_time_s": (0x830C, "I", 1, 1, 60),
    "fall_sensitivity": (0x830D, "B", 1, 0, 3),
    "fall_height_m": (0x8311, "H", 100, 0.0, 1.5),
}
"""Name to kind, code, factor to the module's unit, and range. Nothing here switches the
detection of falls or of presence off. Work mode: 1 fall, 2 sleep, and the module restarts for
10 s. Fall sensitivity: more is more sensitive. The ranges of distances, heights and times are
ours; the maker gives none that could be verified."""
