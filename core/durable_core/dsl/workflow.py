"""`@workflow`: the function runs once, when it is defined; what it returns is the flow."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from durable_core.codec import register_annotations, register_type
from durable_core.codec.registry import is_model
from durable_core.definition.checks import check_choice, check_name, check_seconds, did_you_mean, fault
from durable_core.definition.model import Definition
from durable_core.definition.nodes import Json, Source, binding_key
from durable_core.dsl.binding import BoundFunction
from durable_core.dsl.compile import Compiled, combined_fingerprint, compile_flow
from durable_core.dsl.element import Element, Flow, FlowPart, sequence
from durable_core.dsl.functions import check_function, fingerprint, function_name
from durable_core.dsl.guard import inside_body
from durable_core.dsl.inputs import validated_input
from durable_core.dsl.origin import Origin, origin_of
from durable_core.dsl.registry import Redefinition, registry
from durable_core.dsl.retry import NO_RETRY, Retry, check_retry
from durable_core.errors import DefinitionError, InvalidStateError

if TYPE_CHECKING:
    from durable_core.dsl.schedules import Schedule

__all__ = ["Workflow", "WorkflowOptions", "set_graph_factory", "workflow"]


class WorkflowOptions(TypedDict, total=False):
    """Every option of @workflow."""

    name: str | None
    queue: str | None
    priority: int
    timeout: float | timedelta | None
    input: type[Any] | None
    output: str | Callable[..., Any] | None
    retry: Retry | None
    version_policy: Literal["pin", "auto"]
    tags: Sequence[str]


_OPTIONS = tuple(WorkflowOptions.__annotations__)
_graph_factory: Callable[[Workflow], Any] | None = None


def set_graph_factory(factory: Callable[[Workflow], Any] | None) -> None:
    """What `.graph()` calls: graphs live on a higher floor, which announces itself here."""
    global _graph_factory
    _graph_factory = factory


class Workflow(FlowPart):
    """A registered workflow: its definition as data, and the functions that belong to it."""

    def __init__(
        self,
        fn: Callable[..., Any],
        compiled: Compiled,
        *,
        origin: Origin,
        input_model: type[Any] | None,
        doc: str,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.definition = compiled.definition
        self.bindings = compiled.bindings
        """Functions by `binding_key(path, role)`."""
        self.retry_on = compiled.retry_on
        """Exception classes by `binding_key(path, "body" | "compensate")`."""
        self.bodies = compiled.bodies
        """Fingerprints of the functions, under the keys of `bindings`."""
        self.step_origins = compiled.step_origins
        self.input_model = input_model
        self.schedules: tuple[Schedule, ...] = ()
        """From @cron, in written order."""
        self.origin = origin
        self.doc = doc
        self.redefinition: Redefinition | None = None
        """What changed when this replaced an earlier version of it."""
        self._bound: dict[str, BoundFunction] = {}
        self._bound_bodies: dict[str, BoundFunction] = {}
        self._fingerprint: str | None = None

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def fingerprint(self) -> str:
        """One short hash of structure and bodies: equal where the same code is deployed."""
        if self._fingerprint is None:
            self._fingerprint = combined_fingerprint(self.definition.hash, self.bodies)
        return self._fingerprint

    def bound(self, path: str, role: str) -> BoundFunction:
        """The prepared call of the function that the node at `path` uses in `role`."""
        key = binding_key(path, role)
        known = self._bound  # of this version: `_bind` begins others
        found = known.get(key)
        if found is None:
            if key not in self.bindings:
                raise DefinitionError(f"workflow {self.name!r} has no function {role!r} at {path!r}", node=path)
            name = self.definition.node(path).name if path else self.name
            found = known[key] = BoundFunction(self.bindings[key], role, name)
        return found

    def body(self, path: str) -> BoundFunction:
        """`bound(path, "body")`, which every step asks for twice."""
        known = self._bound_bodies
        found = known.get(path)
        if found is None:
            found = known[path] = self.bound(path, "body")
        return found

    def rebind(self, key: str, fn: Callable[..., Any]) -> bool:
        """Put another function under a key; whether it does anything else than the old one did."""
        new = fingerprint(fn)
        changed = self.bodies.get(key) != new
        self._bind(key, fn)
        self.bodies = {**self.bodies, key: new}
        self._fingerprint = None
        register_annotations(fn)
        return changed

    def substitute(self, key: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Put a double under a key and return what was there; fingerprints stay, so that no version seems to change."""
        before = self.bindings[key]
        self._bind(key, fn)
        return before

    def _bind(self, key: str, fn: Callable[..., Any]) -> None:
        # New dicts: whoever looks at the old ones at this moment sees one consistent version.
        self.bindings = {**self.bindings, key: fn}
        self._bound, self._bound_bodies = {}, {}

    def validate_input(self, value: Any) -> dict[str, Any]:
        """The input as the execution's first context; InputValidationError lists all faults by field."""
        return validated_input(self.name, self.input_model, value)

    def graph(self) -> Any:
        """The graph of this workflow, before anything runs."""
        if _graph_factory is None:
            raise InvalidStateError(
                "graphs are not loaded in this process",
                hint="import durable_studio (or durable_core.engine), which loads them.",
            )
        return _graph_factory(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise DefinitionError(
            f"Workflow {self.name!r} is not called like a function.",
            node=self.name,
            hint=f"Run it with engine.run({self.fn.__name__}, {{...}}); inside a flow write call({self.fn.__name__}).",
        )

    def as_element(self, where: str) -> Element:
        raise fault(where, f"the workflow {self.name!r} is no node:", f"use call({self.fn.__name__}).")

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if _graph_factory is None:
            return {"text/plain": repr(self)}
        return self.graph()._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"<workflow {self.name!r}, {len(self.definition.places)} nodes, {self.definition.hash[:8]}>"


@overload
def workflow(fn: Callable[[], Flow], /) -> Workflow: ...
@overload
def workflow(**options: Unpack[WorkflowOptions]) -> Callable[[Callable[[], Flow]], Workflow]: ...
def workflow(*args: Any, **options: Any) -> Any:
    """Make the flow that a function returns a workflow, and register it."""
    if len(args) > 1 or (args and options):
        raise fault("@workflow", "options are given by name", "Write @workflow(queue=..., timeout=...).")
    for option in options:
        if option not in _OPTIONS:
            raise fault("@workflow", f"unknown option {option!r}", did_you_mean(option, _OPTIONS))
    if args:
        return _define(args[0], {})
    return lambda fn: _define(fn, options)  # type: ignore[arg-type]  # the names were just checked


def _define(fn: Any, options: WorkflowOptions) -> Workflow:
    shown = options.get("name") or getattr(fn, "__name__", None) or fn
    where = f"workflow {shown!r}"
    _check_flow_function(fn, where)
    name = options.get("name")
    name = check_name(fn.__name__ if name is None else name, where)
    where = f"workflow {name!r}"
    model = options.get("input")
    if model is not None and not (isinstance(model, type) and is_model(model)):
        raise fault(
            where, f"input must be a pydantic model, got {model!r}", "Write a class that derives from BaseModel."
        )
    output, output_function = _output(options.get("output"), where)
    outline = Definition(
        name=name,
        nodes=(),
        description=inspect.getdoc(fn) or "",
        queue=_queue(options.get("queue"), where),
        priority=_priority(options.get("priority", 0), where),
        timeout=check_seconds(options.get("timeout"), "timeout", where),
        version_policy=_version_policy(options.get("version_policy", "pin"), where),
        tags=_tags(options.get("tags", ()), where),
        input_schema=_schema(model, where),
        output=output,
    )
    retry = check_retry(options.get("retry"), where) or NO_RETRY
    # A module imported by a running step may define workflows: that is no use of builders by the step.
    token = inside_body.set(False)
    try:
        elements = sequence(fn(), where)
    finally:
        inside_body.reset(token)
    compiled = compile_flow(outline, elements, retry=retry, output=output_function)
    made = Workflow(fn, compiled, origin=origin_of(fn), input_model=model, doc=outline.description)
    _meet_types(made)
    made.redefinition = registry.register(made)
    return made


def _check_flow_function(fn: Any, where: str) -> None:
    if isinstance(fn, FlowPart):
        raise fault(where, f"{fn!r} is no plain function", "Put @workflow on a function that returns the flow.")
    if not inspect.isfunction(fn):
        raise fault(where, f"{fn!r} is no function", "Put @workflow on a function that returns the flow.")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise fault(where, "a generator is no workflow", "Return the flow as a list instead of yielding it.")
    if inspect.iscoroutinefunction(fn):
        raise fault(where, "its function is async", "Write def: it only describes the flow; steps may be async.")
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise fault(
                where,
                f"its function takes the parameter {parameter.name!r}",
                "It runs once, at definition, without arguments; the input of an execution is in its steps' ctx.",
            )


def _output(value: Any, where: str) -> tuple[Source | None, Callable[..., Any] | None]:
    if value is None:
        return None, None
    if isinstance(value, str):
        return Source(kind="key", name=check_name(value, where, "output")), None
    if isinstance(value, FlowPart) or not callable(value):
        raise fault(where, f"output must be a context key or a function of ctx, got {value!r}")
    return Source(kind="function", name=function_name(value)), check_function(value, "output", where)


def _queue(value: str | None, where: str) -> str:
    return "default" if value is None else check_name(value, where, "queue")


def _priority(value: object, where: str) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise fault(where, f"priority must be a whole number of at most 32 bits, got {value!r}", "Higher runs first.")
    return value


def _version_policy(value: str, where: str) -> str:
    check_choice(value, ("pin", "auto"), "version_policy", where)
    return value


def _tags(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset):
        raise fault(where, f"tags must be a list of strings, got {value!r}", 'Write tags=("billing",).')
    tags = sorted(value) if isinstance(value, set | frozenset) else value
    return tuple(dict.fromkeys(check_name(tag, where, "tag") for tag in tags))


def _schema(model: type[Any] | None, where: str) -> Json:
    if model is None:
        return None
    try:
        return model.model_json_schema()
    except Exception as error:
        from pydantic.errors import PydanticUserError

        if not isinstance(error, PydanticUserError):
            raise
        # A field of a type without a JSON form: screens then ask for plain JSON, and the model validates it.
        return {"title": model.__name__, "type": "object"}


def _meet_types(made: Workflow) -> None:
    """Types that the workflow's functions and models name may come back from the store as themselves (D-4)."""
    for fn in {id(fn): fn for fn in made.bindings.values()}.values():
        if isinstance(fn, type):
            register_type(fn)
        else:
            register_annotations(fn)
    if made.input_model is not None:
        register_type(made.input_model)
