"""Why executions are where they are, and how the code of this process compares with what they are pinned to."""

from __future__ import annotations

from durable_core.definition.diff import DefinitionDiff
from durable_core.engine.surface import Surface
from durable_core.errors import StoreError
from durable_core.query import executions as queries
from durable_core.query.explain import Explanation, explain
from durable_core.query.fitness import compare


def definition_diff(engine: Surface, execution_id: str) -> DefinitionDiff:
    """How an execution's version differs from the registered one; WorkflowNotFoundError without the latter."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        pinned = engine.definitions.stored(tx, record.definition_hash)
        row = tx.fetch_one("SELECT bodies FROM executions WHERE id = :id", {"id": execution_id})
        found, _ = compare(tx, execution_id, record.workflow, pinned, None if row is None else row[0])
        return found


def explanation(engine: Surface, execution_id: str) -> Explanation:
    """Why it is where it is; a definition that cannot be read any more leaves out what comes next."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        try:
            pinned = engine.definitions.stored(tx, record.definition_hash)
        except StoreError:
            pinned = None
        return explain(tx, execution_id, pinned)
