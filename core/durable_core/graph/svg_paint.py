"""Colours as SVG attributes, in one theme or adaptive, and numbers with one decimal at most."""

from __future__ import annotations

from durable_core.graph.model import Theme
from durable_core.graph.palette import COLOUR_OF, colour

_SHORT = {
    "completed": "ok",
    "running": "run",
    "waiting": "wait",
    "failed": "fail",
    "pending": "pend",
    "compensated": "comp",
    "cancelled": "canc",
}
_PART = {"stroke": "B", "icon": "", "solid": "S", "tint": "T", "on": "I", "text": "X"}


class Paint:
    """Writes paint as presentation attributes; adaptive pictures add a class and remember which tokens they used."""

    def __init__(self, theme: Theme) -> None:
        self.dark = theme == "dark"
        self.adaptive = theme == "adaptive"
        self.used: dict[str, str] = {}
        self.moves: set[str] = set()

    def _class(self, kind: str, token: str) -> str:
        state, _, part = token.partition(".")
        name = f"ds-{kind}-{_SHORT[state]}{_PART[part]}" if part else f"ds-{kind}-{token}"
        rule = "fill" if kind == "f" else "stroke"
        self.used[name] = f".{name}{{{rule}:{colour(token, dark=True)}}}"
        return name

    def paint(self, fill: str | None = None, stroke: str | None = None, moves: str = "") -> str:
        """Attributes for two tokens: None leaves one out, "none" paints nothing; `moves` is the class of a motion."""
        classes = []
        if moves:
            self.moves.add(moves)
            classes.append(moves)
        attributes = ""
        if self.adaptive:
            if fill and fill != "none":
                classes.append(self._class("f", fill))
            if stroke:
                classes.append(self._class("k", stroke))
        if classes:
            attributes = f'class="{" ".join(classes)}" '
        if fill:
            attributes += f'fill="{"none" if fill == "none" else colour(fill, dark=self.dark)}" '
        if stroke:
            attributes += f'stroke="{colour(stroke, dark=self.dark)}" '
        return attributes[:-1]

    def style(self) -> str:
        """The only style sheet: the dark palette of an adaptive picture, and motion for those who want it."""
        css = ""
        if self.adaptive:
            css += "@media (prefers-color-scheme:dark){" + "".join(self.used[name] for name in sorted(self.used)) + "}"
        rules = {
            "ds-spin": ".ds-spin{animation:ds-s 1.4s linear infinite}",
            "ds-flow": ".ds-flow{stroke-dasharray:6 5;animation:ds-f .9s linear infinite}",
            "ds-halo": ".ds-halo{animation:ds-h 2s ease-in-out infinite}",
        }
        frames = {
            "ds-spin": "@keyframes ds-s{to{transform:rotate(360deg)}}",
            "ds-flow": "@keyframes ds-f{to{stroke-dashoffset:-11}}",
            "ds-halo": "@keyframes ds-h{50%{stroke-opacity:.12}}",
        }
        if self.moves:
            css += "@media (prefers-reduced-motion:no-preference){"
            css += "".join(rule for name, rule in rules.items() if name in self.moves) + "}"
            css += "".join(rule for name, rule in frames.items() if name in self.moves)
        return f"<style>{css}</style>" if css else ""


def state_token(tone: str, part: str) -> str:
    """Token of a tone's colour: its stroke, icon, solid, tint, on or text."""
    return f"{COLOUR_OF[tone]}.{part}"


def number(value: float) -> str:
    """A coordinate with one decimal at most."""
    if value == int(value):
        return str(int(value))
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def surface(depth: int) -> str:
    """What lies behind things at a depth of frames: the ground, then alternating frames."""
    return "bg" if depth <= 0 else "frame" if depth % 2 else "frame2"
