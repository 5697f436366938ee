"""The signs of states and node types in text, in full and in ASCII."""

from __future__ import annotations

from typing import Final

from durable_core.graph.look import Tone

GLYPHS: Final[dict[Tone, str]] = {
    "completed": "✔",
    "failed": "✘",
    "running": "◐",
    "waiting": "◷",
    "needs_you": "◈",
    "retry": "↻",
    "pending": "◔",
    "uncertain": "?",
    "compensated": "↶",
    "cancelled": "⊗",
    "not_taken": "⊘",
    "not_reached": "○",
}
ASCII_GLYPHS: Final[dict[Tone, str]] = {
    "completed": "+",
    "failed": "x",
    "running": ">",
    "waiting": "=",
    "needs_you": "?",
    "retry": "~",
    "pending": ".",
    "uncertain": "%",
    "compensated": "<",
    "cancelled": "!",
    "not_taken": "/",
    "not_reached": "o",
}
TYPE_MARKS: Final = {
    "decision": "◇",
    "switch": "◇",
    "parallel": "∥",
    "loop": "↻",
    "foreach": "≡",
    "sleep": "◷",
    "event": "ϟ",
    "input": "?",
    "call": "»",
}
ASCII_MARKS: Final = {
    "decision": "<>",
    "switch": "<>",
    "parallel": "||",
    "loop": "@",
    "foreach": "#",
    "sleep": "z",
    "event": "!",
    "input": "?",
    "call": ">>",
}
