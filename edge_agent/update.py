"""Brings a new version to a unit, block by block, and waits until the unit has proven it.

```
 waiting --> sending --> checking --> trial --> kept
    ^           |            |          +-----> taken back
    +--line-----+------------+--> refused (the unit or we say no), lost (away too long)
```
One update at a time, one small block on the line at a time: an alarm waits for a few ms. While
somebody needs help nothing is sent; what was sent is kept by the unit, and the next attempt goes
on from there, as it does after a lost line.
"""

import asyncio
import json
import logging
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.clock import Clock
from edge_agent.link.link import LinkError
from edge_agent.unit import Unit
from edge_agent.update_bundle import MAX_BUNDLE, Bundle, read_bundle
from protocol import framing
from protocol.bundle import BundleError
from protocol.messages import CommandKind, Result, ResultStatus

_log = logging.getLogger(__name__)

BLOCK = 160
"""Bytes of the bundle in a command: its frame stays within the 200 B that a USB console and a
BLE notification take at once."""
ANSWER_S = 5.0
AWAY_S = 3600.0
"""A unit that is away for longer in one go has to be updated another time."""
TRIAL_S = 3600.0
"""Longer than three boots of ten minutes, after which a unit has made up its mind."""
LOOK_S = 2.0
MAX_SENT = 3
"""The bundle is sent at most this often over, whatever the unit asks for again."""


class UpdateState(StrEnum):
    """How far an update is."""

    WAITING = "waiting"
    SENDING = "sending"
    CHECKING = "checking"
    TRIAL = "trial"
    KEPT = "kept"
    TAKEN_BACK = "taken back"
    REFUSED = "refused"
    LOST = "lost"


OVER = (UpdateState.KEPT, UpdateState.TAKEN_BACK, UpdateState.REFUSED, UpdateState.LOST)


class RefusedError(Exception):
    """The unit, or we, will not go on; the words are for the installer."""


