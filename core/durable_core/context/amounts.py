"""Increment and append on encoded trees."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from durable_core.codec import decode, encode, to_plain
from durable_core.errors import InvalidStateError

__all__ = ["add", "append_all", "checked_amount"]

_SAFE = 2**62


def checked_amount(amount: object, key: str) -> int | float | Decimal:
    """Return a number that can be added; refuse anything else, naming the key."""
    if isinstance(amount, (int, float, Decimal)) and not isinstance(amount, bool):
        return amount
    raise InvalidStateError(
        f"cannot increment {key!r} by {type(amount).__name__} {amount!r:.80}",
        hint="Increment by an int, a float or a Decimal.",
    )


def add(tree: Any, amount: Any, key: str, times: int = 1) -> Any:
    """The tree of a number after adding an encoded amount ``times`` times; the number's type stays."""
    if type(tree) is int and type(amount) is int:
        total = tree + amount * times
        if -_SAFE < total < _SAFE:
            return total
    value = decode(tree, strict=False)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InvalidStateError(
            f"cannot increment {key!r}: it holds {_kind(tree)}, not a number",
            hint="Set it to a number first, or increment another key.",
        )
    step = checked_amount(decode(amount, strict=False), key)
    if isinstance(value, int) and isinstance(step, int):
        return encode(value + step * times)
    for _ in range(times):
        value = _sum(value, step)
    return encode(value, key)


def _sum(value: int | float | Decimal, step: int | float | Decimal) -> int | float | Decimal:
    if isinstance(value, Decimal):
        # repr gives the decimal the user wrote, Decimal(0.1) would give its 55 binary digits
        return value + (Decimal(repr(step)) if isinstance(step, float) else step)
    if isinstance(step, Decimal):
        return value + float(step) if isinstance(value, float) else Decimal(value) + step
    return value + step


def append_all(tree: Any, elements: list[Any], key: str, *, present: bool) -> Any:
    """A new list: that of the tree and then the elements; a missing key starts a list."""
    if not present:
        return list(elements)
    if type(tree) is not list:
        raise InvalidStateError(
            f"cannot append to {key!r}: it holds {_kind(tree)}, not a list",
            hint="Set it to a list first, or append to another key.",
        )
    return [*tree, *elements]


def _kind(tree: Any) -> str:
    if type(tree) is dict and "$t" in tree:
        return f"a {tree['$t']} ({str(to_plain(tree))[:60]})"
    return "None" if tree is None else f"{type(tree).__name__} ({str(tree)[:60]})"
