"""Whether an execution can go on with the code of this process, and on which structure (T-7).

Fits       on its pinned structure, with functions that belong to it
Adopts     the change lies ahead of every open token, and the workflow says version_policy="auto"
Misfits    functions it needs are gone or belong to another structure: it is parked, never run wrongly
Unknown    the workflow is not registered here
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from durable_core.definition.diff import DefinitionDiff, diff, node_options
from durable_core.definition.model import Definition
from durable_core.definition.nodes import DecisionNode, Node, ParallelNode, SwitchNode, WorkNode, binding_key
from durable_core.definition.reach import ahead_of, functions_of, joins_at
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.errors import SchemaVersionError, SerializationError, StoreError, WorkflowNotFoundError
from durable_core.store.ahead import TOKENS
from durable_core.store.transaction import Transaction

__all__ = ["Adopts", "Fits", "Misfits", "Unknown", "Verdict", "compare", "judge", "open_places"]

Stored: TypeAlias = Callable[[Transaction, str], Definition]

_SHOWN = 5

_PLACES = f"""
SELECT id, path, mode, status FROM {TOKENS}
WHERE execution_id = :execution AND path IS NOT NULL AND status NOT IN ('done', 'failed', 'cancelled')"""

_HANDLERS = """
SELECT DISTINCT path FROM steps WHERE execution_id = :execution AND compensate = 1 AND status = 'completed'"""


@dataclass(frozen=True, slots=True)
class Fits:
    """It goes on: this workflow's functions, on this structure."""

    workflow: Workflow
    definition: Definition


@dataclass(frozen=True, slots=True)
class Adopts:
    """It may move to the registered structure, once that is checked again under its lock."""

    workflow: Workflow
    diff: DefinitionDiff


@dataclass(frozen=True, slots=True)
class Misfits:
    """It cannot go on with the code of this process."""

    reason: str
    fingerprint: str
    """Of the registered workflow that does not fit."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No workflow of that name is registered here."""

    workflow: str


Verdict: TypeAlias = Fits | Adopts | Misfits | Unknown


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """Where one open token stands."""

    token_id: str
    path: str
    mode: str
    status: str


def open_places(tx: Transaction, execution_id: str) -> list[OpenPlace]:
    """Where the execution stands: every token that has not ended."""
    return [OpenPlace(*row) for row in tx.fetch(_PLACES, {"execution": execution_id})]


def judge(
    tx: Transaction,
    stored: Stored,
    execution_id: str,
    name: str,
    pinned_hash: str,
    path: str | None,
    mode: str,
    token_id: str,
    *,
    adopting: bool = True,
) -> Verdict:
    """What becomes of one token of an execution here; the usual case, an unchanged structure, reads nothing."""
    try:
        registered: Workflow = registry.get(name)
    except WorkflowNotFoundError:
        return Unknown(name)
    if registered.definition.hash == pinned_hash:
        return Fits(registered, registered.definition)
    try:
        pinned = stored(tx, pinned_hash)
    except (StoreError, SchemaVersionError, SerializationError) as error:
        return Misfits(f"its definition {pinned_hash[:8]} cannot be read: {error}", registered.fingerprint)
    if adopting and mode != "compensate" and registered.definition.version_policy == "auto":
        places = open_places(tx, execution_id)
        found = adoptable(tx, execution_id, pinned, registered.definition, places, token_id)
        if found is not None:
            return Adopts(registered, found)
    old: Workflow | None = registry.version(name, pinned_hash)
    if old is not None:
        return Fits(old, old.definition)
    lacking = _lacking(tx, execution_id, pinned, registered, path, mode)
    if lacking:
        return Misfits(_reason(pinned, registered.definition, lacking), registered.fingerprint)
    return Fits(registered, pinned)


