"""Which version runs, which is on trial, and how the last trial ended.

```
 factory or good --begin_trial--> trial --mark_valid--> good
        ^                           |
        +--------take_back----------+  after three boots, or when it is not whole
```
Each change is one rename; the copy is written after it. `floor` is the highest build that was
ever proven here: nothing that is not above it comes in again.
"""

import json

from firmware import flash
from firmware.update import BUILD, STATES, read_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = ("a", "b")
FOLDER = "/slots"
MAX_TRIAL_BOOTS = 3

_MAX_WHY = 100


class State:
    """What the flash says of its slots.

    Args:
        root: folder of the flash.
        module: path of a module of the program that runs; empty before one does.
    """

    def __init__(self, root: str, module: str = "") -> None:
        self._root = root
        kept: "dict[str, Any]" = read_state(root) or {}
        self.good: str = kept.get("good", "")
        self.trial: str = kept.get("trial", "")
        self.build: int = kept.get("build", 0)
        """Of the version on trial."""
        self.boots: int = kept.get("boots", 0)
        self.floor: int = kept.get("floor", 0)
        self.faulty: "list[str]" = kept.get("faulty", [])
        """Parts that were faulty before the trial."""
        self.failed: str = kept.get("failed", "")
        """How the last trial ended, when its version was not kept."""
        self.running = ""
        """Slot of the program that runs; empty for the factory's."""
        for slot in SLOTS:
            if module.startswith(self.path(slot) + "/"):
                self.running = slot

    def path(self, slot: str) -> str:
        """Return the folder of a slot, from which its program is imported."""
        return self._root + FOLDER + "/" + slot

    @property
    def on_trial(self) -> bool:
        """Return True while the program that runs is not proven."""
        return bool(self.running) and self.running == self.trial

    @property
    def least_build(self) -> int:
        """Return the lowest build that may come in."""
        return max(self.floor, BUILD) + 1

    def begin_trial(self, slot: str, build: int, faulty: "list[str]") -> None:
        """Let a slot run from the next start on.

        Raises:
            OSError: the flash is full or failing; nothing has changed.
        """
        self.trial, self.build, self.boots = slot, build, 0
        self.faulty, self.failed = faulty, ""
        try:
            self._save()
        except OSError:
            self.trial = ""
            raise

    def count_boot(self) -> None:
        """Count a boot of the trial.

        Raises:
            OSError: the flash is full or failing: it must not be booted.
        """
        self.boots += 1
        self._save()

    def take_back(self, why: str) -> None:
        """End the trial."""
        self.failed = "build %d: %s" % (self.build, why[:_MAX_WHY])
        self.trial = ""
        try:
            self._save()
        except OSError:
            pass  # the next boot tries again

    def mark_valid(self) -> None:
        """Keep the version on trial, which is the one that runs.

        Raises:
            OSError: the flash is full or failing; it is still on trial.
        """
        before = self.good, self.floor
        self.good, self.trial, self.floor = self.trial, "", max(self.floor, BUILD)
        try:
            self._save()
        except OSError:
            self.trial = self.good
            self.good, self.floor = before
            raise

    def _save(self) -> None:
        text = json.dumps(
            {
                "good": self.good,
                "trial": self.trial,
                "build": self.build,
                "boots": self.boots,
                "floor": self.floor,
                "faulty": self.faulty,
                "failed": self.failed,
            }
        )
        flash.write_checked(self._root + STATES[0], text)
        try:
            flash.write_checked(self._root + STATES[1], text)
        except OSError:
            pass  # it is only read when the first is damaged
