"""Ids: what names an execution, and the key of one iteration of a node."""

from __future__ import annotations

import os
from typing import Final

from durable_core.clock import SYSTEM_CLOCK
from durable_core.errors import InputValidationError
from durable_core.limits import LIMITS, check_limit

__all__ = ["check_id", "check_name", "iteration_key", "new_execution_id", "new_id", "parse_iteration_key"]

# Crockford's base 32: no i, l, o, u; in ASCII order, so ids sort like the numbers they write.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_RANDOM: Final = bytes(ord(_ALPHABET[byte % 32]) for byte in range(256))

_urandom = os.urandom
_now_us = SYSTEM_CLOCK.now_us
_last_us = 0


def new_id(prefix: str, now_us: int | None = None) -> str:
    """A new id ``<prefix>_`` + 26 characters: 11 of time in microseconds (until the year 3111), 15 random.

    Ids made one after the other in one process sort in that order; across processes they sort by the clocks.
    """
    global _last_us
    if now_us is None:
        now_us = _now_us()
        if now_us <= _last_us:
            # Two threads may meet here and take the same time: their order is then random, the ids still differ.
            now_us = _last_us + 1
        _last_us = now_us
    pairs = _PAIRS
    return (
        f"{prefix}_{_ALPHABET[now_us >> 50 & 31]}{pairs[now_us >> 40 & 1023]}{pairs[now_us >> 30 & 1023]}"
        f"{pairs[now_us >> 20 & 1023]}{pairs[now_us >> 10 & 1023]}{pairs[now_us & 1023]}"
        f"{_urandom(15).translate(_RANDOM).decode('ascii')}"
    )


def new_execution_id(now_us: int | None = None) -> str:
    """A new execution id: short, URL-safe, sortable by the time it was made, never the same twice."""
    return new_id("wf", now_us)


def check_id(value: object, what: str = "id") -> str:
    """Return an id given by a user; refuse what is no usable id, naming it."""
    return _check(value, what, LIMITS.id_chars)


def check_name(value: object, what: str = "name") -> str:
    """Return a name given by a user; refuse what is no usable name, naming it."""
    return _check(value, what, LIMITS.name_chars)


def _check(value: object, what: str, limit: int) -> str:
    if type(value) is not str:
        raise InputValidationError(
            f"{what} must be a string, not {type(value).__name__}", errors={what: ["must be a string"]}
        )
    if not value.strip():
        raise InputValidationError(f"{what} is empty", errors={what: ["must not be empty"]})
    check_limit(len(value), limit, what, "characters")
    if not value.isprintable():
        # False for C0, C1, line separators, bidi and zero-width controls, lone surrogates: invisible or unstorable.
        raise InputValidationError(
            f"{what} holds control or invisible characters: {value!a}",
            errors={what: ["must not hold control or invisible characters"]},
        )
    return value


def iteration_key(iterations: tuple[int, ...]) -> str:
    """The text of an iteration vector, outer to inner: ``(3, 0)`` is ``"3.0"``, outside any iteration ``""``."""
    return ".".join(map(str, iterations))


def parse_iteration_key(key: str) -> tuple[int, ...]:
    """The iteration vector of its text."""
    return tuple(map(int, key.split("."))) if key else ()
