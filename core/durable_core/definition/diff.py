"""What changed between two versions of a workflow, and whether executions that stand somewhere in it may go on (T-7).

Every change is seen from every token: it lies *after* the token, *before* it, *aside* (in a branch that was not taken),
or it is *tangled* with it (the token stands in it, or will pass it again in the same loop). All after: ahead. All
before: behind. Anything else: incompatible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from durable_core.definition.document import node_document, to_document
from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    WorkNode,
    child_sequences,
)

__all__ = ["DefinitionDiff", "DiffKind", "diff", "node_options"]

DiffKind = Literal["identical", "bodies", "ahead", "behind", "incompatible"]
_Relation = Literal["after", "before", "aside", "tangled"]
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionDiff:
    """The difference between two versions, by node path, and its sentence for people."""

    kind: DiffKind
    changed: tuple[str, ...] = ()
    """Nodes with other options, branches or another place in their sequence."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()
    """Nodes whose functions changed and whose structure did not."""
    options: tuple[str, ...] = ()
    """Options of the workflow itself that changed."""
    lost: tuple[str, ...] = ()
    """Old nodes with functions that the new version lacks: an execution that still needs one cannot go on here."""
    sentence: str = ""

    @property
    def same_structure(self) -> bool:
        """Whether no node changed, came or went."""
        return not (self.changed or self.added or self.removed)


def diff(
    old: Definition,
    new: Definition,
    old_bodies: Mapping[str, str] | None = None,
    new_bodies: Mapping[str, str] | None = None,
    token_paths: Iterable[str] = (),
) -> DefinitionDiff:
    """Compare two versions; `token_paths` are the nodes at which an execution of the old one stands."""
    tokens = tuple(dict.fromkeys(token_paths))
    added = tuple(path for path in new.places if path not in old.places)
    removed = tuple(path for path in old.places if path not in new.places)
    moved = _moved(old, new)
    changed = tuple(
        path
        for path, place in old.places.items()
        if path in new.places and (path in moved or _differ(place.node, new.places[path].node))
    )
    bodies = _changed_bodies(old, new, old_bodies or {}, new_bodies or {})
    options = _changed_options(old, new)
    kind: DiffKind
    if changed or added or removed:
        kind = _judge(old, new, (*changed, *added, *removed), tokens)
    elif options:
        kind = "ahead"
    else:
        kind = "bodies" if bodies else "identical"
    return DefinitionDiff(
        kind=kind,
        changed=changed,
        added=added,
        removed=removed,
        bodies=bodies,
        options=options,
        lost=_lost(old, new),
        sentence=_sentence(new, changed, added, removed, bodies, options),
    )


def _differ(old: Node, new: Node) -> bool:
    """Whether the nodes themselves differ, whatever became of those inside them."""
    if not child_sequences(old) and old == new:
        return False
    return node_options(old) != node_options(new)


def node_options(node: Node) -> dict[str, Any]:
    """A node's own options, and the labels of its branches without what is in them."""
    written = node_document(node)
    written.pop("function", None)
    for emptied in ("body", "branches", "otherwise", "cases", "default"):
        written.pop(emptied, None)
    match node:
        case DecisionNode():
            written["labels"] = [branch.key for branch in node.branches]
            written["open"] = node.otherwise is not None
        case SwitchNode():
            written["labels"] = [(c.kind, c.branch.label, c.key, c.pattern, c.flags) for c in node.cases]
            written["open"] = node.default is not None
        case ParallelNode():
            written["labels"] = [branch.label for branch in node.branches]
    return written


def _moved(old: Definition, new: Definition) -> frozenset[str]:
    """Nodes of both versions that stand in another order among those that stayed."""
    found: set[str] = set()
    before, after = _sequences(old), _sequences(new)
    for where, paths in before.items():
        there = set(after.get(where, ()))
        here = set(paths)
        stayed = [path for path in paths if path in there]
        now = [path for path in after.get(where, ()) if path in here]
        found.update(path for path, other in zip(stayed, now, strict=True) if path != other)
    return frozenset(found)


def _sequences(definition: Definition) -> dict[tuple[str | None, str | None], list[str]]:
    found: dict[tuple[str | None, str | None], list[str]] = {(None, None): [node.path for node in definition.nodes]}
    for node in definition.walk():
        for label, body in child_sequences(node):
            found[node.path, label] = [child.path for child in body]
    return found


