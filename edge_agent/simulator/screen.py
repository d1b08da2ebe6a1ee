"""What a demo shows: a live table on a terminal, lines elsewhere, or nothing (JSON)."""

from typing import Literal

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from edge_agent.alarm.alarm import State
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.simulator.demo import Light
from edge_agent.simulator.scene import Scene, SceneEvent
from edge_agent.simulator.verdict import Verdict
from edge_agent.simulator.watcher import Arrival

Language = Literal["zh", "en"]

_WORDS = {
    "zh": {
        "time": "场景时间",
        "what": "发生 / 收到",
        "state": "状态",
        "latency": "距发生",
        "unit": "设备",
        "blinking": "灯闪烁，蜂鸣",
        "steady": "灯常亮：已有人响应",
        "dark": "灯灭",
        "simulated": "模拟场景，没有真人，没有真报警",
        "link": "本机没有 MicroPython 虚拟机：设备只在链路层模拟",
        "met": "符合",
        "missed": "未出现",
        "forbidden": "不该出现",
        "summary": "报警（时间为场景秒）",
        "happened": "发生",
        "reached": "平台收到",
        "good": "全部符合预期",
        "bad": "与预期不符",
    },
    "en": {
        "time": "scene",
        "what": "happened / received",
        "state": "state",
        "latency": "after onset",
        "unit": "unit",
        "blinking": "light blinks, buzzer sounds",
        "steady": "light steady: somebody has answered",
        "dark": "light off",
        "simulated": "a simulated scene: nobody is real, and no alarm is",
        "link": "no MicroPython VM for this machine: units are played at link level",
        "met": "met",
        "missed": "missed",
        "forbidden": "forbidden",
        "summary": "Alarms (times in scene seconds)",
        "happened": "happened",
        "reached": "reached the platform",
        "good": "as expected",
        "bad": "not as expected",
    },
}

_STATE_ZH = {
    State.SUSPECTED: "疑似",
    State.CONFIRMED: "确认",
    State.NOTIFIED: "已送达",
    State.ACKNOWLEDGED: "已确认",
    State.DISPATCHED: "已派单",
    State.ARRIVED: "已到场",
    State.RECOVERED: "已恢复",
    State.CANCELLED: "已取消",
    State.CLOSED: "已办结",
}
_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan"}
_ROWS_SHOWN = 18
STEADY_S = 2.5
"""A light that has not changed for this long is steady: the slowest pattern blinks in 2 s."""


class NoScreen:
    """Shows nothing: the summary is all."""

    def happened(self, event: SceneEvent) -> None:
        """Show nothing."""

    def arrived(self, arrival: Arrival, latency_s: float) -> None:
        """Show nothing."""

    def lit(self, light: Light) -> None:
        """Show nothing."""

    def passed(self, now_s: float) -> None:
        """Show nothing."""


def clock_text(seconds: float) -> str:
    """Return scene seconds as minutes and seconds."""
    return f"{int(seconds) // 60:02d}:{seconds % 60:04.1f}"


