"""`@cron`: when a workflow starts by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

from durable_core.definition.checks import check_choice, check_name, check_seconds, fault
from durable_core.dsl.constants import encode_constant
from durable_core.dsl.guard import builder
from durable_core.dsl.registry import Change, registry
from durable_core.dsl.schedules import CatchUp, Overlap, Schedule, check_cron, check_timezone
from durable_core.dsl.workflow import Workflow
from durable_core.errors import InputValidationError

__all__ = ["cron"]


@builder("Create schedules outside steps: engine.schedules.create(...).")
def cron(
    expression: str,
    /,
    *,
    timezone: str = "UTC",
    queue: str | None = None,
    input: Mapping[str, Any] | None = None,
    overlap: Overlap = "skip",
    catch_up: CatchUp | float | timedelta = "latest",
    name: str | None = None,
) -> Callable[[Workflow], Workflow]:
    """Start the workflow below at these times; stands above @workflow and may be stacked."""
    where = f"@cron({expression!r})"
    checked = check_cron(expression, where)
    check_timezone(timezone, where)
    check_choice(overlap, get_args(Overlap), "overlap", where)
    policy, window = _catch_up(catch_up, where)
    if input is not None and not isinstance(input, Mapping):
        raise fault(where, f"input must be a mapping, got {input!r}")
    made = Schedule(
        name=check_name(name, where) if name is not None else "",
        workflow="",
        cron=checked,
        timezone=timezone,
        queue=None if queue is None else check_name(queue, where, "queue"),
        input=None if input is None else encode_constant(dict(input), "input", where),
        overlap=overlap,
        catch_up=policy,
        catch_up_window=window,
    )

    def add(workflow: Workflow) -> Workflow:
        if not isinstance(workflow, Workflow):
            raise fault(where, f"{workflow!r} is no workflow", "@cron stands above @workflow, outermost.")
        _add(workflow, made, input, where)
        return workflow

    return add


def _add(workflow: Workflow, schedule: Schedule, given: Mapping[str, Any] | None, where: str) -> None:
    try:
        workflow.validate_input(given)
    except InputValidationError as error:
        raise fault(where, error.message, "Give an input= that the workflow accepts.") from error
    taken = {known.name for known in workflow.schedules}
    name = schedule.name
    if name in taken:
        raise fault(
            where, f"workflow {workflow.name!r} has a schedule {name!r} already", "Give each a name of its own."
        )
    if not name:
        name, number = workflow.name, 1
        while name in taken:
            number += 1
            name = f"{workflow.name}_{number}"
    # Decorators run from the inside out; the list keeps the order in which they are written.
    workflow.schedules = (replace(schedule, name=name, workflow=workflow.name), *workflow.schedules)
    registry.tell(Change("schedules", workflow))


def _catch_up(value: object, where: str) -> tuple[CatchUp, float | None]:
    if isinstance(value, str):
        check_choice(value, get_args(CatchUp), "catch_up", where)
        return value, None  # type: ignore[return-value]  # one of them
    return "all", check_seconds(value, "catch_up", where)  # type: ignore[arg-type]  # refuses what is no duration
