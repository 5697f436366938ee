"""Every error the library raises, in one tree, each with its data as attributes.

::

    DurableError
    |-- DefinitionError          a workflow, step or option is written wrongly
    |-- InputValidationError     values do not fit their declared types (.errors by field)
    |-- SerializationError       a value cannot be encoded or decoded (.path)
    |-- LimitError               something is larger than the engine accepts (.limit, .actual)
    |-- WorkflowNotFoundError    no workflow is registered under that name (.workflow)
    |-- ExecutionNotFoundError   no execution has that id (.execution_id)
    |-- WaitNotFoundError        the execution has asked no such question (.execution_id, .wait)
    |-- ScheduleNotFoundError    no schedule has that name (.schedule)
    |-- ExecutionExistsError     the id is taken (.execution_id)
    |-- InvalidStateError        not possible in this state (.state, .allowed)
    |-- AlreadyAnsweredError     somebody else answered first (.by, .at)
    |-- FencedError              the lease on a token was lost (.execution_id, .fence)
    |-- ReplayDriftError         a re-entered body waits in another order (.recorded, .requested)
    |-- ExecutionFailed          an awaited execution did not complete (.execution_id, .status, .step, .cause)
    |-- StepTimeoutError         one attempt took too long (.step, .seconds)
    |-- WorkflowTimeoutError     the whole execution took too long (.workflow, .seconds)
    |-- WaitTimeoutError         nothing arrived in time (.wait, .seconds)
    |-- DecisionError            a decision returned no known label (.label, .labels)
    |-- MaxIterationsError       a loop did not end (.loop, .max_iterations)
    |-- ParallelError            branches failed (.errors by branch)
    |-- MissingContextError      also a KeyError: the context has no such key (.key, .keys)
    |-- NonRetryableError        raised by users: fail at once
    |-- PoisonedError            crashed too many workers (.crashes)
    |-- WorkerLostError          the worker vanished while a body ran (.worker)
    |-- CompensationError        compensation handlers failed (.errors by step)
    `-- StoreError               the database refused or failed
        |-- StoreUnreachableError
        `-- SchemaVersionError   (.found, .expected)

``str(error)`` says what happened and where, then what to do next. ``exit_code`` is what the command line ends with:
1 failed, 2 usage, 3 not found, 4 conflict or invalid state, 5 the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

__all__ = [
    "AlreadyAnsweredError",
    "CompensationError",
    "DecisionError",
    "DefinitionError",
    "DurableError",
    "ExecutionExistsError",
    "ExecutionFailed",
    "ExecutionNotFoundError",
    "FencedError",
    "InputValidationError",
    "InvalidStateError",
    "LimitError",
    "MaxIterationsError",
    "MissingContextError",
    "NonRetryableError",
    "ParallelError",
    "PoisonedError",
    "ReplayDriftError",
    "ScheduleNotFoundError",
    "SchemaVersionError",
    "SerializationError",
    "StepTimeoutError",
    "StoreError",
    "StoreUnreachableError",
    "WaitNotFoundError",
    "WaitTimeoutError",
    "WorkerLostError",
    "WorkflowNotFoundError",
    "WorkflowTimeoutError",
]


def _restore(cls: type[DurableError], args: tuple[Any, ...], state: dict[str, Any]) -> DurableError:
    # Past __init__: subclasses, users' own included, take whatever arguments they like.
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class DurableError(Exception):
    """The base of every error of the library: a message that says what and where, a hint that says what to do next."""

    exit_code: ClassVar[int] = 1
    hint: str | None = None

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        message, hint = self.message, self.hint
        if not hint:
            return message
        if not message:
            return hint
        return f"{message} {hint}" if message[-1] in ".!?:" else f"{message}. {hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(self.__dict__))


class DefinitionError(DurableError):
    """A workflow, a step or an option is written in a way that cannot run."""

    exit_code = 2

    def __init__(self, message: str = "", *, node: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.node = node


class InputValidationError(DurableError):
    """Values do not fit their declared types; ``errors`` lists the faults of each field."""

    exit_code = 2

    def __init__(
        self, message: str = "", *, errors: Mapping[str, Sequence[str]] | None = None, hint: str | None = None
    ) -> None:
        self.errors: dict[str, list[str]] = {name: list(faults) for name, faults in (errors or {}).items()}
        if not message:
            faults = "; ".join(f"{name}: {', '.join(found)}" for name, found in self.errors.items())
            message = f"the input is not valid: {faults}"
        super().__init__(message, hint=hint)


class SerializationError(DurableError):
    """A value cannot be encoded or decoded; ``path`` leads to it, like ``order.lines[3].price``."""

    exit_code = 2

    def __init__(self, message: str = "", *, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class LimitError(DurableError):
    """Something is larger than the engine accepts."""

    exit_code = 2

    def __init__(
        self, message: str = "", *, limit: int | None = None, actual: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.limit = limit
        self.actual = actual


class WorkflowNotFoundError(DurableError):
    """No workflow is registered under that name in this process."""

    exit_code = 3

    def __init__(self, message: str = "", *, workflow: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"no workflow named {workflow!r} is registered here", hint=hint)
        self.workflow = workflow


class ExecutionNotFoundError(DurableError):
    """No execution has that id in this store."""

    exit_code = 3

    def __init__(self, message: str = "", *, execution_id: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"there is no execution {execution_id!r} in this store", hint=hint)
        self.execution_id = execution_id


class WaitNotFoundError(DurableError):
    """The execution has no wait of that name."""

    exit_code = 3

    def __init__(
        self,
        message: str = "",
        *,
        execution_id: str | None = None,
        wait: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message or f"execution {execution_id!r} has no wait {wait!r}", hint=hint)
        self.execution_id = execution_id
        self.wait = wait


class ScheduleNotFoundError(DurableError):
    """No schedule has that name in this store."""

    exit_code = 3

    def __init__(self, message: str = "", *, schedule: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"there is no schedule named {schedule!r} in this store", hint=hint)
        self.schedule = schedule


class ExecutionExistsError(DurableError):
    """An execution with that id is there already."""

    exit_code = 4

    def __init__(self, message: str = "", *, execution_id: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"an execution {execution_id!r} exists already", hint=hint)
        self.execution_id = execution_id


class InvalidStateError(DurableError):
    """Not possible in this state; says the state and what is allowed in it."""

    exit_code = 4

    def __init__(
        self,
        message: str = "",
        *,
        state: str | None = None,
        allowed: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        if hint is None and allowed:
            hint = f"Allowed here: {', '.join(allowed)}."
        super().__init__(message, hint=hint)
        self.state = state
        self.allowed = tuple(allowed)


class AlreadyAnsweredError(DurableError):
    """Somebody else answered first; ``at`` is an ISO 8601 UTC time."""

    exit_code = 4

    def __init__(
        self, message: str = "", *, by: str | None = None, at: str | None = None, hint: str | None = None
    ) -> None:
        if not message:
            message = "this input was answered already" + (f" by {by}" if by else "") + (f" at {at}" if at else "")
        super().__init__(message, hint=hint)
        self.by = by
        self.at = at


class FencedError(DurableError):
    """The lease on a token was lost: what this worker did for it is not recorded."""

    exit_code = 4

    def __init__(
        self, message: str = "", *, execution_id: str | None = None, fence: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"the lease on a token of {execution_id!r} was lost (fence {fence})", hint=hint)
        self.execution_id = execution_id
        self.fence = fence


class ReplayDriftError(DurableError):
    """A re-entered body asked for another wait than the record holds at that place."""

    def __init__(
        self, message: str = "", *, recorded: str | None = None, requested: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"the record holds {recorded}, the body asked for {requested}", hint=hint)
        self.recorded = recorded
        self.requested = requested


class ExecutionFailed(DurableError):  # noqa: N818 - the public name
    """An awaited execution ended otherwise than completed; ``cause`` is its recorded failure."""

    def __init__(
        self,
        message: str = "",
        *,
        execution_id: str | None = None,
        status: str | None = None,
        step: str | None = None,
        cause: Any = None,
        hint: str | None = None,
    ) -> None:
        if not message:
            message = f"execution {execution_id!r} ended {status}" + (f" in step {step!r}" if step else "")
        super().__init__(message, hint=hint)
        self.execution_id = execution_id
        self.status = status
        self.step = step
        self.cause = cause


class StepTimeoutError(DurableError):
    """One attempt of a step took longer than its timeout."""

    def __init__(
        self, message: str = "", *, step: str | None = None, seconds: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"step {step!r} took longer than its timeout of {seconds} s", hint=hint)
        self.step = step
        self.seconds = seconds


class WorkflowTimeoutError(DurableError):
    """The whole execution took longer than the workflow's timeout."""

    def __init__(
        self, message: str = "", *, workflow: str | None = None, seconds: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"workflow {workflow!r} took longer than its timeout of {seconds} s", hint=hint)
        self.workflow = workflow
        self.seconds = seconds


