"""One frame of a watched execution as rows of styled text: its state, the graph, and the last lines of its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from durable_core.graph import Graph
from durable_core.graph.boxes import TextPicture
from durable_core.graph.canvas import Segment, Viewport, cell_clip
from durable_core.graph.measure import cell_width
from durable_core.live.view import ExecutionView, Line
from durable_studio.command.output import GLYPHS, error_line, quoted, safe, span

Row = list[Segment]

LOG_ROWS: Final = 8
"""Rows of the log under the picture, at most; a terminal of 24 rows gives it a quarter."""
OTHER_ROWS: Final = 4
"""Rows that a picture leaves to the head and to the end of the log, to be whole."""
BESIDE_COLUMNS: Final = 44
"""Columns that must be left beside the picture for the log to stand there instead of under it."""
_COUNTED: Final = ("running", "waiting", "pending", "failed", "cancelled", "uncertain", "compensated", "completed")
_ASCII: Final = {
    "pending": ".",
    "running": ">",
    "waiting": "=",
    "completed": "+",
    "failed": "x",
    "cancelled": "!",
    "uncertain": "%",
    "compensating": "<",
    "compensated": "<",
    "compensation_failed": "x",
}
_LEVELS: Final = {"WARNING": "pending", "ERROR": "failed", "CRITICAL": "failed", "DEBUG": "dim"}


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in cells."""

    columns: int
    rows: int


