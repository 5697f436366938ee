"""The steps of an execution: every recorded attempt, then what runs or waits now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.definition.model import Definition
from durable_core.definition.nodes import Node, unescape_part
from durable_core.errors import DefinitionError
from durable_core.ids import parse_iteration_key
from durable_core.query.entry import Entry, decode_leniently
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.store.ahead import TOKENS
from durable_core.store.transaction import Transaction

STEP_COLUMNS = (
    "seq",
    "path",
    "name",
    "type",
    "iteration",
    "attempt",
    "pass_number",
    "status",
    "choice",
    "output",
    "error",
    "compensate",
    "worker_id",
    "started_at",
    "completed_at",
)

_RECORDED = f"SELECT {', '.join(STEP_COLUMNS)} FROM steps WHERE execution_id = :id AND seq > :after ORDER BY seq"

_OPEN = f"""
SELECT path, iteration, mode, status, attempt, pass_number, claimed_at, begun_at, available_at FROM {TOKENS}
WHERE execution_id = :id AND path IS NOT NULL AND status NOT IN ('done', 'failed', 'cancelled') ORDER BY id"""

_SHOWN = {"running": "running", "joining": "running", "waiting": "waiting"}
"""A token's status as an attempt's; ready, retry and paused are pending."""


def recorded_steps(
    tx: Transaction, execution_id: str, after: int = 0, *, read: Callable[[Any], Any] = decode_leniently
) -> list[Entry]:
    """Every finished attempt in the order of its record; `after` leaves out those up to that `seq`.

    `read` makes values of encoded outputs: Python's own by default, `to_plain` for JSON.
    """
    return [_recorded(row, read) for row in tx.fetch(_RECORDED, {"id": execution_id, "after": after})]


def open_steps(tx: Transaction, execution_id: str, definition: Definition | None, status: str) -> list[Entry]:
    """One entry for each place where the execution stands now; none once it has ended."""
    if ExecutionStatus(status) in TERMINAL:
        return []
    return [_standing(row, definition) for row in tx.fetch(_OPEN, {"id": execution_id})]


def steps_of(
    tx: Transaction,
    execution_id: str,
    definition: Definition | None,
    status: str,
    *,
    read: Callable[[Any], Any] = decode_leniently,
) -> list[Entry]:
    """Every finished attempt in order, then those that run or wait now."""
    return recorded_steps(tx, execution_id, read=read) + open_steps(tx, execution_id, definition, status)


def current_names(steps: list[Entry]) -> list[str]:
    """Names of the nodes where something runs or waits, each once; composites only where nothing in them does."""
    leaves = [step for step in steps if not step["joining"]]
    return list(dict.fromkeys(step["name"] for step in leaves or steps))


def find_node(definition: Definition, text: str) -> Node:
    """The node that a name, id or path means; a DefinitionError lists the paths when it may be several."""
    if text in definition.places:
        return definition.places[text].node
    nodes = list(definition.walk())
    found = [node for node in nodes if text in (node.id, node.name)]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(node.path for node in found)
        raise DefinitionError(
            f"{definition.name!r} has several steps {text!r}: {paths}.", node=text, hint="Give one of the paths."
        )
    names = ", ".join(dict.fromkeys(node.name for node in nodes))
    raise DefinitionError(f"{definition.name!r} has no step {text!r}.", node=text, hint=f"There are: {names}.")


def _recorded(row: tuple[Any, ...], read: Callable[[Any], Any]) -> Entry:
    raw = dict(zip(STEP_COLUMNS, row, strict=True))
    started, completed = raw["started_at"], raw["completed_at"]
    return _entry(
        raw,
        output=None if raw["output"] is None else read(load_tree(raw["output"])),
        error=None if raw["error"] is None else Entry(load_tree(raw["error"])),
        started_at=None if started is None else from_us(started),
        completed_at=from_us(completed),
        duration_ms=None if started is None else round(max(0, completed - started) / 1000, 3),
        due_at=None,
        joining=False,
    )


def _standing(row: tuple[Any, ...], definition: Definition | None) -> Entry:
    path, iteration, mode, status, attempt, pass_number, claimed_at, begun_at, available_at = row
    place = None if definition is None else definition.places.get(path)
    name = unescape_part(path.rpartition("/")[2]) if place is None else place.node.name
    type_ = "step" if place is None else place.node.type
    since = claimed_at if status == "running" and (begun_at is None or begun_at < claimed_at) else begun_at
    raw = {
        "seq": None,
        "path": path,
        "name": name,
        "type": "compensation" if mode == "compensate" else type_,
        "iteration": iteration,
        "attempt": attempt,
        "pass_number": pass_number,
        "status": _SHOWN.get(status, "pending"),
        "choice": None,
        "compensate": 0,
        "worker_id": None,
    }
    due = available_at if status in ("waiting", "retry") else None
    return _entry(
        raw,
        output=None,
        error=None,
        started_at=None if since is None or status in ("ready", "paused") else from_us(since),
        completed_at=None,
        duration_ms=None,
        due_at=None if due is None else from_us(due),
        joining=status == "joining",
    )


def _entry(raw: dict[str, Any], **more: Any) -> Entry:
    iterations = parse_iteration_key(raw["iteration"])
    return Entry(
        {
            "path": raw["path"],
            "name": raw["name"],
            "type": raw["type"],
            "iteration": iterations[-1] if iterations else 0,
            "iterations": list(iterations),
            "attempt": raw["attempt"],
            "pass_number": raw["pass_number"],
            "status": raw["status"],
            "choice": raw["choice"],
            "output": more["output"],
            "error": more["error"],
            "started_at": more["started_at"],
            "completed_at": more["completed_at"],
            "duration_ms": more["duration_ms"],
            "due_at": more["due_at"],
            "joining": more["joining"],
            "seq": raw["seq"],
            "handler": raw["choice"] if raw["type"] == "compensation" else None,
        }
    )
