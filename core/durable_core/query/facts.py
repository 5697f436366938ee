"""What the picture of an execution shows, as a view of it has it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from durable_core.graph.facts import AttemptFact, CompensationFact, ExecutionFacts, TokenFact, WaitFact
from durable_core.live.fetch import fetch_view
from durable_core.live.view import ExecutionView
from durable_core.query.executions import ExecutionRecord
from durable_core.store.transaction import Transaction

_WAIT_KINDS: dict[str, Literal["sleep", "event", "input", "child"]] = {
    "sleep": "sleep",
    "event": "event",
    "any": "event",
    "all": "event",
    "input": "input",
    "call": "child",
}


def facts_of(tx: Transaction, record: ExecutionRecord) -> ExecutionFacts:
    """Everything that `graph.overlay_facts` lays over the workflow's graph."""
    return facts_of_view(fetch_view(tx, record.id, lines=1))


def facts_of_view(view: ExecutionView, now: datetime | None = None) -> ExecutionFacts:
    """The same of a view that was read before; `now` is the moment up to which running steps have run."""
    attempts: list[AttemptFact] = []
    compensations: list[CompensationFact] = []
    items = dict(view.items)
    for one in view.attempts:
        if one.type == "compensation":
            compensations.append(
                CompensationFact(
                    path=one.path,
                    status=one.status,
                    order=len(compensations) + 1,
                    iteration=one.iteration,
                    error_type=one.error_type,
                    error_message=one.error_message,
                    started_at=one.started_at,
                    completed_at=one.completed_at,
                )
            )
            continue
        if one.items is not None:
            items[one.path, one.iteration] = one.items
        attempts.append(
            AttemptFact(
                path=one.path,
                status=one.status,
                iteration=one.iteration,
                attempt=one.attempt,
                choice=one.choice,
                answered_by=view.answered.get((one.path, one.iteration)),
                error_type=one.error_type,
                error_message=one.error_message,
                started_at=one.started_at,
                completed_at=one.completed_at,
            )
        )
    error = view.error or {}
    return ExecutionFacts(
        execution_id=view.id,
        status=view.status,
        now=view.at if now is None else max(now, view.at),
        version=view.definition_hash[:8],
        attempts=tuple(attempts),
        tokens=tuple(
            TokenFact(
                path=place.path,
                status=place.status,
                iteration=place.iteration,
                attempt=place.attempt,
                due_at=place.due_at,
                since=place.since,
            )
            for place in view.positions
            if place.mode != "compensate"
        ),
        waits=tuple(
            WaitFact(path=wait.path, kind=_WAIT_KINDS[wait.kind], iteration=wait.iteration, due_at=wait.due_at)
            for wait in view.waits
        ),
        compensations=tuple(compensations),
        items=items,
        started_at=view.started_at,
        completed_at=view.completed_at,
        error_step=error.get("step"),
        error_type=error.get("type"),
        error_message=error.get("message") or "",
    )
