"""What users write: steps, decisions, composites and waits, compiled to definitions when they are defined."""

from __future__ import annotations

from durable_core.dsl.binding import BoundFunction
from durable_core.dsl.crons import cron
from durable_core.dsl.element import Element, Flow
from durable_core.dsl.flow import call, foreach, loop, parallel, switch
from durable_core.dsl.forms import FormField
from durable_core.dsl.guard import inside_body
from durable_core.dsl.registry import Change, Redefinition, registry
from durable_core.dsl.retry import Retry
from durable_core.dsl.schedules import Schedule
from durable_core.dsl.steps import Decision, Step, decision, step
from durable_core.dsl.waits import (
    sleep_for,
    sleep_until,
    wait_for_all,
    wait_for_any,
    wait_for_event,
    wait_for_input,
)
from durable_core.dsl.workflow import Workflow, set_graph_factory, workflow

__all__ = [
    "BoundFunction",
    "Change",
    "Decision",
    "Element",
    "Flow",
    "FormField",
    "Redefinition",
    "Retry",
    "Schedule",
    "Step",
    "Workflow",
    "call",
    "cron",
    "decision",
    "foreach",
    "inside_body",
    "loop",
    "parallel",
    "registry",
    "set_graph_factory",
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
