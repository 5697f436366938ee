"""What moves executions: starts, cancel and its like, forks, events, answers; whoever waits hears after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, get_args

from durable_core.bus.messages import Message
from durable_core.codec import decode, encode, encoded_size
from durable_core.definition.checks import check_choice
from durable_core.dsl.guard import refuse_while_imported
from durable_core.dsl.workflow import Workflow
from durable_core.durations import to_seconds
from durable_core.engine.crew import Crew
from durable_core.engine.surface import Surface
from durable_core.errors import InputValidationError
from durable_core.executor import control as controls
from durable_core.executor import fork as forks
from durable_core.executor.settlement import Settled
from durable_core.executor.start import Beginning
from durable_core.executor.start_unit import StartUnit
from durable_core.failpoints import failpoint
from durable_core.ids import new_execution_id
from durable_core.limits import LIMITS, check_limit
from durable_core.store.transaction import Transaction
from durable_core.text import storable_text
from durable_core.wait import events, inputs


class Acting(Surface, Protocol):
    """An engine with its workers."""

    @property
    def crew(self) -> Crew: ...


def start(engine: Acting, workflow: Workflow, beginnings: Sequence[Beginning]) -> list[str]:
    """Start them all in few commits, each with a place on the engine's worker while there is room; their ids."""
    refuse_while_imported()
    worker = engine.crew.ensure()
    queue = beginnings[0].queue or workflow.definition.queue if beginnings else ""
    room = 0 if worker is None else worker.room(queue)
    compared = 0 if worker is None else worker.holdings.comparisons
    units = [
        StartUnit(each, engine.definitions, worker.reserve(queue) if worker is not None and number < room else None)
        for number, each in enumerate(beginnings)
    ]
    for each in beginnings:
        failpoint("before_start", each.execution_id)
    engine.committer.commit_all(units)
    begun = [unit.value() for unit in units]
    for given, one in zip(beginnings, begun, strict=True):
        failpoint("after_start", one.execution_id)
        if not one.new:
            continue
        engine.definitions.remembered(workflow.definition)
        if one.claimed and worker is not None:
            worker.take_begun(workflow, given, one, compared)
        if engine.bus.listens(one.execution_id):
            engine.bus.publish(Message("started", one.execution_id))
    if any(one.ready for one in begun):
        engine.crew.wake()
    return [one.execution_id for one in begun]


def cancel(engine: Acting, execution_id: str, mode: controls.CancelMode, reason: str | None) -> None:
    """Cancel it: gracefully, with compensation, or at once (T-6)."""
    check_choice(mode, get_args(controls.CancelMode), "mode", "cancel")
    why = _why(reason)
    control(engine, execution_id, lambda tx, key: controls.cancel(tx, key, engine.definitions, mode, why))


def pause(engine: Acting, execution_id: str, reason: str | None) -> None:
    """Let no further step begin."""
    why = _why(reason)
    control(engine, execution_id, lambda tx, key: controls.pause(tx, key, engine.definitions, why))


def _why(reason: object) -> str | None:
    """A reason as it is recorded; InputValidationError for what is no text."""
    if reason is None:
        return None
    if not isinstance(reason, str):
        raise InputValidationError(
            f"reason must be a string, not {type(reason).__name__}",
            errors={"reason": ["must be a string"]},
            hint="Say in words why, or leave it out.",
        )
    return storable_text(reason)


def control(engine: Acting, execution_id: str, action: Callable[[Transaction, str], Settled]) -> None:
    """Do to an execution what its user asks for, and stop the bodies that this concerns."""
    failpoint("before_control", execution_id)
    settled: Settled = engine.committer.run(lambda tx: action(tx, execution_id))
    failpoint("after_control", execution_id)
    engine.crew.interrupt(settled.interrupts)
    if not settled.ended:
        engine.crew.ensure()
    kind = "ended" if settled.ended else "control"
    engine.bus.publish(Message(kind, execution_id, settled.revision, "", settled.status))  # type: ignore[arg-type]


def fork(
    engine: Acting,
    execution_id: str,
    step: str,
    iteration: int | Sequence[int] | None,
    context: Mapping[str, Any] | None,
) -> str:
    """A new execution from that step on; its id."""
    request = forks.ForkRequest(
        execution_id=execution_id,
        new_id=new_execution_id(),
        step=step,
        iteration=iteration,
        context=_update(context),
    )
    failpoint("before_control", request.new_id)
    engine.committer.run(lambda tx: forks.fork(tx, request, engine.definitions))
    failpoint("after_control", request.new_id)
    _woken(engine, (request.new_id,))
    return request.new_id


def _update(context: Any) -> dict[str, Any]:
    """What a fork's context is updated with, encoded; InputValidationError for what is no context."""
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        raise InputValidationError(
            f"The context of a fork must be a mapping, not {type(context).__name__}.",
            errors={"context": ["must be a mapping"]},
            hint="Pass a mapping of names to values.",
        )
    if wrong := [key for key in context if not isinstance(key, str)]:
        raise InputValidationError(
            f"The context of a fork has names that are no strings: {', '.join(map(repr, wrong[:5]))}",
            errors={str(key): ["names are strings"] for key in wrong},
        )
    update = {key: encode(value, key) for key, value in context.items()}
    check_limit(encoded_size(update), LIMITS.context_bytes, "The context of a fork")
    return update


def send_event(
    engine: Acting,
    name: str,
    payload: Any,
    execution_id: str | None,
    event_id: str | None,
    keep_for: float | timedelta | None,
) -> int:
    """Send an event; returns how many waits it satisfied (W-5)."""
    seconds = None if keep_for is None else to_seconds(keep_for, "keep_for")
    encoded = encode(payload, "payload")

    def send(tx: Transaction) -> events.Sent:
        return events.send(tx, name, encoded, execution_id=execution_id, event_id=event_id, keep_for=seconds)

    sent: events.Sent = _signal(engine, send)
    _woken(engine, sent.executions)
    return sent.satisfied


def provide_input(engine: Acting, execution_id: str, name: str, value: Any, by: str | None, through: str | None) -> Any:
    """Answer an open question; what was accepted (W-7)."""
    accepted = _signal(
        engine,
        lambda tx: inputs.answer(tx, execution_id, name, value, by=by, through="api" if through is None else through),
    )
    _woken(engine, (execution_id,))
    return decode(accepted)


def _signal(engine: Acting, action: Callable[[Transaction], Any]) -> Any:
    def write(tx: Transaction) -> Any:
        result = action(tx)
        failpoint("inside_signal")
        return result

    failpoint("before_signal")
    result = engine.committer.run(write)
    failpoint("after_signal")
    return result


def _woken(engine: Acting, executions: Sequence[str]) -> None:
    if executions:
        engine.crew.ensure()
    engine.crew.wake()
    for execution_id in executions:
        engine.bus.publish(Message("tokens", execution_id))
