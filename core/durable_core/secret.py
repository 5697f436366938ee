"""``Secret.env("NAME")``: the name is stored and shown, the value is read where it is used (L-4)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from durable_core.errors import DefinitionError, InvalidStateError

__all__ = ["MASK", "Secret", "known_secret_texts", "remember_secret"]

MASK: Final = "***"

_LINE_CHARS: Final = 8
"""Lines of a secret that long are masked on their own: a key file is printed line by line."""


@final
@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that lives in the worker's environment: only its name is ever stored, logged or shown.

    ``str()``, f-strings and ``repr()`` never hold the value. ``reveal()`` reads it at each use, so a rotated secret
    needs no restart of an execution, and from then on the value is masked in everything that is recorded.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or "=" in self.name or "\0" in self.name:
            raise DefinitionError(
                f"Secret.env() takes the name of an environment variable, not {self.name!r}",
                hint='Write Secret.env("PAYMENT_KEY") and set PAYMENT_KEY where the worker runs.',
            )

    @classmethod
    def env(cls, name: str) -> Secret:
        """The secret held by the environment variable ``name`` of the worker that reveals it."""
        return cls(name)

    def reveal(self) -> str:
        """The value, read from the environment now; masked from now on in whatever is recorded."""
        value = os.environ.get(self.name)
        if value is None:
            raise InvalidStateError(
                f"the environment variable {self.name} of {self!r} is not set on this worker",
                state="unset",
                hint=f"Set {self.name} in the environment the worker is started with.",
            )
        remember_secret(value)
        return value

    def to_reference(self) -> dict[str, str]:
        """What is stored in place of the value."""
        return {"env": self.name}

    @classmethod
    def from_reference(cls, reference: Mapping[str, Any]) -> Secret:
        """The secret a stored reference means."""
        name = reference.get("env") if isinstance(reference, Mapping) and len(reference) == 1 else None
        if not isinstance(name, str):
            raise DefinitionError(
                "this is no reference to a secret", hint='A stored secret looks like {"env": "PAYMENT_KEY"}.'
            )
        return cls(name)

    def __repr__(self) -> str:
        return f"Secret.env({self.name!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


_LOCK: Final = threading.Lock()
# Replaced and never changed in place: readers take it without a lock, and tell a new one by its identity.
_known: tuple[str, ...] = ()
_remembered: frozenset[str] = frozenset()


def known_secret_texts() -> tuple[str, ...]:
    """Every text to mask, longest first; the same object until another secret is revealed."""
    return _known


def remember_secret(value: str) -> None:
    """Mask a value from now on in everything that is recorded, also as JSON, percent-encoded and line by line."""
    global _known, _remembered
    if not value.strip() or value in _remembered:
        return
    with _LOCK:
        _remembered = _remembered | {value}
        _known = tuple(sorted({*_known, *_written_forms(value)}, key=lambda text: (-len(text), text)))


def _written_forms(value: str) -> set[str]:
    from urllib.parse import quote, quote_plus  # only who reveals a secret pays for the import

    lines = [line.strip() for line in value.splitlines()]
    plain = {value, value.strip(), *(line for line in lines if len(line) >= _LINE_CHARS)}
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    quotable = value.encode("utf-8", "surrogateescape")
    return plain | escaped | {quote(quotable), quote(quotable, safe=""), quote_plus(quotable)}
