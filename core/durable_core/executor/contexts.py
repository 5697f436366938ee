"""Contexts for bodies and for functions of the context, and how each of them is called."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from durable_core.codec import decode, encode
from durable_core.context import AttemptInfo, Context, ContextServices, ReadOnlyContext
from durable_core.definition.nodes import ForeachNode, LoopNode, Node, ParallelNode, Source, WorkNode
from durable_core.definition.state import Token
from durable_core.dsl.binding import BoundFunction
from durable_core.errors import StepTimeoutError
from durable_core.executor.claim import Claim

_ROLES = {
    "while": "the condition of",
    "on": "the value of",
    "items": "the items of",
    "merge": "the merge function of",
    "input": "the input of",
    "until": "the time of",
    "output": "the output of",
}


def info_of(claim: Claim, node: Node, iterations: tuple[int, ...], attempt: int = 1, output: Any = None) -> AttemptInfo:
    """The facts of one attempt."""
    definition = claim.definition
    item, index, iteration = None, 0, 0
    if claim.items:
        item, index = claim.items[-1].value, claim.items[-1].index
    if iterations:
        iteration = innermost_loop(definition.places, node, iterations)
    return AttemptInfo(  # by position: one is made for every attempt
        claim.execution_id,
        definition.name,
        node.name,
        node.path,
        attempt,
        iteration,
        index,
        iterations,
        item,
        claim.input,
        output,
        claim.scheduled_for,
    )


def innermost_loop(places: Any, node: Node, iterations: tuple[int, ...]) -> int:
    """The iteration of the innermost loop around a node, or of itself; 0 outside of loops."""
    if isinstance(node, LoopNode):
        return iterations[-1]
    position = len(iterations)
    owner = places[node.path].owner
    while owner is not None:
        around = places[owner].node
        if isinstance(around, LoopNode):
            return iterations[position - 1]
        if isinstance(around, ForeachNode):
            position -= 1
        owner = places[owner].owner
    return 0


def body_context(claim: Claim, node: WorkNode, services: ContextServices) -> Context:
    """What the body of a node sees and changes."""
    return Context._bound(claim.context, info_of(claim, node, claim.token.iterations, claim.attempt), services)


def invoke(claim: Claim, body: BoundFunction, context: Context | None) -> Any:
    """Call a body with what its parameters ask for, without context one that has none; a coroutine when it is async."""
    if context is None:
        return body.fn()
    if claim.items:
        return body.invoke(context, **item_arguments(claim, context))
    return body.invoke(context)


def item_arguments(claim: Claim, context: Context) -> dict[str, Any]:
    """The item of the innermost foreach, and what the foreachs around call theirs."""
    own = claim.items[-1]
    outer = {item.name: decode(item.value) for item in claim.items[:-1] if item.name is not None}
    arguments: dict[str, Any] = {"item": context.item, "index": own.index, "as_name": own.name}
    if outer:
        arguments["outer"] = outer
    return arguments


def evaluate(claim: Claim, token: Token, node: Node, role: str, value: Any = None, source: Source | None = None) -> Any:
    """The value of a source, or of a function of the context, at the node where `token` stands."""
    info = info_of(claim, node, token.iterations)
    about = _ROLES.get(role.partition(":")[0], "the guard of")
    context = ReadOnlyContext._bound(claim.context, info, None, f"{about} {node.path!r}")
    if source is not None and source.kind == "key":
        return context[source.name]
    if source is not None and source.kind == "constant":
        return decode(source.value)
    bound = claim.workflow.bound(node.path, role)
    arguments = item_arguments(claim, context) if claim.items else {}
    if claim.capture is None:
        return bound.invoke(context, **arguments)
    scope = claim.capture.scope(claim, node, token)
    try:
        with scope:
            return bound.invoke(context, **arguments)
    finally:
        claim.lines += scope.drain()


def final_output(claim: Claim, source: Source) -> Any:
    """What `@workflow(output=)` makes of the context at the end, encoded."""
    info = AttemptInfo(
        execution_id=claim.execution_id,
        workflow=claim.definition.name,
        input=claim.input,
        scheduled_for=claim.scheduled_for,
    )
    context = ReadOnlyContext._bound(claim.context, info, None, "the output of the workflow")
    if source.kind == "key":
        return claim.context.get(source.name)
    return encode(claim.workflow.bound("", "output").invoke(context))


def call_merge(claim: Claim, node: ParallelNode | ForeachNode, base: Any, branches: list[Any]) -> Any:
    """Call a merge function: the context at the fork, and the branches' contexts in written order."""
    return claim.workflow.bound(node.path, "merge").fn(base, branches)


def compensation_context(
    claim: Claim, node: WorkNode, iterations: tuple[int, ...], snapshot: dict[str, Any], output: Any
) -> Context:
    """What a handler sees: the context as its step left it, and what the step returned."""
    info = info_of(claim, node, iterations, claim.attempt, output)
    return ReadOnlyContext._bound(snapshot, info, None, f"the compensation of {node.path!r}")


def invoke_compensation(claim: Claim, node: WorkNode, context: Context, timeout: float | None) -> Any:
    """Run a handler, in this thread; an async one gets an event loop of its own."""
    bound = claim.workflow.bound(node.path, "compensate")

    def call() -> Any:
        result = bound.invoke(context)
        if bound.is_async:
            result = asyncio.run(result)
        return encode(result)

    if timeout is None:
        return call()
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="durable-compensation", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise StepTimeoutError(f"The compensation of {node.path!r} took longer than its timeout of {timeout:g} s.")
    succeeded, value = outcome[0]
    if not succeeded:
        raise value
    return value
