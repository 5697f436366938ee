"""Durable workflows in plain Python: what users import.

Names are loaded when they are first asked for, so that ``import durable_studio`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durable_core.codec import register_codec
    from durable_core.context import Context
    from durable_core.dsl import (
        FormField,
        Retry,
        Step,
        Workflow,
        call,
        cron,
        decision,
        foreach,
        loop,
        parallel,
        sleep_for,
        sleep_until,
        step,
        switch,
        wait_for_all,
        wait_for_any,
        wait_for_event,
        wait_for_input,
        workflow,
    )
    from durable_core.engine.engine import Engine
    from durable_core.engine.execution import Execution
    from durable_core.errors import (
        AlreadyAnsweredError,
        CompensationError,
        DecisionError,
        DefinitionError,
        DurableError,
        ExecutionExistsError,
        ExecutionFailed,
        ExecutionNotFoundError,
        FencedError,
        InputValidationError,
        InvalidStateError,
        LimitError,
        MaxIterationsError,
        MissingContextError,
        NonRetryableError,
        ParallelError,
        PoisonedError,
        ReplayDriftError,
        ScheduleNotFoundError,
        SchemaVersionError,
        SerializationError,
        StepTimeoutError,
        StoreError,
        StoreUnreachableError,
        WaitNotFoundError,
        WaitTimeoutError,
        WorkerLostError,
        WorkflowNotFoundError,
        WorkflowTimeoutError,
    )
    from durable_core.graph import Graph
    from durable_core.secret import Secret

__version__ = "0.1.0"

_HOMES = {
    "durable_core.codec": ("register_codec",),
    "durable_core.context": ("Context",),
    "durable_core.dsl": (
        "FormField",
        "Retry",
        "Step",
        "Workflow",
        "call",
        "cron",
        "decision",
        "foreach",
        "loop",
        "parallel",
        "sleep_for",
        "sleep_until",
        "step",
        "switch",
        "wait_for_all",
        "wait_for_any",
        "wait_for_event",
        "wait_for_input",
        "workflow",
    ),
    "durable_core.engine.engine": ("Engine",),
    "durable_core.engine.execution": ("Execution",),
    "durable_core.errors": (
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
    ),
    "durable_core.graph": ("Graph",),
    "durable_core.secret": ("Secret",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AlreadyAnsweredError",
    "CompensationError",
    "Context",
    "DecisionError",
    "DefinitionError",
    "DurableError",
    "Engine",
    "Execution",
    "ExecutionExistsError",
    "ExecutionFailed",
    "ExecutionNotFoundError",
    "FencedError",
    "FormField",
    "Graph",
    "InputValidationError",
    "InvalidStateError",
    "LimitError",
    "MaxIterationsError",
    "MissingContextError",
    "NonRetryableError",
    "ParallelError",
    "PoisonedError",
    "ReplayDriftError",
    "Retry",
    "ScheduleNotFoundError",
    "SchemaVersionError",
    "Secret",
    "SerializationError",
    "Step",
    "StepTimeoutError",
    "StoreError",
    "StoreUnreachableError",
    "WaitNotFoundError",
    "WaitTimeoutError",
    "WorkerLostError",
    "Workflow",
    "WorkflowNotFoundError",
    "WorkflowTimeoutError",
    "call",
    "cron",
    "decision",
    "foreach",
    "loop",
    "parallel",
    "register_codec",
    "sleep_for",
    "sleep_until",
    "step",
    "switch",
    "wait_for_all",
    "wait_for_any",
    "wait_for_event",
    "wait_for_input",
    "workflow",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    if home == "durable_core.dsl":
        _announce_graphs()
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _announce_graphs() -> None:
    """`Workflow.graph()` and its picture in a notebook work before there is an engine."""
    from durable_core.dsl import set_graph_factory

    def graph_of(workflow: Workflow) -> Graph:
        from durable_core.graph import build_graph

        return build_graph(workflow.definition)

    set_graph_factory(graph_of)
