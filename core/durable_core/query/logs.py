"""Captured lines of an execution, in the order they were written."""

from __future__ import annotations

from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.errors import InputValidationError
from durable_core.ids import parse_iteration_key
from durable_core.query.entry import Entry, decode_leniently
from durable_core.store.transaction import Transaction

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_COLUMNS = "id, at, level, source, logger, message, metadata, step, path, attempt, pass_number, iteration"


def lines_of(
    tx: Transaction,
    execution_id: str,
    *,
    path: str | None = None,
    level: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[Entry]:
    """The lines after the one whose id is `after`; `level` is the lowest that is shown."""
    conditions = ["execution_id = :id", "id > :after"]
    params: dict[str, Any] = {"id": execution_id, "after": after}
    if path is not None:
        conditions.append("path = :path")
        params["path"] = path
    if level is not None:
        shown = LEVELS[LEVELS.index(check_level(level)) :]
        hidden = [each for each in LEVELS if each not in shown]
        if hidden:
            # levels of the user's own making are shown always
            conditions.append(f"level NOT IN ({', '.join(repr(each) for each in hidden)})")
    limited = "" if limit is None else f" LIMIT {int(limit)}"
    found = tx.fetch(f"SELECT {_COLUMNS} FROM logs WHERE {' AND '.join(conditions)} ORDER BY id{limited}", params)
    return [_line(row) for row in found]


def check_level(level: str) -> str:
    """The level in the spelling of the store; InputValidationError when there is none of that name."""
    name = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level.upper(), level.upper())
    if name not in LEVELS:
        raise InputValidationError(
            f"there is no log level {level!r}; there are {', '.join(LEVELS)}", errors={"level": ["is no level"]}
        )
    return name


def _line(row: tuple[Any, ...]) -> Entry:
    number, at, level, source, logger, message, metadata, step, path, attempt, pass_number, iteration = row
    return Entry(
        timestamp=from_us(at),
        level=level,
        source=source,
        logger=logger,
        message=message,
        metadata=None if metadata is None else decode_leniently(load_tree(metadata)),
        step=step,
        path=path,
        attempt=attempt,
        pass_number=pass_number,
        iterations=list(parse_iteration_key(iteration)),
        id=number,
    )
