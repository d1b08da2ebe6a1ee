"""What the reports of TinyFrame mean: one table a product, and the commands.

| product | module | reports |
|---|---|---|
| ld6002 | HLK-LD6002 | phases, breath, heart, distance |
| mr60bha2 | Seeed MR60BHA2 | the same, presence, targets in two dimensions |
| ld6002b | HLK-LD6002B | targets in three dimensions, zones, settings |
| ld6002c | HLK-LD6002C | the same, presence, fall, fall settings |
| mr60fda2 | Seeed MR60FDA2 | presence, fall, fall settings |

0A13 and 0A14 mean vitals in the first two and power settings in the next two.

Known weaknesses: rates stay at their last values when the person leaves and the count of
targets stays at 1 (limengdu/MR60BHA2_ESPHome_external_components issue 17), so rates must expire
with presence; 0.0 is "no value" (issue 3); the heart rate saturates near 100 to 120 (issue 1);
the fall flag of an LD6002C comes 15 to 20 s after the fall.

Sources: as in `tinyframe.py`: V1.2 sections 2.1.6 to 2.1.17 (0A04 to 0A14), 2.2.2 to 2.2.8
(0E02 to 0E0E); MR60BHA2 from Seeed's component and mr60bha2-proto (0A17, 0A29 undocumented,
doppler step 0.1728 m/s), distance in cm as a real frame has it (66.64).
"""

from protocol.sensors.fields import flag, number, state
from protocol.sensors.reading import NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.sensors.fields import Report, Table

RANGE = 0x0A16
HEIGHT = 0x0E0E
AREA = 0x0202
_CLOUD = 0x0A08
_TARGETS = 0x0A04
_FAR_M = 12.0
_SPACE_M = "m", 1, -_FAR_M, _FAR_M

_SHARED: "Table" = {0x0F09: (flag("presence"),), 0x0E02: (flag("fall"),)}
"""They mean one thing in every product: a fall is read though another product is configured."""
_VITALS: "Table" = {
    0x0A13: (
        number("total_phase", "f", "rad"),
        number("breath_phase", "f", "rad"),
        number("heart_phase", "f", "rad"),
    ),
    0x0A14: (number("breath_rate", "f", "1/min", 1, 9, 48, NONE),),
    0x0A15: (number("heart_rate", "f", "1/min", 1, 60, 150, NONE),),
    RANGE: (number("range_flag", "I"), number("distance", "f", "m", 100, 0, _FAR_M)),
}
_PLANE: "Table" = {
    0x0A17: (number("alternative_position", "2f", *_SPACE_M),),
    0x0A29: (number("status", "H"),),
}
_ZONES = (
    number("zone_0", "6f", *_SPACE_M),
    number("zone_1", "6f", *_SPACE_M),
    number("zone_2", "6f", *_SPACE_M),
    number("zone_3", "6f", *_SPACE_M),
)
_SPACE: "Table" = {
    0x0A0A: (number("zone_occupancy", "4I", "", 1, 0, 1),),
    0x0A0B: _ZONES,
    0x0A0C: _ZONES,
    0x0A0D: (number("hold_delay", "I", "s"),),
    0x0A0E: (state("detection_sensitivity", "low", "medium", "high"),),
    0x0A0F: (state("trigger_speed", "slow", "medium", "fast"),),
    0x0A10: (number("height_range", "2f", *_SPACE_M),),
    0x0A11: (state("installation", "ceiling", "wall"),),
    0x0A12: (flag("low_power"),),
    0x0A13: (number("sleep_time", "I", "s", 1000),),
    0x0A14: (state("power_mode", "low", "normal"),),
}
_FALL: "Table" = {
    0x0E04: (flag("install_height_set"),),
    0x0E06: (
        number("install_height", "f", "m", 1, 1.0, 5.0),
        number("fall_threshold", "f", "m", 1, 0.3, 1.5),
        number("fall_sensitivity", "I", "", 1, 3, 30),
        number("alarm_area", "4f", "m", 1, 0.3, 1.5),
    ),
    0x0E08: (flag("fall_threshold_set"),),
    0x0E0A: (flag("fall_sensitivity_set"),),
    0x0E0C: (flag("alarm_area_set"),),
    HEIGHT: (number("target_height", "f", "m"),),
}
_SETTINGS: "Table" = {
    0x0E04: (number("set_install_height", "f", "m", 1, 1.0, 5.0),),
    0x0E08: (number("set_fall_threshold", "f", "m", 1, 0.3, 1.5),),
    0x0E0A: (number("set_fall_sensitivity", "I", "", 1, 3, 30),),
    0x0E0C: (number("set_alarm_area", "4f", "m", 1, 0.3, 1.5),),
}
"""Commands of the same types, told from their answers by the length: whoever taps the line to
the module sees both."""

_FLAT_ROW = (
    number("target_position", "2f", *_SPACE_M),
    number("doppler_index", "i"),
    number("cluster", "i"),
)
_TARGET_ROW = (
    number("target_position", "3f", *_SPACE_M),
    number("doppler_index", "i"),
    number("cluster", "i"),
)
_POINT_ROW = (
    number("cluster", "i"),
    number("point", "3f", *_SPACE_M),
    number("speed", "f", "m/s"),
)
_FLAT: "dict[int, Report]" = {_TARGETS: _FLAT_ROW, _CLOUD: _FLAT_ROW}
_SOLID: "dict[int, Report]" = {_TARGETS: _TARGET_ROW, _CLOUD: _POINT_ROW}


PRODUCTS: "dict[str, tuple[tuple[Table, ...], dict[int, Report], int]]" = {
    "ld6002": ((_SHARED, _VITALS), {}, 1382400),
    "mr60bha2": ((_SHARED, _VITALS, _PLANE), _FLAT, 115200),
    "ld6002b": ((_SHARED, _SPACE), _SOLID, 115200),
    "ld6002c": ((_SHARED, _SPACE, _FALL, _SETTINGS), _SOLID, 115200),
    "mr60fda2": ((_SHARED, _FALL, _SETTINGS), {}, 115200),
}
"""Name to tables of reports by type, rows by type (a u32 count before them), baud."""

COMMANDS: "dict[str, tuple[int, int, str, float, float]]" = {
    "install_height_m": (0x0E04, 0, "f", 1.0, 5.0),
    "fall_threshold_m": (0x0E08, 0, "f", 0.3, 1.5),
    "fall_sensitivity": (0x0E0A, 0, "I", 3, 30),
    "alarm_area_m": (0x0E0C, 0, "4f", 0.3, 1.5),
    "get_parameters": (0x0E06, 0, "", 0, 0),
    "report_height": (HEIGHT, 0x8000, "", 0, 0),
    "factory_defaults": (0x2110, 0, "", 0, 0),
    "version": (0xFFFF, 0, "", 0, 0),
    "control": (0x0201, 0, "I", 0x01, 0x1A),
    "hold_delay_s": (0x0203, 0, "I", 1, 3600),
    "height_range_m": (0x0204, 0, "2f", -6.0, 6.0),
    "sleep_time_ms": (0x0205, 0, "I", 1, 60000),
}
"""Name to type, ID, code, and range. Fall sensitivity: how many frames are averaged, less is
faster and less sure. Alarm area: left, right, front, back. Control: V1.2 section 2.1.1."""

ANSWERED = {0x0E01, AREA}.union({command[0] for command in COMMANDS.values()})
"""Types of commands, the only ones a module repeats without data: ours, user log and area."""
