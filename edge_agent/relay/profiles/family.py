"""What a family is told: few messages, in its own language, of what it can act on.

| an event | a family hears |
|---|---|
| `confirmed`, repeated, escalated, back from a shelf | always |
| a reminder | of a high alarm that nobody has taken up |
| `acknowledged` ... `closed` | as `states` says; by default all |
| `suspected` | only when asked for: it may be over in 10 s |
| low and technical | never |

A message has the words of the alarm, the code of the home, the time in China, and a reference that
tells a message that came twice from a second alarm. It has no measured value, no score and none of
the free text that somebody closed an alarm with: it goes through a messenger's servers.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from edge_agent.alarm.alarm import ENDED, AlarmEvent, State, Trigger
from edge_agent.alarm.catalogue import CONDITIONS, Priority
from edge_agent.relay.profile import Stamp
from edge_agent.relay.profiles.fields import (
    CHINA_OFFSET_S,
    format_time,
    read_event,
    to_ms,
    why_skipped,
)

LATE_S = 600.0
"""From this age on a message says how late it is: who reads "fall" thinks that it is now."""

State_ = Literal[
    "suspected", "acknowledged", "dispatched", "arrived", "recovered", "cancelled", "closed"
]
_FLAGS = {"drill": "[演练 DRILL]", "simulated": "[模拟 SIMULATED]"}
_UNTAKEN = (State.CONFIRMED, State.NOTIFIED)

_STATES = {
    State.SUSPECTED: ("疑似，正在核实", "suspected, being checked"),
    State.CONFIRMED: ("请立即联系", "get in touch now"),
    State.NOTIFIED: ("请立即联系", "get in touch now"),
    State.ACKNOWLEDGED: ("已有人受理", "somebody is dealing with it"),
    State.DISPATCHED: ("已派人前往", "help is on the way"),
    State.ARRIVED: ("人员已到达", "help has arrived"),
    State.RECOVERED: ("已结束：恢复正常", "over: back to normal"),
    State.CANCELLED: ("已结束：已取消", "over: cancelled"),
    State.CLOSED: ("已结束：处理完毕", "over: dealt with"),
}
_TRIGGERS: dict[Trigger | None, tuple[str, str]] = {
    Trigger.REPEAT: ("再次报警，请立即联系", "again: get in touch now"),
    Trigger.ESCALATE: ("仍无人受理，请立即联系", "nobody has answered: get in touch now"),
    Trigger.REMIND: ("仍无人受理，请立即联系", "nobody has answered: get in touch now"),
}


class FamilySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route to a family is told. Nothing here can keep a high alarm from it."""

    urls_file: str
    language: Literal["zh", "en"] = "zh"
    lowest: Literal["high", "medium"] = "medium"
    states: Annotated[tuple[State_, ...], msgspec.Meta(max_length=7)] = (
        "acknowledged",
        "dispatched",
        "arrived",
        "recovered",
        "cancelled",
        "closed",
    )
    drills: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """One message; `kind` is one of apprise's: `failure`, `warning`, `success` or `info`."""

    title: str
    body: str
    kind: str


class FamilyProfile:
    """Rows to notes."""

    def __init__(self, settings: FamilySettings) -> None:
        self._settings = settings
        self._lowest = Priority[settings.lowest.upper()]

    def deliver(self, body: bytes, stamp: Stamp) -> Note | None:
        """Return what a family reads of an event, or None when it does not hear of it.

        Raises:
            RowError: the body is no alarm event.
        """
        event = read_event(body)
        if not self._is_told(event):
            return None
        english = self._settings.language == "en"
        words = _TRIGGERS.get(event.trigger, _STATES[event.state])
        text = event.text.get(self._settings.language, event.condition)
        flags = "".join(f"{_FLAGS[flag]} " for flag in event.flags if flag in _FLAGS)
        what = f"{text}: {words[1]}" if english else f"{text}，{words[0]}"
        lines = [f"{flags}{what}", *self._times(event, stamp, english=english)]
        reference = f"{event.alarm_id[-6:]}-{event.event}"
        home = f"home {event.home}, ref. {reference}"
        lines.append(home if english else f"家庭 {event.home}，编号 {reference}")
        return Note(f"{flags}{text}", "\n".join(lines), _kind(event))

    def _is_told(self, event: AlarmEvent) -> bool:
        one = self._settings
        told = why_skipped(event, drills=one.drills, can_retract="suspected" in one.states) is None
        condition = CONDITIONS.get(event.condition)
        if condition is None:
            return told  # of a later release, maybe: better too much
        if condition.priority > self._lowest:
            return False
        if event.trigger is Trigger.REMIND:
            return told and event.state in _UNTAKEN and condition.priority is Priority.HIGH
        if event.trigger is Trigger.SHELVE:
            return False
        return told and (_is_raised(event) or event.state in one.states)

    def _times(self, event: AlarmEvent, stamp: Stamp, *, english: bool) -> list[str]:
        """Return when it happened, and how long ago if that is long; a bad clock says so."""
        local = format_time(to_ms(event.onset) / 1000, "yyyy-MM-dd HH:mm:ss", CHINA_OFFSET_S)
        if event.clock == "none":
            local += " (clock not set)" if english else "（时钟未校准）"
        lines = [f"{local} Beijing time" if english else f"北京时间 {local}"]
        late_s = stamp.utc_s - to_ms(event.at) / 1000
        if late_s >= LATE_S and stamp.is_trusted and event.clock != "none":
            hours, minutes = divmod(int(late_s // 60), 60)
            lines.append(
                f"LATE: sent {hours} h {minutes} min after it was raised"
                if english
                else f"迟到的消息：报警发生 {hours} 小时 {minutes} 分钟后才发出"
            )
        return lines


def _is_raised(event: AlarmEvent) -> bool:
    return event.state in _UNTAKEN or event.trigger is Trigger.REPEAT


def _kind(event: AlarmEvent) -> str:
    if event.state in ENDED:
        return "success"
    if not _is_raised(event):
        return "info"
    return "failure" if event.priority == Priority.HIGH.label else "warning"
