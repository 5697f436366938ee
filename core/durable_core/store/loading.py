"""What a worker reads of the tokens it has claimed: two statements, however many they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from durable_core.store.statements import TOKEN_COLUMNS
from durable_core.store.transaction import Dialect, Transaction


class Loaded(NamedTuple):
    """A token's row, the beginning of its execution, and its changes since they were last written whole."""

    row: dict[str, Any]
    definition_hash: str
    input: str
    home_queue: str
    parent_execution: str | None
    revision: int
    changes: list[str]


_IDS: Final[dict[Dialect, str]] = {
    "sqlite": "(SELECT value FROM json_each(:ids))",
    "postgres": "(SELECT json_array_elements_text(CAST(:ids AS json)))",
}
_TOKENS: Final = {
    dialect: f"""
SELECT {", ".join(f"t.{column}" for column in TOKEN_COLUMNS)}, e.definition_hash, e.input, e.queue, e.parent_id,
    e.revision
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


def load_tokens(tx: Transaction, ids: Iterable[str]) -> list[Loaded]:
    """Those of the tokens that are there, in the order of `ids`."""
    wanted = list(ids)
    params = {"ids": json.dumps(wanted)}
    found = {row[0]: row for row in tx.fetch(_TOKENS[tx.dialect], params)}
    changes: dict[str, list[str]] = {}
    for token_id, change in tx.fetch(_CHANGES[tx.dialect], params) if found else ():
        changes.setdefault(token_id, []).append(change)
    width = len(TOKEN_COLUMNS)
    return [
        Loaded._make((dict(zip(TOKEN_COLUMNS, row, strict=False)), *row[width:], changes.get(token_id, [])))
        for token_id in wanted
        if (row := found.get(token_id)) is not None
    ]
