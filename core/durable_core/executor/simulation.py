"""A definition run in memory, one small step at a time: the interpreter and the joins, without a store or a clock.

    while simulation.actions():
        simulation.take(simulation.actions()[0])        # or any other of them: every order leads to the same end

Its whole state is JSON after every step (`save`), and goes on from there (`load`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from durable_core.context.changes import Delta, merge_deltas
from durable_core.definition.events import (
    Chosen,
    Command,
    Completed,
    Counted,
    Event,
    Failed,
    Finish,
    GiveUp,
    Halted,
    Interrupt,
    Joined,
    Reawaken,
    Rest,
    Revived,
    Started,
    StopBelow,
    StopRequested,
    TellParent,
    Tested,
)
from durable_core.definition.interpreter import apply
from durable_core.definition.keys import choose_branch, match_case
from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    binding_key,
)
from durable_core.definition.state import ROOT, Frame, Token
from durable_core.errors import DecisionError, ParallelError
from durable_core.failure import describe_exception
from durable_core.status import TokenStatus

Body = Callable[..., Any]
"""A body: ``(context, iterations) -> (output, operations)``, or it raises. A condition, value or item list: the same
arguments, and just the value. A merge function: ``(base, branches) -> mapping``."""

Verb = Literal["begin", "finish"]


@dataclass(frozen=True, slots=True)
class Action:
    """Something that could happen next: a ready token begins its node, or the node that runs ends."""

    verb: Verb
    token: str


class Simulation:
    """One execution of a definition. `bodies` are found by path; guards and merges by `binding_key(path, role)`."""

    def __init__(self, definition: Definition, input: Mapping[str, Any], bodies: Mapping[str, Body]) -> None:
        self.definition = definition
        self.bodies = bodies
        self.tokens: dict[str, Token] = {}
        self.deltas: dict[str, Delta] = {ROOT: Delta.of_context(input)}
        self.items: dict[str, list[Any]] = {}
        self.taken: list[list[Any]] = []
        """Nodes with a body that completed, in order: path and iterations."""
        self.status = "running"
        """Then completed, failed or cancelled."""
        self.output: Any = None
        self.error: Any = None
        self._happen(Started())

    # --- going on --------------------------------------------------------------------------------------------------

    def actions(self) -> list[Action]:
        """What could happen next; empty once the execution has ended."""
        verbs: dict[TokenStatus, Verb] = {TokenStatus.READY: "begin", TokenStatus.RUNNING: "finish"}
        return [Action(verbs[t.status], key) for key, t in sorted(self.tokens.items()) if t.status in verbs]

    def take(self, action: Action) -> None:
        """Let one of `actions()` happen."""
        if action.verb == "begin":
            self.begin(action.token)
        else:
            self.finish(action.token)

    def run(self) -> Simulation:
        """Go on to the end, each branch as far as it goes before the next."""
        while actions := self.actions():
            self.take(min(actions, key=lambda action: self._order(action.token)))
        return self

    def begin(self, key: str) -> None:
        """A worker takes the token up."""
        self.tokens[key] = self.tokens[key]._replace(status=TokenStatus.RUNNING)

    def give_back(self, key: str) -> None:
        """The worker vanished: what it did is lost."""
        self.tokens[key] = self.tokens[key]._replace(status=TokenStatus.READY)

    def finish(self, key: str) -> None:
        """The node where the token stands is done with: its body, its decision or its join."""
        token = self.tokens[key]
        if token.path is None:
            self._happen(Completed(key))
            return
        node = self.definition.places[token.path].node
        try:
            event = self._joined(token, node) if token.mode == "join" else self._done(token, node)
        except Exception as error:
            event = Failed(key, {**describe_exception(error), "path": node.path})
        self._happen(event)

    def halt(self, key: str) -> None:
        """The body was interrupted before its end."""
        self._happen(Halted(key))

    def stop(self) -> None:
        """Ask for an end: nothing new begins."""
        self._happen(StopRequested(ROOT))

    def revive(self) -> None:
        """Let a failed or stopped execution go on."""
        self.status, self.output, self.error = "running", None, None
        self._happen(Revived(ROOT))

    @property
    def context(self) -> dict[str, Any]:
        """The first token's context."""
        return self._context(self.tokens[ROOT])

    # --- the nodes -------------------------------------------------------------------------------------------------

    def _done(self, token: Token, node: Node) -> Event:
        context = self._context(token)
        if isinstance(node, LoopNode):
            return Tested(token.key, bool(self.bodies[node.path](context, token.iterations)))
        if isinstance(node, SwitchNode):
            value = self.bodies[node.path](context, token.iterations)

            def holds(number: int) -> bool:
                return bool(self.bodies[binding_key(node.path, f"guard:{number}")](context, token.iterations))

            return Chosen(token.key, match_case(node, value, holds))
        if isinstance(node, ForeachNode):
            self.items[token.key] = list(self.bodies[node.path](context, token.iterations))
            if not self.items[token.key] and node.collect is not None:
                self.deltas[token.key].add([["set", node.collect, []]])
            return Counted(token.key, len(self.items[token.key]))
        output, ops = self.bodies[node.path](context, token.iterations)
        choice = None
        if isinstance(node, DecisionNode):
            choice = choose_branch(node, output)
            if choice is None:
                raise DecisionError(label=output, labels=[branch.label for branch in node.branches])
        self.deltas[token.key].add(ops)
        self.taken.append([node.path, list(token.iterations)])
        return Completed(token.key, output, choice)

    def _joined(self, token: Token, node: Node) -> Event:
        assert isinstance(node, ParallelNode | ForeachNode)
        children = sorted((t for t in self.tokens.values() if t.parent == token.key), key=lambda t: t.branch)
        labels = (
            [branch.label for branch in node.branches]
            if isinstance(node, ParallelNode)
            else [str(child.branch) for child in children]
        )
        errors = {labels[t.branch]: t.error for t in children if t.status is TokenStatus.FAILED}
        if errors and node.on_error == "fail_fast":
            return Failed(token.key, next(iter(errors.values())))
        if errors:
            raise ParallelError(errors=errors)
        base = self._context(token)
        deltas = [self.deltas[child.key] for child in children]
        if node.merge == "function":
            merge = self.bodies[binding_key(node.path, "merge")]
            merged = merge(base, [delta.apply(base) for delta in deltas])
            ops = [["set", key, value] for key, value in merged.items()]
        else:
            ops = merge_deltas(base, deltas, node.merge)
        outputs = [child.output for child in children]
        if isinstance(node, ForeachNode) and node.collect is not None:
            ops.append(["set", node.collect, outputs])
        self.deltas[token.key].add(ops)
        for child in children:
            del self.tokens[child.key], self.deltas[child.key]
        self.items.pop(token.key, None)
        return Joined(token.key, dict(zip(labels, outputs, strict=True)) if isinstance(node, ParallelNode) else outputs)

    # --- events ----------------------------------------------------------------------------------------------------

    def _happen(self, event: Event) -> None:
        pending: list[Event] = [event]
        while pending:
            transition = apply(self.definition, self.tokens, pending.pop())
            for key, token in transition.changed.items():
                self.tokens[key] = token
                self.deltas.setdefault(key, Delta())
            for command in transition.commands:
                following = self._follow(command)
                if following is not None:
                    pending.append(following)

    def _follow(self, command: Command) -> Event | None:
        match command:
            case TellParent(event):
                return event
            case StopBelow(key):
                return StopRequested(key, inclusive=False)
            case Reawaken(key):
                return Revived(key)
            case Interrupt(key):
                assert self.tokens[key].stop, key
            case Finish(output):
                self.status, self.output = "completed", output
            case GiveUp(error):
                self.status, self.error = "failed", error
            case Rest():
                self.status = "cancelled"
        return None

    def _context(self, token: Token) -> dict[str, Any]:
        base = {} if token.parent is None else self._context(self.tokens[token.parent])
        return self.deltas[token.key].apply(base)

    def _order(self, key: str) -> tuple[int, ...]:
        """Where the token stands in written order: its own branch, within those of its parents."""
        token = self.tokens[key]
        return () if token.parent is None else (*self._order(token.parent), token.branch)

    # --- as data ---------------------------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """The state as JSON data."""
        return {
            "tokens": [_token_to_json(token) for token in self.tokens.values()],
            "deltas": {key: delta.to_json() for key, delta in self.deltas.items()},
            "items": self.items,
            "taken": self.taken,
            "status": self.status,
            "output": self.output,
            "error": self.error,
        }

    @classmethod
    def load(cls, definition: Definition, bodies: Mapping[str, Body], data: Mapping[str, Any]) -> Simulation:
        """The execution that `save` wrote down."""
        self = cls.__new__(cls)
        self.definition, self.bodies = definition, bodies
        self.tokens = {token.key: token for token in map(_token_from_json, data["tokens"])}
        self.deltas = {key: Delta.from_json(delta) for key, delta in data["deltas"].items()}
        self.items = {key: list(items) for key, items in data["items"].items()}
        self.taken = [list(entry) for entry in data["taken"]]
        self.status, self.output, self.error = data["status"], data["output"], data["error"]
        return self


def _token_to_json(token: Token) -> list[Any]:
    frame = None if token.frame is None else token.frame.to_json()
    return [*token._replace(iterations=(), frame=None), list(token.iterations), frame]


def _token_from_json(data: Sequence[Any]) -> Token:
    *fields, iterations, frame = data
    token = Token(*fields)
    return token._replace(
        iterations=tuple(iterations),
        status=TokenStatus(token.status),
        frame=None if frame is None else Frame.from_json(frame),
    )
