"""What the texts of form fields are held against: patterns, in bounded time whatever both are, and e-mail addresses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import lru_cache
from typing import Any, Final

__all__ = ["PATTERN_SECONDS", "fully_matches", "is_email"]

PATTERN_SECONDS: Final = 2.0
"""How long a pattern may take that only a backtracking engine knows."""

_CHILD: Final = (
    "import json, re, sys; p, t = json.load(sys.stdin); sys.stdout.write('1' if re.fullmatch(p, t) else '0')"
)


_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@(?:[^@\s.]{1,63}\.){1,10}[^@\s.]{2,63}")
_EMAIL_CHARS: Final = 254


def is_email(text: str) -> bool:
    """Whether a text has the form of an e-mail address."""
    return len(text) <= _EMAIL_CHARS and _EMAIL.fullmatch(text) is not None


def fully_matches(pattern: str, text: str) -> bool | None:
    """Whether the whole text matches; None when that could not be told within two seconds.

    Python's engine backtracks: ``(a+)+`` takes years for forty letters, holds the interpreter meanwhile and cannot be
    stopped. Patterns are therefore matched in linear time by the engine that pydantic brings; the few it does not
    know (look-around, back-references) are matched in a process of their own, which can be stopped.
    """
    linear = _linear(pattern)
    if linear is not None:
        return bool(linear.isinstance_python(text))
    try:
        found = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps([pattern, text]),
            capture_output=True,
            text=True,
            timeout=PATTERN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return {"1": True, "0": False}.get(found.stdout)


@lru_cache(maxsize=256)
def _linear(pattern: str) -> Any:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    # A line break before the end: the pattern may end in a comment of its verbose form.
    whole = rf"\A(?:{pattern}" + ("\n" if "(?x" in pattern else "") + r")\z"
    try:
        return SchemaValidator(core_schema.str_schema(pattern=whole, regex_engine="rust-regex", strict=True))
    except SchemaError:
        return None
