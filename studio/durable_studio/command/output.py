"""What commands print: tables, lines, times, JSON; every text from outside made safe first."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from durable_core.text import safe_text

WIDEST_CELL: Final = 60
LONGEST_LINE: Final = 4_000
INTERRUPTED: Final = 130
"""The exit code after Ctrl-C."""

GLYPHS: Final[Mapping[str, str]] = {
    "pending": "○",
    "running": "◐",
    "waiting": "◔",
    "completed": "✔",
    "failed": "✘",
    "cancelled": "⊘",
    "skipped": "⊘",
    "uncertain": "?",
    "compensating": "↶",
    "compensated": "↶",
    "compensation_failed": "✘",
}
_COLOURS: Final[Mapping[str, str]] = {
    "pending": "33",
    "running": "34",
    "waiting": "38;5;208",
    "completed": "32",
    "failed": "31",
    "cancelled": "35",
    "skipped": "90",
    "uncertain": "33",
    "compensating": "36",
    "compensated": "36",
    "compensation_failed": "31",
    "alive": "32",
    "lost": "31",
    "ok": "32",
    "warning": "33",
    "problem": "31",
}


_json_stream: TextIO | None = None


@contextlib.contextmanager
def json_alone() -> Iterator[None]:
    """Inside, stdout takes what `emit_json` writes and nothing else: what steps print goes to stderr."""
    global _json_stream
    _json_stream = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _json_stream = None


def emit_json(document: Any, *, line: bool = False) -> None:
    """One JSON document, or one line of a stream; ASCII, so that no terminal is moved by what it holds."""
    print(json.dumps(document, indent=None if line else 2), file=_json_stream or sys.stdout, flush=True)


def emit(text: str = "") -> None:
    """One line of text that is safe already."""
    sys.stdout.write(f"{text}\n")  # in one piece: steps of this process print between two writes
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line on stderr, whatever the text holds."""
    line = safe_text(text.strip(), newline=" ", max_chars=LONGEST_LINE)
    with contextlib.suppress(BrokenPipeError):  # nobody reads errors any more; the exit code still tells
        print(f"error: {line}", file=sys.stderr, flush=True)


def safe(value: object, width: int | None = None) -> str:
    """One line of any value, as text that can harm nobody."""
    return safe_text(str(value), max_chars=width, newline=" ")


def quoted(value: object) -> str:
    """The same as one word of a shell's line, to be copied."""
    return shlex.quote(safe(value))


def coloured() -> bool:
    """Whether colours help: on a terminal that did not say no."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, status: str) -> str:
    """Text in the colour of a status."""
    code = _COLOURS.get(status)
    return f"\x1b[{code}m{text}\x1b[0m" if code and coloured() else text


def status_text(status: str, flags: Sequence[str] = ()) -> str:
    """A status as glyph and word, with its flags."""
    more = f" ({', '.join(flags)})" if flags else ""
    return f"{GLYPHS.get(status, '·')} {status}{more}"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], statuses: Sequence[str] = ()) -> None:
    """Aligned columns; `statuses` colours each row's second column."""
    from durable_core.graph.measure import cell_width

    cells = [[safe(cell, WIDEST_CELL) for cell in row] for row in rows]
    widths = [max(cell_width(row[n]) for row in [list(headings), *cells]) for n in range(len(headings))]
    emit("  ".join(heading.ljust(width) for heading, width in zip(headings, widths, strict=True)).rstrip())
    for number, row in enumerate(cells):
        padded = [cell + " " * (width - cell_width(cell)) for cell, width in zip(row, widths, strict=True)]
        if statuses:
            padded[1] = paint(padded[1], statuses[number])
        emit("  ".join(padded).rstrip())


def ago(at: str | datetime | None) -> str:
    """A time as people say it: "just now", "5m ago", "in 2h"."""
    if at is None:
        return "-"
    then = datetime.fromisoformat(at) if isinstance(at, str) else at
    seconds = (datetime.now(UTC) - then).total_seconds()
    if abs(seconds) < 2:
        return "just now"
    told = span(abs(seconds))
    return f"{told} ago" if seconds > 0 else f"in {told}"


def span(seconds: float) -> str:
    """A duration in the unit that fits it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"


def took(started: str | None, completed: str | None) -> str:
    """How long something took, between two ISO times."""
    if started is None or completed is None:
        return "-"
    return span((datetime.fromisoformat(completed) - datetime.fromisoformat(started)).total_seconds())


def shown_value(value: object, width: int | None = None) -> str:
    """A value of an execution in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return safe(text, width)


def error_line(error: Mapping[str, Any]) -> str:
    """A recorded failure in one line."""
    where = f" in step {error['step']}" if error.get("step") else ""
    return safe(f"{error.get('type')}: {error.get('message')}{where}", 2_000)
