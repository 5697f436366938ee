"""Calling a user's function with what its parameters ask for."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from durable_core.dsl.functions import function_name, local_names, unwrapped
from durable_core.dsl.inputs import faults_by_field
from durable_core.errors import DefinitionError, InputValidationError, MissingContextError

if TYPE_CHECKING:
    from durable_core.context import Context

__all__ = ["BoundFunction"]

_MISSING: Final[Any] = object()
_NO_NAMES: Final[Mapping[str, Any]] = types.MappingProxyType({})
_BY_NAME: Final = frozenset({"body", "compensate"})
_FIXED: Final = frozenset({"ctx", "item", "index", "input"})
_IDENTICAL: Final = frozenset({str, int, float, bool, bytes, dict, list, set, tuple, frozenset})
"""Types whose own instances pydantic would hand back as they are: no need to ask it."""

_CTX, _NONE, _NAMED = 1, 2, 3


class _Parameter:
    """One parameter: where its value comes from, and what checks it."""

    __slots__ = ("_check", "annotation", "default", "function", "name", "plain_type", "step")

    def __init__(self, function: Callable[..., Any], step: str, parameter: inspect.Parameter) -> None:
        self.function = function
        self.step = step
        self.name = parameter.name
        self.default = _MISSING if parameter.default is parameter.empty else parameter.default
        self.annotation = parameter.annotation
        self.plain_type: Any = None
        self._check: Callable[[Any], Any] | None = None

    def checked(self, value: Any) -> Any:
        """The value as the annotation wants it (pydantic, lax); values of exactly the plain type pass at once."""
        if self._check is None:
            self._check = self._make_check()
        if type(value) is self.plain_type:
            return value
        return self._check(value)

    def _make_check(self) -> Callable[[Any], Any]:
        annotation = self._resolved()
        if annotation is inspect.Parameter.empty or annotation is Any or annotation is object:
            return _same
        if isinstance(annotation, type) and annotation in _IDENTICAL:
            self.plain_type = annotation
        validate: Callable[[Any], Any] | None = None

        def check(value: Any) -> Any:
            # Made only when needed: pydantic takes 100 ms to import, and most values are of the plain type already.
            nonlocal validate
            if validate is None:
                validate = _adapter(annotation, f"step {self.step!r}, parameter {self.name!r}")
            from pydantic import ValidationError

            try:
                return validate(value)
            except ValidationError as error:
                faults = {
                    self.name if name == self.name else f"{self.name}.{name}": found
                    for name, found in faults_by_field(error, self.name).items()
                }
                told = "; ".join(f"{name}: {', '.join(found)}" for name, found in faults.items())
                raise InputValidationError(
                    f"step {self.step!r}: the value for {self.name!r} does not fit its annotation: {told}",
                    errors=faults,
                    hint="Correct the value in the context, or the annotation.",
                ) from error

        return check

    def _resolved(self) -> Any:
        holder = types.SimpleNamespace(__annotations__={"value": self.annotation})
        namespace = getattr(self.function, "__globals__", {})
        try:
            return typing.get_type_hints(holder, namespace, local_names(self.function), include_extras=True)["value"]
        except (NameError, AttributeError, SyntaxError, TypeError) as error:
            raise DefinitionError(
                f"step {self.step!r}: the annotation {self.annotation!r} of parameter {self.name!r} "
                f"cannot be resolved: {error}",
                node=self.step,
                hint="Import that name at run time too (not only under TYPE_CHECKING), or leave the annotation out.",
            ) from error


def _same(value: Any) -> Any:
    return value


@functools.lru_cache(maxsize=512)
def _cached_adapter(annotation: Any) -> Callable[[Any], Any]:
    return _new_adapter(annotation)


def _new_adapter(annotation: Any) -> Callable[[Any], Any]:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        # a class pydantic does not know: instances of it pass
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    return adapter.validate_python


def _adapter(annotation: Any, where: str) -> Callable[[Any], Any]:
    from pydantic.errors import PydanticUserError

    try:
        try:
            return _cached_adapter(annotation)
        except TypeError:  # not hashable, as Annotated[int, {}] is
            return _new_adapter(annotation)
    except PydanticUserError as error:
        raise DefinitionError(
            f"{where}: nothing can be checked against the annotation {annotation!r}: {error.message}",
            node=where,
            hint="Use another annotation, or none.",
        ) from error


class _Shape(NamedTuple):
    """What a function is like, whichever node it belongs to."""

    is_async: bool
    parameters: tuple[inspect.Parameter, ...]
    plan: int
    """How it is called, where that is the same in every role; else 0."""


_shapes: WeakKeyDictionary[Callable[..., Any], _Shape] = WeakKeyDictionary()


def _shape_of(fn: Callable[..., Any]) -> _Shape:
    try:
        found = _shapes.get(fn)
    except TypeError:  # nothing refers to it weakly, or it has no hash
        return _read_shape(fn)
    if found is None:
        found = _shapes[fn] = _read_shape(fn)
    return found


def _read_shape(fn: Callable[..., Any]) -> _Shape:
    is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(unwrapped(fn))
    try:
        signature = inspect.signature(fn).parameters.values()
    except ValueError:  # a built-in
        return _Shape(is_async, (), _CTX)
    parameters = tuple(p for p in signature if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    if not parameters:
        return _Shape(is_async, parameters, _NONE)
    first, *others = parameters
    only_ctx = not others and first.name == "ctx" and first.kind is not first.KEYWORD_ONLY
    return _Shape(is_async, parameters, _CTX if only_ctx else 0)


class BoundFunction:
    """A prepared call: made once for a function, then cheap however often it runs."""

    __slots__ = ("_keyword", "_plan", "_positional", "fn", "is_async", "name", "role", "takes_nothing")

    def __init__(self, fn: Callable[..., Any], role: str = "body", name: str | None = None) -> None:
        self.fn = fn
        self.role = role
        self.name = name or function_name(fn)
        shape = _shape_of(fn)
        self.is_async = shape.is_async
        self.takes_nothing = shape.plan == _NONE
        """Whether the function has no parameters, so that it needs no context either."""
        self._plan = shape.plan
        self._positional: tuple[_Parameter, ...] = ()
        self._keyword: tuple[_Parameter, ...] = ()

    def invoke(
        self,
        ctx: Context,
        *,
        item: Any = _MISSING,
        index: int | None = None,
        as_name: str | None = None,
        outer: Mapping[str, Any] = _NO_NAMES,
    ) -> Any:
        """Call the function with what its parameters ask for; a coroutine when it is async.

        Inside a foreach the caller gives `item`, `index` and the foreach's `as_` name; `outer` holds the items of the
        foreachs around it by their `as_` names.
        """
        plan = self._plan
        if plan == _CTX:
            return self.fn(ctx)
        if plan == _NONE:
            return self.fn()
        if plan == 0:
            self._prepare()
            return self.invoke(ctx, item=item, index=index, as_name=as_name, outer=outer)
        args = [self._value(parameter, ctx, item, index, as_name, outer) for parameter in self._positional]
        kwargs = {p.name: self._value(p, ctx, item, index, as_name, outer) for p in self._keyword}
        return self.fn(*args, **kwargs)

    def _prepare(self) -> None:
        parameters = _shape_of(self.fn).parameters
        positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        needed = [p for p in parameters if p.default is p.empty]
        if self.role not in _BY_NAME and needed == positional[:1] != [] and needed[0].name not in _FIXED:
            # A function of ctx may call its one parameter as it likes.
            self._plan = _CTX
        else:
            fn = unwrapped(self.fn)
            self._positional = tuple(_Parameter(fn, self.name, p) for p in positional)
            self._keyword = tuple(_Parameter(fn, self.name, p) for p in parameters if p.kind is p.KEYWORD_ONLY)
            self._plan = _NAMED

    def _value(
        self,
        parameter: _Parameter,
        ctx: Context,
        item: Any,
        index: int | None,
        as_name: str | None,
        outer: Mapping[str, Any],
    ) -> Any:
        name = parameter.name
        if name == "ctx":
            return ctx
        value: Any = _MISSING
        if name == "item" and item is not _MISSING:
            value = item
        elif name == "index" and index is not None:
            value = index
        elif name == "input":
            value = ctx.input
        elif name == as_name and item is not _MISSING:
            value = item
        elif name in outer:
            value = outer[name]
        elif name in ctx:
            value = ctx[name]
        elif parameter.default is not _MISSING:
            return parameter.default
        else:
            keys = sorted(map(str, ctx))
            raise MissingContextError(
                f"step {self.name!r}: nothing for the parameter {name!r}: the context has no such key",
                key=name,
                keys=keys,
                step=self.name,
                hint=f"There are: {', '.join(keys) or 'none'}. Write it in an earlier step, or give a default.",
            )
        return value if parameter.annotation is inspect.Parameter.empty else parameter.checked(value)

    def __repr__(self) -> str:
        return f"<{self.role} {self.name!r}>"
