"""The two rulers of the layout, pixels and character cells, and how wide a text is in each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from durable_core.graph.model import GraphNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Every distance the layout uses, in the ruler's unit. Named as in a picture from top to bottom."""

    turned: bool = False
    """From left to right: what is said of below counts to the right, what is said of beside counts downwards."""
    compact: bool
    point: int
    """Thickness of a line: 0 in pixels, 1 in cells."""
    header: int
    """Height of a card, whichever way the picture goes."""
    gap: int
    between: int
    fork: int
    """Header bottom to fork bus."""
    labelled: int
    """Header bottom to branch top, with branch labels; in a turned picture the longest label comes on top of it."""
    plain: int
    join: int
    """Branch bottom to join bus."""
    seal: int
    """Join bus to the lower border of a parallel's frame."""
    radius: int
    pad: int
    """What a frame contains to its sides."""
    frames_pad: int
    """The branches of a parallel to its sides, where other frames are in them."""
    body: int
    """Header bottom to the body of a loop or foreach."""
    foot: int
    """Body bottom to the lower border of a foreach's frame."""
    gate: int
    """Body bottom to a loop's gate."""
    gate_foot: int
    back: int
    """Header bottom to the horizontal of the loop back edge."""
    back_in: int
    """How far left of the header's right edge the loop back edge ends."""
    lane: int
    margin: int
    rows: int
    """Between the join bus of one row of branches and the fork bus of the next."""
    row_lane: int
    """Width kept for the lane beside wrapped rows."""
    row_lane_at: int
    """Distance of that lane from the branches."""
    snap: int
    empty: int
    label_at: int
    """Fork bus to the centre of a branch label."""
    compensation: tuple[int, int]
    """Width and height of its card."""
    compensation_gap: int
    card: tuple[int, int]
    """Narrowest and widest card."""
    terminal: tuple[int, int]
    """Width and height of start and end."""


FULL: Final = Measures(
    compact=False,
    point=0,
    header=48,
    gap=32,
    between=24,
    fork=16,
    labelled=56,
    plain=40,
    join=16,
    seal=16,
    radius=8,
    pad=16,
    frames_pad=18,
    body=36,
    foot=18,
    gate=16,
    gate_foot=16,
    back=16,
    back_in=28,
    lane=22,
    margin=22,
    rows=8,
    row_lane=22,
    row_lane_at=16,
    snap=24,
    empty=24,
    label_at=19,
    compensation=(132, 44),
    compensation_gap=24,
    card=(176, 200),
    terminal=(84, 28),
)
COMPACT: Final = Measures(
    compact=True,
    point=0,
    header=28,
    gap=20,
    between=20,
    fork=10,
    labelled=36,
    plain=22,
    join=10,
    seal=10,
    radius=6,
    pad=12,
    frames_pad=12,
    body=26,
    foot=12,
    gate=10,
    gate_foot=12,
    back=10,
    back_in=20,
    lane=16,
    margin=16,
    rows=8,
    row_lane=16,
    row_lane_at=12,
    snap=18,
    empty=20,
    label_at=15,
    compensation=(0, 0),
    compensation_gap=0,
    card=(104, 160),
    terminal=(60, 20),
)
CELLS: Final = Measures(
    compact=False,
    point=1,
    header=3,
    gap=1,
    between=2,
    fork=0,
    labelled=3,
    plain=2,
    join=0,
    seal=1,
    radius=0,
    pad=2,
    frames_pad=2,
    body=2,
    foot=0,
    gate=0,
    gate_foot=1,
    back=1,
    back_in=3,
    lane=1,
    margin=3,
    rows=0,
    row_lane=3,
    row_lane_at=2,
    snap=3,
    empty=2,
    label_at=1,
    compensation=(18, 3),
    compensation_gap=3,
    card=(14, 28),
    terminal=(9, 1),
)
FULL_TURNED: Final = replace(FULL, turned=True, labelled=38, empty=12, snap=12, back_in=10)
COMPACT_TURNED: Final = replace(COMPACT, turned=True, labelled=30, empty=10, snap=8, back_in=5)
CELLS_TURNED: Final = replace(
    CELLS,
    turned=True,
    gap=3,
    between=0,
    labelled=6,
    plain=3,
    join=1,
    pad=1,
    frames_pad=1,
    body=4,
    foot=1,
    gate=1,
    back_in=1,
    lane=1,
    margin=2,
    snap=0,
    empty=1,
)


