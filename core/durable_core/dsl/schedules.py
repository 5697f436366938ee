"""`@cron`: when a workflow starts by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from durable_core.definition.checks import check_choice, check_name, check_seconds, fault
from durable_core.definition.nodes import Json
from durable_core.dsl.constants import encode_constant
from durable_core.dsl.guard import builder
from durable_core.dsl.registry import Change, registry
from durable_core.dsl.workflow import Workflow
from durable_core.errors import InputValidationError

__all__ = ["CatchUp", "Overlap", "Schedule", "check_cron", "check_timezone", "cron"]

Overlap = Literal["skip", "buffer_one", "allow", "cancel_other"]
CatchUp = Literal["none", "latest", "all"]
_FIELDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule of a workflow, as data."""

    name: str
    workflow: str
    cron: str
    timezone: str = "UTC"
    queue: str | None = None
    input: Json = None
    """Encoded; None starts with an empty input."""
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    catch_up_window: float | None = None
    """Seconds back from now within which missed ticks are made up for; None: however old."""


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
    check_cron(expression, where)
    check_timezone(timezone, where)
    check_choice(overlap, get_args(Overlap), "overlap", where)
    policy, window = _catch_up(catch_up, where)
    if input is not None and not isinstance(input, Mapping):
        raise fault(where, f"input must be a mapping, got {input!r}")
    made = Schedule(
        name=check_name(name, where) if name is not None else "",
        workflow="",
        cron=" ".join(expression.split()),
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


def check_cron(expression: object, where: str = "schedule") -> str:
    """Return a cron expression that fires at some time; refuse any other, naming the fault."""
    if not isinstance(expression, str) or not expression.strip():
        raise fault(where, f"{expression!r} is no cron expression", 'Write e.g. "0 9 * * *" for every day at nine.')
    if not expression.startswith("@") and len(expression.split()) < _FIELDS:
        raise fault(where, f"{expression!r} has {len(expression.split())} fields", "minute hour day month weekday")
    from croniter import croniter
    from croniter.croniter import CroniterBadDateError, CroniterError

    try:
        croniter(expression, datetime(2024, 1, 1, tzinfo=_UTC)).get_next(datetime)
    except CroniterBadDateError:
        raise fault(where, f"{expression!r} never fires", "No date matches it: check day and month.") from None
    except (CroniterError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise fault(
            where,
            f"{expression!r} is no cron expression: {error}",
            'Five fields: minute hour day month weekday, e.g. "0 9 * * 1-5".',
        ) from None
    return " ".join(expression.split())


_UTC = UTC


def check_timezone(name: object, where: str = "schedule") -> str:
    """Return the name of a time zone that this machine knows."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)  # type: ignore[arg-type]  # anything else raises
    except (KeyError, ValueError, TypeError, OSError):
        raise fault(
            where, f"unknown time zone {name!r}", 'Write an IANA name, e.g. "Europe/Madrid" or "UTC".'
        ) from None
    return str(name)


def _catch_up(value: object, where: str) -> tuple[CatchUp, float | None]:
    if isinstance(value, str):
        check_choice(value, get_args(CatchUp), "catch_up", where)
        return value, None  # type: ignore[return-value]  # one of them
    return "all", check_seconds(value, "catch_up", where)  # type: ignore[arg-type]  # refuses what is no duration