@dataclass(slots=True)
class Update:
    """One update, as `anzhen upgrade` shows it."""

    unit: Unit
    bundle: Bundle
    state: UpdateState = UpdateState.WAITING
    at: int = 0
    why: str = ""
    sent: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as an answer."""
        return {
            "unit": self.unit.unit_id,
            "version": self.bundle.about.version,
            "build": self.bundle.about.build,
            "state": self.state.value,
            "at": self.at,
            "bytes": len(self.bundle.content),
            "why": self.why,
        }


class Updates:
    """All updates of one agent.

    Args:
        units: by name.
        clock: the system's, or a virtual one.
        open_events: returns the last event of every open alarm of the home.
    """

    def __init__(
        self,
        units: Mapping[str, Unit],
        clock: Clock,
        open_events: Callable[[], list[AlarmEvent]],
    ) -> None:
        self._units = units
        self._clock = clock
        self._open_events = open_events
        self._latest: Update | None = None
        self._wanted = asyncio.Event()

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Begin an update (`unit`, `bundle`: a path), or tell how far the latest is."""
        latest = self._latest
        path = request.get("bundle")
        if path is None:
            return {"error": "no update has begun"} if latest is None else latest.as_dict()
        unit = self._units.get(str(request.get("unit")))
        if unit is None:
            return {"error": f"unknown unit; known: {', '.join(self._units)}"}
        if latest is not None and latest.state not in OVER:
            return {"error": f"unit {latest.unit.unit_id} is being updated"}
        try:
            with self._clock.outside():
                bundle = await asyncio.to_thread(_read, Path(str(path)))
        except OSError as error:
            return {"error": f"{path}: {error.strerror}"}
        except BundleError as error:
            return {"error": f"{path}: {error}"}
        self._latest = Update(unit, bundle)
        self._wanted.set()
        return self._latest.as_dict()

    async def run(self) -> None:
        """Do what is asked for, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            update = self._latest
            assert update is not None
            name = f"unit {update.unit.unit_id}: version {update.bundle.about.version}"
            _log.warning("%s: update begins", name)
            try:
                await self._update(update)
            except RefusedError as error:
                update.state, update.why = UpdateState.REFUSED, str(error)
            except TimeoutError:
                update.state, update.why = UpdateState.LOST, "the unit is away"
            _log.warning("%s: %s %s", name, update.state.value, update.why)

    async def _update(self, update: Update) -> None:
        while True:
            try:
                async with asyncio.timeout(AWAY_S):
                    told = await self._ask_state(update)
                if not told["trial"] and told["build"] == update.bundle.about.build:
                    if not update.sent:
                        raise RefusedError(f"the unit runs build {told['build']} already")
                elif not told["trial"]:
                    await self._send(update)
                break
            except LinkError as error:
                update.state, update.why = UpdateState.WAITING, str(error)
        update.state, update.why = UpdateState.TRIAL, ""
        async with asyncio.timeout(TRIAL_S):
            told = await self._ask_state(update)
            while told["trial"]:
                await asyncio.sleep(LOOK_S)
                told = await self._ask_state(update)
        if told["build"] == update.bundle.about.build:
            update.state = UpdateState.KEPT
        else:
            update.state, update.why = UpdateState.TAKEN_BACK, str(told["failed"])

    async def _send(self, update: Update) -> None:
        """Send what the unit has not yet, and let it check.

        Raises:
            LinkError: the line went away.
            RefusedError: the unit or we will not go on.
        """
        bundle = update.bundle
        total = len(bundle.content)
        begin = bundle.identity + struct.pack("<I", bundle.front)
        update.state, update.why = UpdateState.SENDING, ""
        update.at = await self._ask_next(update, CommandKind.UPDATE_BEGIN, begin)
        while True:
            while update.at < total:
                piece = bundle.content[update.at : update.at + BLOCK]
                update.sent += len(piece)
                if update.sent > MAX_SENT * total:
                    raise RefusedError("the unit asks for the same bytes again and again")
                block = struct.pack("<I", update.at) + piece
                update.at = await self._ask_next(update, CommandKind.UPDATE_BLOCK, block)
            update.state = UpdateState.CHECKING
            update.at = await self._ask_next(update, CommandKind.UPDATE_FINISH)
            if update.at >= total:
                return
            update.state = UpdateState.SENDING

    async def _ask_next(self, update: Update, kind: int, argument: bytes = b"") -> int:
        """Return which byte the unit wants next, when it has done all that the command means."""
        while True:
            self._check_alarms()
            result = await update.unit.ask(kind, argument, ANSWER_S)
            if result.status == ResultStatus.GOING_ON:
                continue
            text = _text(result)
            if not text.isdecimal():
                raise RefusedError(f"an answer that means nothing: {text}")
            return int(text)

    async def _ask_state(self, update: Update) -> dict[str, Any]:
        """Return what the unit runs, as soon as it is there."""
        while True:
            try:
                result = await update.unit.ask(CommandKind.UPDATE_STATE, b"", ANSWER_S)
            except LinkError:
                await asyncio.sleep(LOOK_S)
                continue
            try:
                told = json.loads(_text(result))
                return {key: told[key] for key in ("trial", "build", "failed")}
            except (ValueError, TypeError, KeyError):
                raise RefusedError(f"an answer that means nothing: {result.text}") from None

    def _check_alarms(self) -> None:
        for event in self._open_events():
            if not CONDITIONS[event.condition].technical:
                raise RefusedError(
                    f"an alarm is open: {event.text['en']}; try again once it is closed"
                )


def _text(result: Result) -> str:
    """Return the text of a result that says yes.

    Raises:
        RefusedError: it says no.
    """
    if result.status != ResultStatus.DONE:
        raise RefusedError(result.text)
    return result.text


def _read(path: Path) -> Bundle:
    with path.open("rb") as file:
        bundle = read_bundle(file.read(MAX_BUNDLE + 1))
    if bundle.about.protocol > framing.VERSION:
        raise BundleError(f"speaks protocol {bundle.about.protocol}, newer than this agent")
    return bundle
