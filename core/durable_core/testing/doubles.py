"""Doubles for the bodies of steps and for functions of other modules."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock

from durable_core.context import Context
from durable_core.definition.nodes import WorkNode
from durable_core.dsl.registry import registry
from durable_core.dsl.steps import Step
from durable_core.errors import DefinitionError

__all__ = ["UNSET", "StepDouble", "stubbed", "substituted"]

UNSET: Final[Any] = object()


class StepDouble:
    """Stands for a step's body and remembers each call."""

    def __init__(self, act: Callable[..., Any]) -> None:
        self._act = act
        self.contexts: list[dict[str, Any]] = []
        """The context as each call found it."""

    @property
    def call_count(self) -> int:
        """How often the body was called."""
        return len(self.contexts)

    @property
    def called(self) -> bool:
        """Whether the body was called at all."""
        return bool(self.contexts)

    def body(self, ctx: Context) -> Any:
        """What takes the place of the step's function."""
        self.contexts.append(dict(ctx))
        return self._act()


def _same_shape(double: StepDouble, function: Callable[..., Any]) -> Callable[..., Any]:
    """The user's own function in the step's place: called with what its parameters ask for, and counted."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def counted_async(*args: Any, **kwargs: Any) -> Any:
            double.contexts.append(_seen(args, kwargs))
            return await function(*args, **kwargs)

        return counted_async

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        double.contexts.append(_seen(args, kwargs))
        return function(*args, **kwargs)

    return counted


def _seen(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    for each in (*args, *kwargs.values()):
        if isinstance(each, Context):
            return dict(each)
    return dict(kwargs)


def _one_of(what: str, returns: Any, raises: Any, side_effect: Any) -> None:
    given = [
        name
        for name, value in (("returns", returns), ("raises", raises), ("side_effect", side_effect))
        if value is not UNSET
    ]
    if len(given) > 1:
        raise DefinitionError(f"{what} takes one of returns, raises and side_effect, not {' and '.join(given)}.")


@contextmanager
def substituted(target: Any, returns: Any, raises: Any, side_effect: Any) -> Iterator[StepDouble]:
    """Put a double in the place of a step's body (or of a handler), in every registered workflow that uses it."""
    _one_of("mock_step", returns, raises, side_effect)
    double, body = _double(returns, raises, side_effect)
    taken = [(workflow, key, workflow.substitute(key, body)) for workflow, key in _uses(target)]
    try:
        yield double
    finally:
        for workflow, key, function in reversed(taken):
            workflow.substitute(key, function)


def _double(returns: Any, raises: Any, side_effect: Any) -> tuple[StepDouble, Callable[..., Any]]:
    if raises is not UNSET:

        def fail() -> Any:
            raise raises

        double = StepDouble(fail)
    elif side_effect is not UNSET and callable(side_effect):
        double = StepDouble(lambda: None)
        return double, _same_shape(double, side_effect)
    elif side_effect is not UNSET:
        results = iter(_results(side_effect))

        def give() -> Any:
            result = next(results)
            if isinstance(result, BaseException) or (isinstance(result, type) and issubclass(result, BaseException)):
                raise result
            return result

        double = StepDouble(give)
    else:
        value = None if returns is UNSET else returns
        double = StepDouble(lambda: value)
    return double, double.body


def _results(side_effect: Any) -> Sequence[Any]:
    if isinstance(side_effect, str) or not hasattr(side_effect, "__iter__"):
        raise DefinitionError(
            f"side_effect must be a function or a list of results, not {side_effect!r:.80}",
            hint="An exception in the list is raised instead of returned.",
        )
    return list(side_effect)


def _uses(target: Any) -> list[tuple[Any, str]]:
    """Workflow and binding key of every use of a step, given itself, as its function, or by its name."""
    function = target.fn if isinstance(target, Step) else target
    found: list[tuple[Any, str]] = []
    for workflow in registry.workflows():
        for key, bound in workflow.bindings.items():
            path, _, role = key.rpartition(":")
            if role not in ("body", "compensate"):
                continue
            node = workflow.definition.places[path].node
            if bound is function or (isinstance(target, str) and role == "body" and target in (node.name, path)):
                if isinstance(node, WorkNode) and node.isolation == "process" and role == "body":
                    raise DefinitionError(
                        f"Step {path!r} of {workflow.name!r} runs in a process of its own, where no double can be.",
                        hint="Stub what it calls, or run it with isolation='thread' in tests.",
                    )
                found.append((workflow, key))
    if not found:
        raise DefinitionError(
            f"No registered workflow uses {target!r}.",
            hint="Give the @step itself, or its name or path, after the workflow was defined.",
        )
    return found


@contextmanager
def stubbed(target: str, returns: Any, raises: Any, side_effect: Any) -> Iterator[Any]:
    """Put a mock in the place of ``package.module.name``; an async function's mock is awaited."""
    _one_of("stub", returns, raises, side_effect)
    options: dict[str, Any] = {}
    if raises is not UNSET:
        options["side_effect"] = raises
    elif side_effect is not UNSET:
        options["side_effect"] = side_effect
    else:
        options["return_value"] = None if returns is UNSET else returns
    with mock.patch(target, **options) as found:
        yield found
