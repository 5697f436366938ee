"""Open questions to people, over all executions."""

from __future__ import annotations

from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.errors import WaitNotFoundError
from durable_core.query.entry import Entry
from durable_core.store.transaction import Transaction


def pending_inputs(
    tx: Transaction,
    *,
    execution_id: str | None = None,
    workflow: str | None = None,
    type: str | None = None,
    older_than_us: int | None = None,
    limit: int | None = None,
    after: str | None = None,
) -> list[Entry]:
    """Every open question, longest waiting first; `after` is the `id` of the last one of the page before."""
    conditions, params = ["kind = 'input'", "status = 'open'"], dict[str, Any]()
    if execution_id is not None:
        conditions.append("execution_id = :execution")
        params["execution"] = execution_id
    if workflow is not None:
        conditions.append("workflow = :workflow")
        params["workflow"] = workflow
    if older_than_us is not None:
        conditions.append("created_at <= :before")
        params["before"] = tx.now() - older_than_us
    if after is not None:
        place = tx.fetch_one("SELECT created_at, id FROM waits WHERE id = :id", {"id": after})
        if place is None:
            raise WaitNotFoundError(f"There is no question {after!r} to list those after.", hint="Give an `id` of one.")
        conditions.append("(created_at > :after_at OR (created_at = :after_at AND id > :after_id))")
        params["after_at"], params["after_id"] = place
    found = []
    for row in tx.fetch(
        "SELECT id, execution_id, workflow, path, iteration, name, spec, due_at, created_at FROM waits "
        f"WHERE {' AND '.join(conditions)} ORDER BY created_at, id",
        params,
    ):
        one = _question(row)
        if type is None or one["type"] == type:
            found.append(one)
        if limit is not None and len(found) >= limit:
            break
    return found


def _question(row: tuple[Any, ...]) -> Entry:
    id_, execution_id, workflow, path, iteration, name, spec_text, due_at, created_at = row
    spec = load_tree(spec_text) if spec_text else {}
    return Entry(
        id=id_,
        execution_id=execution_id,
        workflow=workflow,
        path=path,
        iteration=iteration,
        name=name,
        type=spec.get("type", "free_text"),
        prompt=spec.get("prompt", ""),
        fields=spec.get("fields", []),
        choices=spec.get("choices", []),
        schema=spec.get("schema"),
        created_at=from_us(created_at),
        due_at=None if due_at is None else from_us(due_at),
    )
