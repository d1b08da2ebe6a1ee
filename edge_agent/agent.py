"""The composition root: units, pipeline, alarms, outbox, routes, control, in one TaskGroup.

```
 units --received--> pipeline --findings--> table --changes--> outbox --rows--> relay
   ^                                                              |               |
   +------------------ acks, after the commit --------------------+<-- accepted --+
```
Nothing is told to anyone before the commit that stores it has returned.
"""

import asyncio
import contextlib
import logging
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import __version__
from edge_agent.alarm.alarm import AgentStamp, AlarmEvent, State, Trigger
from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.alarm.onsite import REPEAT_S, SOUND_S, sounding_units
from edge_agent.alarm.policy import Policy
from edge_agent.alarm.restamp import ClockWatch, restamped
from edge_agent.alarm.table import AlarmTable, Change, Identity
from edge_agent.clock import Clock, Instant, format_utc, uuid7
from edge_agent.config import AlarmConfig, Config, ConfigError, UnitConfig
from edge_agent.control import serve_control
from edge_agent.home.agent_health import AgentHealth
from edge_agent.home.cause import Cause, Noted, Origin, Over
from edge_agent.home.home import AGENT, Home
from edge_agent.link.key_file import read_key
from edge_agent.link.link import Link
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, OutboxError, Row, Stored, Telemetry, UnitEvent
from edge_agent.pipeline.findings import (
    BedNews,
    BedWarning,
    Finding,
    SleepNews,
    UnitNews,
    VitalsNews,
)
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.relay.health import health_message
from edge_agent.relay.mqtt import Broker
from edge_agent.relay.profiles.native import NativeProfile, Publication
from edge_agent.relay.relay import Hooks, Relay
from edge_agent.relay.retained import RetainedState
from edge_agent.relay.tls import make_tls
from edge_agent.unit import Received, Unit
from protocol.messages import CommandKind, Event, Impact, Stage

_log = logging.getLogger(__name__)

STAGES = {
    State.NOTIFIED: Stage.DELIVERED,
    State.ACKNOWLEDGED: Stage.ACKNOWLEDGED,
    State.DISPATCHED: Stage.DISPATCHED,
    State.ARRIVED: Stage.DISPATCHED,
    State.RECOVERED: Stage.ENDED,
    State.CANCELLED: Stage.ENDED,
    State.CLOSED: Stage.ENDED,
}
"""What a unit's light shows for a state; STORED for all others."""

FACTS_S = 60.0
"""What is known of the home is stored at least this often when it changed, and with every cause."""

ORIGINS_KEPT = 64
"""Records of units, for each alarm, whose units are told how it goes on: the newest presses."""

CAPACITY_S = 600.0
LEAST_DAYS = 30.0
"""How often the room on the disk is looked at, and from how few days on it is a fault."""

FALSE_ALARM = "false_alarm"
"""The reason of a `close` that says there was no emergency; inactivity and falls learn from it."""


