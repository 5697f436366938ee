"""Whether an execution waits for somebody outside, and for what."""

from __future__ import annotations

from durable_core.codec import load_tree
from durable_core.query.entry import Entry
from durable_core.query.inputs import pending_inputs
from durable_core.store.transaction import Transaction

__all__ = ["open_questions", "outside_waits"]

_BY_ITSELF = """
SELECT COUNT(*) FROM tokens WHERE execution_id = :id AND status IN ('ready', 'running', 'retry', 'paused')"""

_OPEN = """
SELECT id, path, kind, name, event, spec, due_at FROM waits
WHERE execution_id = :id AND status = 'open' AND kind NOT IN ('member', 'once') ORDER BY created_at, id"""

_ARRIVED = """
SELECT event FROM waits WHERE group_id = :group AND status = 'satisfied' ORDER BY position"""

_CALLED = """
SELECT event FROM waits WHERE execution_id = :id AND status = 'open' AND kind = 'call' ORDER BY created_at, id"""


def outside_waits(tx: Transaction, execution_id: str, patience_us: int) -> list[Entry]:
    """The questions and events without which it does not go on; empty when anything of it goes on by itself.

    A wait that times out within `patience_us` goes on by itself, and so does a sleep; a child is looked at as well.
    """
    found = _waits(tx, execution_id, tx.now() + patience_us)
    return [] if found is None else found


def open_questions(tx: Transaction, execution_id: str) -> list[Entry]:
    """The open questions of an execution and of the children it waits for, its own first."""
    found = pending_inputs(tx, execution_id=execution_id)
    for (child,) in tx.fetch(_CALLED, {"id": execution_id}):
        found.extend(open_questions(tx, child))
    return found


def _waits(tx: Transaction, execution_id: str, soon: int) -> list[Entry] | None:
    moving = tx.fetch_one(_BY_ITSELF, {"id": execution_id})
    if moving is None or moving[0]:
        return None
    found: list[Entry] = []
    questions = {each["id"]: each for each in pending_inputs(tx, execution_id=execution_id)}
    for wait_id, path, kind, name, event, spec_text, due in tx.fetch(_OPEN, {"id": execution_id}):
        if kind == "sleep" or (due is not None and due <= soon):
            return None
        if kind == "call":
            below = _waits(tx, event, soon)
            if below is None:
                return None
            found.extend(below)
        elif wait_id in questions:
            found.append(Entry({**questions[wait_id], "kind": "input"}))
        else:
            spec = load_tree(spec_text) if spec_text else {}
            events = spec.get("events") or [event or name]
            arrived = {each for (each,) in tx.fetch(_ARRIVED, {"group": wait_id})}
            found.append(
                Entry(
                    id=wait_id,
                    kind=kind,
                    execution_id=execution_id,
                    path=path,
                    name=name,
                    events=[each for each in events if each not in arrived] or events,
                    where=spec.get("where"),
                )
            )
    return found