def _widths() -> dict[str, float]:
    table: dict[str, float] = dict.fromkeys("ABCDEFGHIJKLNOPQRSTUVXYZ", 0.74)
    for characters, em in (
        ("ijlI'", 0.29),
        (".,:;|!/ ", 0.34),
        ('frt()[]-"', 0.41),
        ("cszJ_*?", 0.55),
        ("mwMW%@…", 0.98),
        ("+<>=~#×&", 0.84),
    ):
        table.update(dict.fromkeys(characters, em))
    return table


_EM: Final = _widths()
_BOLD: Final = 1.1


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Estimated width in pixels; nothing is ever measured in a browser, so pictures are the same everywhere."""
    em = 0.0
    for character in text:
        known = _EM.get(character)
        if known is None:
            wide = character > "\u0370" and unicodedata.east_asian_width(character) in "WF"
            known = 1.1 if wide or character > "\U0001f000" else 0.74 if character.isupper() else 0.635
        em += known
    return em * size * (_BOLD if bold else 1.0)


def clip(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    if len(text) * size * 0.29 <= room and text_width(text, size, bold=bold) <= room:
        return text
    room -= text_width("…", size, bold=bold)
    kept = 0.0
    for position, character in enumerate(text):
        kept += text_width(character, size, bold=bold)
        if kept > room:
            return text[:position].rstrip() + "…"
    return text


# Latin, Greek, arrows, box drawing and the shapes of our own glyphs: one column each, without asking Unicode's tables.
_NARROW: Final = re.compile("[ -~\xa0-\xac\xae-\u02ff\u0391-\u03ff\u2026\u2190-\u22ff\u2500-\u25fc\u25ff\u2714\u2718]*")


_SIGNS_OF_NUMBERS: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Format characters that are drawn all the same."""


def is_narrow(text: str) -> bool:
    """Whether every character is known to take one column."""
    return text.isascii() or _NARROW.fullmatch(text) is not None


def cell_width(text: str) -> int:
    """Columns a text takes in a terminal."""
    if is_narrow(text):
        return len(text)
    return sum(character_cells(character) for character in text)


def character_cells(character: str) -> int:
    """0 for combining marks, 2 for East Asian wide characters and emoji, else 1."""
    if character < "\u0300":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 1 if character in _SIGNS_OF_NUMBERS else 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(frozen=True, slots=True)
class Card:
    """Where the text of a card begins, from its left edge, and how far from the right edge it ends."""

    text: int
    right: int


FULL_CARDS: Final = {"decision": Card(51, 14), "switch": Card(51, 14), "sleep": Card(49, 16), "event": Card(49, 16)}
COMPACT_CARDS: Final = {"decision": Card(31, 14), "switch": Card(31, 14), "sleep": Card(31, 12), "event": Card(31, 12)}


def card_text(kind: str, *, compact: bool) -> Card:
    """Horizontal text insets of a node type."""
    if kind == "call":
        return Card(31, 10) if compact else Card(49, 14)
    if compact:
        return COMPACT_CARDS.get(kind, Card(27, 8))
    return FULL_CARDS.get(kind, Card(47, 10))


def card_width(nodes: Sequence[GraphNode], measures: Measures) -> int:
    """One width for all cards: the longest name decides, within the ruler's limits."""
    smallest, largest = measures.card
    size = 12 if measures.compact else 13
    need = float(smallest)
    for node in nodes:
        if need >= largest:
            break
        if node.type in ("start", "end", "join", "compensation"):
            continue
        inset = card_text(node.type, compact=measures.compact)
        need = max(need, inset.text + inset.right + text_width(node.label[:80], size))
    return min(largest, ceil(need / 8) * 8)
