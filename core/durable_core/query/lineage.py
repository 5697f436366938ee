"""What a fork has from the execution it came from, by reference: steps that were not run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_core.codec import load_tree
from durable_core.definition.model import Definition
from durable_core.definition.nodes import ForeachNode, escape_part
from durable_core.definition.reach import forks_around
from durable_core.ids import iteration_key, parse_iteration_key
from durable_core.query.entry import Entry, decode_leniently
from durable_core.query.steps import recorded_steps
from durable_core.store.transaction import Transaction

__all__ = ["inherited_results", "inherited_steps"]

_RESULTS = """
SELECT seq, path, iteration, status, name, output FROM steps WHERE execution_id = :id AND status = 'completed'
AND type NOT IN ('loop', 'compensation') ORDER BY seq"""


def inherited_steps(
    tx: Transaction, execution_id: str, definition: Definition, *, read: Callable[[Any], Any] = decode_leniently
) -> list[Entry]:
    """The attempts that happened before the fork began, or in branches it kept; `forked_from` says whose they are."""
    found = _origin(tx, execution_id, definition)
    if found is None:
        return []
    source, keeps = found
    entries = inherited_steps(tx, source, definition, read=read)
    for step in recorded_steps(tx, source, read=read):
        iterations = tuple(step["iterations"])
        if step["type"] != "compensation" and keeps(step["seq"], step["path"], iterations, step["status"]):
            entries.append(Entry({**step, "forked_from": source}))
    return entries


def inherited_results(tx: Transaction, execution_id: str, definition: Definition) -> dict[str, Any]:
    """Encoded outputs of those steps, by name, the last one counting."""
    found = _origin(tx, execution_id, definition)
    if found is None:
        return {}
    source, keeps = found
    results = inherited_results(tx, source, definition)
    for seq, path, iteration, status, name, output in tx.fetch(_RESULTS, {"id": source}):
        if keeps(seq, path, parse_iteration_key(iteration), status):
            results[name] = None if output is None else load_tree(output)
    return results


_Keeps = Callable[[int, str, tuple[int, ...], str], bool]


def _origin(tx: Transaction, execution_id: str, definition: Definition) -> tuple[str, _Keeps] | None:
    """The execution it was forked from, and which of its rows the fork goes on from."""
    row = tx.fetch_one("SELECT forked_from FROM executions WHERE id = :id", {"id": execution_id})
    told = tx.fetch_one(
        "SELECT detail FROM journal WHERE execution_id = :id AND kind = 'forked' ORDER BY id LIMIT 1",
        {"id": execution_id},
    )
    if row is None or row[0] is None or told is None:
        return None
    detail = load_tree(told[0])
    path, iterations = detail["path"], parse_iteration_key(detail["iteration"])
    if path not in definition.places:
        return None
    first = tx.fetch_one(
        "SELECT MIN(seq) FROM steps WHERE execution_id = :id AND path = :path AND iteration = :iteration "
        "AND type <> 'compensation'",
        {"id": row[0], "path": path, "iteration": iteration_key(iterations)},
    )
    before = None if first is None else first[0]
    beside = [_beside(definition, path, *each) for each in forks_around(definition, path, iterations)]

    def keeps(seq: int, where: str, passes: tuple[int, ...], status: str) -> bool:
        if before is None or seq < before:
            return True
        return status == "completed" and any(each(where, passes) for each in beside)

    return row[0], keeps


def _beside(
    definition: Definition, target: str, fork: Any, at: tuple[int, ...], branch: int
) -> Callable[[str, tuple[int, ...]], bool]:
    """Whether a row lies in another branch of a fork than the target."""
    inside = f"{fork.path}/"
    if isinstance(fork, ForeachNode):

        def another(where: str, passes: tuple[int, ...]) -> bool:
            return where.startswith(inside) and passes[: len(at)] == at and passes[len(at)] != branch

    else:
        own = f"{inside}{escape_part(fork.branches[branch].label)}/"

        def another(where: str, passes: tuple[int, ...]) -> bool:
            return where.startswith(inside) and passes[: len(at)] == at and not where.startswith(own)

    return another
