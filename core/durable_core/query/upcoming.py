"""What may come next and how long it usually takes, and what would be undone on failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from durable_core.definition.model import Definition
from durable_core.definition.nodes import ForeachNode, LoopNode, ParallelNode, WorkNode, child_sequences
from durable_core.definition.reach import following
from durable_core.ids import parse_iteration_key
from durable_core.query.executions import ExecutionRecord
from durable_core.query.standing import Place
from durable_core.store.transaction import Transaction

__all__ = ["Undo", "Upcoming", "to_undo", "upcoming", "usual_ms"]

RECENT = 20
"""Executions whose attempts tell how long a step usually takes."""
ATTEMPTS = 200
SHOWN = 8

_USUAL = """
SELECT completed_at - started_at FROM steps
WHERE execution_id IN (SELECT id FROM executions WHERE workflow = :workflow
    ORDER BY created_at DESC, id DESC LIMIT :recent)
AND path = :path AND status = 'completed' AND type <> 'compensation' AND started_at IS NOT NULL LIMIT :attempts"""

_UNDO = """
SELECT path, name, iteration FROM steps
WHERE execution_id = :id AND compensate = 1 AND status = 'completed' ORDER BY seq DESC LIMIT :limit"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A node that may come next, or that runs now."""

    path: str
    name: str
    type: str
    now: bool
    usual_ms: float | None
    """Median of its recent completed attempts; None when there are none."""
    seen: int
    """How many attempts that is the median of."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """A completed step whose handler would run."""

    path: str
    name: str
    iterations: tuple[int, ...]
    handler: str


def upcoming(
    tx: Transaction, record: ExecutionRecord, definition: Definition, places: Iterable[Place]
) -> tuple[Upcoming, ...]:
    """What runs now and what may come right after it, each with its usual duration."""
    if record.status == "compensating":
        return ()
    found: dict[str, Upcoming] = {}
    places = tuple(places)
    left = {place.path: place.left for place in places}
    for place in places:
        if place.path not in definition.places:
            continue
        node = definition.places[place.path].node
        if isinstance(node, WorkNode) and place.status in ("running", "ready", "retry", "paused"):
            _add(found, tx, record, definition, place.path, now=True)
        if place.status == "joining" and not place.joined:
            continue  # its branches tell what comes next
        after = list(_after(definition, place.path, left))
        if isinstance(node, ParallelNode | ForeachNode) and not place.joined:
            after = [body[0].path for _, body in child_sequences(node) if body]
        for path in after:
            if path != place.path:
                _add(found, tx, record, definition, path, now=False, inside=place.path.startswith(f"{path}/"))
        if len(found) >= SHOWN:
            break
    return tuple(found.values())


def _after(definition: Definition, path: str, left: Mapping[str, int]) -> Iterator[str]:
    """What may come right after a node; a parallel or foreach around it only where some of it has not begun."""
    for node in following(definition, path):
        if not (isinstance(node, ParallelNode | ForeachNode) and path.startswith(f"{node.path}/")):
            yield node.path
            continue
        if left.get(node.path):
            yield node.path
        yield from _after(definition, node.path, left)


def _add(
    found: dict[str, Upcoming],
    tx: Transaction,
    record: ExecutionRecord,
    definition: Definition,
    path: str,
    *,
    now: bool,
    inside: bool = False,
) -> None:
    if path in found:
        return
    node = definition.places[path].node
    usual, seen = usual_ms(tx, record.workflow, path) if not isinstance(node, LoopNode) else (None, 0)
    takes = "" if usual is None else f"usually takes {_ms(usual)} ({seen} attempt{'' if seen == 1 else 's'})"
    if now:
        sentence = f"{node.name} {takes}." if takes else f"How long {node.name} takes is not known yet."
    else:
        kind = "" if isinstance(node, WorkNode) else f" ({_word(node.type, inside)})"
        sentence = f"Next may come {node.name}{kind}{', which ' + takes if takes else ''}."
    found[path] = Upcoming(
        path=path, name=node.name, type=node.type, now=now, usual_ms=usual, seen=seen, sentence=sentence
    )


def _word(type_: str, inside: bool) -> str:
    if inside:
        return {"parallel": "its next branch", "foreach": "its next item", "loop": "its next round"}.get(type_, type_)
    return {"parallel": "branches side by side", "foreach": "item by item"}.get(type_, type_)


def usual_ms(tx: Transaction, workflow: str, path: str) -> tuple[float | None, int]:
    """The median duration of a node's recent completed attempts, in milliseconds, and how many there were."""
    rows = tx.fetch(_USUAL, {"workflow": workflow, "path": path, "recent": RECENT, "attempts": ATTEMPTS})
    if not rows:
        return None, 0
    return round(median(max(0, row[0]) for row in rows) / 1000, 3), len(rows)


def to_undo(tx: Transaction, record: ExecutionRecord, definition: Definition | None) -> tuple[Undo, ...]:
    """Completed steps whose handlers have not run, last completed first."""
    found = []
    for path, name, iteration in tx.fetch(_UNDO, {"id": record.id, "limit": 100}):
        place = None if definition is None else definition.places.get(path)
        spec = place.node.compensate if place is not None and isinstance(place.node, WorkNode) else None
        handler = "" if spec is None else spec.name
        found.append(Undo(path=path, name=name, iterations=parse_iteration_key(iteration), handler=handler))
    return tuple(found)


def _ms(milliseconds: float) -> str:
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
