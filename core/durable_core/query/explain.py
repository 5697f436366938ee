"""Why an execution is where it is, what would move it, and what comes next: facts of the store in plain sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from durable_core.clock import from_us, iso
from durable_core.definition.diff import DefinitionDiff
from durable_core.definition.model import Definition
from durable_core.dsl.registry import registry
from durable_core.query.document import plain
from durable_core.query.executions import ExecutionRecord, find
from durable_core.query.fitness import compare
from durable_core.query.standing import Place, Surroundings, span, standing_places
from durable_core.query.upcoming import Undo, Upcoming, to_undo, upcoming
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.store.transaction import Transaction

__all__ = ["Explanation", "difference", "explain"]

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Facts, and the sentences that tell them; `str` gives the sentences as lines."""

    execution_id: str
    workflow: str
    status: str
    flags: tuple[str, ...]
    reason: str | None
    at: datetime
    """When this was read."""
    headline: str
    """Why it is where it is, in one sentence."""
    places: tuple[Place, ...]
    """Where it stands: one entry for each open place; the first few of many."""
    more_places: int
    moves: tuple[str, ...]
    """What would move it."""
    next: tuple[Upcoming, ...]
    """What may come next, with its usual duration."""
    undo: tuple[Undo, ...]
    """Steps that would be undone on failure, in the order in which they would."""
    version: str
    """The definition it is pinned to."""
    definition: str | None
    """How the code here differs: identical, bodies, ahead, behind, incompatible; None when it is not known here."""
    change: str | None
    """That difference in words."""
    error: dict[str, Any] | None

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything there is to say, one sentence each."""
        said = [self.headline, *(place.sentence for place in self.places)]
        if self.more_places:
            said.append(f"It stands in {self.more_places} more places.")
        said.extend(self.moves)
        said.extend(each.sentence for each in self.next)
        if self.undo:
            names = ", ".join(each.name for each in self.undo[:_SHOWN])
            more = f" and {len(self.undo) - _SHOWN} more" if len(self.undo) > _SHOWN else ""
            verb = "Still to be undone" if self.status == "compensating" else "If it failed, these would be undone"
            said.append(f"{verb}, in this order: {names}{more}.")
        if self.definition not in (None, "identical"):
            said.append(f"The code here differs ({self.definition}): {self.change}.")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: what `durable-studio explain --json` prints."""
        facts: dict[str, Any] = plain(asdict(self))
        facts["sentences"] = list(self.sentences)
        return facts

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def explain(tx: Transaction, execution_id: str, definition: Definition | None) -> Explanation:
    """Read one execution; `definition` is the one it is pinned to, where it can be read."""
    record = find(tx, execution_id)
    around = Surroundings.read(tx, record)
    ended = ExecutionStatus(record.status) in TERMINAL
    places = [] if ended else standing_places(tx, record, definition, around)
    found = None if definition is None else difference(tx, record, definition)
    return Explanation(
        execution_id=record.id,
        workflow=record.workflow,
        status=record.status,
        flags=record.flags,
        reason=record.reason,
        at=from_us(around.now),
        headline=_headline(tx, record, places, around),
        places=tuple(places[:_SHOWN]),
        more_places=max(0, len(places) - _SHOWN),
        moves=_moves(record, places),
        next=() if ended or definition is None else upcoming(tx, record, definition, places),
        undo=() if ended and record.status != "compensation_failed" else to_undo(tx, record, definition),
        version=record.definition_hash[:8],
        definition=None if found is None else found.kind,
        change=None if found is None else found.sentence,
        error=record.error,
    )


def difference(tx: Transaction, record: ExecutionRecord, definition: Definition) -> DefinitionDiff | None:
    """How the code here differs from what it is pinned to; None when it has ended, or is not known here."""
    if ExecutionStatus(record.status) in TERMINAL or record.workflow not in registry:
        return None
    row = tx.fetch_one("SELECT bodies FROM executions WHERE id = :id", {"id": record.id})
    return compare(tx, record.id, record.workflow, definition, None if row is None else row[0])[0]


def _headline(tx: Transaction, record: ExecutionRecord, places: list[Place], around: Surroundings) -> str:
    who = f"{record.workflow} {record.id}"
    if ExecutionStatus(record.status) in TERMINAL:
        return _ended(record, who, around)
    because = f": {record.reason}" if record.reason else ""
    if record.blocked:
        return f"{who} is blocked{because.rstrip('.')}."
    if record.cancelling:
        running = sum(place.status == "running" for place in places)
        bodies = f"{running} running bod{'y' if running == 1 else 'ies'}"
        what = {
            "fail": "is being failed",
            "compensate": "is being cancelled and will be compensated",
        }.get(record.cancel_mode or "", "is being cancelled")
        return f"{who} {what}{because.rstrip('.')}; it waits for {bodies} to end."
    if record.paused:
        since = _last_journal(tx, record.id, "paused")
        when = "" if since is None else f" for {span(around.now - since)}"
        return f"{who} has been paused{when}{because.rstrip('.')}."
    if record.status == "compensating":
        error = record.error or {}
        cause = f" after {error['type']}: {error['message']}" if error else " because it was cancelled"
        return f"{who} is undoing what it did{cause}"[:2000].rstrip(".") + "."
    since_us = record.started_at or record.created_at
    word = {"pending": "has not been taken up yet", "waiting": "waits", "running": "runs"}[record.status]
    began = "was started" if record.started_at is None else "began"
    return f"{who} {word}; it {began} {span(around.now - since_us)} ago."


def _ended(record: ExecutionRecord, who: str, around: Surroundings) -> str:
    ago = "" if record.completed_at is None else f" {span(around.now - record.completed_at)} ago"
    error = record.error or {}
    where = f" in {error['step']}" if error.get("step") else ""
    passes = error.get("iteration")
    if where and passes:
        where += "".join(f"[{number}]" for number in passes)
    cause = f"{where}: {error.get('type')}: {error.get('message')}" if error else ""
    because = f": {record.reason}" if record.reason and not error else ""
    return f"{who} ended {record.status.replace('_', ' ')}{ago}{cause}{because}".rstrip(".") + "."


def _moves(record: ExecutionRecord, places: list[Place]) -> tuple[str, ...]:
    """What somebody can do, beside waiting."""
    id = record.id
    match record.status:
        case "failed":
            step = (record.error or {}).get("path")
            fork = f", or begin anew there: durable-studio fork {id} --step {step}" if step else ""
            return (f"Let it go on from its failed step: durable-studio retry {id}{fork}.",)
        case "compensation_failed":
            return (f"Let the failed handlers run again: durable-studio retry {id}.",)
        case "completed" | "cancelled" | "compensated":
            return ()
    if record.blocked:
        return (
            "A worker whose code fits takes it up by itself.",
            f"Try again at once: durable-studio resume {id}; give up: durable-studio cancel {id}.",
        )
    if record.paused:
        return (f"Let it go on: durable-studio resume {id}.",)
    found = list(dict.fromkeys(place.moved_by for place in places if place.moved_by))
    if record.deadline_at is not None and record.status != "compensating":
        found.append(f"It fails at {iso(record.deadline_at)} if it has not ended by then.")
    return tuple(found)


def _last_journal(tx: Transaction, execution_id: str, kind: str) -> int | None:
    row = tx.fetch_one(
        "SELECT created_at FROM journal WHERE execution_id = :id AND kind = :kind ORDER BY id DESC LIMIT 1",
        {"id": execution_id, "kind": kind},
    )
    return None if row is None else int(row[0])
