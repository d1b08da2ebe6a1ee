r"""What is ordered from outside: the installer's rules, and the commands of platforms.

```
 findings --drill? --rules--> findings that count      platform --command--> drill, delays, time
                      |                                              \-----> alarm table
                      +--held, until their time comes
```
Everything here makes the agent quieter or says what is a rehearsal; what protects a life passes
through all of it untouched but for the flag of a drill.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.catalogue import subject_of
from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.alarm.configure import ConfigureError, Delays
from edge_agent.alarm.drill import CALL, DrillError, Drills
from edge_agent.alarm.rules import Rules
from edge_agent.alarm.table import AlarmTable, Change
from edge_agent.clock import Instant, parse_utc
from edge_agent.config.policy import AlarmConfig, RuleConfig
from edge_agent.pipeline.findings import Finding

_log = logging.getLogger(__name__)

DRILL_MINUTES = 10.0
"""How long a drill lasts when nobody says."""

DRILL_REST_S = 12 * 3600.0
"""From one drill of a unit that a platform asks for to the next: none can be kept in drill."""

RULES, DELAYS = "rules", "delays"
"""Names of the stored facts."""


class Orders:
    """Rules, drills and delays of one home."""

    def __init__(
        self,
        delays: AlarmConfig,
        rules: Iterable[RuleConfig],
        units: Iterable[str],
        host_boot: str,
        take_time: Callable[[str, float], bool],
    ) -> None:
        """Put them together; `take_time` is told a route's name and its UTC."""
        self._delays = Delays(delays)
        self._rules = Rules(rules, host_boot)
        self._drills = Drills(units)
        self._take_time = take_time
        self._asked_s: dict[str, float] = {}

    @property
    def delays(self) -> Delays:
        """Return the delays that are in force."""
        return self._delays

    def pass_on(self, findings: list[Finding], now: Instant) -> list[Finding]:
        """Return the findings that count now, with those whose time has come."""
        passed = self._rules.apply(self._drills.mark(findings, now), now)
        return passed + self._rules.tick(now)

    def end_alarm(self, event: AlarmEvent, now: Instant) -> None:
        """Note that an alarm has ended."""
        subject = subject_of(event.condition, event.person, event.unit)
        self._rules.end_alarm(event.condition, subject, now)
        self._drills.end_alarm(event)

    def facts(self, now: Instant) -> dict[str, bytes]:
        """Return what is to be stored. A drill is not: with the agent it is over."""
        return {RULES: self._rules.fact(now), DELAYS: self._delays.fact()}

    def restore(self, facts: dict[str, bytes], now: Instant) -> dict[str, bytes]:
        """Take back what was stored; return the facts that are not ours."""
        for name, take in (
            (RULES, lambda body: self._rules.restore(body, now)),
            (DELAYS, self._delays.restore),
        ):
            try:
                if name in facts:
                    take(facts[name])
            except msgspec.MsgspecError as error:
                _log.error("stored fact %s cannot be read: %s", name, error)
        return {name: body for name, body in facts.items() if name not in (RULES, DELAYS)}

    def apply(
        self, command: Command, table: AlarmTable, now: Instant
    ) -> tuple[Response, list[Change]]:
        """Carry out a command, or say why not."""
        try:
            if command.name is CommandName.DRILL:
                self._begin_drill(command, table, now)
            elif command.name is CommandName.CONFIGURE:
                self._delays.change(command.values or {})
                table.set_policy(self._delays.policy())
                _log.warning("route %s set %s", command.route, sorted(command.values or {}))
            elif command.name is CommandName.TIME:
                if not self._take_time(command.route, parse_utc(command.utc or "")):
                    raise ValueError("not taken: the clock is good, or this time is not possible")
            else:
                return table.apply(command, now)
        except (DrillError, ConfigureError, ValueError) as error:
            why = str(error)[:200]
            return Response(transaction=command.transaction, ok=False, error=why), []
        return Response(transaction=command.transaction, ok=True), []

    def status(self, now: Instant) -> dict[str, Any]:
        """Return what is held back and rehearsed, for people."""
        drills = [
            {
                "unit": drill.unit,
                "condition": drill.condition,
                "left_s": round(drill.until_s - now.monotonic_s),
            }
            for drill in self._drills.running(now)
        ]
        return {"drills": drills, "held": self._rules.held()}

    def drill_on_site(
        self, request: dict[str, Any], table: AlarmTable, now: Instant
    ) -> dict[str, Any]:
        """Begin a drill that somebody in the home asks for: of any condition that protects a life.

        Returns:
            what `status` says of drills, or an `error`.
        """
        minutes = request.get("minutes", DRILL_MINUTES)
        unit, condition = str(request.get("unit")), str(request.get("condition", CALL))
        if not isinstance(minutes, int | float):
            return {"error": "minutes: not a number"}
        try:
            self._drills.begin(unit, condition, 60.0 * minutes, table.open_events(), now)
        except DrillError as error:
            return {"error": str(error)[:200]}
        _log.warning("drill of %s on unit %s begun on site", condition, unit)
        return self.status(now)

    def _begin_drill(self, command: Command, table: AlarmTable, now: Instant) -> None:
        """Begin a drill that a platform asks for: of a call, and of nothing else."""
        if command.condition not in (None, CALL):
            raise DrillError("from outside only a call is rehearsed; others begin on site")
        minutes = DRILL_MINUTES if command.minutes is None else command.minutes
        unit = command.unit or ""
        if now.monotonic_s < self._asked_s.get(unit, -DRILL_REST_S) + DRILL_REST_S:
            raise DrillError(
                f"from outside once in {DRILL_REST_S / 3600:g} h; others begin on site"
            )
        self._drills.begin(unit, CALL, 60.0 * minutes, table.open_events(), now)
        self._asked_s[unit] = now.monotonic_s
        _log.warning("drill of a call on unit %s begun by route %s", unit, command.route)
