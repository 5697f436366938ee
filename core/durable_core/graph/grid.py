"""A whole picture as one text: what `Canvas` does for a part with styles, without them and much faster."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Final

from durable_core.graph.canvas import (
    ASCII_LINES,
    DOTTED,
    DOWN,
    LEFT,
    LINES,
    RIGHT,
    UP,
    Form,
    Viewport,
    cell_cut,
)
from durable_core.graph.glyphs import GLYPHS, TYPE_MARKS
from durable_core.graph.layout import Point
from durable_core.graph.measure import cell_width
from durable_core.graph.plain import plain

_BLANK: Final = 32
_SOLID: Final = 0x80
_OFF: Final = 0x90
"""Lines that grow cell by cell, by the sides they are open to; half a line is not the sign of a whole one."""
_SIGNS: Final = 0xA0
"""From here on: everything else that boxes, frames and arrows are made of."""
AT_ONCE: Final = 512
"""Rows that are trimmed at once: the memory that this takes serves the next ones, too."""
LONG: Final = 6
"""Runs of more cells are put as slices."""


def _table(solid: dict[int, str], dotted: dict[int, str]) -> str:
    signs = dict.fromkeys("─│╭╮╰╯╔═╗║╚╝╌╎┃━┤├┴┬┼┆┄▼▲▸◂▷□↶…·×→≤")
    signs.update(dict.fromkeys([*GLYPHS.values(), *TYPE_MARKS.values()]))
    plain = [chr(code) for code in range(0x80)]
    lines = [table[mask] for table in (solid, dotted) for mask in range(16)]
    table = plain + lines + [sign for sign in signs if not sign.isascii()]
    return "".join(table).ljust(256, "\ufffe")


_READ: Final = _table(LINES, DOTTED)
_READ_ASCII: Final = _table(ASCII_LINES, ASCII_LINES)
# a sign that is also a line's is written as the sign: lines are never written as text
_WRITE: Final = codecs.charmap_build("".join(["\ufffe" if 0x80 <= n < 0xA0 else s for n, s in enumerate(_READ)]))
_RUNS: Final = [bytes((code,)) for code in range(256)]
_BLANKS: Final = b" " * 65_536


class Grid:
    """Every cell of the picture as one byte, row by row. Lines are put first: what is put later stands on them.

    A row and a column are both slices then, and two hundred boxes take about a millisecond.
    """

    def __init__(self, view: Viewport, *, ascii: bool = False) -> None:
        self.ascii = ascii
        self.left, self.top, self.right, self.bottom = 0, 0, view.width, view.height
        self.stride = view.width + 1
        self.cells = bytearray((b" " * view.width + b"\n") * view.height)
        self._view = memoryview(self.cells)  # takes bytes as they are: twice as fast
        self._known: dict[str, bytes] = {}
        self._apart: list[tuple[int, int, str]] = []
        """Texts with characters that no byte stands for: row, column and text, put in at the end."""

    def put(self, x: int, y: int, text: str, style: str, wide: int = -1) -> None:
        """Text at a place."""
        known = self._known.get(text)
        if known is None:
            known = self._encoded(text)
            if not known:
                self._apart.append((y, x, text))
                return
        at = y * self.stride + x
        self._view[at : at + len(known)] = known

    def _encoded(self, text: str) -> bytes:
        """A byte for each character, or nothing where some have none."""
        if text.isascii():
            return text.encode()  # mostly names, each of them once
        signs = plain(text) if self.ascii else text
        try:
            known = self._known[text] = codecs.charmap_encode(signs, "strict", _WRITE)[0]
        except UnicodeEncodeError:
            return b""
        return known

    def ready(self, form: Form) -> Form:
        """The same form, with its rows as bytes."""
        return form._replace(drawn=tuple([self._encoded(row) for row in form[:4]]))

    def box(self, x: int, y: int, form: Form, name: str, style: str) -> None:
        """A box with a name in the middle of its three rows."""
        head, left, right, foot = form.drawn
        view, stride, wide, at = self._view, self.stride, form.wide, y * self.stride + x
        if self.ascii:
            name = plain(name)
        view[at : at + wide] = head
        at += stride
        if name.isascii():
            view[at : at + wide] = left + name.encode().ljust(wide - len(left) - len(right)) + right
        else:
            view[at : at + wide] = left.ljust(wide - len(right)) + right
            self.put(x + len(left), y + 1, name, style)
        at += stride
        if foot:
            view[at : at + wide] = foot
        else:
            self._apart.append((y + 2, x, form.foot))

    def column(self, x: int, first: int, last: int, text: str, style: str) -> None:
        """One character in every row from `first` to `last`."""
        count = last - first + 1
        if count > 0:
            sign = self._known.get(text) or self._encoded(text)
            at = first * self.stride + x
            self._view[at : last * self.stride + x + 1 : self.stride] = sign * count

    def joint(self, x: int, y: int, mask: int, style: str) -> None:
        """One cell of a line, open to the sides in the mask; cells put twice are open to both."""
        self._cell(y * self.stride + x, mask, _OFF if style == "edge.off" else _SOLID)

    def line(self, points: Sequence[Point], begun: int, style: str, tip: str = "") -> None:
        """A line through corner points; its first cell is open to `begun` too, its last may be an arrow."""
        cells, stride = self.cells, self.stride
        kind = _OFF if style == "edge.off" else _SOLID
        x, y = points[0]
        at, mask = y * stride + x, begun
        for next_x, next_y in points:
            if next_x == x:
                count = next_y - y
                if count > 0:
                    ahead, behind, step = DOWN, UP, stride
                elif count:
                    ahead, behind, step, count = UP, DOWN, -stride, -count
                else:
                    continue  # the first point
            elif next_x > x:
                ahead, behind, step, count = RIGHT, LEFT, 1, next_x - x
            else:
                ahead, behind, step, count = LEFT, RIGHT, -1, x - next_x
            if cells[at] == _BLANK:
                cells[at] = kind | mask | ahead
            else:
                self._cell(at, mask | ahead, kind)
            if count > 1:
                straight = kind | ahead | behind
                run = slice(at + step * (count - 1), at, -step)
                if count > LONG and cells[run] == _BLANKS[: count - 1]:
                    cells[run] = _RUNS[straight] * (count - 1)
                else:
                    for cell in range(at + step, at + step * count, step):
                        if cells[cell] == _BLANK:
                            cells[cell] = straight
                        else:
                            self._cell(cell, ahead | behind, kind)
            at += step * count
            mask, x, y = behind, next_x, next_y
        if tip:
            self.put(x, y, tip, style, 1)
        else:
            self._cell(at, mask, kind)

    def _cell(self, at: int, mask: int, kind: int) -> None:
        known = self.cells[at]
        if known == _BLANK:
            self.cells[at] = kind | mask
        elif _SOLID <= known < _SIGNS:  # else an arrow stands there
            self.cells[at] = (known if kind == _OFF else known & ~(_SOLID ^ _OFF)) | mask

    def text(self, width: int | None = None) -> str:
        """The picture as lines without trailing blanks, cut at a width. The grid is used up by that."""
        table = _READ_ASCII if self.ascii else _READ
        whole, _ = codecs.charmap_decode(self._view[: self._trimmed()], "strict", table)
        cut = width is not None and width < self.right
        if not self._apart and not cut:
            return whole
        lines = whole.split("\n")
        for y, x, text in sorted(self._apart, reverse=True):  # from the end of each row: they may be wide
            lines[y] = _inserted(lines[y], x, plain(text) if self.ascii else text)
        if cut and width is not None:
            lines = [cell_cut(line, width) for line in lines]
        return "\n".join([line.rstrip() for line in lines])

    def _trimmed(self) -> int:
        """Move the rows together without the blanks at their ends; returns where the last one ends."""
        view, end = self._view, 0
        for first in range(0, len(view), AT_ONCE * self.stride):
            rows = bytes(view[first : first + AT_ONCE * self.stride]).split(b"\n")
            kept = b"\n".join([row.rstrip() for row in rows])
            view[end : end + len(kept)] = kept
            end += len(kept)
        return end


def _inserted(line: str, x: int, text: str) -> str:
    """The line with a text over it."""
    return line[:x].ljust(x) + text + line[x + cell_width(text) :]
