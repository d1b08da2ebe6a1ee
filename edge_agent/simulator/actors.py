"""A scene's people as signals, and its units as what reads them.

The events of a person become spans of posture and motion; the sensors make signals of them
(`sensors/`); a unit plays the signals of the person whom it covers, and the presses of its
own contact.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_agent.simulator.link_unit import LinkUnit, Signal
from edge_agent.simulator.player import (
    LIS3DH_G_PER_DIGIT,
    LIS3DH_RATE_HZ,
    write_ads1115,
    write_lis3dh,
    write_nau7802,
)
from edge_agent.simulator.scene import LONGEST_S, Scene, SceneEvent, ScenePerson, SceneUnit, What
from edge_agent.simulator.sensors import bed, contact, motion
from edge_agent.simulator.sensors.bed_load import load
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.simulator.stage import Stage
from edge_agent.simulator.vm import UnitSpec
from protocol.quantities import ACCELERATION, BED_STRIP, LOAD

STRIP_RATE_HZ = 100
LOAD_RATE_HZ = 10
HELD_S = 1.2
"""How long a cord is pulled."""
KG_PER_COUNT = 0.0001
GETTING_IN_S = 6.0
STANDARD_GRAVITY = 9.80665

Floats = NDArray[np.float64]

_IN_BED = {
    What.LIE_DOWN: bed.BedState.LYING,
    What.RESTLESS: bed.BedState.RESTLESS,
    What.SIT_UP: bed.BedState.SITTING_UP,
}
"""What a person does in bed; in all other doings the bed is empty."""

_ACTIVITIES = {
    What.LIE_DOWN: motion.Activity.LYING,
    What.RESTLESS: motion.Activity.TURN_OVER,
    What.SIT_UP: motion.Activity.SITTING,
    What.LEAVE_BED: motion.Activity.STANDING,
    What.WALK: motion.Activity.WALKING,
    What.STAND: motion.Activity.STANDING,
    What.SIT: motion.Activity.SITTING,
    What.FALL: motion.Activity.FALL,
    What.GET_UP: motion.Activity.GET_UP,
}


@dataclass(slots=True)
class UnitActor:
    """One unit of a scene."""

    unit: SceneUnit
    stage: Stage
    acceleration_g: Floats | None = None
    strip_v: Floats | None = None
    load_kg: Floats | None = None
    contact_steps: contact.Steps = field(default_factory=list)
    presses_ms: list[int] = field(default_factory=list)
    _playing: asyncio.Task[None] | None = None
    _is_on: bool = False

    @property
    def unit_id(self) -> str:
        """Return the unit's name."""
        return self.unit.id

    async def enter(self, link_level: bool) -> None:
        """Switch the unit on, now."""
        offset_ms = round(self.stage.now_s * 1000)
        if link_level:
            line = self.stage.lines[self.unit_id]
            self.stage.conductor.add_line(line)
            player = LinkUnit(self.unit_id, self.unit.profile, self._signals(), self.presses_ms)
            boot_id, nonce = self.stage.clock.random(8), self.stage.clock.random(8)
            self._playing = asyncio.create_task(player.run(line, boot_id, nonce))
        else:
            self.stage.start_unit(self._spec(offset_ms))
        self._is_on = True

    async def leave(self) -> None:
        """Cut the unit's power."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
            self._playing = None
        elif self._is_on:
            self.stage.stop_unit(self.unit_id)
        self._is_on = False

    def outputs(self) -> list[str]:
        """Return every change of light and buzzer so far, as JSON lines."""
        path = self.stage.folder / self.unit_id / "outputs.jsonl"
        return path.read_text("ascii").splitlines() if path.exists() else []

    def _spec(self, offset_ms: int) -> UnitSpec:
        """Return the host board that plays the signals from a time of the scene on."""
        folder = self.stage.folder / self.unit_id
        parts = {}
        if self.acceleration_g is not None:
            path = folder / "acceleration.bin"
            parts["24"] = write_lis3dh(path, self.acceleration_g, LIS3DH_RATE_HZ)
        if self.strip_v is not None:
            parts["72"] = write_ads1115(folder / "strip.bin", self.strip_v)
        if self.load_kg is not None:
            parts["42"] = write_nau7802(folder / "load.bin", self.load_kg, KG_PER_COUNT)
        for part in parts.values():
            part["start_ms"], part["hold"] = -offset_ms, True
        steps = [[at_ms - offset_ms, level] for at_ms, level in self.contact_steps]
        contacts = {"button": {"steps": steps}} if self.unit.profile == "pendant" else {}
        cords = {"cord": {"steps": steps}} if self.unit.profile != "pendant" else {}
        board = {"i2c": {"main": parts}, "pins": contacts, "adc": cords}
        return UnitSpec(self.unit_id, self.unit.profile, board)

    def _signals(self) -> list[Signal]:
        signals = []
        if self.acceleration_g is not None:
            scale = LIS3DH_G_PER_DIGIT * STANDARD_GRAVITY / 16
            counts = _int16(self.acceleration_g / LIS3DH_G_PER_DIGIT * 16)
            signals.append(Signal(ACCELERATION, 0, LIS3DH_RATE_HZ, counts, scale))
        if self.strip_v is not None:
            counts = _int16(self.strip_v[:, None] / 4.096 * 32768)
            signals.append(Signal(BED_STRIP, 1, STRIP_RATE_HZ, counts, 4.096 / 32768))
        if self.load_kg is not None:
            counts = _int16(self.load_kg[:, None] * 100)
            signals.append(Signal(LOAD, 2, LOAD_RATE_HZ, counts, 0.01))
        return signals


def cast_units(scene: Scene, stage: Stage) -> dict[str, UnitActor]:
    """Return an actor for every unit of a scene, with all its signals made."""
    people = {person.id: person for person in scene.person}
    actors = {}
    for number, unit in enumerate(scene.unit):
        actor = UnitActor(unit, stage)
        seed = scene.seed + 100 * number
        if unit.person is not None:
            doings = [event for event in scene.event if event.person == unit.person]
            _give_signals(actor, people[unit.person], doings, scene.duration, seed)
        _give_contact(actor, [event for event in scene.event if event.unit == unit.id], seed)
        actors[unit.id] = actor
    return actors


def _give_signals(
    actor: UnitActor,
    person: ScenePerson,
    doings: Sequence[SceneEvent],
    duration_s: float,
    seed: int,
) -> None:
    ordered = sorted(doings, key=lambda event: event.at)
    if actor.unit.profile == "bed":
        sleeper = Sleeper(
            weight_kg=person.weight_kg,
            heart_rate_bpm=person.heart_rate_bpm,
            respiration_rpm=person.respiration_rpm,
        )
        spans = bed_spans(ordered, duration_s)
        actor.strip_v, _ = strip(spans, sleeper, STRIP_RATE_HZ, duration_s, seed)
        actor.load_kg, _ = load(spans, sleeper, duration_s, seed)
    elif actor.unit.profile == "pendant":
        spans_of_motion = motion_spans(ordered, duration_s)
        actor.acceleration_g, _ = motion.acceleration(
            spans_of_motion, motion.Wearer(), LIS3DH_RATE_HZ, duration_s, seed
        )


def bed_spans(doings: Sequence[SceneEvent], duration_s: float) -> list[bed.BedSpan]:
    """Return what the bed sees of a person.

    Args:
        doings: in order of time.
        duration_s: the end of the last span.
    """
    spans: list[bed.BedSpan] = []
    before = bed.BedState.EMPTY
    starts = [event.at for event in doings] + [duration_s]
    for event, end_s in zip(doings, starts[1:], strict=True):
        state = _IN_BED.get(event.what, bed.BedState.EMPTY)
        start_s = event.at
        if before is bed.BedState.EMPTY and state is not before and start_s > 0:
            inside_s = min(end_s, start_s + GETTING_IN_S)
            spans.append(bed.BedSpan(start_s, inside_s, bed.BedState.GETTING_IN))
            start_s = inside_s
        if end_s > start_s:
            spans.append(bed.BedSpan(start_s, end_s, state))
        before = state
    return spans


def motion_spans(doings: Sequence[SceneEvent], duration_s: float) -> list[motion.MotionSpan]:
    """Return what a worn sensor feels of a person.

    Args:
        doings: in order of time.
        duration_s: the end of the last span.
    """
    ends = [event.at for event in doings[1:]] + [duration_s]
    return [
        motion.MotionSpan(
            event.at,
            end_s,
            _ACTIVITIES[event.what],
            motion.Fall(kind=motion.FallKind(event.kind)) if event.what is What.FALL else None,
        )
        for event, end_s in zip(doings, ends, strict=True)
        if end_s > event.at
    ]


def _give_contact(actor: UnitActor, doings: Sequence[SceneEvent], seed: int) -> None:
    calls = [event.at for event in doings if event.what is What.CALL]
    actor.presses_ms = [round(at_s * 1000) for at_s in calls]
    levels = contact.BUTTON if actor.unit.profile == "pendant" else contact.CORD
    parts = [contact.press(at_s, HELD_S, seed, levels) for at_s in calls]
    mended = [event.at for event in doings if event.what is What.MEND_CORD]
    for cut_s in (event.at for event in doings if event.what is What.CUT_CORD):
        until_s = min((at_s for at_s in mended if at_s > cut_s), default=LONGEST_S)
        parts.append(contact.fault(cut_s, until_s - cut_s, seed, contact.CUT_RATIO))
    actor.contact_steps = contact.merge(parts, levels)


def _int16(values: Floats) -> NDArray[np.int16]:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)
