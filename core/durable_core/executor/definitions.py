"""Stored definitions: every version that an execution pinned, kept as data."""

from __future__ import annotations

import threading

from durable_core.codec import dump_tree, load_tree
from durable_core.definition.document import from_document, to_document
from durable_core.definition.model import Definition
from durable_core.errors import StoreError
from durable_core.store import statements as sql
from durable_core.store.transaction import Transaction


class Definitions:
    """Definitions by hash, read from the store once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Definition] = {}
        self._stored: set[str] = set()

    def remember(self, tx: Transaction, definition: Definition) -> None:
        """Write a definition in the transaction of an execution that pins it, unless that was done."""
        if definition.hash in self._stored:
            return
        tx.execute(
            sql.INSERT_DEFINITION,
            {
                "hash": definition.hash,
                "workflow": definition.name,
                "document": definition.text or dump_tree(to_document(definition)),
                "now": tx.now(),
            },
        )

    def remembered(self, definition: Definition) -> None:
        """The transaction that wrote it is durable."""
        self._stored.add(definition.hash)
        self._known.setdefault(definition.hash, definition)

    def stored(self, tx: Transaction, hash_: str) -> Definition:
        """A definition from the store; needs no user code."""
        known = self._known.get(hash_)
        if known is not None:
            return known
        found = tx.fetch_one(sql.SELECT_DEFINITION, {"hash": hash_})
        if found is None:
            raise StoreError(
                f"The definition {hash_} is not in the store.",
                hint="Run `durable-studio verify` to see what else is missing.",
            )
        definition = from_document(load_tree(found[0]))
        with self._lock:
            return self._known.setdefault(hash_, definition)
