"""Each place where an execution stands now: why it stands there, since when, and what would move it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable_core.clock import from_us, iso
from durable_core.codec import load_tree
from durable_core.definition.model import Definition
from durable_core.definition.nodes import WorkNode, unescape_part
from durable_core.ids import parse_iteration_key
from durable_core.query.entry import Entry
from durable_core.query.events import events_in_words, sample_payload
from durable_core.query.executions import ExecutionRecord
from durable_core.query.workers import workers
from durable_core.store.ahead import TOKENS
from durable_core.store.transaction import Transaction

__all__ = ["Place", "Surroundings", "span", "standing_places"]

LIMIT = 200
"""Places that are looked at; a foreach may have thousands."""

_TOKENS = f"""
SELECT id, path, iteration, mode, status, queue, attempt, worker_id, lease_until, claimed_at, begun_at, available_at,
    stop, frame, key
FROM {TOKENS} WHERE execution_id = :id AND path IS NOT NULL AND status NOT IN ('done', 'failed', 'cancelled')
ORDER BY CASE status WHEN 'running' THEN 0 WHEN 'waiting' THEN 1 WHEN 'retry' THEN 1 WHEN 'joining' THEN 3 ELSE 2 END,
    id
LIMIT :limit"""

_WAITS = """
SELECT id, kind, name, event, spec, due_at, created_at FROM waits
WHERE token_id = :token AND status = 'open' AND kind NOT IN ('member', 'once') ORDER BY created_at, id"""

_ARRIVED = """
SELECT event FROM waits WHERE group_id = :group AND status = 'satisfied' ORDER BY position"""

_LAST_ERROR = """
SELECT error FROM steps WHERE execution_id = :id AND path = :path AND iteration = :iteration AND status = 'failed'
ORDER BY seq DESC LIMIT 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place where an execution stands."""

    path: str
    name: str
    iterations: tuple[int, ...]
    status: str
    """running, waiting, retry, ready, paused or joining."""
    attempt: int
    since: datetime | None
    due_at: datetime | None
    worker: str | None
    lease_until: datetime | None
    wait: str | None
    """What is waited for: ``event payment``, ``input approval`` ..."""
    error: dict[str, Any] | None
    """Of the attempt before, when another is due."""
    sentence: str
    moved_by: str
    """What would move it; empty when the sentence has said it."""
    joined: bool = False
    """Its branches have ended, and its join is to be decided."""
    left: int = 0
    """How many of its branches or items have not begun."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The workers and queues around an execution."""

    now: int
    alive: tuple[Entry, ...]
    known: dict[str, Entry]
    paused_queues: frozenset[str]

    @classmethod
    def read(cls, tx: Transaction, record: ExecutionRecord) -> Surroundings:
        """As the store has them now."""
        found = workers(tx, ended=True)
        paused = tx.fetch("SELECT name FROM queues WHERE paused = 1")
        return cls(
            tx.now(),
            tuple(each for each in found if each["status"] == "alive"),
            {each["id"]: each for each in found},
            frozenset(name for (name,) in paused),
        )

    def why_ready(self, workflow: str, queue: str) -> tuple[str, str]:
        """Why a token that is ready is not claimed, and what would move it."""
        if queue in self.paused_queues:
            return f"the queue {queue!r} is paused", f"Let workers claim again: durable-studio queues resume {queue}."
        if not self.alive:
            return "no worker runs on this store", "Start one: durable-studio worker FILE.py."
        knowing = [each for each in self.alive if workflow in each["workflows"]]
        if not knowing:
            return (
                f"no worker knows the workflow {workflow!r}",
                f"Start one that loads the file with {workflow!r}: durable-studio worker FILE.py.",
            )
        serving = [each for each in knowing if queue in each["queues"]]
        if not serving:
            return (
                f"no worker that knows {workflow!r} serves the queue {queue!r}",
                f"Start one: durable-studio worker FILE.py --queue {queue}=10.",
            )
        slots = sum(each["queues"][queue] for each in serving)
        if sum(each["running"] for each in serving) >= slots:
            return f"all {slots} slots of the queue {queue!r} are taken", "It is taken up when one of them is free."
        return "a worker is about to take it up", ""


def standing_places(
    tx: Transaction, record: ExecutionRecord, definition: Definition | None, around: Surroundings
) -> list[Place]:
    """Every open place, what runs first."""
    return [_place(tx, record, definition, around, row) for row in tx.fetch(_TOKENS, {"id": record.id, "limit": LIMIT})]


