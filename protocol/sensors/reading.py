"""A decoded value: what it is, how much, in which unit, and how far to trust it.

| quality | means | value |
|---|---|---|
| good | as the maker describes it | number, state, flag, text or tuple |
| doubtful | outside what the maker says it measures, or documents contradict | the same |
| none | the sensor says that it has no value now | None |
| unknown | no table of ours has this report | its bytes in hex |

Units are SI or accepted with it, as the field writes them: `m m/s m/s2 rad rad/s deg V s min
degC J 1/min % mmHg count`, and none for states. A value is never NaN or infinite: such a float
reads none.
"""

import binascii

GOOD = "good"
DOUBTFUL = "doubtful"
NONE = "none"
UNKNOWN = "unknown"


class Reading:
    """One decoded value. `index` numbers targets, zones and gates from 0; -1 where there is one."""

    __slots__ = ("index", "name", "quality", "unit", "value")

    def __init__(
        self,
        name: str,
        value: "bool | int | float | str | tuple[float, ...] | None",
        unit: str = "",
        quality: str = GOOD,
        index: int = -1,
    ) -> None:
        self.name = name
        self.value = value
        self.unit = unit
        self.quality = quality
        self.index = index

    def as_dict(self) -> "dict[str, object]":
        """Return what JSON shows; an index or a unit that is not there is left out."""
        shown: "dict[str, object]" = {"name": self.name, "value": self.value}
        if self.unit:
            shown["unit"] = self.unit
        shown["quality"] = self.quality
        if self.index >= 0:
            shown["index"] = self.index
        return shown

    def _all(self) -> "tuple[object, ...]":
        return (self.name, self.value, self.unit, self.quality, self.index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reading) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return "Reading%r" % (self._all(),)


def unknown(data: bytes) -> Reading:
    """Return the reading of a report that no table has."""
    return Reading("unknown", str(binascii.hexlify(data), "ascii"), "", UNKNOWN)


def is_finite(value: float) -> bool:
    """Return whether a float is a number: neither NaN nor infinite."""
    return value - value == 0.0
