"""Rules of the installation: when a condition counts, how long it must last, how often.

```
 cause --on-delay, effective hours, silence period--> held ---all three over---> alarm
                                                       |
                                                      over: forgotten, nothing was raised
 over  --off-delay--> passed on; a cause meanwhile takes it back
```
A rule only ever holds a cause back; a held cause that still stands is raised when its time
comes. Conditions that protect a life know no rule (`RULED`). While the clock is not trusted
every effective hour counts as in force, and after a restart of the host every delay and every
silence period is over. Names as in ISA-18.2; the silence period is the field's 沉默周期.

Weakness: a cause that is told once and whose end is never told stays held until its hours begin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from edge_agent.alarm.catalogue import subject_of
from edge_agent.clock import Instant
from edge_agent.config.policy import RuleConfig
from edge_agent.home.cause import Cause, Noted, Over
from edge_agent.home.hours import Hours
from edge_agent.pipeline.findings import Finding

LONGEST_DELAY_S = 3600.0
"""No on-delay is longer."""
MOST_HELD = 256
"""Causes held back at once; with more, the oldest is raised."""

Key = tuple[str, str]
"""A condition and the person or unit it is about."""


class _Held(msgspec.Struct, frozen=True):
    """A cause that waits, and since when."""

    cause: Cause
    since_monotonic_s: float


class _Ending(msgspec.Struct, frozen=True):
    """An end that waits for its off-delay."""

    over: Over
    due_monotonic_s: float


class _Silence(msgspec.Struct, frozen=True):
    """A silence period of one person or unit."""

    condition: str
    subject: str
    until_monotonic_s: float


class _Fact(msgspec.Struct, frozen=True):
    """What is stored; times are of `host_boot`."""

    host_boot: str
    held: list[_Held] = []
    endings: list[_Ending] = []
    silences: list[_Silence] = []


class Rules:
    """What is held back, and until when."""

    def __init__(self, rules: Iterable[RuleConfig], host_boot: str) -> None:
        self._rules: dict[str, RuleConfig] = {
            name: rule for rule in rules for name in rule.conditions
        }
        self._hours: dict[str, Hours] = {
            name: Hours(rule.effective_start, rule.effective_end)
            for name, rule in self._rules.items()
        }
        self._host_boot = host_boot
        self._held: dict[Key, _Held] = {}
        self._endings: dict[Key, _Ending] = {}
        self._silent_until_s: dict[Key, float] = {}

    def apply(self, findings: Sequence[Finding], now: Instant) -> list[Finding]:
        """Return the findings that count now; a held one leaves its origin as `Noted`."""
        passed: list[Finding] = []
        for finding in findings:
            if isinstance(finding, Cause) and finding.condition in self._rules:
                passed += self._take_cause(finding, now)
            elif isinstance(finding, Over) and finding.condition in self._rules:
                passed += self._take_over(finding, now)
            else:
                passed.append(finding)
        return passed

    def tick(self, now: Instant) -> list[Finding]:
        """Return the causes and ends whose time has come."""
        due: list[Finding] = []
        for key, held in list(self._held.items()):
            if self._holds(key, held.since_monotonic_s, now) is None:
                due.append(self._held.pop(key).cause)
        for key, ending in list(self._endings.items()):
            if now.monotonic_s >= ending.due_monotonic_s:
                due.append(self._endings.pop(key).over)
        return due

    def end_alarm(self, condition: str, subject: str, now: Instant) -> None:
        """Note that an alarm has ended: its silence period begins."""
        rule = self._rules.get(condition)
        self._endings.pop((condition, subject), None)
        if rule is not None and rule.silence_s:
            self._silent_until_s[condition, subject] = now.monotonic_s + rule.silence_s

    def held(self) -> list[dict[str, str]]:
        """Return what is held back, for people."""
        return [{"condition": condition, "subject": subject} for condition, subject in self._held]

    def fact(self, now: Instant) -> bytes:
        """Return what is to be stored."""
        silences = [
            _Silence(condition, subject, until_s)
            for (condition, subject), until_s in self._silent_until_s.items()
            if until_s > now.monotonic_s
        ]
        held, endings = list(self._held.values()), list(self._endings.values())
        return msgspec.json.encode(_Fact(self._host_boot, held, endings, silences))

    def restore(self, body: bytes, now: Instant) -> None:
        """Take back a stored fact; what is of another boot of the host has waited long enough.

        Raises:
            msgspec.MsgspecError: it cannot be read.
        """
        fact = msgspec.json.decode(body, type=_Fact)
        is_same_boot = fact.host_boot == self._host_boot
        for held in fact.held:
            since_s = held.since_monotonic_s if is_same_boot else now.monotonic_s - LONGEST_DELAY_S
            self._held[_key(held.cause)] = _Held(held.cause, since_s)
        for ending in fact.endings:
            due_s = ending.due_monotonic_s if is_same_boot else now.monotonic_s
            self._endings[ending.over.condition, ending.over.subject] = _Ending(ending.over, due_s)
        for silence in fact.silences if is_same_boot else ():
            self._silent_until_s[silence.condition, silence.subject] = silence.until_monotonic_s

    def _take_cause(self, cause: Cause, now: Instant) -> list[Finding]:
        key = _key(cause)
        self._endings.pop(key, None)
        since_s = self._held[key].since_monotonic_s if key in self._held else now.monotonic_s
        why = self._holds(key, since_s, now)
        if why is None:
            self._held.pop(key, None)
            return [cause]
        reason = f"{cause.reason}; {why}" if cause.reason else why
        if key not in self._held:
            self._held[key] = _Held(replace(cause, origin=None, reason=reason), since_s)
        noted: list[Finding] = [] if cause.origin is None else [Noted(cause.origin)]
        if len(self._held) > MOST_HELD:
            noted.append(self._held.pop(next(iter(self._held))).cause)
        return noted

    def _take_over(self, over: Over, now: Instant) -> list[Finding]:
        key = (over.condition, over.subject)
        rule = self._rules[over.condition]
        was_held = self._held.pop(key, None) is not None
        if not was_held and not rule.off_delay_s:
            return [over]
        if not was_held:
            due_s = now.monotonic_s + rule.off_delay_s
            self._endings.setdefault(key, _Ending(replace(over, origin=None), due_s))
        return [] if over.origin is None else [Noted(over.origin)]

    def _holds(self, key: Key, since_s: float, now: Instant) -> str | None:
        """Return why a cause is held back, or None."""
        rule = self._rules.get(key[0])
        if rule is None:
            return None
        if now.monotonic_s < since_s + rule.on_delay_s:
            return f"told after an on-delay of {rule.on_delay_s:g} s"
        if now.monotonic_s < self._silent_until_s.get(key, now.monotonic_s):
            return f"told after a silence period of {rule.silence_s:g} s"
        if not self._hours[key[0]].contains(now):
            return f"told from {rule.effective_start} on, as the rule says"
        return None


def _key(cause: Cause) -> Key:
    return cause.condition, subject_of(cause.condition, cause.person, cause.unit)
