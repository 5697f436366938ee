"""Icons of node types and glyphs of badges, as paths around 0,0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BRACES = "M-2.4-5.2C-5-5.2-2.8 0-5.4 0-2.8 0-5 5.2-2.4 5.2M2.4-5.2C5-5.2 2.8 0 5.4 0 2.8 0 5 5.2 2.4 5.2"
ICONS: Final[Mapping[str, str]] = {
    "step": _BRACES,
    "decision": "M0-5.8 5.8 0 0 5.8-5.8 0Z",
    "switch": "M-6 0H6M-3.4 0C0 0-.6-4.8 3-4.8H6M-3.4 0C0 0-.6 4.8 3 4.8H6",
    "parallel": "M0-6.2V-2.8M-5 6.2V1.2Q-5-2.8 0-2.8 5-2.8 5 1.2V6.2M0-2.8V6.2",
    "foreach": "M0-6 6-3 0 0-6-3ZM-6 .2 0 3.2 6 .2M-6 3.2 0 6.2 6 3.2",
    "loop": "M4.8 1.6A5.1 5.1 0 1 1 3.6-3.6L5.4-1.8M5.6-5.6V-1.6H1.6",
    "sleep": "M5.8 0A5.8 5.8 0 1 1-5.8 0 5.8 5.8 0 1 1 5.8 0ZM0-3.4V.2L2.4 1.8",
    "event": "M1.4-6.4-4.2 1H-.4L-1.4 6.4 4.2-1H.4Z",
    "input": "M2.5-2.9A2.5 2.5 0 1 1-2.5-2.9 2.5 2.5 0 1 1 2.5-2.9ZM-5.4 5.6C-5.4 0 5.4 0 5.4 5.6Z",
    "call": "M-.6-5H-5.2V5.2H5V.8M1.6-5.4H5.4V-1.6M5-5-.6.6",
    "compensation": "M-5-1.2H1.6A3.2 3.2 0 0 1 1.6 5.2H-2M-2-4.2-5-1.2-2 1.8",
}
PLAY: Final = "M-2.8-4.2 4-0-2.8 4.2Z"
STOP: Final = "M-3.4-3.4H3.4V3.4H-3.4Z"
CHEVRON: Final = "M-2-4 2 0-2 4"
ARC: Final = "M0-4.2A4.2 4.2 0 1 1-4.2 0"

GLYPHS: Final[Mapping[str, tuple[str, str]]] = {
    "completed": ("2", "M-3.7.3-1.2 2.8 3.8-2.5"),
    "failed": ("2", "M-2.7-2.7 2.7 2.7M2.7-2.7-2.7 2.7"),
    "waiting": ("2", "M-1.9-3V3M1.9-3V3"),
    "retry": ("1.8", "M3.4 1A3.6 3.6 0 1 1 2.4-2.6L3.6-1.4M3.8-4.2V-1.2H.8"),
    "pending": ("2.2", "M-3.4 0H-3.4M0 0H0M3.4 0H3.4"),
    "uncertain": ("1.8", "M-2-1.8C-2-4.4 2.2-4.4 2.2-1.8 2.2-.2 0-.2 0 1.4M0 3.8V3.8"),
    "compensated": ("1.8", "M-3.6-1H1A2.3 2.3 0 0 1 1 3.6H-1.4M-1.5-3.1-3.6-1-1.5 1.1"),
    "cancelled": ("2", "M-2.6 2.6 2.6-2.6"),
}
"""Badge glyphs drawn as strokes: width and path. A person is filled instead."""
PERSON: Final = "M1.8-2A1.8 1.8 0 1 1-1.8-2 1.8 1.8 0 1 1 1.8-2ZM-3.8 4C-3.8.2 3.8.2 3.8 4Z"
