"""`@step` and `@decision`: a function of the user's as a node, still callable as the plain function."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import FrameType
from typing import Any, Generic, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack, overload

from durable_core.definition.checks import check_choice, check_name, check_seconds, did_you_mean, fault
from durable_core.definition.keys import UNKEYED, branch_key, label_text
from durable_core.definition.nodes import Branch, CompensationSpec, DecisionNode, Isolation, StepNode, WorkNode
from durable_core.definition.paths import unique_texts
from durable_core.dsl.element import Element, Flow, FlowPart, nested_depth, sequence
from durable_core.dsl.functions import check_body, check_importable, function_name, remember_locals
from durable_core.dsl.guard import builder
from durable_core.dsl.origin import StepOrigin, origin_of
from durable_core.dsl.registry import registry
from durable_core.dsl.retry import NO_RETRY, Retry, check_retry, policy_of

__all__ = ["LOG_LEVELS", "Decision", "Step", "StepOptions", "decision", "step"]

P = ParamSpec("P")
R = TypeVar("R")

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class StepOptions(TypedDict, total=False):
    """Every option of @step, @decision and `.with_options`."""

    name: str | None
    retry: Retry | None
    timeout: float | timedelta | None
    compensate: Callable[..., Any] | None
    queue: str | None
    output: str | None
    isolation: Isolation
    log_level: str | None
    label: str | None


_OPTIONS = tuple(StepOptions.__annotations__)


@dataclass(frozen=True, slots=True)
class _Work:
    """The checked options of a step, ready to become a node."""

    node: StepNode
    functions: Mapping[str, Callable[..., Any]]
    retry_on: Mapping[str, tuple[type[BaseException], ...]]
    origins: Mapping[str, StepOrigin] = field(default_factory=dict)
    own_retry: bool = False


def _check_work(fn: Callable[..., Any], kind: str, declared: str, options: StepOptions) -> _Work:
    where = f"{kind} {options.get('name') or declared!r}"
    for option in options:
        if option not in _OPTIONS:
            raise fault(where, f"unknown option {option!r}", did_you_mean(option, _OPTIONS))
    name = options.get("name")
    name = check_name(declared if name is None else name, where)
    where = f"{kind} {name!r}"
    retry = check_retry(options.get("retry"), where)
    policy, classes = policy_of(retry or NO_RETRY)
    isolation = options.get("isolation", "thread")
    check_choice(isolation, ("thread", "process"), "isolation", where)
    if isolation == "process":
        check_importable(fn, where)
    output, queue, label = options.get("output"), options.get("queue"), options.get("label")
    functions: dict[str, Callable[..., Any]] = {"body": fn}
    retry_on = {"body": classes}
    origins: dict[str, StepOrigin] = {}
    if not (origin := origin_of(fn)).is_local:
        origins["body"] = (origin, declared)
    spec = _compensation(options.get("compensate"), where, functions, retry_on, origins)
    node = StepNode(
        id="",
        path="",
        name=name,
        label=None if label is None else check_name(label, where, "label"),
        function=f"{fn.__module__}:{fn.__qualname__}",
        retry=policy,
        timeout=check_seconds(options.get("timeout"), "timeout", where),
        compensate=spec,
        queue=None if queue is None else check_name(queue, where, "queue"),
        output=None if output is None else check_name(output, where, "output"),
        isolation=isolation,
        log_level=_log_level(options.get("log_level"), where),
    )
    return _Work(node, functions, retry_on, origins, retry is not None)


def _log_level(value: object, where: str) -> str | None:
    if value is None:
        return None
    level = value.upper() if isinstance(value, str) else value
    check_choice(level, LOG_LEVELS, "log_level", where)
    return str(level)


def _compensation(
    handler: object,
    where: str,
    functions: dict[str, Callable[..., Any]],
    retry_on: dict[str, tuple[type[BaseException], ...]],
    origins: dict[str, StepOrigin],
) -> CompensationSpec | None:
    if handler is None:
        return None
    if isinstance(handler, Decision) or not (isinstance(handler, Step) or callable(handler)):
        raise fault(where, f"compensate must be a function or a @step, got {handler!r}", "It undoes what the step did.")
    if isinstance(handler, FlowPart) and not isinstance(handler, Step):
        raise fault(where, f"compensate cannot be {handler!r}", "Write a function or a @step without waits.")
    if isinstance(handler, Step):
        node = handler.work.node
        if node.compensate is not None:
            raise fault(where, f"its compensation {node.name!r} has a compensation of its own", "Remove that one.")
        functions["compensate"] = handler.fn
        retry_on["compensate"] = handler.work.retry_on["body"]
        if "body" in handler.work.origins:
            origins["compensate"] = handler.work.origins["body"]
        return CompensationSpec(name=node.name, retry=node.retry, timeout=node.timeout)
    check_body(handler, f"{where}, compensate")
    policy, classes = policy_of(NO_RETRY)
    functions["compensate"] = handler
    retry_on["compensate"] = classes
    return CompensationSpec(name=check_name(function_name(handler), where, "name of compensate"), retry=policy)


class Step(FlowPart, Generic[P, R]):
    """A step: the plain function when it is called, a node where it stands in a flow."""

    kind = "step"

    fn: Callable[P, R]
    """The function itself."""

    def __init__(self, fn: Callable[P, R], options: StepOptions, declared: str | None = None) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self._declared = declared or options.get("name") or function_name(fn)
        self._options = options
        self.work = _check_work(fn, self.kind, self._declared, options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    @property
    def name(self) -> str:
        """What results are stored under."""
        return self.work.node.name

    @property
    def origin(self) -> StepOrigin | None:
        """Where the function was written; None when it was made inside a function."""
        return self.work.origins.get("body")

    def with_options(self, **options: Unpack[StepOptions]) -> Self:
        """The same step with options of its own for one use of it."""
        return type(self)(self.fn, {**self._options, **options}, self._declared)

    def as_element(self, where: str) -> Element:
        return self._element

    @functools.cached_property
    def _element(self) -> Element:
        work = self.work
        return Element(
            node=work.node,
            functions=work.functions,
            retry_on=work.retry_on,
            origins=work.origins,
            own_retry=work.own_retry,
        )

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}>"


class Decision(Step[P, R]):
    """A step whose result chooses a branch."""

    kind = "decision"

    def as_element(self, where: str) -> Element:
        raise fault(
            f"decision {self.name!r}", "it has no branches", f"Write {self.name}.branch(label=..., otherwise=...)."
        )

    def branch(
        self,
        cases: Mapping[Any, Flow] | None = None,
        /,
        *,
        otherwise: Flow | None = None,
        **labels: Flow,
    ) -> Element:
        """The decision with its branches; a mapping serves labels that are no identifiers: True, 3, Enum members."""
        return _branches(self, cases, otherwise, labels)


@builder("Write `if` in the body: a step is plain Python.")
def _branches(
    chooser: Decision[Any, Any],
    cases: Mapping[Any, Flow] | None,
    otherwise: Flow | None,
    labels: Mapping[str, Flow],
) -> Element:
    where = f"decision {chooser.name!r}"
    if cases is not None and not isinstance(cases, Mapping):
        raise fault(
            where, f"the branches must be a mapping, got {cases!r}", "Write branch(label=...) or branch({True: ...})."
        )
    written = [*(cases or {}).items(), *labels.items()]
    if not written:
        raise fault(where, "it has no branches", "Write branch(label=...) or branch({True: ...}).")
    keys = [branch_key(label) for label, _ in written]
    for (label, _), key in zip(written, keys, strict=True):
        if key[0] == UNKEYED:
            raise fault(
                where, f"{label!r} cannot be a label", "Use strings, numbers, True, False, None or Enum members."
            )
        if keys.count(key) > 1:
            raise fault(where, f"duplicate label {label_text(label)!r}", "Give each label once.")
    texts = unique_texts([label_text(label) for label, _ in written])
    for text in texts:
        check_name(text, where, "label")
    sequences = [sequence(flow, f"{where}, branch {text!r}") for (_, flow), text in zip(written, texts, strict=True)]
    branches = tuple(Branch(label=text, nodes=(), key=key) for text, key in zip(texts, keys, strict=True))
    default = None
    if otherwise is not None:
        sequences.append(sequence(otherwise, f"{where}, otherwise"))
        default = Branch(label="otherwise", nodes=())
    work = chooser.work
    options = {name: getattr(work.node, name) for name in _SHARED}
    return Element(
        node=DecisionNode(**options, branches=branches, otherwise=default),
        sequences=tuple(sequences),
        functions=work.functions,
        retry_on=work.retry_on,
        origins=work.origins,
        own_retry=work.own_retry,
        depth=nested_depth(sequences, where),
    )


_SHARED = tuple(one.name for one in fields(WorkNode))


class _StepDecorator(Protocol):
    def __call__(self, fn: Callable[P, R], /) -> Step[P, R]: ...


class _DecisionDecorator(Protocol):
    def __call__(self, fn: Callable[P, R], /) -> Decision[P, R]: ...


_S = TypeVar("_S", bound=Step[Any, Any])


def _make(cls: type[_S], fn: object, options: StepOptions, frame: FrameType) -> _S:
    where = f"@{cls.kind} {options.get('name') or getattr(fn, '__name__', fn)!r}"
    if isinstance(fn, FlowPart):
        raise fault(where, f"{fn!r} is decorated twice", "Keep one decorator.")
    check_body(fn, where)
    made = cls(fn, options)  # type: ignore[arg-type]  # check_body has seen that it is a function
    remember_locals(made.fn, frame)
    if made.origin is not None:
        registry.replace_body(made.origin, made.fn)
    return made


def _check_options(cls: type[Step[Any, Any]], args: tuple[object, ...], options: Mapping[str, object]) -> None:
    where = f"@{cls.kind}"
    if len(args) > 1 or (args and options):
        raise fault(where, "options are given by name", f"Write {where}(name=..., timeout=...).")
    for option in options:
        if option not in _OPTIONS:
            raise fault(where, f"unknown option {option!r}", did_you_mean(option, _OPTIONS))


@overload
def step(fn: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(**options: Unpack[StepOptions]) -> _StepDecorator: ...
def step(*args: Any, **options: Any) -> Any:
    """Make a function a step, bare or with options; called directly it stays the plain function."""
    return _decorate(Step, args, options, sys._getframe(1))


@overload
def decision(fn: Callable[P, R], /) -> Decision[P, R]: ...
@overload
def decision(**options: Unpack[StepOptions]) -> _DecisionDecorator: ...
def decision(*args: Any, **options: Any) -> Any:
    """Make a function a decision: what it returns chooses one of the branches given by `.branch(...)`."""
    return _decorate(Decision, args, options, sys._getframe(1))


def _decorate(cls: type[Any], args: tuple[Any, ...], given: dict[str, Any], frame: FrameType) -> Any:
    _check_options(cls, args, given)
    options: StepOptions = given  # type: ignore[assignment]  # the names were just checked
    if args:
        return _make(cls, args[0], options, frame)
    return lambda fn: _make(cls, fn, options, frame)
