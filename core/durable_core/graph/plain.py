"""Text in ASCII, for pictures whose every column counts."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from durable_core.graph.measure import character_cells

__all__ = ["plain"]

_SIGNS: Final = str.maketrans("…·×→≤", ".,x><")


def plain(text: str) -> str:
    """The text in ASCII and as wide: letters without their accents, a question mark for any other column."""
    if not text.isascii():
        text = text.translate(_SIGNS)
    return text if text.isascii() else "".join(map(_plain, text))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    cells = character_cells(character)
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    return base.ljust(cells) if base.isascii() and 0 < len(base) <= cells else "?" * cells