class DemoScreen:
    """Shows a demo in one language."""

    def __init__(self, scene: Scene, language: Language, link_level: bool) -> None:
        self._scene = scene
        self._language = language
        self._words = _WORDS[language]
        self._console = Console()
        self._rows: list[tuple[str, Text, str, str]] = []
        self._lights: dict[str, tuple[str, int, float]] = {}
        self._progress = Progress(TextColumn("{task.description}"), BarColumn(), transient=True)
        self._task = self._progress.add_task("00:00.0", total=scene.duration)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._console.print(f"[bold]安枕 Anzhen[/] {scene.zh} / {scene.en}")
        self._console.print(f"[dim]{self._words['simulated']}[/]")
        if link_level:
            self._console.print(f"[yellow]{self._words['link']}[/]")

    def __enter__(self) -> "DemoScreen":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
            self._console.print(self._table(self._rows))

    def happened(self, event: SceneEvent) -> None:
        """Show something that happened in the scene."""
        words = event.zh if self._language == "zh" else event.en
        subject = event.person or event.unit or ""
        text = Text(f"· {words or event.what.value}  ({subject})", style="dim")
        self._add(event.at, text, "", "")

    def arrived(self, arrival: Arrival, latency_s: float) -> None:
        """Show an alarm event that the subscriber got."""
        event = arrival.event
        state = self._state(event.state)
        text = Text(event.text[self._language], style=_STYLES[event.priority])
        self._add(arrival.at_s, text, state, f"{latency_s:+.1f} s")

    def lit(self, light: Light) -> None:
        """Take a change of a unit's light; patterns are told, not every blink."""
        if light.output != "light":
            return
        shown, level, since_s = self._lights.get(light.unit, ("dark", 0, -STEADY_S))
        if light.level == level:
            return
        if shown != "blinking" and light.at_s - since_s < STEADY_S:
            shown = "blinking"
            self._tell_light(light.unit, shown, since_s)
        self._lights[light.unit] = shown, light.level, light.at_s

    def passed(self, now_s: float) -> None:
        """Move the progress on."""
        for unit, (shown, level, since_s) in self._lights.items():
            steady = "steady" if level else "dark"
            if shown != steady and now_s - since_s > STEADY_S:
                self._tell_light(unit, steady, since_s)
                self._lights[unit] = steady, level, since_s
        self._progress.update(self._task, completed=now_s, description=clock_text(now_s))
        self._draw()

    def _tell_light(self, unit: str, shown: str, at_s: float) -> None:
        self._add(at_s, Text(f"{unit}: {self._words[shown]}", style="magenta"), "", "")

    def show(self, verdict: Verdict) -> None:
        """Show the summary."""
        words = self._words
        table = Table(title=words["summary"], title_justify="left", box=None, pad_edge=False)
        for heading in ("", words["happened"], words["reached"], words["latency"], words["state"]):
            table.add_column(heading, no_wrap=heading != words["state"])
        for alarm in verdict.alarms:
            states = "  ".join(f"{self._state(state)} {at_s:.1f}" for state, at_s in alarm.states)
            table.add_row(
                self._condition(alarm.condition),
                f"{alarm.onset_s:.1f}",
                f"{alarm.states[0][1]:.1f}",
                f"{alarm.latency_s:.1f} s",
                states,
            )
        self._console.print(table)
        for met in verdict.met:
            rule = met.expectation
            mark = (
                f"[green]✓ {words['met']}[/]" if met.at_s else f"[bold red]✗ {words['missed']}[/]"
            )
            at = "" if met.at_s is None else f" {met.at_s:.1f}"
            name, state = self._condition(rule.alarm), self._state(rule.state)
            self._console.print(f"{mark} {name} {state}{at} ≤ {rule.by:g}")
        for broken, at_s in verdict.broken:
            name = self._condition(broken.alarm)
            self._console.print(f"[bold red]✗ {words['forbidden']}[/] {name} {at_s:.1f}")
        good = f"[bold green]{words['good']}[/]"
        self._console.print(good if verdict.is_good else f"[bold red]{words['bad']}[/]")

    def _state(self, state: State) -> str:
        return _STATE_ZH[state] if self._language == "zh" else state.value

    def _condition(self, name: str) -> str:
        condition = CONDITIONS[name]
        return condition.zh if self._language == "zh" else condition.en

    def _add(self, at_s: float, text: Text, state: str, latency: str) -> None:
        self._rows.append((clock_text(at_s), text, state, latency))
        if self._console.is_terminal:
            self._draw()
        else:
            self._console.print(f"{clock_text(at_s)}  {text.plain:<40} {state:<12} {latency}")

    def _draw(self) -> None:
        if self._console.is_terminal:
            recent = self._table(self._rows[-_ROWS_SHOWN:])
            self._live.update(Group(recent, self._progress), refresh=True)

    def _table(self, rows: list[tuple[str, Text, str, str]]) -> Table:
        table = Table(box=None, pad_edge=False, expand=False)
        for heading in ("time", "what", "state", "latency"):
            table.add_column(self._words[heading], no_wrap=True)
        for row in rows:
            table.add_row(*row)
        return table
