"""The one catalogue of alarm conditions: priority, words and the codes of other standards.

Priorities as in IEC 60601-1-8. `ieee` is the event type of ISO/IEEE 11073-10471 (fall 1,
PERS 2, smoke 3, CO 4, water 5, gas 6, motion 7, property exit 8), `scaip` the device type of
SS 91100 (SCAIP); None where the standard has no word for it.
"""

from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """How urgent an alarm is; lower numbers go first."""

    HIGH = 0
    MEDIUM = 1
    LOW = 2

    @property
    def label(self) -> str:
        """Return the name used in messages."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the catalogue.

    Attributes:
        life_critical: no mode, filter, rule or silence period may ever hold it back.
        technical: about the equipment; one alarm for each unit instead of each person.
    """

    name: str
    priority: Priority
    zh: str
    en: str
    life_critical: bool = False
    technical: bool = False
    ieee: int | None = None
    scaip: str | None = None


_HIGH, _MEDIUM, _LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW

_ROWS = (
    Condition("fall", _HIGH, "跌倒", "Fall", True, ieee=1, scaip="0005"),
    Condition("call", _HIGH, "一键呼救", "Call for help", True, ieee=2),
    Condition("breathing_stopped", _HIGH, "呼吸停止", "Breathing stopped", True),
    Condition("smoke", _HIGH, "烟雾", "Smoke", True, ieee=3),
    Condition("gas", _HIGH, "燃气泄漏", "Gas leak", True, ieee=6),
    Condition("co", _HIGH, "一氧化碳", "Carbon monoxide", True, ieee=4),
    Condition("bed_exit_not_returned", _MEDIUM, "离床未归", "Not back in bed", ieee=7),
    Condition("bathroom_stay", _MEDIUM, "卫生间滞留", "Long stay", ieee=7),
    Condition("inactivity", _MEDIUM, "长时间无活动", "No activity", ieee=7),
    Condition("heart_rate_high", _MEDIUM, "心率过高", "Heart rate high"),
    Condition("heart_rate_low", _MEDIUM, "心率过低", "Heart rate low"),
    Condition("respiration_high", _MEDIUM, "呼吸过快", "Breathing fast"),
    Condition("respiration_low", _MEDIUM, "呼吸过慢", "Breathing slow"),
    Condition("water_leak", _MEDIUM, "漏水", "Water leak", ieee=5),
    Condition("wandering", _MEDIUM, "夜间外出", "Door opened at night", ieee=8),
    Condition("protection_lost", _MEDIUM, "失去守护", "Nobody is watching over this person"),
    Condition("unit_lost", _LOW, "设备失联", "Unit lost", technical=True),
    Condition("battery_low", _LOW, "电池电量低", "Battery low", technical=True),
    Condition("mains_lost", _LOW, "市电中断", "Mains power lost", technical=True),
    Condition("sensor_stuck", _LOW, "传感器卡滞", "Sensor stuck", technical=True),
    Condition("sensor_fault", _LOW, "传感器故障", "Sensor fault", technical=True),
    Condition("cord_cut", _LOW, "呼叫拉绳断线", "Call cord cut", technical=True),
    Condition("call_stuck", _LOW, "呼叫按钮卡住", "Call button stuck", technical=True),
    Condition("pendant_not_worn", _LOW, "未佩戴吊坠", "Pendant not worn", technical=True),
    Condition("vitals_unavailable", _LOW, "体征不可用", "Vital signs unavailable", technical=True),
    Condition("clock_untrusted", _LOW, "时钟不可信", "Clock not trusted", technical=True),
    Condition("platform_unreachable", _LOW, "平台不可达", "Platform unreachable", technical=True),
    Condition("certificate_expiring", _LOW, "证书将到期", "Certificate expiring", technical=True),
    Condition("storage_low", _LOW, "存储空间不足", "Storage low", technical=True),
    Condition("tamper", _LOW, "设备被拆动", "Tampering", technical=True),
)

CONDITIONS = {row.name: row for row in _ROWS}
"""Every condition by its name."""


def subject_of(condition: str, person: str | None, unit: str | None) -> str:
    """Return whom an alarm is about: a unit when it is technical, else a person if one is known."""
    return (None if CONDITIONS[condition].technical else person) or unit or ""
