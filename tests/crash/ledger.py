"""The ledger: what bodies say of themselves, outside of the store, in a file that only grows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "DURABLE_CRASH_LEDGER"


def write(kind: str, key: str, attempt: int) -> None:
    """Append one line; one write, so that lines of several processes never mix, and none is lost with its process."""
    line = json.dumps([kind, key, attempt, os.getpid(), time.time_ns() // 1000])
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@contextmanager
def noted(ctx: Any, kind: str = "") -> Iterator[None]:
    """Say that a body begins, and that it has ended; a body that raises, waits or dies never ends."""
    write(f"{kind}begin", ctx.idempotency_key, ctx.attempt)
    yield
    write(f"{kind}end", ctx.idempotency_key, ctx.attempt)


def has_begun(key: str) -> bool:
    """Whether the body of that key has begun."""
    path = Path(os.environ[VARIABLE])
    return path.exists() and f'["begin", "{key}",' in path.read_text("ascii")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger; `at` in microseconds since 1970, as in the store."""

    kind: str
    key: str
    attempt: int
    pid: int
    at: int


def read(path: Path) -> list[Line]:
    """Every line, in the order they were written."""
    if not path.exists():
        return []
    return [Line(*json.loads(line)) for line in path.read_text("ascii").splitlines()]
