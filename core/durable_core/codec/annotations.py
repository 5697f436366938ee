"""Types named in a function's annotations become known to the registry."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from durable_core.codec.registry import is_model, is_named_tuple, is_structured, register_type

__all__ = ["register_annotations"]

log = logging.getLogger("durable_studio.codec")


def register_annotations(fn: Callable[..., Any], names: Mapping[str, Any] | None = None) -> tuple[type, ...]:
    """Register every dataclass, model, named tuple and Enum in a function's annotations, and in their fields.

    An annotation that cannot be resolved (a name only type checkers see) is left out. ``names`` are further names
    annotations may use, such as the locals of the function that defines ``fn``. Returns the types found.
    """
    found: dict[type, None] = {}
    for annotation in _resolved(inspect.unwrap(fn), names):
        _collect(annotation, found, names)
    for cls in found:
        register_type(cls)
    return tuple(found)


def _resolved(owner: Any, names: Mapping[str, Any] | None) -> Iterator[Any]:
    annotations = getattr(owner, "__annotations__", None)
    if not isinstance(annotations, dict):
        return
    namespace = getattr(owner, "__globals__", None)
    local = _closure(owner) if namespace is not None else dict(vars(owner))
    local = {**(names or {}), **local}
    if namespace is None:
        namespace = vars(inspect.getmodule(owner) or types)
    for annotation in annotations.values():
        # One by one: a single unresolvable name must not hide the others.
        holder = types.SimpleNamespace(__annotations__={"value": annotation})
        # An annotation is an arbitrary expression of the user's module, which may not even be meant to run.
        try:
            resolved = typing.get_type_hints(holder, namespace, local)["value"]
        except Exception as error:
            log.debug("annotation %r of %r cannot be resolved: %r", annotation, owner, error)
            continue
        yield resolved


def _closure(fn: Any) -> dict[str, Any]:
    names, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None)
    if names is None or not cells:
        return {}
    filled = {}
    for name, cell in zip(names.co_freevars, cells, strict=True):
        try:
            filled[name] = cell.cell_contents
        except ValueError:  # an empty cell: the name is bound later
            continue
    return filled


def _collect(annotation: Any, found: dict[type, None], names: Mapping[str, Any] | None) -> None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if annotation in found or not is_structured(annotation):
            return
        found[annotation] = None
        if dataclasses.is_dataclass(annotation) or is_named_tuple(annotation):
            for inner in _resolved(annotation, names):
                _collect(inner, found, names)
        elif is_model(annotation):
            model: Any = annotation
            for each in model.__pydantic_fields__.values():
                _collect(each.annotation, found, names)
        return
    for argument in typing.get_args(annotation):
        _collect(argument, found, names)
