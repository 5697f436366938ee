"""The largest things the engine accepts (D-6), in one frozen place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from durable_core.errors import LimitError

__all__ = ["LIMITS", "Limits", "check_limit"]

_KIB: Final = 1024
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes of the encoded text, lengths in characters, counts in pieces."""

    input_bytes: int = _MIB
    output_bytes: int = _MIB
    event_bytes: int = _MIB
    context_bytes: int = 4 * _MIB
    name_chars: int = 255
    id_chars: int = 255
    nesting: int = 64
    """How deep composites of a flow may nest."""
    value_depth: int = 200
    """How deep a stored value may nest: below what the JSON readers and Python's own recursion take."""
    foreach_items: int = 100_000
    regex_chars: int = _KIB
    error_message_bytes: int = 8 * _KIB
    error_traceback_bytes: int = 32 * _KIB
    log_line_bytes: int = 8 * _KIB
    log_lines: int = 10_000
    log_bytes: int = _MIB
    max_crashes: int = 5


LIMITS: Final = Limits()


def check_limit(actual: int, limit: int, what: str, unit: str = "bytes", *, hint: str | None = None) -> None:
    """Raise LimitError naming ``what`` when ``actual`` is above ``limit``."""
    if actual > limit:
        raise LimitError(
            f"{what} has {actual:,} {unit}, the limit is {limit:,}",
            limit=limit,
            actual=actual,
            hint=hint or ("Keep large data elsewhere and pass a reference to it." if unit == "bytes" else None),
        )
