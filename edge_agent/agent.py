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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import __version__
from edge_agent.alarm.alarm import AgentStamp, AlarmEvent, State, Trigger
from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.alarm.table import AlarmTable, Change, Identity
from edge_agent.clock import Clock, Instant, Quality, format_utc, uuid7
from edge_agent.config.file import Config
from edge_agent.config.home import UnitConfig
from edge_agent.control import serve_control
from edge_agent.home.cause import Cause, Noted, Origin, Over
from edge_agent.home.home import Home
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
from edge_agent.relay.profiles.native import NativeProfile
from edge_agent.relay.retained import RetainedState
from edge_agent.relay.route import Hooks, Presence
from edge_agent.relay.routes import Routes, route_names
from edge_agent.unit import Received, Unit
from edge_agent.update import Updates
from edge_agent.wiring.acks import Acks
from edge_agent.wiring.faults import Faults
from edge_agent.wiring.intake import Intake
from edge_agent.wiring.orders import Orders
from edge_agent.wiring.restamping import Restamping
from edge_agent.wiring.sounding import Sounding
from protocol.messages import Stage

_log = logging.getLogger(__name__)

FACTS_S = 60.0
"""What is known of the home is stored at least this often when it changed, and with every cause."""

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
        self._orders = Orders(
            config.alarm, config.rule, [unit.id for unit in config.unit], host_boot, self._take_time
        )
        self._table = AlarmTable(identity, self._orders.delays.policy(), clock.random)
        self._retained = RetainedState(
            NativeProfile(config.home.region, config.home.home), identity.agent
        )
        received: list[Received] = []
        self._wake = asyncio.Event()
        self._timers_changed = asyncio.Event()
        self._facts: dict[str, bytes] = {}
        self._facts_due_s = now.monotonic_s + FACTS_S
        self.units = {
            unit.id: Unit(
                unit.id,
                lambda unit=unit: open_link(unit),  # type: ignore[misc]
                clock,
                received,
                self._wake.set,
                read_key(unit),
            )
            for unit in config.unit
        }
        self.updates = Updates(self.units, clock, lambda: self._retained.open_events)
        self._acks = Acks(self.units)
        self._sounding = Sounding(self.units, config.unit, lambda: self._retained.open_events)
        self.outbox = Outbox(outbox_path, route_names(config), clock.outside)
        self._intake = Intake(received, self._pipeline, self._home, self.outbox, self._acks)
        self._restamping = Restamping(self._table, self.outbox, self._retained, self._session)
        self.routes = self._make_routes()
        self._faults = Faults(self._home, self.outbox, self.routes, now)

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
                group.create_task(self._sounding.run(), name="on-site escalation")
                for unit in self.units.values():
                    group.create_task(unit.run(), name=f"unit {unit.unit_id}")
                for route in self.routes.all:
                    group.create_task(route.run(), name=f"relay {route.name}")
                group.create_task(self.updates.run(), name="updates of units")
                if self._control_path is not None:
                    control = serve_control(
                        self._control_path,
                        {
                            "status": self.status,
                            "calibration": self.calibration,
                            "drill": self.drill,
                            "upgrade": self.updates.answer,
                        },
                    )
                    group.create_task(control, name="control")
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await self.outbox.close()

    async def status(self, _: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what `anzhen status` shows."""
        now = self._clock.now()
        lost = self._pipeline.samples_lost()
        worked = self._pipeline.contacts_worked()
        return {
            "session": self._session,
            "version": __version__,
            "at": format_utc(now.utc_s),
            "clock": now.quality.label,
            "units": [
                {
                    "unit": unit_id,
                    "state": unit.session.state,
                    "problem": unit.problem,
                    "call_worked": format_utc(worked[unit_id]) if unit_id in worked else None,
                    "samples_lost": lost[unit_id],
                    "frames_lost": unit.session.frames_lost,
                    "rejected": unit.session.rejected,
                    "dropped": unit.dropped,
                }
                for unit_id, unit in self.units.items()
            ],
            "routes": self.routes.status(await self.outbox.backlog()),
            "outbox": msgspec.to_builtins(self.outbox.health)
            | msgspec.to_builtins(await self.outbox.capacity()),
            "open_alarms": msgspec.to_builtins(self._retained.open_events),
        } | self._orders.status(now)

    async def calibration(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what is known of each wearer; forget one first when `reset` names a unit."""
        unit_id = request.get("reset")
        if unit_id is not None:
            if not isinstance(unit_id, str) or not self._pipeline.reset_calibration(unit_id):
                return {"error": f"nothing is known of a wearer of {unit_id!r}"[:200]}
            self._facts_due_s = 0.0
            _log.warning("unit %s: calibration reset", unit_id)
        return {"calibrations": self._pipeline.calibrations()}

    async def drill(self, request: dict[str, Any]) -> dict[str, Any]:
        """Begin to rehearse a call, or whatever `condition` names, on one unit."""
        return self._orders.drill_on_site(request, self._table, self._clock.now())

    def next_confirmation_s(self) -> float | None:
        """Return when the next suspicion is confirmed (monotonic), or None."""
        return self._table.next_due_s(Trigger.CONFIRM)

    async def _restore(self, stored: Stored) -> None:
        self._clock.not_before(stored.latest_utc_s)
        now = self._clock.now()
        self._acks.restore(stored.origins)
        self._pipeline.restore(self._orders.restore(stored.facts, now), now)
        self._table.set_policy(self._orders.delays.policy())
        for alarm in stored.alarms:
            self._retained.note_alarm(alarm)
            if alarm.is_open:
                last = alarm.last
                self._pipeline.begin_alarm(last.condition, last.person, last.unit)
        self._faults.restore(self._retained.open_events)
        changes = self._table.restore(stored.alarms, now)
        await self._commit(Batch(), changes, now)

    # -- findings to alarms ---------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            findings, now = await self._intake.drain(self._clock)
            await self._act(findings + self._pipeline.poll(now), now)

    async def _act(self, findings: list[Finding], now: Instant) -> None:
        """Turn findings into stored changes, then tell those who wait for them."""
        findings = self._orders.pass_on(findings, now)
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
            elif isinstance(finding, UnitNews | BedNews | BedWarning):
                self._take_news(finding, now)
            elif isinstance(finding, VitalsNews | SleepNews) and self._config.consent.vitals:
                batch.telemetry.append(Telemetry(*health_message(finding)))
            if isinstance(finding, Cause | Over | Noted) and finding.origin is not None:
                name = finding.origin
                batch.unit_events.append(UnitEvent(name.unit, name.boot_id, name.seq, alarm_id))
                if alarm_id is not None:
                    self._acks.remember(alarm_id, name)
        batch.facts = self._changed_facts(now)
        await self._commit(batch, changes, now)

    def _changed_facts(self, now: Instant) -> dict[str, bytes]:
        """Return what is new to be stored; it goes into the commit of what it caused."""
        facts = self._pipeline.facts() | self._orders.facts(now)
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
                name = Origin(event.unit, event.boot_id, event.seq)
                self._acks.acknowledge(name, Stage.STORED)
        for change in changes:
            self._tell(change, durable=durable)
        if changes:
            self.routes.publish(self._retained.open_alarms())
        self.routes.wake()

    def _tell(self, change: Change, *, durable: bool) -> None:
        event = change.alarm.last
        self._retained.note_alarm(change.alarm)
        self._sounding.changed()
        self._acks.tell(change.alarm, durable=durable)
        if change.alarm.is_open:
            self._pipeline.begin_alarm(event.condition, event.person, event.unit)
        else:
            now = self._clock.now()
            self._orders.end_alarm(event, now)
            self._pipeline.end_alarm(
                event.condition,
                event.person,
                event.unit,
                now,
                was_false=event.state is State.CLOSED and event.reason == FALSE_ALARM,
            )
        _log.info("%s %s %s", event.condition, event.state, event.alarm_id)
        if self._on_stored is not None:
            self._on_stored(event)

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
            faults = await self._faults.findings(now)
            await self._act(self._pipeline.tick(now) + faults, now)
            if await self._restamping.check(self._clock.now()):
                self.routes.publish(self._retained.open_alarms())
            now = self._clock.now()
            await asyncio.sleep(max(0.0, self._pipeline.next_tick_s(now) - now.monotonic_s))

    def _take_news(self, news: UnitNews | BedNews | BedWarning, now: Instant) -> None:
        place = self._home.unit(news.unit).place
        self.routes.publish(self._retained.note(news, place, now))
        if isinstance(news, UnitNews) and news.hello is not None:
            self._acks.remind(news.unit, self._retained.open_events)

    # -- the routes -----------------------------------------------------------------------

    def _make_routes(self) -> Routes:
        hooks = Hooks(
            accepted=self._accepted,
            passed=self._passed,
            command=self._command,
            units=lambda: tuple(self.units),
            time=self._take_time,
        )
        presence = Presence(
            self._session,
            birth=lambda: self._retained.birth(self._clock.now()),
            will=lambda: self._retained.agent("lost", self._clock.now()),
        )
        return Routes(self._config, self.outbox, self._clock, hooks, presence)

    async def _accepted(self, route: str, row: Row) -> None:
        now = self._clock.now()
        changes = self._table.notify(row.alarm_id, row.event, now)
        await self._commit(Batch(accepted=[(route, row.row)]), changes, now)

    async def _passed(self, route: str, row: Row) -> None:
        """Settle a row that a platform is not to hear of: nobody was notified."""
        now = self._clock.now()
        await self._commit(Batch(accepted=[(route, row.row)]), [], now)

    async def _command(self, command: Command) -> Response:
        now = self._clock.now()
        if command.name is CommandName.SNAPSHOT:
            for publication in self._retained.birth(now):
                self.routes.publish(publication)
            return Response(transaction=command.transaction, ok=True)
        response, changes = self._orders.apply(command, self._table, now)
        await self._commit(Batch(facts=self._changed_facts(now)), changes, now)
        return response

    def _take_time(self, route: str, utc_s: float) -> bool:
        before = self._clock.now()
        taken = self._clock.told(utc_s)
        if taken and before.quality is Quality.NONE:
            _log.warning("route %s told the time: %+.0f s", route, utc_s - before.utc_s)
        return taken
