"""One attempt of a body: call it, and say what became of it. Raises nothing, writes nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from durable_core.codec import encode
from durable_core.context import Context
from durable_core.definition.keys import choose_branch
from durable_core.definition.nodes import (
    CallNode,
    DecisionNode,
    EventNode,
    InputNode,
    Node,
    SleepNode,
    WorkNode,
    binding_key,
)
from durable_core.dsl.binding import BoundFunction
from durable_core.dsl.guard import inside_body
from durable_core.errors import (
    DecisionError,
    InputValidationError,
    MissingContextError,
    NonRetryableError,
    SerializationError,
    StepTimeoutError,
    StoreError,
)
from durable_core.executor.captured import Capture
from durable_core.executor.claim import Claim
from durable_core.executor.contexts import body_context, info_of, invoke
from durable_core.executor.isolation import run_isolated
from durable_core.executor.outcome import Broke, Done, Interrupted, Outcome
from durable_core.executor.timers import Timers
from durable_core.failure import describe_exception

WITH_BODY = (WorkNode, SleepNode, EventNode, InputNode, CallNode)
"""Nodes that are run, rather than decided on the spot."""
NEVER_AGAIN = (NonRetryableError, InputValidationError, SerializationError, MissingContextError, DecisionError)
"""Errors that another attempt cannot mend."""


class Waiting(Protocol):
    """What resolves waits; given by the floor that owns them."""

    def services(self, claim: Claim, node: Node) -> Any: ...

    def outcome(self, services: Any, error: BaseException | None) -> Outcome | None: ...

    def run_node(self, claim: Claim, node: Node) -> Outcome: ...


class Gate:
    """Whoever closes it first has the attempt's outcome: the body, or its timeout."""

    __slots__ = ("_closed", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._closed = True
            return True


class Attempts:
    """Runs bodies of one worker."""

    def __init__(self, timers: Timers, waiting: Waiting, capture: Capture) -> None:
        self.timers = timers
        self.waiting = waiting
        self.capture = capture
        self.on_expired: Callable[[Claim, Node, Outcome, int], None] | None = None
        self.on_abandoned_end: Callable[[Claim], None] | None = None

    # --- in a thread -----------------------------------------------------------------------------------------------

    def run(self, claim: Claim, node: Node, started_at: int) -> Outcome | None:
        """Run the node's body in this thread; None when its timeout has taken the attempt over."""
        if not isinstance(node, WorkNode):
            return self.waiting.run_node(claim, node)
        if node.isolation == "process":
            return self._isolated(claim, node)
        if node.timeout is None:
            return self._call(claim, node)
        gate = Gate()
        timer = self.timers.after(node.timeout, lambda: self._expire(claim, node, gate, started_at))
        outcome = self._call(claim, node)
        timer.cancel()
        if gate.close():
            return outcome
        if self.on_abandoned_end is not None:
            self.on_abandoned_end(claim)
        return None

    def _isolated(self, claim: Claim, node: WorkNode) -> Outcome:
        info = info_of(claim, node, claim.token.iterations, claim.attempt)
        try:
            results = self.waiting.services(claim, node).results()
        except StoreError as error:
            return self._broke(claim, node, error)
        scope = self.capture.scope(claim, node, claim.token)
        try:
            with scope:
                return run_isolated(claim, node, scope, finished, may_retry, timeout_error, info, results)
        finally:
            claim.lines += scope.drain()

    def _context(self, claim: Claim, node: WorkNode, body: BoundFunction) -> tuple[Any, Context | None]:
        """The services of one pass and the context over them; neither for a body that takes nothing."""
        if body.takes_nothing:
            return None, None
        services = self.waiting.services(claim, node)
        return services, body_context(claim, node, services)

    def _call(self, claim: Claim, node: WorkNode) -> Outcome:
        body = claim.workflow.body(node.path)
        services, context = self._context(claim, node, body)
        token = inside_body.set(True)
        scope = self.capture.scope(claim, node, claim.token)
        try:
            with scope:
                value = invoke(claim, body, context)
            return self._returned(node, value, services, context)
        except BaseException as error:
            return self._broke(claim, node, error, services)
        finally:
            inside_body.reset(token)
            if claim.abandoned:
                scope.discard()
            else:
                claim.lines += scope.drain()

    def _expire(self, claim: Claim, node: WorkNode, gate: Gate, started_at: int) -> None:
        if not gate.close():
            return
        claim.stopped = True
        claim.abandoned = True
        outcome = self._broke(claim, node, timeout_error(node))
        if self.on_expired is not None:
            self.on_expired(claim, node, outcome, started_at)

    # --- on the event loop -----------------------------------------------------------------------------------------

    async def run_async(self, claim: Claim, node: Node, started_at: int) -> Outcome:
        """Run the node's coroutine body as part of this task; it can be interrupted at each await."""
        assert isinstance(node, WorkNode)
        body = claim.workflow.body(node.path)
        services, context = self._context(claim, node, body)
        token = inside_body.set(True)
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None

        def interrupt() -> None:
            loop.call_soon_threadsafe(task.cancel)

        claim.interrupt = interrupt
        scope = self.capture.scope(claim, node, claim.token)
        scope.__enter__()
        try:
            if claim.stopped:
                return Interrupted()
            if node.timeout is None:
                value = await invoke(claim, body, context)
            else:
                try:
                    async with asyncio.timeout(node.timeout) as limit:
                        value = await invoke(claim, body, context)
                except TimeoutError:
                    if limit.expired():
                        return self._broke(claim, node, timeout_error(node))
                    raise
            return self._returned(node, value, services, context)
        except asyncio.CancelledError as error:
            if claim.stopped:
                task.uncancel()
                return Interrupted()
            return self._broke(claim, node, error, services)
        except BaseException as error:
            return self._broke(claim, node, error, services)
        finally:
            claim.interrupt = None
            scope.__exit__(None, None, None)
            inside_body.reset(token)
            claim.lines += scope.drain()

    # --- outcomes --------------------------------------------------------------------------------------------------

    def _returned(self, node: WorkNode, value: Any, services: Any, context: Context | None) -> Outcome:
        if context is None:
            return finished(node, [], value)
        return self.waiting.outcome(services, None) or finished(node, context.changes(), value)

    def _broke(self, claim: Claim, node: WorkNode, error: BaseException, services: Any = None) -> Outcome:
        waited = None if services is None else self.waiting.outcome(services, error)
        if waited is not None:
            return waited
        return Broke(describe_exception(error), again=may_retry(claim, node, error))


def may_retry(claim: Claim, node: WorkNode, error: BaseException) -> bool:
    """Whether the node's retry options allow another attempt after this error."""
    if claim.attempt >= node.retry.max_attempts or isinstance(error, NEVER_AGAIN):
        return False
    if isinstance(error, StepTimeoutError):
        return True
    return isinstance(error, claim.workflow.retry_on[binding_key(node.path, "body")])


def timeout_error(node: WorkNode) -> StepTimeoutError:
    return StepTimeoutError(
        f"Step {node.path!r} took longer than its timeout of {node.timeout:g} s.",
        hint="Raise timeout=, or make the body quicker.",
    )


def finished(node: WorkNode, ops: list[list[Any]], value: Any) -> Outcome:
    """The outcome of a body that changed the context so and returned `value`."""
    if isinstance(node, DecisionNode):
        return _decided(node, ops, value)
    if value is None and node.output is None:
        return Done(None, ops)
    encoded = encode(value)
    if node.output is None and isinstance(value, Mapping) and type(encoded) is dict and "$t" not in encoded:
        ops.extend(["set", key, each] for key, each in encoded.items())
    else:
        ops.append(["set", node.output or node.name, encoded])
    return Done(encoded, ops)


def _decided(node: DecisionNode, ops: list[list[Any]], value: Any) -> Outcome:
    choice = choose_branch(node, value)
    if choice is None:
        labels = ", ".join(repr(branch.label) for branch in node.branches)
        raise DecisionError(
            f"Decision {node.path!r} returned {value!r}, which is none of its branches: {labels}.",
            hint="Return one of the labels, or give the decision an otherwise= branch.",
        )
    branches = node.branches if node.otherwise is None else (*node.branches, node.otherwise)
    encoded = encode(value)
    ops.append(["set", node.output or node.name, encoded])
    return Done(encoded, ops, choice, branches[choice].label)