class WaitTimeoutError(DurableError):
    """Nothing arrived before the wait's timeout."""

    def __init__(
        self, message: str = "", *, wait: str | None = None, seconds: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"wait {wait!r} timed out after {seconds} s", hint=hint)
        self.wait = wait
        self.seconds = seconds


class DecisionError(DurableError):
    """A decision returned a label that has no branch, and there is no ``otherwise``."""

    def __init__(
        self, message: str = "", *, label: Any = None, labels: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message or f"no branch for {label!r}; the branches are {', '.join(labels)}", hint=hint)
        self.label = label
        self.labels = tuple(labels)


class MaxIterationsError(DurableError):
    """A loop's condition still held after its last allowed iteration."""

    def __init__(
        self, message: str = "", *, loop: str | None = None, max_iterations: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"loop {loop!r} did not end within {max_iterations} iterations", hint=hint)
        self.loop = loop
        self.max_iterations = max_iterations


class ParallelError(DurableError):
    """Branches failed; ``errors`` maps each failed branch to its recorded failure."""

    def __init__(
        self, message: str = "", *, errors: Mapping[str, Mapping[str, Any]] | None = None, hint: str | None = None
    ) -> None:
        self.errors: dict[str, Mapping[str, Any]] = dict(errors or {})
        super().__init__(message or _branches_failed("branches", self.errors), hint=hint)


