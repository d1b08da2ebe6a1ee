"""Reads the unit's settings at its start: one JSON file, with a last-good copy.

If the file does not check, the copy of the last one that did is used, else the defaults, and
the unit says so with one line that names the key. In memory only while a unit starts.
"""

import json

from firmware import flash, forget
from firmware.setting_names import SettingsError
from firmware.settings import FILE, LAST_GOOD, Settings


def load(root: str) -> Settings:
    """Return the settings of this unit; never raises, and says in `complaint` what was wrong."""
    try:
        return _load(root)
    finally:
        forget("settings_rows")


def _load(root: str) -> Settings:
    from firmware import settings_rows

    complaint = ""
    text = flash.read_text(root + FILE)
    if text is None:
        complaint = "settings.json: not there or not text"
    else:
        try:
            settings = Settings(settings_rows.parse(text))
        except SettingsError as error:
            complaint = str(error)
        else:
            _keep_last_good(root, settings)
            return settings
    kept = flash.read_checked(root + LAST_GOOD)
    if isinstance(kept, dict):
        try:
            settings = Settings(kept)
        except SettingsError:
            pass  # written by another version
        else:
            settings.origin = "last good"
            settings.complaint = complaint
            return settings
    settings = Settings({})
    settings.origin = "defaults"
    settings.complaint = complaint
    return settings


def _keep_last_good(root: str, settings: Settings) -> None:
    text = json.dumps(settings._chosen)  # noqa: SLF001 (of the class's own file)
    if flash.read_checked(root + LAST_GOOD) != json.loads(text):
        try:
            flash.write_checked(root + LAST_GOOD, text)
        except OSError:
            pass
