"""Durations: seconds or a timedelta from code, ``1h30m`` from a command line; always plain seconds inside."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

from durable_core.errors import DefinitionError

__all__ = ["MAX_SECONDS", "from_parts", "parse_duration", "to_seconds"]

MAX_SECONDS: Final = 1000 * 365.25 * 86400.0
"""A thousand years: far enough for any wait, near enough that `now + duration` is still a datetime."""

_UNITS: Final = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_WHOLE: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[wdhms]))+")


def to_seconds(value: float | timedelta, option: str) -> float:
    """Seconds of a number or a timedelta; anything that is no duration is a DefinitionError naming the option."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
    else:
        raise DefinitionError(
            f"{option} must be seconds or a timedelta, not {type(value).__name__} ({value!r})",
            hint="Write e.g. 30, 0.5 or timedelta(hours=1).",
        )
    if not 0 <= seconds <= MAX_SECONDS:  # false for NaN as well
        raise DefinitionError(
            f"{option} must be between 0 and {MAX_SECONDS:.0f} seconds (a thousand years), got {value!r}"
        )
    return seconds


def from_parts(
    option: str,
    seconds: float | timedelta = 0,
    *,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    weeks: float = 0,
) -> float:
    """Seconds of a duration written in parts, like ``sleep_for(hours=24)``; every part is checked by its own name."""
    total = to_seconds(seconds, option)
    parts = {"minutes": (minutes, 60), "hours": (hours, 3600), "days": (days, 86_400), "weeks": (weeks, 604_800)}
    for name, (count, unit) in parts.items():
        total += to_seconds(count, f"{option}: {name}") * unit
    return to_seconds(total, option)


def parse_duration(text: str, option: str = "the duration") -> float:
    """Seconds of ``30d``, ``2h``, ``15m``, ``45s``, ``1h30m`` or plain seconds ``90``."""
    written = text.strip().lower()
    try:
        seconds = float(written)
    except ValueError:
        if not _WHOLE.fullmatch(written):
            raise DefinitionError(
                f"{option} is not a duration: {text!r}", hint="Write e.g. 30d, 2h, 15m, 45s or 1h30m."
            ) from None
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(written))
    return to_seconds(seconds, option)
