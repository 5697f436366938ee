"""Waits in the store: registered with the suspension, resolved exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from durable_core.codec import dump_tree, load_tree
from durable_core.ids import new_id
from durable_core.store import wait_statements as sql
from durable_core.store.transaction import Transaction
from durable_core.wait.filters import matches
from durable_core.wait.spec import WaitSpec

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in an execution a wait stands."""

    execution_id: str
    token_id: str
    workflow: str
    path: str
    iteration: str


def waits_at(tx: Transaction, execution_id: str, path: str, iteration: str) -> list[Row]:
    """Every wait recorded for one step in one iteration, in the order of the body's calls."""
    found = tx.fetch_alone(sql.WAITS_OF, {"execution": execution_id, "path": path, "iteration": iteration})
    return [row_of(values) for values in found]


def row_of(values: tuple[Any, ...]) -> Row:
    return dict(zip(sql.WAIT_COLUMNS, values, strict=True))


def register(tx: Transaction, place: Place, spec: WaitSpec, *, payload: str | None = None) -> tuple[bool, int | None]:
    """Write a wait; returns whether it is satisfied already, and when it is due otherwise.

    An event that was sent before (to the execution's inbox, or kept for all) satisfies it at once, and so does a
    `payload` that is known from the start (`ctx.once`, a child nobody waits for).
    """
    now = tx.now()
    head = open_row(place, spec, now)
    due = head["due_at"]
    if spec.kind == "event":
        head["event"] = spec.events[0]
    elif spec.kind == "call":
        head["event"] = spec.child.execution_id
    if payload is not None or (spec.kind == "sleep" and due is not None and due <= now):
        head.update(status="satisfied", resolved_at=now, payload=payload)
    if not tx.execute(sql.INSERT_WAIT, head):
        return _registered_before(tx, head)
    if head["status"] != "open":
        return True, None
    if spec.kind in ("any", "all"):
        for number, event in enumerate(spec.events):
            member = {**head, "id": new_id("wt"), "kind": "member", "name": f"{spec.name}/{event}", "event": event}
            member.update(group_id=head["id"], due_at=None, position=spec.position * 1000 + number)
            tx.execute(sql.INSERT_WAIT, member)
            if _take_sent(tx, member, spec) and spec.kind == "any":
                break
        return _settle_group(tx, head["id"], spec.kind, now), due
    if spec.kind == "event":
        return _take_sent(tx, head, spec), due
    return False, due


def _registered_before(tx: Transaction, row: Row) -> tuple[bool, int | None]:
    """The wait is there since an earlier pass: its deadline counts from then, and it may have ended meanwhile."""
    for found in waits_at(tx, row["execution_id"], row["path"], row["iteration"]):
        if all(found[column] == row[column] for column in ("kind", "name", "occurrence")):
            return found["status"] != "open", found["due_at"]
    return False, row["due_at"]


def open_row(place: Place, spec: WaitSpec, now: int) -> Row:
    """The row of a wait that begins now."""
    due = spec.until
    if spec.seconds is not None:
        due = now + round(spec.seconds * 1_000_000)
    row: Row = dict.fromkeys(sql.WAIT_COLUMNS)
    row.update(
        id=new_id("wt"),
        execution_id=place.execution_id,
        token_id=place.token_id,
        workflow=place.workflow,
        path=place.path,
        iteration=place.iteration,
        kind=spec.kind,
        name=spec.name,
        occurrence=spec.occurrence,
        position=spec.position,
        status="open",
        spec=dump_tree(spec.to_json()),
        due_at=due,
        created_at=now,
    )
    return row


def _take_sent(tx: Transaction, row: Row, spec: WaitSpec) -> bool:
    """Satisfy an event wait from what was sent before it was there: the inbox first, then what is kept."""
    key = {"execution": row["execution_id"], "event": row["event"], "now": tx.now()}
    if tx.dialect == "postgres":
        tx.fetch(sql.SHARE_EVENT, {"event": row["event"]})
    for seq, payload in tx.fetch(sql.INBOX, key):
        if matches(spec.where, load_tree(payload) if payload else None) and tx.execute(
            sql.CONSUME, {"seq": seq, "wait": row["id"]}
        ):
            resolve(tx, row["id"], "satisfied", payload)
            return True
    for seq, payload in tx.fetch(sql.KEPT, key):
        if matches(spec.where, load_tree(payload) if payload else None) and tx.execute(
            sql.DELIVERED, {"seq": seq, "execution": row["execution_id"], "now": tx.now()}
        ):
            resolve(tx, row["id"], "satisfied", payload)
            return True
    return False


def resolve(
    tx: Transaction,
    wait_id: str,
    status: str,
    payload: str | None,
    *,
    by: str | None = None,
    through: str | None = None,
    comment: str | None = None,
) -> bool:
    """Bring an open wait to its end; False when somebody else was first (W-6)."""
    params = {"id": wait_id, "status": status, "payload": payload, "by": by, "through": through, "comment": comment}
    return tx.execute(sql.RESOLVE, {**params, "now": tx.now()}) == 1


def _settle_group(tx: Transaction, head_id: str, kind: str, now: int) -> bool:
    """Resolve an any or all wait whose members allow it; losers are closed in the same transaction."""
    members = tx.fetch(sql.GROUP_MEMBERS, {"group": head_id})
    arrived = [(event, payload) for event, status, payload in members if status == "satisfied"]
    if kind == "any":
        if not arrived:
            return False
        event, payload = arrived[0]
        result: Any = {"event": event, "payload": load_tree(payload) if payload else None}
    else:
        if any(status == "open" for _, status, _ in members):
            return False
        result = {event: load_tree(payload) if payload else None for event, payload in arrived}
    tx.execute(sql.CLOSE_GROUP, {"group": head_id, "now": now})
    return resolve(tx, head_id, "satisfied", dump_tree(result))


def satisfy(tx: Transaction, row: Row, payload: str | None) -> bool:
    """Give an open event wait (or member of a group) its payload and wake its token; False when it was too late."""
    head = None
    if row["group_id"] is not None:
        # of the last two members of a group, each sees what came for the other
        lock = " FOR UPDATE" if tx.dialect == "postgres" else ""
        head = tx.fetch_one(sql.WAIT_BY_ID + lock, {"id": row["group_id"]})
    if not resolve(tx, row["id"], "satisfied", payload):
        return False
    done = True
    if row["group_id"] is not None:
        done = head is not None and _settle_group(tx, row["group_id"], row_of(head)["kind"], tx.now())
    if done:
        wake(tx, row["token_id"])
    return True


def wake(tx: Transaction, token_id: str) -> None:
    """Let a waiting token go on; one that is at work already finds the result by itself."""
    tx.execute(sql.WAKE_TOKEN, {"token": token_id, "now": tx.now()})
