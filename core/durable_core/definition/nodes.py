"""The nodes of a definition: immutable data, no callables.

A node names the function it runs; the function itself stands in the `Bindings` of the registered workflow, under
``binding_key(path, role)``. Roles: ``body``, ``compensate``, ``on``, ``guard:<n>`` (n-th case of a switch), ``while``,
``items``, ``merge``, ``input``, ``until``, ``output``.

    Node
    +-- WorkNode            a body of the user's, with retry, timeout, queue ...
    |   +-- StepNode
    |   +-- DecisionNode    its result chooses a branch
    +-- SwitchNode          the first matching case
    +-- LoopNode            body while a condition holds
    +-- ParallelNode        branches side by side, then a join
    +-- ForeachNode         one body an item, then a join
    +-- SleepNode           until a time
    +-- EventNode           until one, any or all events arrive
    +-- InputNode           until a person has answered
    +-- CallNode            another workflow as a child execution
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

Json: TypeAlias = Any
"""A JSON tree as the codec makes it: dict, list, str, int, float, bool or None."""

Backoff = Literal["exponential", "linear", "constant"]
MergeStrategy = Literal["last_wins", "deep_merge", "collect", "function"]
OnError = Literal["fail_fast", "complete_all"]
OnTimeout = Literal["resume", "fail"]
Isolation = Literal["thread", "process"]
InputType = Literal["form", "single_choice", "multi_choice", "approval", "free_text"]


def binding_key(path: str, role: str) -> str:
    """The key under which a workflow's bindings hold the function that the node at `path` uses in `role`."""
    return f"{path}:{role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a body may fail, and how long to wait between attempts.

    The delay before attempt *n* + 1 is ``base * 2 ** (n - 1)`` seconds (exponential), ``base * n`` (linear) or ``base``
    (constant), never above ``cap``, then spread by +/- ``jitter`` (a share of the delay; Brooker, "Exponential Backoff
    And Jitter", 2015).
    """

    max_attempts: int = 1
    backoff: Backoff = "exponential"
    base: float = 1.0
    cap: float = 60.0
    jitter: float = 0.0
    retry_on: tuple[str, ...] = ("builtins:Exception",)
    """Names of the exception classes, ``module:qualname``; the classes themselves stand in the bindings."""

    def delay(self, failed_attempts: int, spread: float = 0.0) -> float:
        """Seconds to wait after `failed_attempts` failures; `spread` in [-1, 1] places it inside the jitter."""
        n = max(1, failed_attempts)
        if self.backoff == "exponential":
            # 2 ** 1024 overflows a float; the cap has long been reached by then
            raw = self.base * 2.0 ** min(n - 1, 60)
        elif self.backoff == "linear":
            raw = self.base * n
        else:
            raw = self.base
        return max(0.0, min(raw, self.cap) * (1.0 + self.jitter * spread))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompensationSpec:
    """The handler that undoes a completed step."""

    name: str
    retry: RetryPolicy = RetryPolicy()
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value comes from when it is needed: a context key, a function of the context, or a constant."""

    kind: Literal["key", "function", "constant"]
    name: str = ""
    """The context key, or the function's name as people see it."""
    value: Json = None
    """The constant, encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One way on from a decision, switch or parallel."""

    label: str
    nodes: tuple[Node, ...]
    key: tuple[str, str] | None = None
    """What a decision's result is compared with: (kind, text), see `branch_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a switch, tried in written order."""

    kind: Literal["literal", "regex", "guard"]
    branch: Branch
    key: tuple[str, str] | None = None
    pattern: str = ""
    flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What every node has.

    `id` is unique in the workflow (``notify``, ``notify_2``); `name` is what results are stored under; `path` leads
    from the root through composites and branch labels (``route/high/charge``), each part escaped by `escape_part`.
    """

    type: ClassVar[str] = "node"

    id: str
    name: str
    path: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkNode(Node):
    """A body of the user's and its options."""

    function: str
    retry: RetryPolicy = RetryPolicy()
    timeout: float | None = None
    compensate: CompensationSpec | None = None
    queue: str | None = None
    output: str | None = None
    isolation: Isolation = "thread"
    log_level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNode(WorkNode):
    """Runs a body."""

    type: ClassVar[str] = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNode(WorkNode):
    """Runs a body, whose result chooses one of the branches."""

    type: ClassVar[str] = "decision"

    branches: tuple[Branch, ...]
    otherwise: Branch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchNode(Node):
    """Takes the first case that matches a value."""

    type: ClassVar[str] = "switch"

    on: Source
    cases: tuple[Case, ...]
    default: Branch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopNode(Node):
    """Repeats its body while a condition holds."""

    type: ClassVar[str] = "loop"

    condition: str
    body: tuple[Node, ...]
    max_iterations: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelNode(Node):
    """Runs branches side by side, then merges what they wrote."""

    type: ClassVar[str] = "parallel"

    branches: tuple[Branch, ...]
    merge: MergeStrategy = "last_wins"
    merge_function: str | None = None
    on_error: OnError = "fail_fast"
    concurrency: int | None = None
    explicit_labels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeachNode(Node):
    """Runs its body once an item, then merges what they wrote."""

    type: ClassVar[str] = "foreach"

    items: Source
    body: tuple[Node, ...]
    concurrency: int | None = 1
    as_: str | None = None
    collect: str | None = None
    merge: MergeStrategy = "last_wins"
    merge_function: str | None = None
    on_error: OnError = "fail_fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class SleepNode(Node):
    """Sleeps for `seconds`, or until the time that `until` gives."""

    type: ClassVar[str] = "sleep"

    seconds: float | None = None
    until: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutRule:
    """What happens when nobody answered in time; `seconds` None waits for ever."""

    seconds: float | None = None
    value: Json = None
    on_timeout: OnTimeout = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNode(Node):
    """Waits for one, any or all of its events."""

    type: ClassVar[str] = "event"

    events: tuple[str, ...]
    mode: Literal["one", "any", "all"] = "one"
    timeout: TimeoutRule = TimeoutRule()
    where: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNode(Node):
    """Waits until a person has answered."""

    type: ClassVar[str] = "input"

    input_type: InputType
    prompt: str = ""
    fields: tuple[Json, ...] = ()
    """Form fields as data (`FormField.to_json`)."""
    choices: tuple[Json, ...] = ()
    schema: str | None = None
    """``module:qualname`` of the pydantic model the answer comes back as; the class stands in the bindings."""
    timeout: TimeoutRule = TimeoutRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNode(Node):
    """Runs another workflow as a child execution."""

    type: ClassVar[str] = "call"

    workflow: str
    input: Source = field(default_factory=lambda: Source(kind="constant", value={}))
    wait: bool = True
    timeout: TimeoutRule = TimeoutRule()


def escape_part(part: str) -> str:
    """One part of a path: ``/`` and ``%`` are escaped, so that a path always splits back into its parts."""
    return part.replace("%", "%25").replace("/", "%2F")


def unescape_part(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%")


def child_sequences(node: Node) -> tuple[tuple[str | None, tuple[Node, ...]], ...]:
    """The sequences inside a composite in written order, each with its branch label (None: loop and foreach bodies)."""
    match node:
        case DecisionNode():
            branches = node.branches if node.otherwise is None else (*node.branches, node.otherwise)
            return tuple((b.label, b.nodes) for b in branches)
        case SwitchNode():
            branches = tuple(c.branch for c in node.cases)
            branches = branches if node.default is None else (*branches, node.default)
            return tuple((b.label, b.nodes) for b in branches)
        case ParallelNode():
            return tuple((b.label, b.nodes) for b in node.branches)
        case LoopNode() | ForeachNode():
            return ((None, node.body),)
        case _:
            return ()
