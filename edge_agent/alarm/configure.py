"""What a platform may configure: it may make the agent more urgent, never less.

The installer's file says how long each step of an alarm may wait; a command may shorten that
within the limits of the file's own keys. What it set is stored and outlives a restart, until the
installer's file asks for less.
"""

from collections.abc import Mapping

import msgspec

from edge_agent.alarm.policy import Policy
from edge_agent.config.policy import AlarmConfig
from edge_agent.config.reading import ConfigError, convert

KEYS = ("escalate_s", "remind_s", "arrival_s")


class ConfigureError(Exception):
    """A value that a command may not set: the message names the key and why."""


class Delays:
    """The installer's delays and what was shortened since."""

    def __init__(self, installed: AlarmConfig) -> None:
        self._installed = installed
        self._changed: dict[str, float] = {}

    def policy(self) -> Policy:
        """Return the delays that are in force."""
        delays = {key: getattr(self._installed, key) for key in KEYS} | self._changed
        return Policy(fall_confirm_s=self._installed.fall_confirm_s, **delays)

    def change(self, values: Mapping[str, object]) -> None:
        """Take the values of a command, all or none.

        Raises:
            ConfigureError: naming the first that may not be set.
        """
        if not values:
            raise ConfigureError(f"no values; these may be set: {', '.join(KEYS)}")
        for key, value in values.items():
            if key not in KEYS:
                raise ConfigureError(
                    f"{key[:64]}: not set from outside; these are: {', '.join(KEYS)}"
                )
            installed = getattr(self._installed, key)
            try:
                checked = getattr(convert({key: value}, AlarmConfig), key)
            except ConfigError as error:
                raise ConfigureError(str(error)) from None
            if checked > installed:
                raise ConfigureError(f"{key}: at most the installer's {installed:g} s")
        self._changed |= {key: float(value) for key, value in values.items()}  # type: ignore[arg-type]

    def fact(self) -> bytes:
        """Return what is to be stored."""
        return msgspec.json.encode(self._changed)

    def restore(self, body: bytes) -> None:
        """Take back what was stored; a value that the installer has since undercut is gone.

        Raises:
            msgspec.MsgspecError: it cannot be read.
        """
        for key, value in msgspec.json.decode(body, type=dict[str, float]).items():
            try:
                self.change({key: value})
            except ConfigureError:
                continue
