"""Every colour of a picture, by token, for light and dark grounds. Nothing else names a colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLAIN: Final[Mapping[str, tuple[str, str]]] = {
    "bg": ("#fbfcfd", "#0e131a"),
    "frame2": ("#fbfcfd", "#0e131a"),
    "card": ("#ffffff", "#171f2a"),
    "frame": ("#f3f6f9", "#121923"),
    "tile": ("#eceff3", "#263140"),
    "line": ("#d9dfe6", "#27313d"),
    "fstroke": ("#828d9c", "#5f6c7d"),
    "ink": ("#17202b", "#e8edf4"),
    "ink2": ("#525e6d", "#a5b1c0"),
    "off": ("#667180", "#8592a3"),
    "offs": ("#828d9b", "#657284"),
    "edge": ("#7f8b9a", "#6d7a8b"),
    "taken": ("#36424f", "#c6d0dc"),
    "track": ("#b5d0fb", "#274a7d"),
}


def _state(light: str, dark: str) -> dict[str, tuple[str, str]]:
    names = ("stroke", "icon", "solid", "tint", "on", "text")
    return dict(zip(names, zip(light.split(), dark.split(), strict=True), strict=True))


STATES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "completed": _state(
        "#3b9766 #1b8048 #1b8048 #e4f4ea #ffffff #525e6d", "#2f8f60 #3fbf7f #3fbf7f #143324 #05140c #a5b1c0"
    ),
    "running": _state(
        "#1c66dd #1c66dd #1c66dd #eaf2ff #ffffff #1553ba", "#5b9dff #5b9dff #5b9dff #13253f #04101f #8dbbff"
    ),
    "waiting": _state(
        "#b8560b #b8560b #ff9b3b #fff4e8 #2d1600 #94430a", "#f5943d #f5943d #ff9b3b #32210f #241200 #ffb469"
    ),
    "failed": _state(
        "#c9223a #c9223a #c9223a #ffeff1 #ffffff #ad1730", "#ff6b78 #ff6b78 #ff6b78 #38161c #210308 #ff939d"
    ),
    "pending": _state(
        "#8c6d00 #8c6d00 #ffd84a #fffae3 #332800 #715800", "#d9b62f #d9b62f #f2cd46 #2b2510 #231c00 #ecd06a"
    ),
    "compensated": _state(
        "#7544c6 #7544c6 #7544c6 #f4eeff #ffffff #6233b0", "#ae8cff #ae8cff #ae8cff #241b3b #120633 #c5adff"
    ),
    "cancelled": _state(
        "#667180 #667180 #667180 #ffffff #ffffff #525e6d", "#8592a3 #8592a3 #8592a3 #171f2a #171f2a #a5b1c0"
    ),
}
COLOUR_OF: Final[Mapping[str, str]] = {
    "completed": "completed",
    "running": "running",
    "waiting": "waiting",
    "needs_you": "waiting",
    "failed": "failed",
    "pending": "pending",
    "retry": "pending",
    "uncertain": "pending",
    "compensated": "compensated",
    "cancelled": "cancelled",
}
"""Which state's colours a tone wears."""


def colour(token: str, *, dark: bool = False) -> str:
    """The value of a token: ``ink``, or ``running.tint`` for a state's."""
    state, _, part = token.partition(".")
    pair = STATES[state][part] if part else PLAIN[token]
    return pair[1] if dark else pair[0]
