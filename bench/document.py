"""Puts the table into the page that explains it."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"


def update(document: Path, table: str, rounds: int, seconds: float) -> None:
    """Replace what stands between the two markers; the rest of the page is left alone."""
    text = document.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} lacks the markers {BEGIN} and {END}")
    measured = f"{begin}\n{machine()}; medians of {rounds}; {seconds / 60:.0f} minutes in all.\n\n{table}\n{end}"
    document.write_text(head + measured + tail, encoding="utf-8")


def machine() -> str:
    """What was measured on, as far as it matters."""
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()} on {os.cpu_count()} "
        f"cores, load {os.getloadavg()[2]:.1f} in the last quarter of an hour"
    )
