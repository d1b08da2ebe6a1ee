"""How each part of the unit is, in words and as a list of what is faulty."""

from firmware import flash, profile, setting_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.unit import Unit

_CONTACT_NAMES = ("idle", "pressed", "cut", "short")


def test_parts(unit: "Unit") -> "tuple[list[str], str]":
    """Return the names of the faulty parts, and a line about every part."""
    faulty = []
    words = []

    def note(name: str, good: bool, word: str = "ok") -> None:
        words.append("%s %s" % (name, word if good else "faulty"))
        if not good:
            faulty.append(name)

    for channel in profile.source_channels(unit.settings):
        sampler = unit.samplers.get(channel)
        note(profile.NAMES[channel], sampler is not None and not sampler.faulty)
    if unit.settings.text("radar") != setting_names.NONE:
        radar = unit.room.radar if unit.room is not None else None
        note("radar", radar is not None and not radar.faulty and not radar.stuck)
    name = profile.NAMES[unit.contact_channel]
    if unit.contact is not None:
        note(name, True, _CONTACT_NAMES[unit.contact.state])
    elif profile.has_contact(unit.settings):
        note(name, False)
    note("flash", _is_flash_good(unit.board.flash_root))
    return faulty, ", ".join(words)


def _is_flash_good(root: str) -> bool:
    path = root + "/self_test"
    try:
        flash.write_checked(path, '"ok"')
    except OSError:
        return False
    good = flash.read_checked(path) == "ok"
    flash.remove_file(path)
    return good