def _place(
    tx: Transaction,
    record: ExecutionRecord,
    definition: Definition | None,
    around: Surroundings,
    row: tuple[Any, ...],
) -> Place:
    (token, path, iteration, mode, status, queue, attempt, worker, lease, claimed, begun, due, stop, frame, _) = row
    node = None if definition is None or path not in definition.places else definition.places[path].node
    name = unescape_part(path.rpartition("/")[2]) if node is None else node.name
    passes = parse_iteration_key(iteration)
    where = name + "".join(f"[{number}]" for number in passes)
    since, wait, error, moved_by = begun, None, None, ""
    match status:
        case "running":
            since = claimed if begun is None else max(begun, claimed or 0)
            sentence = _running(around, where, attempt, mode, worker, lease, since, bool(stop))
            if lease is not None and lease < around.now:
                moved_by = "A worker that looks takes it over, since its lease has run out."
        case "waiting":
            sentence, wait, moved_by = _waiting(tx, record, around, where, token)
        case "retry":
            failed = tx.fetch_one(_LAST_ERROR, {"id": record.id, "path": path, "iteration": iteration})
            error = load_tree(failed[0]) if failed is not None and failed[0] else None
            most = node.retry.max_attempts if isinstance(node, WorkNode) else None
            after = f" after {error['type']}: {error['message']}" if error else ""
            of = f" of {most}" if most is not None and mode != "compensate" else ""
            sentence = f"Attempt {attempt}{of} of {where} is due {_when(around.now, due)}{after}".rstrip(".") + "."
        case "joining":
            sentence = _joining(where, frame)
        case "paused":
            sentence = f"{where} does not begin."
        case _:
            if due is not None and due > around.now:
                sentence = f"{where} is to begin {_when(around.now, due)}."
            else:
                why, moved_by = around.why_ready(record.workflow, queue)
                what = f"The handlers of {record.workflow} are" if mode == "compensate" else f"{where} is"
                sentence = f"{what} ready and not begun: {why}."
    return Place(
        path=path,
        name=name,
        iterations=passes,
        status=status,
        attempt=attempt,
        since=None if since is None or status in ("ready", "paused") else from_us(since),
        due_at=None if due is None or status not in ("waiting", "retry", "ready") else from_us(due),
        worker=worker,
        lease_until=None if lease is None else from_us(lease),
        wait=wait,
        error=error,
        sentence=sentence,
        moved_by=moved_by,
        joined=mode == "join",
        left=_not_begun(frame) if status == "joining" else 0,
    )


def _running(
    around: Surroundings,
    where: str,
    attempt: int,
    mode: str,
    worker: str | None,
    lease: int | None,
    since: int | None,
    stop: bool,
) -> str:
    found = around.known.get(worker or "")
    who = f"worker {worker}" if found is None else f"worker {found['name']} ({found['host'][:12]}, pid {found['pid']})"
    what = {"join": f"The join of {where}", "compensate": "A handler"}.get(mode, where)
    tries = f", attempt {attempt}" if attempt > 1 else ""
    long = "runs" if since is None else f"has run for {span(around.now - since)}"
    left = ""
    if lease is not None:
        left = f"; its lease {'ran out' if lease < around.now else 'holds for another'} "
        left += f"{span(around.now - lease)} ago" if lease < around.now else span(lease - around.now)
    asked = " It was asked to stop." if stop else ""
    return f"{what}{tries} {long} in {who}{left}.{asked}"


def _waiting(
    tx: Transaction, record: ExecutionRecord, around: Surroundings, where: str, token: str
) -> tuple[str, str | None, str]:
    found = tx.fetch_one(_WAITS, {"token": token})
    if found is None:
        return f"{where} waits.", None, ""
    wait_id, kind, name, event, spec_text, due, created = found
    spec = load_tree(spec_text) if spec_text else {}
    long = span(around.now - created)
    moved_by = ""
    events = spec.get("events") or [name]
    match kind:
        case "sleep":
            what, wait = "has slept", "sleep"
        case "event" | "any" | "all":
            arrived = [] if kind == "event" else [row[0] for row in tx.fetch(_ARRIVED, {"group": wait_id})]
            what, wait = (
                f"has waited for {events_in_words(kind, events, arrived, spec.get('where'))}",
                (f"{kind} {', '.join(events)}"),
            )
            missing = next((each for each in events if each not in arrived), events[0])
            payload = sample_payload(spec.get("where"))
            word = "one" if kind == "any" else "it"
            moved_by = f"Send {word}: durable-studio event {shlex.quote(missing)}{payload} --to {record.id}."
        case "input":
            what, wait = f"has waited for somebody to answer {name!r}", f"input {name}"
            if spec.get("prompt"):
                what += f" ({spec['prompt']})"
            moved_by = f"Answer it: durable-studio inputs answer {record.id} {shlex.quote(name)} VALUE."
        case _:
            row = tx.fetch_one("SELECT status FROM executions WHERE id = :id", {"id": event})
            child = "gone" if row is None else row[0]
            what, wait = f"has waited for its child {event} ({child})", f"call {event}"
            moved_by = f"See what that one waits for: durable-studio explain {event}."
    if due is None:
        until = ", without a timeout" if kind != "sleep" else ""
    else:
        fails = spec.get("on_timeout") == "fail"
        then = "" if kind == "sleep" else ", when it fails" if fails else ", when it goes on without"
        until = f", until {iso(due)} ({_when(around.now, due)}){then}"
    return f"{where} {what} for {long}{until}.", wait, moved_by


def _not_begun(frame_text: str | None) -> int:
    if not frame_text:
        return 0
    total, started, *_ = load_tree(frame_text)
    return int(total - started)


def _joining(where: str, frame_text: str | None) -> str:
    if not frame_text:
        return f"{where} waits for its branches."
    total, started, still_open, failures, *_ = load_tree(frame_text)
    ended = started - still_open
    failed = f", {failures} failed" if failures else ""
    fresh = f", {total - started} not begun" if total > started else ""
    return f"{where} waits for its branches: {ended} of {total} ended{failed}, {still_open} open{fresh}."


def span(us: int) -> str:
    """A duration in words: ``0.2 s``, ``52 s``, ``12 min``, ``5 h``, ``14 days``."""
    seconds = max(0, us) / 1_000_000
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, size, word in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds / 86_400:.0f} days"


def _when(now: int, due: int | None) -> str:
    if due is None:
        return "soon"
    return f"in {span(due - now)}" if due > now else "now"
