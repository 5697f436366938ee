"""A fork: a new execution whose first step to run is one that another execution has run (or reached) before.

What lies before that step is not run again: the tokens around it are rebuilt from the record, and finished branches
beside it keep their results. The fork has an id of its own, so its idempotency keys are new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from durable_core.codec import dump_tree, load_tree
from durable_core.definition.interpreter import revive
from durable_core.definition.model import Definition
from durable_core.definition.state import ROOT
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.errors import DefinitionError, ExecutionNotFoundError, InvalidStateError
from durable_core.executor.definitions import Definitions
from durable_core.executor.parking import journal
from durable_core.executor.rebuild import FAR, Rebuilt, Source, rebuild
from durable_core.executor.settlement import Settled, Settlement
from durable_core.ids import iteration_key, parse_iteration_key
from durable_core.query.fitness import Fits, Misfits, judge
from durable_core.query.steps import find_node
from durable_core.status import TokenStatus
from durable_core.store import statements as sql
from durable_core.store.ahead import TOKENS
from durable_core.store.transaction import Transaction

_SOURCE = """
SELECT workflow, definition_hash, bodies, input, queue, priority, tags, forked_from, scheduled_for
FROM executions WHERE id = :id"""

_PASSES = """
SELECT iteration, MIN(seq) FROM steps WHERE execution_id = :execution AND path = :path AND type <> 'compensation'
GROUP BY iteration"""

_STANDING = f"""
SELECT iteration FROM {TOKENS} WHERE execution_id = :execution AND path = :path AND mode <> 'compensate'
AND status NOT IN ('done')"""

_REACHED = """
SELECT DISTINCT path FROM steps WHERE execution_id = :execution AND type <> 'compensation' LIMIT 50"""

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRequest:
    """From which step of which execution, and what the context it begins with is updated with (encoded)."""

    execution_id: str
    new_id: str
    step: str
    iteration: int | Sequence[int] | None
    context: dict[str, Any]


def fork(tx: Transaction, request: ForkRequest, definitions: Definitions) -> Settled:
    """Write the new execution; its step is ready when this returns."""
    execution_id = request.execution_id
    while True:
        head = tx.fetch_one(_SOURCE, {"id": execution_id})
        if head is None:
            raise ExecutionNotFoundError(f"There is no execution {execution_id!r}.", execution_id=execution_id)
        name, hash_, bodies, input_text, queue, priority, tags, forked_from, scheduled_for = head
        pinned = definitions.stored(tx, hash_)
        node = find_node(pinned, request.step)
        passes = _passes(tx, execution_id, node.path)
        if passes or forked_from is None:
            break
        execution_id = forked_from  # it stands before the point where this one began
    if not passes:
        reached = ", ".join(path for (path,) in tx.fetch(_REACHED, {"execution": execution_id}))
        raise InvalidStateError(
            f"Execution {request.execution_id} has not reached {node.path!r}.",
            state="not reached",
            hint=f"It has reached: {reached}." if reached else "It has reached no step yet: start it anew.",
        )
    iterations = _chosen(request, node.path, passes)
    definition, workflow = _structure(tx, definitions, execution_id, name, pinned, node.path)
    began = _began(tx, execution_id)
    source = Source(tx, execution_id, definition, workflow, load_tree(input_text), scheduled_for, began)
    update = [["set", key, tree] for key, tree in request.context.items()]
    built = rebuild(source, node.path, iterations, passes[iterations], update)
    tx.execute(
        sql.INSERT_EXECUTION,
        {
            "id": request.new_id,
            "workflow": name,
            "definition_hash": definition.hash,
            "bodies": bodies if definition is pinned else workflow.fingerprint,
            "status": "pending",
            "input": input_text,
            "queue": queue,
            "priority": priority,
            "tags": tags,
            "idempotency_key": None,
            "parent_id": None,
            "parent_token": None,
            "forked_from": execution_id,
            "scheduled_for": scheduled_for,
            "now": tx.now(),
            "started_at": None,
            "deadline_at": None if definition.timeout is None else tx.now() + int(definition.timeout * 1_000_000),
        },
    )
    if definition is not pinned:
        definitions.remember(tx, definition)
    settled = _begin(tx, request, definition, built)
    return settled


def _passes(tx: Transaction, execution_id: str, path: str) -> dict[tuple[int, ...], int]:
    """The iterations in which a node was reached, each with the `seq` of its first attempt (`FAR`: none has ended)."""
    params = {"execution": execution_id, "path": path}
    found = {parse_iteration_key(iteration): FAR for (iteration,) in tx.fetch(_STANDING, params)}
    found.update({parse_iteration_key(iteration): seq for iteration, seq in tx.fetch(_PASSES, params)})
    return found


def _chosen(request: ForkRequest, path: str, passes: dict[tuple[int, ...], int]) -> tuple[int, ...]:
    wanted = request.iteration
    if wanted is None:
        fitting = list(passes)
    elif isinstance(wanted, int):
        # one number means the innermost loop or foreach around the step
        fitting = [each for each in passes if (each[-1] if each else 0) == wanted]
    else:
        fitting = [each for each in passes if each == tuple(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    shown = sorted(passes)[:_SHOWN]
    told = ", ".join(str(each[0]) if len(each) == 1 else f"({iteration_key(each)})" for each in shown)
    more = f" and {len(passes) - _SHOWN} more" if len(passes) > _SHOWN else ""
    paths = f"{path!r} ran in the iterations {told}{more}"
    if fitting:
        raise DefinitionError(
            f"Execution {request.execution_id} ran {path!r} {len(fitting)} times: {paths}.",
            node=path,
            hint="Say which with iteration=, a number or, in nested loops, the numbers from outer to inner.",
        )
    raise InvalidStateError(
        f"Execution {request.execution_id} did not run {path!r} in iteration {wanted!r}.",
        state="not reached",
        hint="It stands in no loop or foreach: leave iteration= out." if list(passes) == [()] else f"{paths}.",
    )


def _structure(
    tx: Transaction, definitions: Definitions, execution_id: str, name: str, pinned: Definition, path: str
) -> tuple[Definition, Workflow]:
    """The structure that the fork runs on: the pinned one, or the registered one when only that can run here."""
    verdict = judge(tx, definitions.stored, execution_id, name, pinned.hash, path, "run", execution_id, adopting=False)
    match verdict:
        case Fits(workflow, definition):
            return definition, workflow
        case Misfits(reason):
            workflow = registry.get(name)
            if _same_way_to(pinned, workflow.definition, path):
                return workflow.definition, workflow
            raise InvalidStateError(
                f"Execution {execution_id} cannot be forked at {path!r} with the code here: {reason}", state="blocked"
            )
        case _:
            workflow = registry.get(name)  # says that it is not known here, and which are
            return pinned, workflow


def _same_way_to(old: Definition, new: Definition, path: str) -> bool:
    """Whether a node stands in both structures inside the same composites, so that a token there means the same."""
    at: str | None = path
    while at is not None:
        before, after = old.places[at], new.places.get(at)
        if after is None or type(after.node) is not type(before.node):
            return False
        if (after.owner, after.branch, after.depth) != (before.owner, before.branch, before.depth):
            return False
        at = before.owner
    return True


def _began(tx: Transaction, execution_id: str) -> dict[str, Any]:
    """The tokens that an execution which is a fork itself began with."""
    found = tx.fetch_one(
        "SELECT detail FROM journal WHERE execution_id = :id AND kind = 'forked' ORDER BY id LIMIT 1",
        {"id": execution_id},
    )
    tokens: dict[str, Any] = load_tree(found[0])["tokens"] if found is not None and found[0] else {}
    return tokens


def _begin(tx: Transaction, request: ForkRequest, definition: Definition, built: Rebuilt) -> Settled:
    """Write the tokens and let those that are not done go on, the chosen step first."""
    settlement = Settlement(tx, request.new_id, definition)
    for key, token in built.tokens.items():
        settlement.change(key, token)
    target = built.tokens[built.target]
    around, at = [built.target], target.parent
    while at is not None:
        around.append(at)
        at = built.tokens[at].parent
    settlement.take_in(revive(definition, settlement.state, ROOT, first=frozenset(around)))
    for key, row in settlement.rows.items():
        change = built.changes.get(key)
        row.update(changes=None if change is None else dump_tree(change.to_json()), changes_seq=0, attempt=1)
        if key in built.items:
            row["items"] = dump_tree(built.items[key])
    journal(
        settlement,
        "forked",
        {
            "from": request.execution_id,
            "path": target.path,
            "iteration": iteration_key(target.iterations),
            "context": sorted(request.context) or None,
            "tokens": {key: _kept(built, key) for key in built.tokens},
        },
    )
    settlement.write()
    return settlement.result


def _kept(built: Rebuilt, key: str) -> dict[str, Any]:
    token = built.tokens[key]
    return {
        "path": token.path,
        "iteration": iteration_key(token.iterations),
        "done": token.status is TokenStatus.DONE,
        "output": token.output,
        "change": built.changes[key].to_json(),
    }


__all__ = ["ForkRequest", "fork"]
