"""An execution as one JSON document, the same in the command line, the terminal and the notebook."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from durable_core.clock import iso, to_us
from durable_core.codec import to_plain
from durable_core.query.entry import Entry
from durable_core.query.executions import ExecutionRecord

STEP_KEYS = (
    "path",
    "name",
    "type",
    "iteration",
    "iterations",
    "attempt",
    "status",
    "choice",
    "output",
    "error",
    "started_at",
    "completed_at",
    "duration_ms",
    "due_at",
)


def summary(record: ExecutionRecord) -> dict[str, Any]:
    """One row of a list: everything but context and steps."""
    return {
        "id": record.id,
        "workflow": record.workflow,
        "status": record.status,
        "flags": list(record.flags),
        "reason": record.reason,
        "input": to_plain(record.input),
        "output": to_plain(record.output),
        "error": error_of(record),
        "queue": record.queue,
        "priority": record.priority,
        "tags": list(record.tags),
        "parent_id": record.parent_id,
        "forked_from": record.forked_from,
        "scheduled_for": None if record.scheduled_for is None else iso(record.scheduled_for),
        "created_at": iso(record.created_at),
        "started_at": None if record.started_at is None else iso(record.started_at),
        "completed_at": None if record.completed_at is None else iso(record.completed_at),
    }


def document(
    record: ExecutionRecord, context: dict[str, Any], current: list[str], steps: list[Entry]
) -> dict[str, Any]:
    """The whole execution; `context` is encoded."""
    row = summary(record)
    steps_shown = [step_document(step) for step in steps]
    head = {key: row.pop(key) for key in ("id", "workflow", "status", "input")}
    facts = {key: row.pop(key) for key in ("output", "error")}
    times = {key: row.pop(key) for key in ("created_at", "started_at", "completed_at")}
    return {
        **head,
        "context": to_plain(context),
        **facts,
        "current_steps": current,
        **times,
        **row,
        "steps": steps_shown,
    }


def step_document(step: Entry) -> dict[str, Any]:
    """One attempt, read with `to_plain`, with its times as text."""
    return {key: plain(step[key]) for key in STEP_KEYS}


def error_of(record: ExecutionRecord) -> dict[str, Any] | None:
    """The recorded failure with type, message and step first."""
    if record.error is None:
        return None
    first = {key: record.error.get(key) for key in ("type", "message", "step", "path")}
    return {**first, **{key: value for key, value in record.error.items() if key not in first}}


def plain(value: Any) -> Any:
    """JSON of what reads return: times are ISO 8601 UTC."""
    match value:
        case datetime():
            return iso(to_us(value))
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return value
