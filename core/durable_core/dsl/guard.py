"""What every builder of a flow has in common: it is called while a flow is written, never inside a running step."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from durable_core.definition.checks import did_you_mean
from durable_core.errors import DefinitionError, InvalidStateError

__all__ = ["builder", "checked_options", "explain_call", "imported_for", "inside_body", "refuse_while_imported"]

P = ParamSpec("P")
R = TypeVar("R")

inside_body: ContextVar[bool] = ContextVar("durable_inside_body", default=False)
"""True while a body of the user's runs; the executor sets it."""


_imported_for: str | None = None


@contextmanager
def imported_for(step: str) -> Iterator[None]:
    """While a process of its own imports the module of its step: what that starts at its top is refused."""
    global _imported_for
    _imported_for = step
    try:
        yield
    finally:
        _imported_for = None


def refuse_while_imported() -> None:
    """InvalidStateError where an execution or a worker would begin anew in each process of an isolated step."""
    if _imported_for is not None:
        raise InvalidStateError(
            f"Step {_imported_for!r} runs in a process of its own, which imports its module anew, and that starts "
            "executions or workers at its top.",
            state="imported",
            hint="Put what starts them below: if __name__ == '__main__'",
        )


def builder(instead: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse to build inside a running step, saying what to do `instead`, and name options that do not exist."""

    def wrap(build: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(build)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            # A module that a step imports may well hold builders at its top: that is no use of them by the step.
            if inside_body.get() and sys._getframe(1).f_code.co_name != "<module>":
                raise DefinitionError(
                    f"{build.__name__}() describes a node of a flow and was called inside a running step.",
                    node=build.__name__,
                    hint=instead,
                )
            try:
                return build(*args, **kwargs)
            except TypeError as error:
                raise explain_call(build, args, kwargs) or error from None

        return checked

    return wrap


def checked_options(cls: type[R]) -> type[R]:
    """Give a class the same clear refusal of options that do not exist."""
    original = cls.__init__

    @functools.wraps(original)
    def init(self: R, *args: Any, **kwargs: Any) -> None:
        try:
            original(self, *args, **kwargs)
        except TypeError as error:
            raise explain_call(original, (self, *args), kwargs, cls.__name__) or error from None

    setattr(cls, "__init__", init)  # noqa: B010 - mypy refuses the plain assignment
    return cls


def explain_call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str | None = None
) -> DefinitionError | None:
    """Why this call does not fit the function's signature; None when it does and the fault lies elsewhere."""
    shown = name or function.__name__
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        options = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD) and parameter.name != "self"
        ]
        for option in kwargs:
            if option not in options:
                return DefinitionError(
                    f"{shown}() has no option {option!r}.", node=shown, hint=did_you_mean(option, options)
                )
        return DefinitionError(f"{shown}(): {error}.", node=shown, hint=f"Its options are: {', '.join(options)}.")
    return None
