"""The interpreter: (definition, state, event) -> (changed tokens, commands). Pure, no I/O, no clock.

    Started ------> Proceed
    Completed ----> Proceed at the next node | Spawn branches | TellParent | Finish
    Failed -------> TellParent | GiveUp
    ChildEnded ---> Spawn the next item | StopBelow | Merge
    StopRequested > Interrupt what runs, cancel what does not
    Revived ------> Proceed | Spawn | Merge, for what is not done

A state may be a part of the whole: an event on a token reads that token alone; `StopRequested` reads the tokens below.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from durable_core.definition.events import (
    ChildEnded,
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
    Merge,
    Proceed,
    Reawaken,
    Rest,
    Revived,
    Spawn,
    Started,
    StopBelow,
    StopRequested,
    TellParent,
    Tested,
)
from durable_core.definition.model import Definition, first_of
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    child_sequences,
)
from durable_core.definition.state import ROOT, Frame, State, Token, child_key
from durable_core.errors import MaxIterationsError
from durable_core.failure import describe_exception
from durable_core.status import TokenStatus

_ROOT_PROCEEDS = (Proceed(ROOT),)


class Transition(NamedTuple):
    """What an event changed, and what is to be done."""

    changed: dict[str, Token]
    commands: tuple[Command, ...]


def apply(definition: Definition, state: State, event: Event) -> Transition:
    """Take one event. The same definition, state and event always give the same transition."""
    if type(event) is Completed:
        token = state[event.token]
        if token.path is not None and not token.stop:
            place = definition.places[token.path]
            if place.straight is not None:
                return _stand(token, place.straight, token.iterations, event.output)  # most events end here
            if isinstance(place.node, DecisionNode):
                return _take(definition, token, place.node, event.choice)
            return _advance(definition, token, place.node, event.output)
    match event:
        case Completed() | Chosen() | Tested() | Counted() | Joined() if state[event.token].stop:
            return _come_to_rest(definition, state[event.token], event)
        case Completed():
            # the flow had ended, and only what comes after it was still to be done
            return _end(state[event.token]._replace(status=TokenStatus.DONE))
        case Chosen():
            token = state[event.token]
            return _take(definition, token, definition.places[_path(token)].node, event.branch)
        case Tested():
            return _tested(definition, state[event.token], event.holds)
        case Counted():
            token = state[event.token]
            node = definition.places[_path(token)].node
            if event.total == 0:
                return _advance(definition, token, node, [])
            return _fork(definition, token, node, event.total)
        case Joined():
            token = state[event.token]._replace(frame=None, mode="run")
            return _advance(definition, token, definition.places[_path(token)].node, event.output)
        case Failed():
            # the frame of a failed join stays: `revive` needs it to go on with what is not done
            return _end(state[event.token]._replace(status=TokenStatus.FAILED, error=event.error))
        case Halted():
            return _end(state[event.token]._replace(status=TokenStatus.CANCELLED))
        case ChildEnded():
            return _child_ended(definition, state[event.token], event)
        case StopRequested():
            return _stop(definition, state, event)
        case Revived():
            return revive(definition, state, event.token)
        case Started():
            return _start(definition)


def _path(token: Token) -> str:
    assert token.path is not None, f"token {token.key!r} stands nowhere"
    return token.path


def _come_to_rest(definition: Definition, token: Token, event: Event) -> Transition:
    """What ran is recorded and the token moves past it, so that nothing runs twice should it go on; no node begins."""
    moved = apply(definition, {token.key: token._replace(stop=False)}, event)
    after = moved.changed[token.key]._replace(stop=True)
    if after.status is TokenStatus.FAILED or (after.status is TokenStatus.DONE and token.parent is not None):
        return Transition({after.key: after}, moved.commands)
    return _end(after._replace(status=TokenStatus.CANCELLED, mode="run", frame=None))


def _start(definition: Definition) -> Transition:
    root = Token(ROOT, definition.first)
    if root.path is None:
        return _end(root._replace(status=TokenStatus.DONE))
    return _arrive(definition, root, root.path, (), None)


def _arrive(definition: Definition, token: Token, path: str, iterations: tuple[int, ...], output: Any) -> Transition:
    """The token stands at `path`; a loop begins with its 0th test, a parallel forks at once."""
    node = definition.places[path].node
    if isinstance(node, LoopNode):
        iterations, output = (*iterations, 0), None
    standing = _stand(token, path, iterations, output)
    if isinstance(node, ParallelNode):
        return _fork(definition, standing.changed[token.key], node, len(node.branches))
    return standing


def _stand(token: Token, path: str, iterations: tuple[int, ...], output: Any) -> Transition:
    """The token stands at `path` and goes on from there."""
    key, _, _, _, _, parent, branch, _, stop, _, _ = token
    moved = Token(key, path, iterations, TokenStatus.READY, "run", parent, branch, None, stop, output)
    return Transition({key: moved}, _ROOT_PROCEEDS if key == ROOT else (Proceed(key),))


def _advance(definition: Definition, token: Token, node: Node, output: Any) -> Transition:
    """`node` is done: on to the next in its sequence, or out of the composites that end with it."""
    iterations = token.iterations
    while True:
        place = definition.places[node.path]
        if place.next is not None:
            return _arrive(definition, token, place.next, iterations, output)
        if place.owner is None:
            return _end(token._replace(path=None, status=TokenStatus.DONE, output=output, iterations=iterations))
        owner = definition.places[place.owner].node
        if isinstance(owner, LoopNode):
            # the next test; its number is the number of iterations that are done
            again = token._replace(
                path=owner.path,
                iterations=(*iterations[:-1], iterations[-1] + 1),
                status=TokenStatus.READY,
                output=output,
            )
            return Transition({again.key: again}, (Proceed(again.key),))
        if isinstance(owner, ParallelNode | ForeachNode):
            return _end(token._replace(status=TokenStatus.DONE, output=output))
        node = owner  # a decision or a switch ends with its branch, and has the branch's output


def _take(definition: Definition, token: Token, node: Node, branch: int | None) -> Transition:
    """A decision or switch goes into a branch; an empty one, or none, passes through."""
    entry = None if branch is None else first_of(child_sequences(node)[branch][1])
    if entry is None:
        return _advance(definition, token, node, None)
    return _arrive(definition, token, entry, token.iterations, None)


def _tested(definition: Definition, token: Token, holds: bool) -> Transition:
    node = definition.places[_path(token)].node
    assert isinstance(node, LoopNode)
    done = token.iterations[-1]
    if not holds:
        outer = token._replace(iterations=token.iterations[:-1])
        return _advance(definition, outer, node, token.output if done else None)
    if done >= node.max_iterations:
        return _end(token._replace(status=TokenStatus.FAILED, error=describe_exception(too_many_iterations(node))))
    return _arrive(definition, token, node.body[0].path, token.iterations, None)


def too_many_iterations(node: LoopNode) -> MaxIterationsError:
    """Why a loop whose condition still holds goes no further."""
    return MaxIterationsError(
        f"Loop {node.path!r} has run {node.max_iterations} iterations and its condition still holds.",
        loop=node.path,
        max_iterations=node.max_iterations,
        hint="Make the condition end, or raise max_iterations.",
    )


def _fork(definition: Definition, token: Token, node: Node, total: int) -> Transition:
    parent = token._replace(status=TokenStatus.JOINING, frame=Frame(total), output=None)
    return _spawn(definition, parent, node, ())


def _spawn(definition: Definition, parent: Token, node: Node, before: tuple[Command, ...]) -> Transition:
    """Start as many branches or items as the concurrency allows; an empty branch ends at once."""
    assert isinstance(node, ParallelNode | ForeachNode)
    assert parent.frame is not None
    total, started, again = parent.frame.total, parent.frame.started, parent.frame.again
    open_ = parent.frame.open
    limit = node.concurrency or total
    sequences = child_sequences(node)
    new: dict[str, Token] = {}
    fresh: list[str] = []
    changed: dict[str, Token] = {}
    commands: list[Command] = [*before]
    while (again or started < total) and open_ < limit:
        if again:
            commands.append(Reawaken(child_key(node.path, parent.iterations, again[0])))
            again, open_ = again[1:], open_ + 1
            continue
        branch, started = started, started + 1
        key = child_key(node.path, parent.iterations, branch)
        each = isinstance(node, ForeachNode)
        body = sequences[0][1] if each else sequences[branch][1]
        iterations = (*parent.iterations, branch) if each else parent.iterations
        child = Token(key, None, iterations, parent=parent.key, branch=branch)
        if not body:
            new[key] = child._replace(status=TokenStatus.DONE)
            continue
        arrived = _arrive(definition, child, body[0].path, iterations, None)
        new.update(arrived.changed)
        open_ += 1
        # the first node of a branch may be a parallel itself: its tokens are fresh as well
        fresh.extend(_fresh(key, arrived.commands))
    frame = parent.frame._replace(started=started, open=open_, again=again)
    changed[parent.key] = parent = parent._replace(frame=frame)
    changed.update(new)
    if fresh:
        commands.append(Spawn(tuple(fresh)))
    if frame.settled:
        changed[parent.key] = parent._replace(status=TokenStatus.READY, mode="join")
        commands.append(Merge(parent.key))
    return Transition(changed, tuple(commands))


def _fresh(key: str, commands: Iterable[Command]) -> Iterable[str]:
    for command in commands:
        match command:
            case Proceed() | Merge():
                yield command.token
            case Spawn():
                yield from command.tokens
            case _:  # pragma: no cover - arriving yields nothing else
                raise AssertionError(f"{key}: {command}")


def _end(token: Token) -> Transition:
    """The token has ended: the parent is told, or the execution is over."""
    command: Command
    if token.parent is not None:
        # a branch that was stopped is not a failure of its own
        command = TellParent(ChildEnded(token.parent, token.branch, token.status is TokenStatus.FAILED))
    elif token.status is TokenStatus.DONE:
        command = Finish(token.output)
    elif token.status is TokenStatus.FAILED:
        command = GiveUp(token.error)
    else:
        command = Rest()
    return Transition({token.key: token}, (command,))


def _child_ended(definition: Definition, parent: Token, event: ChildEnded) -> Transition:
    node = definition.places[_path(parent)].node
    assert isinstance(node, ParallelNode | ForeachNode)
    assert parent.frame is not None
    frame = parent.frame._replace(open=parent.frame.open - 1, failures=parent.frame.failures + int(event.failed))
    commands: tuple[Command, ...] = ()
    if event.failed and node.on_error == "fail_fast" and not frame.stopping:
        frame = frame._replace(stopping=True)
        if frame.open:
            commands = (StopBelow(parent.key),)
    parent = parent._replace(frame=frame)
    if frame.settled:
        return _settle(parent, commands)
    if frame.stopping:
        return Transition({parent.key: parent}, commands)
    return _spawn(definition, parent, node, commands)


def _settle(parent: Token, commands: tuple[Command, ...]) -> Transition:
    """All branches have ended: the join is decided, unless the parent itself was asked to stop."""
    if parent.stop:
        ended = _end(parent._replace(status=TokenStatus.CANCELLED))
        return Transition(ended.changed, (*commands, *ended.commands))
    ready = parent._replace(status=TokenStatus.READY, mode="join")
    return Transition({parent.key: ready}, (*commands, Merge(parent.key)))


def _stop(definition: Definition, state: State, event: StopRequested) -> Transition:
    """Bring everything below a token to rest: running bodies are asked, everything else ends now."""
    merged: dict[str, Token] = dict(state)
    changed: dict[str, Token] = {}
    commands: list[Command] = []

    def put(token: Token) -> None:
        merged[token.key] = changed[token.key] = token

    children: dict[str, list[str]] = {}
    for token in state.values():
        if token.parent is not None and not token.ended:
            children.setdefault(token.parent, []).append(token.key)
    order: list[str] = [event.token]
    for key in order:  # grows while it is walked: parents before children
        order.extend(children.get(key, ()))
    if not event.inclusive:
        order = order[1:]
    for key in order:
        token = merged[key]
        if token.status is TokenStatus.JOINING and token.frame is not None:
            put(token._replace(stop=True, frame=token.frame._replace(stopping=True)))
        elif token.status is TokenStatus.RUNNING:
            put(token._replace(stop=True))
            commands.append(Interrupt(key))
        elif not token.ended:
            put(token._replace(stop=True))
    for key in reversed(order):  # children before parents, so that a parent sees them ended
        token = merged[key]
        if token.ended or token.status is TokenStatus.RUNNING:
            continue
        if token.status is TokenStatus.JOINING and not (token.frame is not None and token.frame.settled):
            continue
        pending = [_end(token._replace(status=TokenStatus.CANCELLED))]
        while pending:
            for one in (transition := pending.pop()).changed.values():
                put(one)
            for command in transition.commands:
                if isinstance(command, TellParent) and command.event.token in merged:
                    pending.append(_child_ended(definition, merged[command.event.token], command.event))
                else:
                    commands.append(command)
    return Transition(changed, tuple(commands))


def revive(definition: Definition, state: State, key: str = ROOT, first: Collection[str] = ()) -> Transition:
    """Let a stopped token and what is below it go on: what is done stays done, the rest is ready again.

    `state` holds the token and every token below it. No more branches are open at once than the concurrency allows,
    those in `first` before the others, which follow as they end.
    """
    below: dict[str, list[Token]] = {}
    for token in state.values():
        if token.parent is not None and token.status is not TokenStatus.DONE:
            below.setdefault(token.parent, []).append(token)
    changed: dict[str, Token] = {}
    commands: list[Command] = []
    pending = [key]
    while pending:
        transition = _revived(definition, state[pending.pop()], below, first)
        changed.update(transition.changed)
        for command in transition.commands:
            if isinstance(command, Reawaken):
                pending.append(command.token)
            else:
                commands.append(command)
    return Transition(changed, tuple(commands))


def _revived(
    definition: Definition, token: Token, below: Mapping[str, list[Token]], first: Collection[str]
) -> Transition:
    fresh = token._replace(status=TokenStatus.READY, mode="run", stop=False, error=None)
    node = None if token.path is None else definition.places[token.path].node
    if token.frame is not None:
        assert node is not None
        order = sorted(below.get(token.key, ()), key=lambda child: (child.key not in first, child.branch))
        again = tuple(child.branch for child in order)
        frame = token.frame._replace(open=0, failures=0, stopping=False, again=again)
        return _spawn(definition, fresh._replace(status=TokenStatus.JOINING, frame=frame), node, ())
    if isinstance(node, ParallelNode):
        # it came to rest right before it forked
        return _fork(definition, fresh, node, len(node.branches))
    return Transition({fresh.key: fresh}, (Proceed(fresh.key),))