def _changed_bodies(
    old: Definition, new: Definition, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[str, ...]:
    paths = (
        key.rpartition(":body")[0] if key.endswith(":body") else _path_of(key, old)
        for key, found in before.items()
        if after.get(key, found) != found
    )
    return tuple(dict.fromkeys(path for path in paths if path in new.places))


def _path_of(key: str, definition: Definition) -> str:
    """The path of a binding key; names may hold colons, so the longest known path counts."""
    path = key
    while path and path not in definition.places:
        path = path.rpartition(":")[0]
    return path


def _changed_options(old: Definition, new: Definition) -> tuple[str, ...]:
    before, after = to_document(old), to_document(new)
    return tuple(
        name for name, value in before.items() if name not in ("nodes", "hash", "description") and after[name] != value
    )


def _lost(old: Definition, new: Definition) -> tuple[str, ...]:
    """Old nodes that bring functions along and have no node of their type under their path any more."""
    return tuple(
        path
        for path, place in old.places.items()
        if _has_functions(place.node) and not (path in new.places and type(new.places[path].node) is type(place.node))
    )


def _has_functions(node: Node) -> bool:
    if isinstance(node, WorkNode | LoopNode):
        return True
    sources = (getattr(node, name, None) for name in ("on", "items", "until", "input"))
    if any(getattr(source, "kind", None) == "function" for source in sources):
        return True
    if isinstance(node, SwitchNode):
        return any(case.kind == "guard" for case in node.cases)
    return getattr(node, "merge", "") == "function" or getattr(node, "schema", None) is not None


def _judge(old: Definition, new: Definition, changes: tuple[str, ...], tokens: tuple[str, ...]) -> DiffKind:
    if any(token not in old.places or token not in new.places for token in tokens):
        return "incompatible"
    seen: set[_Relation] = set()
    for definition in (old, new):
        lay = _Lay(definition, tokens)
        for change in changes:
            if change in definition.places:
                seen.update(lay.relation(token, change) for token in tokens)
    seen.discard("aside")
    if seen <= {"after"}:
        return "ahead"
    return "behind" if seen == {"before"} else "incompatible"


class _Lay:
    """How the nodes of one definition lie to each other, seen from the tokens of an execution."""

    def __init__(self, definition: Definition, tokens: tuple[str, ...]) -> None:
        self._places = definition.places
        self._positions = {
            path: position for paths in _sequences(definition).values() for position, path in enumerate(paths)
        }
        self._lines = {token: self._line(token) for token in tokens}

    def _line(self, path: str) -> list[str]:
        """The path of the node and of every composite around it, outermost first."""
        line: list[str] = []
        at: str | None = path
        while at is not None:
            line.append(at)
            at = self._places[at].owner
        return line[::-1]

    def relation(self, token: str, change: str) -> _Relation:
        """Where a change lies, seen from a token."""
        here, there = self._lines[token], self._line(change)
        level = 0
        while level < min(len(here), len(there)) and here[level] == there[level]:
            level += 1
        if level == len(here) and level < len(there):
            # the token stands at a composite around the change: those inside it know better, if there are any
            inside = any(other != token and token in line for other, line in self._lines.items())
            return "aside" if inside else "tangled"
        if level == len(here) or level == len(there):
            return "tangled"
        again = any(isinstance(self._places[path].node, LoopNode | ForeachNode) for path in here[:level])
        mine, other = self._places[here[level]], self._places[there[level]]
        if mine.branch == other.branch:
            if self._positions[here[level]] < self._positions[there[level]]:
                return "after"
            return "tangled" if again else "before"
        if isinstance(self._places[here[level - 1]].node, ParallelNode):
            # a branch of its own: its own token, if it has one, knows where it stands
            beside = (self._places[line[level]] for line in self._lines.values() if len(line) > level)
            known = any(place.owner == other.owner and place.branch == other.branch for place in beside)
            return "aside" if known else "tangled"
        return "after" if again else "aside"


def _sentence(
    new: Definition,
    changed: tuple[str, ...],
    added: tuple[str, ...],
    removed: tuple[str, ...],
    bodies: tuple[str, ...],
    options: tuple[str, ...],
) -> str:
    def named(what: str, paths: tuple[str, ...]) -> str:
        shown = ", ".join(path.rpartition("/")[2] for path in paths[:_SHOWN])
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        return f"{what} {shown}{more}"

    # a body that changed inside a node that changed is told once
    plain = tuple(path for path in bodies if path not in changed)
    parts = [
        *([named("added", added)] if added else ()),
        *([named("removed", removed)] if removed else ()),
        *([named("changed", changed)] if changed else ()),
        *([named("new body of", plain)] if plain else ()),
        *([named("changed option" if len(options) == 1 else "changed options", options)] if options else ()),
    ]
    return f"{new.name}: {'; '.join(parts) or 'nothing changed'}"