class Agent:
    """One home's agent."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        open_link: Callable[[UnitConfig], Link],
        outbox_path: Path,
        control_path: Path | None,
        on_stored: Callable[[AlarmEvent], None] | None = None,
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            config: the checked configuration.
            clock: the system's, or a virtual one.
            open_link: opens a unit's line, raising LinkError while it is away.
            outbox_path: the database.
            control_path: the control socket, or None for none.
            on_stored: told of every event once it is on disk.
        """
        self._config = config
        self._clock = clock
        self._on_stored = on_stored
        self._control_path = control_path
        now = clock.now()
        self._session = uuid7(now.utc_s, clock.random(10))
        host_boot = clock.host_boot()
        identity = Identity(
            config.home.region,
            config.home.home,
            AgentStamp(self._session, __version__),
            host_boot,
        )
        self._home = Home(config)
        self._pipeline = Pipeline(config, self._home, host_boot, now)
        self._health = AgentHealth(now)
        self._clock_watch = ClockWatch()
        self._certificate_ends_s: float | None = None
        self._capacity_due_s = now.monotonic_s + CAPACITY_S
        self._low: str | None = None
        self._table = AlarmTable(identity, _policy(config.alarm), clock.random)
        self._profile = NativeProfile(config.home.region, config.home.home)
        self._retained = RetainedState(self._profile, identity.agent)
        self._received: list[Received] = []
        self._wake = asyncio.Event()
        self._timers_changed = asyncio.Event()
        self._onsite_changed = asyncio.Event()
        self._origins: dict[str, list[Origin]] = {}
        self._facts: dict[str, bytes] = {}
        self._facts_due_s = now.monotonic_s + FACTS_S
        self.units = {
            unit.id: Unit(
                unit.id,
                lambda unit=unit: open_link(unit),  # type: ignore[misc]
                clock,
                self._received,
                self._wake.set,
                read_key(unit),
            )
            for unit in config.unit
        }
        routes = ["mqtt"] if config.mqtt else []
        self.outbox = Outbox(outbox_path, routes, clock.outside)
        self.relay = self._make_relay() if config.mqtt else None

    async def run(self) -> None:
        """Run until cancelled. A fault of ours ends it loudly; the service manager restarts.

        Raises:
            OutboxError: the outbox cannot be opened or cannot store.
        """
        stored = await self.outbox.open()
        try:
            await self._restore(stored)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work(), name="pipeline")
                group.create_task(self._run_timers(), name="alarm timers")
                group.create_task(self._tick(), name="silence and beds")
                group.create_task(self._sound(), name="on-site escalation")
                for unit in self.units.values():
                    group.create_task(unit.run(), name=f"unit {unit.unit_id}")
                if self.relay is not None:
                    group.create_task(self.relay.run(), name="relay mqtt")
                if self._control_path is not None:
                    control = serve_control(
                        self._control_path,
                        {"status": self.status, "calibration": self.calibration},
                    )
                    group.create_task(control, name="control")
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await self.outbox.close()

    async def status(self, _: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what `anzhen status` shows."""
        now = self._clock.now()
        lost = self._pipeline.samples_lost()
        return {
            "session": self._session,
            "version": __version__,
            "at": format_utc(now.utc_s),
            "clock": now.quality.label,
            "units": [
                {
                    "unit": unit_id,
                    "state": unit.session.state,
                    "samples_lost": lost[unit_id],
                    "frames_lost": unit.session.frames_lost,
                    "rejected": unit.session.rejected,
                    "dropped": unit.dropped,
                }
                for unit_id, unit in self.units.items()
            ],
            "routes": [
                {
                    "route": route,
                    "online": self.relay is not None and self.relay.is_online,
                    "waiting": waiting,
                }
                for route, waiting in (await self.outbox.backlog()).items()
            ],
            "outbox": msgspec.to_builtins(self.outbox.health)
            | msgspec.to_builtins(await self.outbox.capacity()),
            "open_alarms": msgspec.to_builtins(self._retained.open_events),
        }

    async def calibration(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what is known of each wearer; forget one first when `reset` names a unit."""
        unit_id = request.get("reset")
        if unit_id is not None:
            if not isinstance(unit_id, str) or not self._pipeline.reset_calibration(unit_id):
                return {"error": f"nothing is known of a wearer of {unit_id!r}"[:200]}
            self._facts_due_s = 0.0
            _log.warning("unit %s: calibration reset", unit_id)
        return {"calibrations": self._pipeline.calibrations()}

    def next_confirmation_s(self) -> float | None:
        """Return when the next suspicion is confirmed (monotonic), or None."""
        return self._table.next_due_s(Trigger.CONFIRM)

    async def _restore(self, stored: Stored) -> None:
        self._clock.not_before(stored.latest_utc_s)
        now = self._clock.now()
        for origin in stored.origins:
            key = Origin(origin.unit, origin.boot_id, origin.seq)
            self._origins.setdefault(origin.alarm_id or "", []).append(key)
        self._pipeline.restore(stored.facts, now)
        for alarm in stored.alarms:
            self._retained.note_alarm(alarm)
            if alarm.is_open:
                last = alarm.last
                self._pipeline.begin_alarm(last.condition, last.person, last.unit)
        changes = self._table.restore(stored.alarms, now)
        await self._commit(Batch(), changes, now)

    # -- findings to alarms ---------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            drained, self._received[:] = self._received[:], []
            known = await self._known(drained)
            now = self._clock.now()
            findings: list[Finding] = []
            for item in drained:
                message = item.message
                if isinstance(message, Event | Impact):
                    name = Origin(item.unit_id, message.boot_id, message.seq)
                    if name in known:
                        if known[name]:
                            self._acknowledge(name, Stage.STORED)
                        continue
                    known[name] = False  # its own commit acknowledges it
                findings += self._take(item, now)
            await self._act(findings + self._pipeline.poll(now), now)

    def _take(self, item: Received, now: Instant) -> list[Finding]:
        """Hand one message to the pipeline; a bug of ours there must not feed a crash loop.

        The message is not acknowledged: its unit keeps it and sends it again. Everything else
        goes on, and that something is wrong is said.
        """
        try:
            return self._pipeline.take(item, now)
        except Exception as error:
            what = type(item.message).__name__
            _log.exception("unit %s: %s could not be processed", item.unit_id, what)
            reason = f"{what} could not be processed: {type(error).__name__}"
            return [self._home.cause("sensor_fault", item.unit_id, now.utc_s, reason=reason)]

    async def _known(self, drained: list[Received]) -> dict[Origin, bool]:
        """Return which events of units were put before, and whether they are on disk.

        Those are only acknowledged; while one is only in memory, its unit keeps it.
        """
        known = {}
        for item in drained:
            message = item.message
            if isinstance(message, Event | Impact):
                name = Origin(item.unit_id, message.boot_id, message.seq)
                found = await self.outbox.knows(name.unit, name.boot_id, name.seq)
                if found is not None:
                    known[name] = found.is_durable
        return known

    async def _act(self, findings: list[Finding], now: Instant) -> None:
        """Turn findings into stored changes, then tell those who wait for them."""
        if not findings and now.monotonic_s < self._facts_due_s:
            return
        self._facts_due_s = now.monotonic_s + FACTS_S
        batch = Batch()
        changes: list[Change] = []
        for finding in findings:
            alarm_id = None
            if isinstance(finding, Cause):
                alarm, made = self._table.report(finding, now)
                alarm_id = alarm.alarm_id
                changes += made
            elif isinstance(finding, Over):
                changes += self._table.recover(
                    finding.condition, finding.subject, now, finding.reason
                )
            elif isinstance(finding, UnitNews):
                self._take_unit_news(finding, now)
            elif isinstance(finding, BedNews):
                self._take_bed_news(finding, now)
            elif isinstance(finding, BedWarning):
                self._publish(
                    self._retained.note_bed_warning(
                        finding.bed,
                        finding.unit,
                        finding.place,
                        now,
                        what=finding.what,
                        at_utc_s=finding.at_utc_s,
                    )
                )
            elif isinstance(finding, VitalsNews | SleepNews) and self._config.consent.vitals:
                batch.telemetry.append(Telemetry(*health_message(finding)))
            if isinstance(finding, Cause | Over | Noted) and finding.origin is not None:
                name = finding.origin
                batch.unit_events.append(UnitEvent(name.unit, name.boot_id, name.seq, alarm_id))
                if alarm_id is not None:
                    names = self._origins.setdefault(alarm_id, [])
                    names.append(name)
                    del names[:-ORIGINS_KEPT]
        batch.facts = self._changed_facts()
        await self._commit(batch, changes, now)

    def _changed_facts(self) -> dict[str, bytes]:
        """Return what is new to be stored; it goes into the commit of what it caused."""
        facts = self._pipeline.facts()
        changed = {name: body for name, body in facts.items() if self._facts.get(name) != body}
        self._facts |= changed
        return changed

    async def _commit(self, batch: Batch, changes: list[Change], now: Instant) -> None:
        """Store, then tell units and routes. Called without a wait since the table changed."""
        batch.alarms += [change.alarm for change in changes]
        self._timers_changed.set()
        if not batch:
            return
        durable = await self.outbox.put(batch, now.utc_s)
        if durable:
            for event in batch.unit_events:
                self._acknowledge(Origin(event.unit, event.boot_id, event.seq), Stage.STORED)
        for change in changes:
            self._tell(change, durable=durable)
        if changes:
            self._publish(self._retained.open_alarms())
        if self.relay is not None:
            self.relay.wake()

    def _tell(self, change: Change, *, durable: bool) -> None:
        event = change.alarm.last
        self._retained.note_alarm(change.alarm)
        self._onsite_changed.set()
        stage = STAGES.get(event.state)
        for origin in self._origins.get(event.alarm_id, ()):
            if stage is not None and durable:  # any stage lets its unit forget the record
                self._acknowledge(origin, stage)
        if change.alarm.is_open:
            self._pipeline.begin_alarm(event.condition, event.person, event.unit)
        else:
            self._origins.pop(event.alarm_id, None)
            self._pipeline.end_alarm(
                event.condition,
                event.person,
                event.unit,
                self._clock.now(),
                was_false=event.state is State.CLOSED and event.reason == FALSE_ALARM,
            )
        _log.info("%s %s %s", event.condition, event.state, event.alarm_id)
        if self._on_stored is not None:
            self._on_stored(event)

    def _acknowledge(self, origin: Origin, stage: int) -> None:
        unit = self.units.get(origin.unit)
        if unit is not None:
            unit.session.acknowledge(origin.boot_id, origin.seq, stage)
            unit.flush()

    async def _run_timers(self) -> None:
        while True:
            self._timers_changed.clear()
            due_s = self._table.next_due_s()
            now = self._clock.now()
            wait_s = None if due_s is None else max(0.0, due_s - now.monotonic_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._timers_changed.wait()
            now = self._clock.now()
            await self._commit(Batch(), self._table.run_timers(now), now)

    async def _tick(self) -> None:
        while True:
            if self.outbox.health.must_restart:
                raise OutboxError("the disk is back with alarms of an earlier run: start again")
            now = self._clock.now()
            if now.monotonic_s >= self._capacity_due_s:
                self._capacity_due_s = now.monotonic_s + CAPACITY_S
                days = (await self.outbox.capacity()).days
                self._low = f"room for {days:.0f} days" if days < LEAST_DAYS else None
            await self._act(self._pipeline.tick(now) + self._faults(now), now)
            await self._restamp(self._clock.now())
            now = self._clock.now()
            await asyncio.sleep(max(0.0, self._pipeline.next_tick_s(now) - now.monotonic_s))

    async def _restamp(self, now: Instant) -> None:
        """Give what was stored under an untrusted clock its true time, once that is known."""
        step_s = self._clock_watch.step_s(now)
        if step_s is None:
            return
        label = now.quality.label
        alarms = self._table.restamp(step_s, label)
        for alarm in alarms:
            self._retained.note_alarm(alarm)

        def change(body: bytes) -> bytes | None:
            event = restamped(_decode_event(body), step_s, self._session, label)
            return None if event is None else msgspec.json.encode(event)

        count = await self.outbox.rewrite(change, alarms)
        _log.warning("the clock was off by %.0f s; %d events have their true time", step_s, count)
        self._publish(self._retained.open_alarms())

    def _faults(self, now: Instant) -> list[Finding]:
        """Return what has become wrong, or right again, with the agent itself."""
        routes = {} if self.relay is None else {"mqtt": self.relay.is_online}
        return [
            Over(fault.condition, AGENT, fault.reason)
            if fault.is_over
            else self._home.agent_cause(fault.condition, now.utc_s, fault.reason)
            for fault in self._health.check(
                now, routes, self._certificate_ends_s, self.outbox.health.trouble or self._low
            )
        ]

    async def _sound(self) -> None:
        """Let the units near a forgotten alarm sound, and fall silent when somebody acts."""
        sounding: set[str] = set()
        while True:
            wanted = sounding_units(self._table.open_events(), self._config.unit)
            for unit_id in sorted(wanted | sounding):
                level = int(unit_id in wanted)
                argument = struct.pack("<BH", level, SOUND_S if level else 0)
                unit = self.units[unit_id]
                for kind in (CommandKind.LIGHT, CommandKind.BUZZER):
                    unit.session.command(kind, argument)
                unit.flush()
            sounding = wanted
            self._onsite_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPEAT_S if sounding else None):
                    await self._onsite_changed.wait()

    def _take_unit_news(self, news: UnitNews, now: Instant) -> None:
        place = self._home.unit(news.unit).place
        publication = self._retained.note_unit(
            news.unit,
            place,
            now,
            online=news.online,
            reason=news.reason,
            hello=news.hello,
            status=news.status,
        )
        self._publish(publication)
        if news.hello is not None:
            self._remind_unit(news.unit)

    def _remind_unit(self, unit_id: str) -> None:
        """Tell a unit that greets again how far its open alarms have come."""
        for event in self._retained.open_events:
            for origin in self._origins.get(event.alarm_id, ()):
                if origin.unit == unit_id:
                    self._acknowledge(origin, STAGES.get(event.state, Stage.STORED))

    def _take_bed_news(self, news: BedNews, now: Instant) -> None:
        publication = self._retained.note_bed(
            news.bed,
            news.unit,
            news.place,
            now,
            occupied=news.occupied,
            since_utc_s=news.since_utc_s,
        )
        self._publish(publication)

    def _publish(self, publication: Publication) -> None:
        if self.relay is not None:
            self.relay.set_state(publication)

    # -- the route ------------------------------------------------------------------------

    def _make_relay(self) -> Relay:
        mqtt = self._config.mqtt
        assert mqtt is not None
        password = None
        if mqtt.password_file is not None:
            try:
                password = Path(mqtt.password_file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError("mqtt.password_file", f"cannot be read ({error})") from None
        home = self._config.home
        tls = None
        if mqtt.tls is not None:
            tls = make_tls(mqtt.tls)
            self._certificate_ends_s = tls.ends_s()
        broker = Broker(
            mqtt.host,
            mqtt.port,
            mqtt.client_id or re.sub(r"[^0-9A-Za-z]", "", f"anzhen{home.region}{home.home}"),
            mqtt.username,
            password,
            mqtt.keepalive_s,
            tls,
        )
        hooks = Hooks(
            accepted=self._accepted,
            command=self._command,
            birth=lambda: self._retained.birth(self._clock.now()),
            will=lambda: self._retained.agent("lost", self._clock.now()),
            online=lambda name, up: _log.info("route %s: %s", name, "up" if up else "down"),
        )
        return Relay("mqtt", broker, self._profile, self.outbox, self._clock, hooks)

    async def _accepted(self, route: str, row: Row) -> None:
        now = self._clock.now()
        changes = self._table.notify(row.alarm_id, row.event, now)
        await self._commit(Batch(accepted=[(route, row.row)]), changes, now)

    async def _command(self, command: Command) -> Response:
        now = self._clock.now()
        if command.name is CommandName.SNAPSHOT:
            for publication in self._retained.birth(now):
                self._publish(publication)
            return Response(transaction=command.transaction, ok=True)
        response, changes = self._table.apply(command, now)
        await self._commit(Batch(), changes, now)
        return response


_decode_event = msgspec.json.Decoder(AlarmEvent).decode


def _policy(alarm: AlarmConfig) -> Policy:
    return Policy(alarm.fall_confirm_s, alarm.escalate_s, alarm.remind_s, alarm.arrival_s)
