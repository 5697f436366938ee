"""A definition as a JSON document, back again without any user code, and the hash that names its content.

A field that holds its default is left out, so a document stays readable. The default of a field of a node may
therefore never change under the same `FORMAT`: a stored document would come back as another definition.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Final

from durable_core.codec import dump_tree
from durable_core.definition.model import Definition, place_nodes
from durable_core.definition.nodes import (
    Branch,
    CallNode,
    Case,
    CompensationSpec,
    DecisionNode,
    EventNode,
    ForeachNode,
    InputNode,
    LoopNode,
    Node,
    ParallelNode,
    RetryPolicy,
    SleepNode,
    Source,
    StepNode,
    SwitchNode,
    TimeoutRule,
)
from durable_core.errors import DefinitionError, SchemaVersionError, SerializationError
from durable_core.limits import LIMITS

__all__ = ["FORMAT", "canonical_hash", "from_document", "node_document", "to_document", "with_hash"]

FORMAT: Final = 1
_HASH_CHARS: Final = 20  # 80 bits: two versions of one workflow never meet
_NODE_TYPES: Final[dict[str, type[Node]]] = {
    cls.type: cls
    for cls in (
        StepNode,
        DecisionNode,
        SwitchNode,
        LoopNode,
        ParallelNode,
        ForeachNode,
        SleepNode,
        EventNode,
        InputNode,
        CallNode,
    )
}
_PLACES_OF_CODE: Final = frozenset({"function", "schema"})
"""Fields of nodes that name a function or class by its module: the same structure may be kept in another file."""


def _defaults(cls: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (one.name, one.default_factory() if one.default_factory is not MISSING else one.default) for one in fields(cls)
    )


_FIELDS: Final[dict[type[Any], tuple[tuple[str, Any], ...]]] = {
    cls: _defaults(cls)
    for cls in (*_NODE_TYPES.values(), RetryPolicy, CompensationSpec, Source, Branch, Case, TimeoutRule)
}


def _write(value: Any, structure_only: bool = False) -> Any:
    """JSON of a node or one of its parts; constants in it are JSON already and stay as they are."""
    shape = _FIELDS.get(type(value))
    if shape is not None:
        written: dict[str, Any] = {"type": value.type} if isinstance(value, Node) else {}
        for name, default in shape:
            found = getattr(value, name)
            if found is default or (default is not MISSING and found == default and type(found) is type(default)):
                continue
            if structure_only and name in _PLACES_OF_CODE:
                continue
            if structure_only and name == "retry_on":
                # the class counts, not the module it is imported from
                found = tuple(qualified.rpartition(":")[2] for qualified in found)
            written[name] = _write(found, structure_only)
        return written
    if type(value) is tuple:
        return [_write(item, structure_only) for item in value]
    return value


def node_document(node: Node) -> dict[str, Any]:
    """JSON of one node with everything inside it."""
    written: dict[str, Any] = _write(node)
    return written


def to_document(definition: Definition) -> dict[str, Any]:
    """The definition as a JSON document that `from_document` turns back into an equal one."""
    return {
        "format": FORMAT,
        "name": definition.name,
        "description": definition.description,
        "queue": definition.queue,
        "priority": definition.priority,
        "timeout": definition.timeout,
        "version_policy": definition.version_policy,
        "tags": list(definition.tags),
        "input_schema": definition.input_schema,
        "output": None if definition.output is None else _write(definition.output),
        "hash": definition.hash,
        "nodes": [_write(node) for node in definition.nodes],
    }


def _sequence(value: Any, depth: int) -> tuple[Node, ...]:
    return tuple(_read_node(item, depth) for item in value)


def _branch(value: Any, depth: int) -> Any:
    return _read(Branch, value, depth)


def _texts(value: Any, depth: int) -> tuple[Any, ...]:
    return tuple(value)


def _part(cls: type[Any]) -> Callable[[Any, int], Any]:
    return lambda value, depth: _read(cls, value, depth)


_READERS: Final[dict[tuple[type[Any] | None, str], Callable[[Any, int], Any]]] = {
    (None, "retry"): _part(RetryPolicy),
    (None, "compensate"): _part(CompensationSpec),
    (None, "timeout"): lambda value, depth: _read(TimeoutRule, value, depth) if isinstance(value, Mapping) else value,
    (None, "otherwise"): _branch,
    (None, "default"): _branch,
    (None, "branch"): _branch,
    (None, "branches"): lambda value, depth: tuple(_branch(item, depth) for item in value),
    (None, "cases"): lambda value, depth: tuple(_read(Case, item, depth) for item in value),
    (None, "nodes"): _sequence,
    (None, "body"): _sequence,
    (None, "key"): _texts,
    (None, "retry_on"): _texts,
    (None, "events"): _texts,
    (None, "fields"): _texts,
    (None, "choices"): _texts,
    (None, "on"): _part(Source),
    (None, "items"): _part(Source),
    (None, "until"): _part(Source),
    (CallNode, "input"): _part(Source),
}


def _read(cls: type[Any], written: Mapping[str, Any], depth: int) -> Any:
    known: dict[str, Any] = {}
    for name, _ in _FIELDS[cls]:
        if name in written:
            value = written[name]
            reader = _READERS.get((cls, name)) or _READERS.get((None, name))
            known[name] = value if reader is None or value is None else reader(value, depth)
    unknown = written.keys() - known.keys() - {"type"}
    if unknown:
        raise SerializationError(
            f"a stored {cls.__name__} has unknown fields: {', '.join(sorted(unknown))}",
            path=str(written.get("path", "")),
            hint="It was written by a newer version of the library: upgrade this one.",
        )
    return cls(**known)


def _read_node(written: Mapping[str, Any], depth: int) -> Node:
    if depth > LIMITS.nesting + 1:
        raise SerializationError(f"a stored definition nests deeper than {LIMITS.nesting} composites")
    cls = _NODE_TYPES.get(written["type"])
    if cls is None:
        raise SerializationError(
            f"a stored definition has a node of unknown type {written['type']!r}",
            path=str(written.get("path", "")),
            hint="It was written by a newer version of the library: upgrade this one.",
        )
    node: Node = _read(cls, written, depth + 1)
    return node


def from_document(document: Mapping[str, Any]) -> Definition:
    """The definition of a document; needs no user code, and refuses what it does not know."""
    if document.get("format") != FORMAT:
        raise SchemaVersionError(
            f"this definition has format {document.get('format')!r}, this library reads format {FORMAT}",
            hint="Upgrade the library.",
        )
    try:
        nodes = _sequence(document["nodes"], 0)
        output = document["output"]
        return Definition(
            name=document["name"],
            nodes=nodes,
            description=document["description"],
            queue=document["queue"],
            priority=document["priority"],
            timeout=document["timeout"],
            version_policy=document["version_policy"],
            tags=tuple(document["tags"]),
            input_schema=document["input_schema"],
            output=None if output is None else _read(Source, output, 0),
            hash=document["hash"],
            places=place_nodes(nodes),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SerializationError(f"this is no definition document: {type(error).__name__}: {error}") from error


def canonical_hash(definition: Definition, document: Mapping[str, Any] | None = None) -> str:
    """20 hex digits of the SHA-256 of the structure and its options: the same on every machine."""
    structure = dict(document or to_document(definition))
    for name in ("description", "hash"):
        del structure[name]
    structure["nodes"] = [_write(node, structure_only=True) for node in definition.nodes]
    text = json.dumps(structure, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]


def with_hash(definition: Definition) -> Definition:
    """The same definition with its places, its hash and its text filled in."""
    document = to_document(definition)
    document["hash"] = found = canonical_hash(definition, document)
    try:
        text = dump_tree(document)
    except SerializationError as error:
        raise DefinitionError(
            f"workflow {definition.name!r}: its definition cannot be stored: {error.message}",
            node=definition.name,
            hint="A default of its input model may be NaN or infinity; JSON has neither.",
        ) from error
    return replace(definition, places=place_nodes(definition.nodes), hash=found, text=text)


assert all(is_dataclass(cls) for cls in _FIELDS)
