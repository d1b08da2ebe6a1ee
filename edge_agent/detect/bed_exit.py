"""Bed occupancy from load cells: entered and left, with on and off delays.

The load is compared with `occupied_kg` (a person) and half of it (nobody); between the two
nothing changes. A state holds only when it lasts for its delay, so turning over or a hand on
the rail changes nothing. A hole says nothing; a gap restarts the delays and keeps the state.

Known weakness: a suitcase on the bed is a person; children below 20 kg are nobody.
"""

from edge_agent.detect.detector import Detection
from edge_agent.stream.chunk import Channel, Chunk, Gap

EMPTY_FRACTION = 0.5


class BedOccupancy:
    """Tells `bed_entered` and `bed_left` from the total load on a bed.

    The first state that holds is told as well, so that a restarted agent knows.
    """

    def __init__(
        self,
        channel: Channel,
        occupied_kg: float = 20.0,
        on_delay_s: float = 2.0,
        off_delay_s: float = 1.0,
    ) -> None:
        self.channel = channel
        self.occupied: bool | None = None
        self._occupied_kg = occupied_kg
        self._delay_s = {True: on_delay_s, False: off_delay_s}
        self._candidate: bool | None = None
        self._since_s = 0.0

    def update(self, chunk: Chunk) -> list[Detection]:
        """Take the next chunk of load (kg)."""
        detections = []
        load = chunk.values[:, 0]
        for i in range(len(load)):
            if chunk.missing is not None and chunk.missing[i]:
                continue
            kg = float(load[i])
            now_s = chunk.start_s + i / chunk.rate_hz
            seen = self._judge(kg)
            if seen is None or seen == self.occupied:
                self._candidate = None
                continue
            if seen != self._candidate:
                self._candidate, self._since_s = seen, now_s
            if now_s - self._since_s >= self._delay_s[seen]:
                detections.append(self._turn(seen, now_s, kg))
        return detections

    def gap(self, gap: Gap) -> list[Detection]:
        """Restart the delays; what was known stays known."""
        self._candidate = None
        return []

    def _judge(self, kg: float) -> bool | None:
        if kg >= self._occupied_kg:
            return True
        if kg < EMPTY_FRACTION * self._occupied_kg:
            return False
        return None

    def _turn(self, occupied: bool, now_s: float, kg: float) -> Detection:
        self.occupied = occupied
        self._candidate = None
        return Detection(
            kind="bed_entered" if occupied else "bed_left",
            onset_s=self._since_s,
            offset_s=now_s,
            score=1.0,
            evidence={"load_kg": round(kg, 1)},
            reason="load of a person" if occupied else "load gone",
        )
