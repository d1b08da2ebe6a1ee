"""The label on a unit: whose place it has, what it is called, and the passkey to pair with it.

Text for a terminal, and SVG of 62 x 29 mm for a label printer. The passkey is there only for a
unit on Bluetooth; whoever reads it can pair, so the files are for us alone.
"""

import html
import unicodedata
from dataclasses import dataclass

from firmware.setting_names import BATHROOM, BED, PENDANT, ROOM
from protocol.passkey import passkey

KINDS = {
    PENDANT: "吊坠 pendant",
    BED: "床边 bed",
    BATHROOM: "卫生间 bathroom",
    ROOM: "房间 room",
}
_WIDTH_MM, _HEIGHT_MM = 62, 29
_FIRST_MM, _LINE_MM, _TEXT_MM = 5.5, 5.3, 3.6
_LEFT_MM, _RIGHT_MM = 3, 28
_GAP_MM = 1
_LATIN_EM, _CHINESE_EM = 0.64, 1.0
"""Widths over the height of the font, of a wide Latin one."""
_HEAD = "安枕 Anzhen · 请勿撕下 Do not remove"


@dataclass(frozen=True, slots=True)
class Label:
    """What is written on a unit.

    Args:
        place: its words, or its code where they are not known.
        key: the unit's key when it is on Bluetooth, else empty.
    """

    unit_id: str
    profile: str
    place: str
    key: bytes

    def rows(self) -> list[tuple[str, str]]:
        """Return a caption and its words for each line."""
        rows = [
            ("设备 Unit", self.unit_id),
            ("位置 Place", self.place),
            ("类型 Kind", KINDS[self.profile]),
        ]
        if self.key:
            rows.append(("配对码 Passkey", f"{passkey(self.key):06d}"))
        return rows

    def as_text(self) -> str:
        """Return the label for a terminal."""
        width = max(_columns(caption) for caption, _ in self.rows())
        lines = [
            caption + " " * (width - _columns(caption) + 2) + words
            for caption, words in self.rows()
        ]
        return "\n".join([_HEAD, *lines]) + "\n"

    def as_svg(self) -> str:
        """Return the label as a picture; words that are too long are set smaller."""
        texts = [_text(_LEFT_MM, 0, _HEAD, _WIDTH_MM - 2 * _LEFT_MM)]
        for number, (caption, words) in enumerate(self.rows(), 1):
            texts.append(_text(_LEFT_MM, number, caption, _RIGHT_MM - _LEFT_MM - _GAP_MM))
            texts.append(_text(_RIGHT_MM, number, words, _WIDTH_MM - _RIGHT_MM - _LEFT_MM))
        size = f'width="{_WIDTH_MM}mm" height="{_HEIGHT_MM}mm"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
            f' viewBox="0 0 {_WIDTH_MM} {_HEIGHT_MM}" font-family="sans-serif">\n'
            + "\n".join(texts)
            + "\n</svg>\n"
        )


def _text(x_mm: float, line: int, words: str, room_mm: float) -> str:
    width_em = sum(_CHINESE_EM if _is_wide(letter) else _LATIN_EM for letter in words)
    size_mm = min(_TEXT_MM, room_mm / width_em)
    where = f'x="{x_mm:g}" y="{_FIRST_MM + line * _LINE_MM:.4g}"'
    return f'<text {where} font-size="{size_mm:.3g}">{html.escape(words)}</text>'


def _columns(words: str) -> int:
    """Return how many columns of a terminal words take."""
    return sum(1 + _is_wide(letter) for letter in words)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"
