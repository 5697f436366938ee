"""What a worker reads of the tokens it has claimed: a few statements, however many they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from durable_core.store.statements import TOKEN_COLUMNS
from durable_core.store.transaction import Dialect, Transaction
from durable_core.store.wait_statements import WAIT_COLUMNS


class Loaded(NamedTuple):
    """A token's row, the beginning of its execution, and its changes since they were last written whole."""

    row: dict[str, Any]
    definition_hash: str
    input: str
    home_queue: str
    parent_execution: str | None
    revision: int
    scheduled_for: int | None
    changes: list[str]
    waits: list[dict[str, Any]] | None
    """The waits recorded where the token stands, when it comes back to them; None when nobody has looked."""


_IDS: Final[dict[Dialect, str]] = {
    "sqlite": "(SELECT value FROM json_each(:ids))",
    "postgres": "(SELECT json_array_elements_text(CAST(:ids AS json)))",
}
_TOKENS: Final = {
    dialect: f"""
SELECT {", ".join(f"t.{column}" for column in TOKEN_COLUMNS)}, e.definition_hash, e.input, e.queue, e.parent_id,
    e.revision, e.scheduled_for
FROM tokens t JOIN executions e ON e.id = t.execution_id WHERE t.id IN {ids}"""
    for dialect, ids in _IDS.items()
}
_CHANGES: Final = {
    dialect: f"""
SELECT t.id, s.change FROM tokens t JOIN steps s
    ON s.execution_id = t.execution_id AND s.seq > t.changes_seq AND s.token_key = t.key
WHERE t.id IN {ids} AND s.status = 'completed' AND s.change IS NOT NULL ORDER BY s.execution_id, s.seq"""
    for dialect, ids in _IDS.items()
}
_WAITS: Final = {
    dialect: f"""
SELECT t.id, {", ".join(f"w.{column}" for column in WAIT_COLUMNS)} FROM tokens t JOIN waits w
    ON w.execution_id = t.execution_id AND w.path = t.path AND w.iteration = t.iteration
WHERE t.id IN {ids} ORDER BY w.position, w.created_at, w.id"""
    for dialect, ids in _IDS.items()
}


def load_tokens(tx: Transaction, ids: Iterable[str]) -> list[Loaded]:
    """Those of the tokens that are there, in the order of `ids`."""
    wanted = list(ids)
    params = {"ids": json.dumps(wanted)}
    found = {row[0]: row for row in tx.fetch(_TOKENS[tx.dialect], params)}
    changes: dict[str, list[str]] = {}
    for token_id, change in tx.fetch(_CHANGES[tx.dialect], params) if found else ():
        changes.setdefault(token_id, []).append(change)
    width = len(TOKEN_COLUMNS)
    rows = {token_id: dict(zip(TOKEN_COLUMNS, row, strict=False)) for token_id, row in found.items()}
    waits = _waits(tx, [token_id for token_id, row in rows.items() if row["pass_number"] > 1])
    return [
        Loaded._make((rows[token_id], *found[token_id][width:], changes.get(token_id, []), waits.get(token_id)))
        for token_id in wanted
        if token_id in found
    ]


def _waits(tx: Transaction, resumed: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The waits of tokens that go on after one."""
    waits: dict[str, list[dict[str, Any]]] = {token_id: [] for token_id in resumed}
    for token_id, *values in tx.fetch(_WAITS[tx.dialect], {"ids": json.dumps(resumed)}) if resumed else ():
        waits[token_id].append(dict(zip(WAIT_COLUMNS, values, strict=True)))
    return waits
