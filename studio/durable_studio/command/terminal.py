"""A few rows at the end of a terminal that are written again and again, and leave what came before where it was."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self, TextIO

from durable_core.graph.canvas import Segment
from durable_core.graph.measure import cell_width
from durable_core.graph.palette import COLOUR_OF, colour
from durable_studio.command.frame import Row, Size
from durable_studio.command.output import coloured

_BASIC: Final = {
    "completed": "32",
    "running": "94",
    "waiting": "38;5;208",
    "failed": "31",
    "pending": "33",
    "compensated": "36",
    "cancelled": "90",
}
"""Colours of states where there are few: those of the terminal's own theme."""
_STATUSES: Final = {"compensating": "compensated", "compensation_failed": "failed", "skipped": "cancelled"}
_PLAIN: Final = {
    "name": "1",
    "name.off": "2",
    "frame": "2",
    "edge": "2",
    "edge.off": "2",
    "label.off": "2",
    "not_taken": "2",
    "not_reached": "2",
    "compensation": "2",
    "dim": "2",
}
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_BEGIN, _END = "\x1b[?2026h\x1b[?7l", "\x1b[?7h\x1b[?2026l"
"""Around a frame: terminals that know it show the frame at once; the others ignore it. No row is broken into two, not
even one with characters that a terminal draws wider than others do."""


class Styles:
    """The escape codes of style tokens: none with NO_COLOR, true colours where the terminal has them."""

    def __init__(self) -> None:
        self.on = coloured()
        self._true = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        # "15;0" is white on black; terminals that say nothing are dark as a rule
        self._dark = os.environ.get("COLORFGBG", "15;0").rpartition(";")[2] not in ("7", "15")
        self._known: dict[str, str] = {}

    def code(self, style: str) -> str:
        found = self._known.get(style)
        if found is None:
            found = self._known[style] = self._code(style)
        return found

    def _code(self, style: str) -> str:
        state = COLOUR_OF.get(_STATUSES.get(style, style))
        if state is None:
            return _PLAIN.get(style, "")
        if not self._true:
            return _BASIC[state]
        value = colour(f"{state}.icon", dark=self._dark)
        red, green, blue = (int(value[at : at + 2], 16) for at in (1, 3, 5))
        return f"38;2;{red};{green};{blue}"

    def text(self, row: Sequence[Segment]) -> str:
        """A row as text with its colours."""
        if not self.on:
            return "".join(text for text, _ in row)
        return "".join(f"\x1b[{self.code(style)}m{text}\x1b[0m" if self.code(style) else text for text, style in row)


def terminal_size() -> Size:
    """Of the terminal now."""
    found = shutil.get_terminal_size((80, 24))
    return Size(max(20, found.columns), max(6, found.lines))


class Region:
    """The rows under the cursor, redrawn in place. What else is printed meanwhile would tear it: print nothing."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._styles = Styles()
        self._widths: list[int] = []
        self.resting = False
        """Whether the terminal is somebody else's until the next rows are drawn."""

    def __enter__(self) -> Self:
        self._stream.write(_HIDE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.write(_SHOW)
        self._stream.flush()

    def draw(self, rows: Sequence[Row], size: Size, above: Sequence[Row] = ()) -> None:
        """Show these rows in place of those shown before; those of `above` stay over them for good."""
        parts = [_HIDE] if self.resting else []
        self.resting = False
        parts += [_BEGIN, self._back(size)]
        for row in (*above, *rows):
            parts.append(f"\x1b[K{self._styles.text(row)}\n")  # clearing behind a full row would take its last column
        parts += ["\x1b[J", _END]
        self._stream.write("".join(parts))
        self._stream.flush()
        self._widths = [sum(cell_width(text) for text, _ in row) for row in rows]

    def finish(self, rows: Sequence[Row], size: Size, above: Sequence[Row] = ()) -> None:
        """Leave these rows behind, however many they are."""
        self.draw(rows, size, above)
        self._widths = []

    def rest(self) -> None:
        """What stands there stays, with a cursor below it for somebody else; the next rows come after that."""
        self._stream.write(_SHOW)
        self._stream.flush()
        self._widths = []
        self.resting = True

    def _back(self, size: Size) -> str:
        """To the first of the rows; a narrower terminal has broken the long ones into several."""
        up = sum(max(1, -(-width // size.columns)) for width in self._widths)
        up = min(up, size.rows - 1)
        return f"\r\x1b[{up}A" if up else "\r"
