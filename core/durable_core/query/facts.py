"""What the picture of an execution shows, as the store has it."""

from __future__ import annotations

from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.graph.facts import AttemptFact, CompensationFact, ExecutionFacts, TokenFact, WaitFact
from durable_core.ids import parse_iteration_key
from durable_core.query.executions import ExecutionRecord
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.store.transaction import Transaction

_STEPS = """
SELECT path, type, iteration, attempt, status, choice, error, started_at, completed_at, output FROM steps
WHERE execution_id = :id ORDER BY seq"""

_WAIT_KINDS = {"sleep": "sleep", "event": "event", "any": "event", "all": "event", "input": "input", "call": "child"}


def facts_of(tx: Transaction, record: ExecutionRecord) -> ExecutionFacts:
    """Everything that `graph.overlay_facts` lays over the workflow's graph."""
    attempts: list[AttemptFact] = []
    compensations: list[CompensationFact] = []
    items: dict[tuple[str, tuple[int, ...]], int] = {}
    answered = _answers(tx, record.id)
    for path, type_, iteration, attempt, status, choice, error, started, completed, output in tx.fetch(
        _STEPS, {"id": record.id}
    ):
        passes = parse_iteration_key(iteration)
        failure = load_tree(error) if error else {}
        times: dict[str, Any] = {"started_at": _time(started), "completed_at": _time(completed)}
        failed: dict[str, Any] = {"error_type": failure.get("type"), "error_message": failure.get("message") or ""}
        if type_ == "compensation":
            order = len(compensations) + 1
            compensations.append(
                CompensationFact(path=path, status=status, order=order, iteration=passes, **failed, **times)
            )
            continue
        if type_ == "foreach" and status == "completed" and output:
            items[path, passes] = len(load_tree(output))
        attempts.append(
            AttemptFact(
                path=path,
                status=status,
                iteration=passes,
                attempt=attempt,
                choice=choice,
                answered_by=answered.get((path, iteration)),
                **failed,
                **times,
            )
        )
    error = record.error or {}
    return ExecutionFacts(
        execution_id=record.id,
        status=record.status,
        now=from_us(tx.now()),
        version=record.definition_hash[:8],
        attempts=tuple(attempts),
        tokens=_tokens(tx, record, items),
        waits=_waits(tx, record.id),
        compensations=tuple(compensations),
        items=items,
        started_at=_time(record.started_at),
        completed_at=_time(record.completed_at),
        error_step=error.get("step"),
        error_type=error.get("type"),
        error_message=error.get("message") or "",
    )


def _tokens(
    tx: Transaction, record: ExecutionRecord, items: dict[tuple[str, tuple[int, ...]], int]
) -> tuple[TokenFact, ...]:
    """Where it stands now; counts the items of open foreachs on the way."""
    found = []
    for path, iteration, status, attempt, available_at, begun_at, claimed_at, frame, mode, has_items in tx.fetch(
        "SELECT path, iteration, status, attempt, available_at, begun_at, claimed_at, frame, mode, "
        "items IS NOT NULL FROM tokens WHERE execution_id = :id AND path IS NOT NULL",
        {"id": record.id},
    ):
        passes = parse_iteration_key(iteration)
        if frame and has_items:
            items[path, passes] = load_tree(frame)[0]
        if mode == "compensate" or status == "done" or ExecutionStatus(record.status) in TERMINAL:
            continue
        due = available_at if status in ("waiting", "retry") else None
        since = begun_at if status != "running" or begun_at is not None else claimed_at
        found.append(
            TokenFact(
                path=path,
                status=status,
                iteration=passes,
                attempt=attempt,
                due_at=_time(due),
                since=_time(since),
            )
        )
    return tuple(found)


def _waits(tx: Transaction, execution_id: str) -> tuple[WaitFact, ...]:
    return tuple(
        WaitFact(
            path=path,
            kind=_WAIT_KINDS[kind],  # type: ignore[arg-type]
            iteration=parse_iteration_key(iteration),
            due_at=_time(due_at),
        )
        for path, kind, iteration, due_at in tx.fetch(
            "SELECT path, kind, iteration, due_at FROM waits WHERE execution_id = :id AND status = 'open'",
            {"id": execution_id},
        )
        if kind in _WAIT_KINDS
    )


def _answers(tx: Transaction, execution_id: str) -> dict[tuple[str, str], str]:
    return {
        (path, iteration): by
        for path, iteration, by in tx.fetch(
            "SELECT path, iteration, answered_by FROM waits WHERE execution_id = :id AND answered_by IS NOT NULL",
            {"id": execution_id},
        )
    }


def _time(us: int | None) -> Any:
    return None if us is None else from_us(us)
