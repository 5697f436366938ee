"""What is captured of an attempt, and how much of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from durable_core.clock import SYSTEM_CLOCK, Clock, nanoseconds
from durable_core.errors import DefinitionError
from durable_core.limits import LIMITS
from durable_core.masking import DEFAULT_MASKER, Masker

__all__ = ["DEFAULT_OPTIONS", "CaptureOptions", "level_number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """Level filter, caps (L-3) and masking (L-4) of one attempt."""

    log_level: int | str = logging.INFO
    """Records below it are not kept; printed lines and warnings have no level to filter by."""
    passthrough: bool = True
    """Whether the real streams still receive what the step prints."""
    enabled: bool = True
    line_bytes: int = LIMITS.log_line_bytes
    lines: int = LIMITS.log_lines
    bytes: int = LIMITS.log_bytes
    masker: Masker = DEFAULT_MASKER
    clock: Clock = SYSTEM_CLOCK
    level: int = field(init=False)
    """`log_level` as a number."""
    stamp: Callable[[], int] = field(init=False, repr=False)
    """The clock in nanoseconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", level_number(self.log_level))
        object.__setattr__(self, "stamp", nanoseconds(self.clock))


def level_number(level: int | str, option: str = "log_level") -> int:
    """The number of a logging level given as number or name, in any case; refuse anything else."""
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    known = logging.getLevelNamesMapping()
    number = known.get(level.upper()) if isinstance(level, str) else None
    if number is None:
        raise DefinitionError(
            f"{option} is {level!r}, which is no logging level", hint=f"Use one of {', '.join(known)}, or a number."
        )
    return number


DEFAULT_OPTIONS: Final = CaptureOptions()