def adoptable(
    tx: Transaction,
    execution_id: str,
    pinned: Definition,
    new: Definition,
    places: Iterable[OpenPlace],
    token_id: str,
) -> DefinitionDiff | None:
    """The difference, when the new structure may take the place of the pinned one; None when it may not.

    Not while another worker runs a token: it goes on by the structure it has read. And the handlers of the steps that
    are done must be what they were.
    """
    places = list(places)
    if any(place.status == "running" and place.token_id != token_id for place in places):
        return None
    found = _compared(pinned, new, tuple(sorted({place.path for place in places})))
    if found.kind not in ("ahead", "bodies", "identical"):
        return None
    for (done,) in tx.fetch(_HANDLERS, {"execution": execution_id}):
        if done not in new.places or done in found.changed:
            return None
    return found


@lru_cache(maxsize=256)
def _compared_by_hash(pair: _Pair, paths: tuple[str, ...]) -> DefinitionDiff:
    return diff(pair.old, pair.new, token_paths=paths)


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two definitions that are equal to two others when their hashes are."""

    old: Definition
    new: Definition

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pair) and (self.old.hash, self.new.hash) == (other.old.hash, other.new.hash)

    def __hash__(self) -> int:
        return hash((self.old.hash, self.new.hash))


def _compared(old: Definition, new: Definition, paths: tuple[str, ...]) -> DefinitionDiff:
    return _compared_by_hash(_Pair(old, new), paths)


def compare(
    tx: Transaction, execution_id: str, name: str, pinned: Definition, bodies: str | None
) -> tuple[DefinitionDiff, Workflow]:
    """How the registered workflow differs from what the execution is pinned to, seen from where it stands.

    WorkflowNotFoundError when this process does not know the workflow.
    """
    registered: Workflow = registry.get(name)
    paths = tuple(sorted({place.path for place in open_places(tx, execution_id)}))
    found = _compared(pinned, registered.definition, paths)
    if found.kind == "identical" and bodies is not None and bodies != registered.fingerprint:
        return replace(found, kind="bodies", sentence=f"{name}: same structure, other bodies"), registered
    return found, registered


def _lacking(
    tx: Transaction, execution_id: str, pinned: Definition, registered: Workflow, path: str | None, mode: str
) -> list[str]:
    """Paths of the nodes ahead of a token whose functions the registered workflow does not have, or has differently."""
    new = registered.definition
    if mode == "compensate":
        done = [row[0] for row in tx.fetch(_HANDLERS, {"execution": execution_id})]
        return [each for each in done if binding_key(each, "compensate") not in registered.bindings]
    if path is None:
        return []
    found = [
        node.path
        for node in ahead_of(pinned, path, joined=mode == "join")
        if not _has_functions_for(node, new, registered)
    ]
    output = pinned.output
    if output is not None and output.kind == "function" and not joins_at(pinned, path):
        if binding_key("", "output") not in registered.bindings:
            found.append("output")
    return found


def _has_functions_for(node: Node, new: Definition, registered: Workflow) -> bool:
    """Whether the registered functions are those of this node; a function may depend on the branches around it."""
    needed = functions_of(node)
    if not needed:
        return True
    place = new.places.get(node.path)
    if place is None or type(place.node) is not type(node) or any(key not in registered.bindings for key in needed):
        return False
    if isinstance(node, WorkNode) and binding_key(node.path, "body") not in registered.retry_on:
        return False
    if isinstance(node, DecisionNode | SwitchNode) or (isinstance(node, ParallelNode) and node.merge == "function"):
        return bool(_labels(node) == _labels(place.node))
    return True


def _labels(node: Node) -> Any:
    options = node_options(node)
    return options.get("labels"), options.get("open")


def _reason(pinned: Definition, new: Definition, lacking: list[str]) -> str:
    names = ", ".join(dict.fromkeys(path.rpartition("/")[2] for path in lacking[:_SHOWN]))
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return (
        f"definition changed: it began with version {pinned.hash[:8]} of {pinned.name!r} and still needs "
        f"{names}{more}, which version {new.hash[:8]} here does not have in that form. Run a worker with the older "
        "code, bring the steps back, or fork the execution."
    )
