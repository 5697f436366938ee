"""What users say about a start or a worker, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from durable_core.clock import to_us
from durable_core.codec import encode
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.durations import to_seconds
from durable_core.errors import InputValidationError
from durable_core.executor.start import Beginning
from durable_core.executor.worker import WorkerOptions
from durable_core.ids import check_id, check_name, new_execution_id

__all__ = ["beginning", "chosen_workflow", "worker_options"]

PRIORITY_BITS = 31
"""A priority is stored as an integer of 32 bits."""


def chosen_workflow(workflow: Workflow | str) -> Workflow:
    """The workflow itself, or the registered one of that name."""
    if isinstance(workflow, Workflow):
        return workflow
    if isinstance(workflow, str):
        found: Workflow = registry.get(workflow)
        return found
    raise _wrong("workflow", f"must be a workflow or the name of one, not {type(workflow).__name__}", "Add @workflow.")


def beginning(
    workflow: Workflow,
    input: Any,
    *,
    id: str | None = None,
    idempotency_key: str | None = None,
    queue: str | None = None,
    priority: int | None = None,
    at: datetime | None = None,
    tags: Iterable[str] = (),
) -> Beginning:
    """What an execution begins with."""
    if priority is not None and (type(priority) is not int or not -(2**PRIORITY_BITS) <= priority < 2**PRIORITY_BITS):
        raise _wrong("priority", f"must be a whole number of {PRIORITY_BITS + 1} bits, got {priority!r}")
    if isinstance(tags, str | bytes) or not isinstance(tags, Iterable):
        raise _wrong("tags", f"must be several strings, got {tags!r}", 'Write e.g. tags=("nightly",).')
    return Beginning(
        execution_id=new_execution_id() if id is None else check_id(id),
        definition=workflow.definition,
        fingerprint=workflow.fingerprint,
        input=encode(workflow.validate_input({} if input is None else input)),
        idempotency_key=None if idempotency_key is None else check_id(idempotency_key, "idempotency_key"),
        queue=None if queue is None else check_name(queue, "queue"),
        priority=priority,
        at=None if at is None else to_us(at),
        tags=[check_name(tag, "tag") for tag in tags],
        given_id=id is not None,
    )


def worker_options(queues: Mapping[str, int], lease: float | timedelta, name: str | None) -> WorkerOptions:
    """How much a worker takes on, and how long it may be silent."""
    if not isinstance(queues, Mapping) or not queues:
        raise _wrong("queues", f"must map at least one queue to a number, got {queues!r}", "Write {'default': 10}.")
    for queue, count in queues.items():
        check_name(queue, "queue")
        if type(count) is not int or count < 1:
            raise _wrong("queues", f"must give {queue!r} a whole number of at least 1, got {count!r}")
    seconds = to_seconds(lease, "lease")
    if seconds <= 0:
        raise _wrong("lease", f"must be above 0 seconds, got {lease!r}")
    return WorkerOptions(queues=dict(queues), lease=seconds, name=None if name is None else check_name(name, "name"))


def _wrong(option: str, fault: str, hint: str | None = None) -> InputValidationError:
    return InputValidationError(f"{option} {fault}", errors={option: [fault]}, hint=hint)
