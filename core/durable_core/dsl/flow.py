"""The composites: `switch`, `loop`, `parallel`, `foreach`, and `call` for another workflow."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, get_args

from durable_core.definition.checks import check_choice, check_count, check_name, check_regex, fault
from durable_core.definition.keys import UNKEYED, branch_key, label_text
from durable_core.definition.nodes import (
    Branch,
    CallNode,
    Case,
    ForeachNode,
    LoopNode,
    MergeStrategy,
    OnError,
    OnTimeout,
    ParallelNode,
    Source,
    SwitchNode,
)
from durable_core.definition.paths import unique_texts
from durable_core.dsl.constants import encode_constant
from durable_core.dsl.element import Element, Flow, FlowPart, nested_depth, sequence
from durable_core.dsl.functions import check_function, function_name
from durable_core.dsl.guard import builder
from durable_core.dsl.waits import timeout_rule
from durable_core.dsl.workflow import Workflow

__all__ = ["call", "foreach", "loop", "parallel", "switch"]

_PLAIN = "Write it as plain Python: a step's body may loop, branch and start threads."
Merge = MergeStrategy | Callable[..., Any]
_STRATEGIES = tuple(word for word in get_args(MergeStrategy) if word != "function")
_BOUND_FIRST = ("ctx", "index", "input")


def source(value: object, option: str, where: str, functions: dict[str, Callable[..., Any]], role: str) -> Source:
    """A context key or a function of ctx, the function kept under its role."""
    if isinstance(value, str):
        return Source(kind="key", name=check_name(value, where, option))
    if value is None or isinstance(value, FlowPart) or not callable(value):
        raise fault(
            where,
            f"{option} must be a context key or a function of ctx, got {value!r}",
            f'Write e.g. {option}="key" or {option}=lambda ctx: ctx["key"].',
        )
    functions[role] = check_function(value, option, where)
    return Source(kind="function", name=function_name(value))


def _merge(value: object, where: str, functions: dict[str, Callable[..., Any]]) -> tuple[MergeStrategy, str | None]:
    if callable(value) and not isinstance(value, FlowPart):
        functions["merge"] = check_function(value, "merge", where)
        try:
            inspect.signature(value).bind({}, [])
        except TypeError:
            raise fault(
                where,
                f"the merge function {function_name(value)!r} must take two arguments",
                "Write merge=lambda base, branches: {...}; branches are the contexts in written order.",
            ) from None
        except ValueError:  # a built-in without a signature
            return "function", function_name(value)
        return "function", function_name(value)
    check_choice(value, _STRATEGIES, "merge", where)
    return value, None  # type: ignore[return-value]  # one of the strategies


def _options(
    kind: str, name: str | None, label: str | None, on_error: object = "fail_fast", concurrency: object = None
) -> tuple[str, str, str | None]:
    """Name, what messages call the node, and label; the options that parallel and foreach share are checked."""
    where = kind if name is None else f"{kind} {name!r}"
    if name is not None:
        check_name(name, where)
    if label is not None:
        check_name(label, where, "label")
    check_choice(on_error, get_args(OnError), "on_error", where)
    if concurrency is not None:
        check_count(concurrency, "concurrency", where)
    return name or kind, where, label


def _named(kind: str, first: object, second: object) -> tuple[str | None, Any]:
    """The optional leading name, and the flow after it."""
    if isinstance(first, str):
        return first, second
    if second is not None:
        raise fault(kind, f"the name must be a string, got {first!r}", f'Write {kind}("name", [...]).')
    return None, first


@builder(_PLAIN)
def switch(
    name: str | None = None,
    /,
    *,
    on: str | Callable[..., Any],
    cases: Mapping[Any, Flow] | Iterable[tuple[Any, Flow]],
    default: Flow | None = None,
    label: str | None = None,
) -> Element:
    """Take the first case that matches a value: a literal, a regular expression, or a guard function."""
    if name is not None and not isinstance(name, str):
        raise fault("switch", f"the name must be a string, got {name!r}")
    name, where, label = _options("switch", name, label)
    functions: dict[str, Callable[..., Any]] = {}
    on_source = source(on, "on", where, functions, "on")
    pairs = list(cases.items() if isinstance(cases, Mapping) else _pairs(cases, where))
    if not pairs:
        raise fault(where, "it has no branches", "Write cases={value: flow}.")
    kinds = [_case(pattern, where) for pattern, _ in pairs]
    texts = unique_texts([text for text, _ in kinds])
    seen: set[Any] = set()
    made: list[Case] = []
    sequences: list[tuple[Element, ...]] = []
    for n, ((pattern, flow), (shown, case), text) in enumerate(zip(pairs, kinds, texts, strict=True)):
        identity = pattern if case["kind"] == "guard" else (case["kind"], *case.values())
        if identity in seen:
            raise fault(where, f"duplicate label {shown!r}", "Give each case once: only the first can match.")
        seen.add(identity)
        if case["kind"] == "guard":
            functions[f"guard:{n}"] = pattern
        made.append(Case(branch=Branch(label=text, nodes=()), **case))
        sequences.append(sequence(flow, f"{where}, case {text!r}"))
    otherwise = None
    if default is not None:
        sequences.append(sequence(default, f"{where}, default"))
        otherwise = Branch(label="default", nodes=())
    return Element(
        node=SwitchNode(id="", path="", name=name, label=label, on=on_source, cases=tuple(made), default=otherwise),
        sequences=tuple(sequences),
        functions=functions,
        depth=nested_depth(sequences, where),
    )


def _pairs(cases: object, where: str) -> list[tuple[Any, Flow]]:
    if isinstance(cases, list | tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in cases):
        return list(cases)
    raise fault(
        where, f"cases must be a mapping or pairs, got {cases!r}", "Write cases={...} or [(pattern, flow), ...]."
    )


def _case(pattern: object, where: str) -> tuple[str, dict[str, Any]]:
    """How a case is shown, and the fields of its node."""
    if isinstance(pattern, re.Pattern):
        text = check_regex(pattern.pattern, "the pattern", where, pattern.flags)
        return check_name(f"~{text}", where, "the pattern"), {"kind": "regex", "pattern": text, "flags": pattern.flags}
    if isinstance(pattern, FlowPart):
        raise fault(where, f"{pattern!r} cannot be a pattern", "The pattern comes first, then the flow.")
    key = branch_key(pattern)
    if key[0] != UNKEYED:
        return check_name(label_text(pattern), where, "label"), {"kind": "literal", "key": key}
    if callable(pattern):
        return function_name(check_function(pattern, "guard", where)), {"kind": "guard"}
    raise fault(
        where,
        f"{pattern!r} cannot be a pattern",
        "A pattern is a string, number, True, False, None, Enum member, re.compile(...) or function of ctx.",
    )


@builder(_PLAIN)
def loop(
    name: str | Flow,
    body: Flow | None = None,
    /,
    *,
    while_: Callable[..., Any],
    max_iterations: int = 1000,
    label: str | None = None,
) -> Element:
    """Repeat the body while a function of ctx holds, which is asked before each iteration."""
    given, flow = _named("loop", name, body)
    name, where, label = _options("loop", given, label)
    if isinstance(while_, FlowPart):
        raise fault(where, f"while_ must be a function of ctx, got {while_!r}", "Write while_=lambda ctx: ...")
    check_function(while_, "while_", where)
    check_count(max_iterations, "max_iterations", where)
    inner = _something(flow, where)
    return Element(
        node=LoopNode(
            id="",
            path="",
            name=name,
            label=label,
            body=(),
            condition=function_name(while_),
            max_iterations=max_iterations,
        ),
        sequences=(inner,),
        functions={"while": while_},
        depth=nested_depth((inner,), where),
    )


def _something(flow: object, where: str) -> tuple[Element, ...]:
    inner = sequence(flow if flow is not None else (), where)
    if not inner:
        raise fault(where, "nothing to run", "Give it a node or a list of nodes.")
    return inner


@builder(_PLAIN)
def parallel(
    *branches: str | Flow | Mapping[str, Flow],
    merge: Merge = "last_wins",
    on_error: OnError = "fail_fast",
    concurrency: int | None = None,
    label: str | None = None,
) -> Element:
    """Run branches side by side on copies of the context, then merge what they wrote, in written order."""
    given = branches[0] if branches and isinstance(branches[0], str) else None
    name, where, label = _options("parallel", given, label, on_error, concurrency)
    rest = branches if given is None else branches[1:]
    if not rest:
        raise fault(where, "nothing to run", "Give it branches: nodes or lists of nodes.")
    explicit = isinstance(rest[0], Mapping)
    if explicit and len(rest) > 1:
        raise fault(where, "a mapping names all branches", "Put every branch into the mapping.")
    if explicit:
        named: Mapping[str, Flow] = rest[0]  # type: ignore[assignment]  # a mapping, as just seen
        if not named:
            raise fault(where, "nothing to run", "Give it branches: {label: flow}.")
        texts = [check_name(text, where, "label") for text in named]
        sequences = [sequence(flow, f"{where}, branch {text!r}") for text, flow in named.items()]
    else:
        sequences = [sequence(flow, f"{where}, branch {n}") for n, flow in enumerate(rest, 1)]
        texts = unique_texts([body[0].name if body else f"branch_{n}" for n, body in enumerate(sequences, 1)])
    functions: dict[str, Callable[..., Any]] = {}
    strategy, shown = _merge(merge, where, functions)
    return Element(
        node=ParallelNode(
            id="",
            path="",
            name=name,
            label=label,
            branches=tuple(Branch(label=text, nodes=()) for text in texts),
            merge=strategy,
            merge_function=shown,
            on_error=on_error,
            concurrency=concurrency,
            explicit_labels=explicit,
        ),
        sequences=tuple(sequences),
        functions=functions,
        depth=nested_depth(sequences, where),
    )


@builder(_PLAIN)
def foreach(
    name: str | Flow,
    body: Flow | None = None,
    /,
    *,
    items: str | Callable[..., Any],
    concurrency: int | None = 1,
    as_: str | None = None,
    collect: str | None = None,
    merge: Merge = "last_wins",
    on_error: OnError = "fail_fast",
    label: str | None = None,
) -> Element:
    """Run the body once an item; `collect` receives the outputs in item order."""
    given, flow = _named("foreach", name, body)
    name, where, label = _options("foreach", given, label, on_error, concurrency)
    functions: dict[str, Callable[..., Any]] = {}
    items_source = source(items, "items", where, functions, "items")
    if as_ is not None and not (isinstance(as_, str) and as_.isidentifier()):
        raise fault(where, f"as_ must be the name of a parameter, got {as_!r}", 'Write e.g. as_="order".')
    if as_ in _BOUND_FIRST:
        raise fault(
            where, f"as_={as_!r} is taken: a parameter called {as_} gets something else", "Choose another name."
        )
    if collect is not None:
        check_name(collect, where, "collect")
    strategy, shown = _merge(merge, where, functions)
    inner = _something(flow, where)
    return Element(
        node=ForeachNode(
            id="",
            path="",
            name=name,
            label=label,
            items=items_source,
            body=(),
            concurrency=concurrency,
            as_=as_,
            collect=collect,
            merge=strategy,
            merge_function=shown,
            on_error=on_error,
        ),
        sequences=(inner,),
        functions=functions,
        depth=nested_depth((inner,), where),
    )


@builder("Call ctx.call(workflow, input) there instead.")
def call(
    workflow: Workflow | str,
    /,
    *,
    input: Callable[..., Any] | Mapping[str, Any] | None = None,
    name: str | None = None,
    wait: bool = True,
    timeout: float | timedelta | None = None,
    timeout_value: Any = None,
    on_timeout: OnTimeout = "resume",
    label: str | None = None,
) -> Element:
    """Run another workflow as a child execution; its output is stored under `name` (with ``wait=False``: its id)."""
    target = workflow.name if isinstance(workflow, Workflow) else workflow
    if not isinstance(target, str):
        raise fault("call", f"{workflow!r} is no workflow", "Give a workflow or the name of one.")
    check_name(target, "call", "workflow")
    name, where, label = _options("call", target if name is None else name, label)
    if type(wait) is not bool:
        raise fault(where, f"wait must be True or False, got {wait!r}")
    if not wait and timeout is not None:
        raise fault(where, "wait=False does not wait, so timeout means nothing", "Remove one of them.")
    functions: dict[str, Callable[..., Any]] = {}
    if input is None or isinstance(input, Mapping):
        given = Source(kind="constant", value=encode_constant(dict(input), "input", where) if input else {})
    elif callable(input) and not isinstance(input, FlowPart):
        functions["input"] = check_function(input, "input", where)
        given = Source(kind="function", name=function_name(input))
    else:
        raise fault(
            where,
            f"input must be a mapping or a function of ctx, got {input!r}",
            'Write input=lambda ctx: {"id": ...}.',
        )
    return Element(
        node=CallNode(
            id="",
            path="",
            name=name,
            label=label,
            workflow=target,
            input=given,
            wait=wait,
            timeout=timeout_rule(timeout, timeout_value, on_timeout, where),
        ),
        functions=functions,
    )