class Frames:
    """Draws one execution again and again: the layout is made once for a width, and the picture follows what runs."""

    def __init__(self, *, ascii: bool = False) -> None:
        self.ascii = ascii
        self._picture: TextPicture | None = None
        self._laid_out: tuple[str, Size] | None = None
        self._top = 0

    def live(self, view: ExecutionView, now: datetime, size: Size) -> list[Row]:
        """What fits on the screen, the part of the picture that runs now among it; never more rows than there are."""
        room = max(4, size.rows - 1)
        head = self._head(view, now, size.columns)
        picture = self._shown(view, now, size)
        beside = size.columns - picture.width - 2
        if beside >= BESIDE_COLUMNS:
            high = min(picture.height, max(1, room - len(head) - 1))
            drawn = self._part(view, picture, picture.width, high)
            log = self._log(view, high, beside - 2)
            rows = [*head, self._rule(size.columns, picture, high), *self._side_by_side(drawn, log, picture.width)]
            return rows[:room]
        most = min(LOG_ROWS, max(1, room // 4))
        log = self._log(view, most, size.columns)
        under = [self._title("log", size.columns), *log] if log else []
        high = min(picture.height, max(1, room - len(head) - 1 - len(under)))
        drawn = self._part(view, picture, min(size.columns, picture.width), high)
        return [*head, self._rule(size.columns, picture, high), *drawn, *under][:room]

    def final(self, view: ExecutionView, size: Size) -> list[Row]:
        """The whole picture, to be left behind on the terminal."""
        picture = self._shown(view, view.at, size)
        log = self._log(view, LOG_ROWS, size.columns)
        under = [self._title("log", size.columns), *log] if log else []
        return [*trimmed(picture.paint()), *under]

    # --- parts -------------------------------------------------------------------------------------------------------

    def _head(self, view: ExecutionView, now: datetime, columns: int) -> list[Row]:
        glyphs = _ASCII if self.ascii else GLYPHS
        flags = f" ({', '.join(view.flags)})" if view.flags else ""
        end = view.completed_at or max(now, view.at)
        spent = "" if view.started_at is None else f"  {span(max(0.0, (end - view.started_at).total_seconds()))}"
        status: Segment = (f"{glyphs.get(view.status, '?')} {view.status}{flags}", view.status)
        name: Segment = (f"  {safe(view.workflow)} {safe(view.id)}{spent}", "name")
        counts: Row = []
        found = view.counts
        for state in _COUNTED:
            if found.get(state):
                counts.append((f"  {glyphs[state]}{found[state]}", state))
        rows = [self._fitted([status, name, *counts], columns)]
        if view.reason and view.flags:
            rows.append(self._fitted([(safe(view.reason), "waiting")], columns))
        if view.error is not None:
            rows.append(self._fitted([(error_line(view.error), "failed")], columns))
        for wait in view.questions[:2]:
            asked = f"{'?' if self.ascii else '◈'} {safe(wait.name)}: {safe(wait.prompt) or 'your answer, please'}"
            how = f"durable-studio inputs answer {safe(view.id)} {quoted(wait.name)} VALUE"
            rows.append(self._fitted([(asked, "waiting")], columns))
            rows.append(self._fitted([(f"  {how}", "dim")], columns))
        return rows

    def _shown(self, view: ExecutionView, now: datetime, size: Size) -> TextPicture:
        graph = view.graph(now)
        key = (view.definition_hash, size)
        if self._picture is None or self._laid_out != key:
            self._picture, self._laid_out = self._picture_of(graph, size), key
        else:
            self._picture.show(graph)
        return self._picture

    def _picture_of(self, graph: Graph, size: Size) -> TextPicture:
        """From top to bottom; a small graph for which there are too few rows goes from left to right."""
        picture = TextPicture(graph, width=size.columns, ascii=self.ascii)
        if picture.height <= size.rows - OTHER_ROWS:
            return picture
        wide = TextPicture(graph, width=size.columns, ascii=self.ascii, direction="auto")
        return wide if wide.layout.turned else picture

    def _part(self, view: ExecutionView, picture: TextPicture, columns: int, high: int) -> list[Row]:
        """As much of the picture as there is room for; it moves only when what runs would be out of sight."""
        place = _focus(view, picture)
        if place is not None:
            if place.y < self._top + 1 or place.y + place.height > self._top + high - 1:
                self._top = place.y + place.height // 2 - high // 2
            left = 0 if picture.width <= columns else place.x + place.width // 2 - columns // 2
        else:
            left = 0
        self._top = max(0, min(self._top, picture.height - high))
        left = max(0, min(left, picture.width - columns))
        return trimmed(picture.paint(Viewport(left, self._top, columns, high)))

    def _rule(self, columns: int, picture: TextPicture, high: int) -> Row:
        if high >= picture.height:
            return self._title("", columns)
        return self._title(f"row {self._top + 1}-{self._top + high} of {picture.height}", columns)

    def _title(self, text: str, columns: int) -> Row:
        dash = "-" if self.ascii else "─"
        said = f"{dash} {text} " if text else ""
        return [(said + dash * max(0, columns - len(said)), "dim")]

    def _side_by_side(self, drawn: Sequence[Row], log: Sequence[Row], width: int) -> list[Row]:
        bar = " | " if self.ascii else " │ "
        first = len(drawn) - len(log)  # the newest line stands at the bottom
        rows = []
        for number, row in enumerate(drawn):
            used = sum(cell_width(text) for text, _ in row)
            line = log[number - first] if number >= first else []
            rows.append([*row, (" " * (width - used), ""), (bar, "dim"), *line])
        return rows

    def _log(self, view: ExecutionView, rows: int, columns: int) -> list[Row]:
        return [self._line(line, columns) for line in view.lines[-rows:]] if rows > 0 else []

    def _line(self, line: Line, columns: int) -> Row:
        when = line.at.astimezone()
        place = safe(line.step) + "".join(f"[{number}]" for number in line.iteration)
        words: Row = [
            (f"{when:%H:%M:%S} ", "dim"),
            (f"{place} ", "name.off" if line.source == "logger" else "dim"),
            (f"{line.level} " if line.level in ("WARNING", "ERROR", "CRITICAL") else "", _LEVELS.get(line.level, "")),
            (safe(line.message), _LEVELS.get(line.level, "name")),
        ]
        return self._fitted(words, columns)

    def _fitted(self, words: Row, columns: int) -> Row:
        """The words as far as there are columns, and in ASCII when asked for."""
        left, row = columns, []
        for text, style in words:
            if self.ascii and not text.isascii():
                text = text.encode("ascii", "backslashreplace").decode("ascii")
            clipped = cell_clip(text, left)
            if self.ascii:
                clipped = clipped.replace("…", "~")
            if clipped:
                row.append((clipped, style))
                left -= cell_width(clipped)
        return row


def trimmed(rows: Sequence[Row]) -> list[Row]:
    """Without the blanks at the ends of rows: what is copied from a terminal then has none."""
    found = []
    for row in rows:
        kept = list(row)
        while kept and not kept[-1][0].strip():
            kept.pop()
        if kept:
            kept[-1] = (kept[-1][0].rstrip(), kept[-1][1])
        found.append(kept)
    return found


def _focus(view: ExecutionView, picture: TextPicture) -> Viewport | None:
    """Where to look: at what waits for a person, runs, failed or waits; the innermost that is to be seen."""
    ranks = {"running": 1, "retry": 1, "ready": 2, "waiting": 2, "paused": 2, "joining": 3}
    asked = {wait.path for wait in view.questions}
    best: tuple[float, str] | None = None
    for place in view.positions:
        rank = 0 if place.path in asked else ranks.get(place.status, 4)
        if best is None or rank < best[0]:
            best = (rank, place.path)
    path = best[1] if best is not None else (view.error or {}).get("path")
    nodes = {
        node.path: node.id for node in picture.graph.nodes if node.path and node.type not in ("join", "compensation")
    }
    while path:
        box = picture.box_of(nodes[path]) if path in nodes else None
        if box is not None:
            return box
        path = path.rpartition("/")[0]  # folded away: look at what it is inside of
    return None