class MissingContextError(DurableError, KeyError):
    """The context has no such key; says which keys there are."""

    def __init__(
        self,
        message: str = "",
        *,
        key: str | None = None,
        keys: Sequence[str] = (),
        step: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message or f"the context has no key {key!r}", hint=hint)
        self.key = key
        self.keys = tuple(keys)
        self.step = step


class NonRetryableError(DurableError):
    """Raise this in a step to fail at once, whatever its retry policy says."""


class PoisonedError(DurableError):
    """The execution took down its worker too often and is not tried again by itself."""

    def __init__(
        self,
        message: str = "",
        *,
        crashes: int | None = None,
        step: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message or f"step {step!r} took down its worker {crashes} times", hint=hint)
        self.crashes = crashes
        self.step = step


class WorkerLostError(DurableError):
    """The worker, or the process of an isolated step, vanished while the body ran."""

    def __init__(self, message: str = "", *, worker: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"worker {worker!r} vanished while the step ran", hint=hint)
        self.worker = worker


class CompensationError(DurableError):
    """Compensation handlers failed; ``errors`` maps each step to its handler's recorded failure."""

    def __init__(
        self, message: str = "", *, errors: Mapping[str, Mapping[str, Any]] | None = None, hint: str | None = None
    ) -> None:
        self.errors: dict[str, Mapping[str, Any]] = dict(errors or {})
        super().__init__(message or _branches_failed("compensations", self.errors), hint=hint)


class StoreError(DurableError):
    """The store refused or failed."""

    exit_code = 5


class StoreUnreachableError(StoreError):
    """The store cannot be reached, or a lock in it did not come free."""


class SchemaVersionError(StoreError):
    """The store's tables belong to another version of the library."""

    def __init__(
        self,
        message: str = "",
        *,
        found: str | int | None = None,
        expected: str | int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(
            message or f"the store has schema version {found}, this library works with {expected}", hint=hint
        )
        self.found = found
        self.expected = expected


def _branches_failed(what: str, errors: Mapping[str, Mapping[str, Any]]) -> str:
    shown = [f"{name}: {error.get('type', 'error')}: {error.get('message', '')}" for name, error in errors.items()]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return f"{len(shown)} {what} failed ({'; '.join(shown[:5])}{more})"
