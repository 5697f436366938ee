"""Checks of what users write, each refusing with an error that names the node and says what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import get_args

from durable_core.definition.nodes import OnTimeout
from durable_core.durations import to_seconds
from durable_core.errors import DefinitionError, DurableError, InputValidationError, LimitError
from durable_core.ids import check_name as check_any_name
from durable_core.limits import LIMITS

__all__ = [
    "DefinitionLimitError",
    "check_choice",
    "check_count",
    "check_name",
    "check_regex",
    "check_seconds",
    "check_timeout_options",
    "check_within",
    "did_you_mean",
    "fault",
]


class DefinitionLimitError(DefinitionError, LimitError):
    """A definition is larger than the engine accepts: both a DefinitionError and a LimitError."""

    def __init__(
        self,
        message: str = "",
        *,
        node: str | None = None,
        limit: int | None = None,
        actual: int | None = None,
        hint: str | None = None,
    ) -> None:
        DurableError.__init__(self, message, hint=hint)
        self.node = node
        self.limit = limit
        self.actual = actual


def fault(where: str, problem: str, hint: str | None = None) -> DefinitionError:
    """The error for a node; `where` is its kind and name, like ``step 'charge'``."""
    return DefinitionError(f"{where}: {problem}", node=where, hint=hint)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """``Did you mean 'x'? `` when one of `words` is close, and what there is to choose from."""
    known = list(words)
    close = difflib.get_close_matches(word, known, n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}There are: {', '.join(known)}."


def check_within(actual: int, limit: int, where: str, what: str, hint: str | None = None) -> None:
    """Refuse what is above a limit, naming the node."""
    if actual > limit:
        problem = f"{where}: {what} is {actual:,}, the limit is {limit:,}"
        raise DefinitionLimitError(problem, node=where, limit=limit, actual=actual, hint=hint)


def check_name(value: object, where: str, what: str = "name") -> str:
    """A usable name: a printable string that is not empty, of at most 255 characters."""
    try:
        return check_any_name(value, what)
    except LimitError as error:
        raise DefinitionLimitError(
            f"{where}: {error.message}", node=where, limit=error.limit, actual=error.actual
        ) from None
    except InputValidationError as error:
        raise fault(where, error.message, "Give a short printable string.") from None


def check_choice(value: object, allowed: Iterable[str], option: str, where: str) -> None:
    """Refuse a word that is none of the allowed ones, with the closest of them."""
    words = list(allowed)
    if not (isinstance(value, str) and value in words):
        raise fault(where, f"{option}={value!r} is unknown", did_you_mean(str(value), words))


def check_count(value: object, option: str, where: str, *, minimum: int = 1) -> int:
    """A whole number of at least `minimum`."""
    if type(value) is not int or value < minimum:
        raise fault(where, f"{option} must be a whole number of at least {minimum}, got {value!r}")
    return value


def check_seconds(value: float | timedelta | None, option: str, where: str, *, zero: bool = False) -> float | None:
    """Seconds of a duration; nothing negative, and zero only where it means something."""
    if value is None:
        return None
    seconds = to_seconds(value, f"{where}: {option}")
    if seconds == 0 and not zero:
        raise fault(where, f"{option} must be above 0, got {value!r}", "Leave it out for no limit.")
    return seconds


def check_timeout_options(timeout: object, value: object, on_timeout: object, where: str) -> None:
    """What a wait does on its timeout: nothing unknown, and nothing at all where there is no timeout."""
    check_choice(on_timeout, get_args(OnTimeout), "on_timeout", where)
    if timeout is None:
        for option, given in (("timeout_value", value is not None), ("on_timeout", on_timeout != "resume")):
            if given:
                raise fault(where, f"{option} means nothing without a timeout", f"Give timeout=, or no {option}.")


def check_regex(pattern: object, option: str, where: str, flags: int = 0) -> str:
    """The text of a regular expression that compiles and is not too long."""
    if not isinstance(pattern, str):
        raise fault(where, f"{option} must be a regular expression over strings, got {pattern!r}")
    check_within(len(pattern), LIMITS.regex_chars, where, f"the length of {option}")
    try:
        re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise fault(where, f"{option} {pattern!r} is no regular expression: {error}") from None
    return pattern
