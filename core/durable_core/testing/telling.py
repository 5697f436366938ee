"""The history of an execution as a failed assertion shows it."""

from __future__ import annotations

import pprint
from datetime import datetime
from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.engine.execution import Execution
from durable_core.store.transaction import Transaction

__all__ = ["tell", "waits_of"]

WIDTH = 110
_WAITS = """
SELECT kind, name, path, iteration, status, event, due_at, created_at, spec FROM waits
WHERE execution_id = :execution AND kind NOT IN ('member', 'once') ORDER BY created_at, id"""


def waits_of(tx: Transaction, execution_id: str) -> list[dict[str, Any]]:
    """Every wait of an execution, oldest first, with the events it is for."""
    names = ("kind", "name", "path", "iteration", "status", "event", "due_at", "created_at", "spec")
    found = [dict(zip(names, row, strict=True)) for row in tx.fetch(_WAITS, {"execution": execution_id})]
    for wait in found:
        spec = load_tree(wait.pop("spec")) if wait["spec"] else {}
        wait["events"] = spec.get("events") or ([wait["event"]] if wait["event"] and wait["kind"] == "event" else [])
    return found


def tell(run: Execution, waits: list[dict[str, Any]], now: datetime) -> str:
    """What it is, what it did, what it waits for, and what it holds, in lines."""
    record = run.record()
    flags = [flag for flag in ("paused", "cancelling", "blocked") if getattr(record, flag)]
    state = record.status + (f" ({', '.join(flags)}{': ' + run.reason if run.reason else ''})" if flags else "")
    lines = [f"execution {run.id} of {record.workflow!r} is {state}; it is {now:%Y-%m-%d %H:%M:%S} UTC for it"]
    if run.error is not None:
        lines.append(f"error: {run.error.get('type')}: {run.error.get('message')}")
    lines.append("steps:")
    for step in run.steps():
        place = step["path"] + (f" {step['iterations']}" if step["iterations"] else "")
        attempt = f", attempt {step['attempt']}" if step["attempt"] > 1 else ""
        came = f" -> {step['output']!r:.80}" if step["output"] is not None else ""
        error = step["error"]
        broke = f" {error.get('type')}: {error.get('message')}" if error else ""
        lines.append(f"  {step['status']:<10} {place} ({step['type']}{attempt}){came}{broke}")
    if lines[-1] == "steps:":
        lines.append("  none")
    if waits:
        lines.append("waits:")
        lines += [f"  {_wait(each)}" for each in waits]
    lines.append("context:")
    lines += [f"  {line}" for line in pprint.pformat(run.context, width=WIDTH, sort_dicts=False).splitlines()]
    return "\n".join(lines)


def _wait(wait: dict[str, Any]) -> str:
    due = "" if wait["due_at"] is None else f", due {from_us(wait['due_at']):%Y-%m-%d %H:%M:%S}"
    events = f" for {', '.join(wait['events'])}" if wait["events"] else ""
    return f"{wait['status']:<10} {wait['kind']} {wait['name']!r} at {wait['path']}{events}{due}"
