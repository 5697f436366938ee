"""Schedules in the store: created, read, changed and removed, each with its next tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, cast, get_args

from durable_core.codec import dump_tree, load_tree
from durable_core.definition.checks import check_choice, did_you_mean
from durable_core.dsl.schedules import CatchUp, Overlap, Schedule
from durable_core.errors import InputValidationError, InvalidStateError, ScheduleNotFoundError
from durable_core.scheduler.crons import Cron
from durable_core.store import schedule_statements as sql
from durable_core.store.transaction import Row, Transaction

__all__ = [
    "CHANGEABLE",
    "ScheduleRow",
    "all_schedules",
    "change",
    "create",
    "delete",
    "disable",
    "enable",
    "find",
    "write",
]

CHANGEABLE: Final = ("cron", "timezone", "queue", "input", "overlap", "catch_up", "catch_up_window")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """One schedule as the store has it; times in microseconds since 1970."""

    name: str
    workflow: str
    cron: str
    timezone: str
    queue: str | None
    input: str | None
    """JSON text of the encoded input."""
    overlap: Overlap
    catch_up: CatchUp
    catch_up_window: float | None
    origin: str
    enabled: int
    disabled_reason: str | None
    failures: int
    last_error: str | None
    next_at: int | None
    last_tick_at: int | None
    last_execution_id: str | None
    buffered: int
    created_at: int
    updated_at: int

    @property
    def times(self) -> Cron:
        """Its ticks."""
        return Cron.parse(self.cron, self.timezone, f"schedule {self.name!r}")

    @property
    def encoded_input(self) -> Any:
        """What an execution begins with, encoded."""
        return None if self.input is None else load_tree(self.input)


def row_of(values: Row) -> ScheduleRow:
    return ScheduleRow(**dict(zip(sql.SCHEDULE_COLUMNS, values, strict=True)))


def write(tx: Transaction, row: ScheduleRow, now: int, **changes: Any) -> ScheduleRow:
    """Store a schedule with changes; returns what it is now."""
    changed = replace(row, updated_at=now, **changes)
    tx.execute(sql.SET_SCHEDULE, _params(changed))
    return changed


def _params(row: ScheduleRow) -> dict[str, Any]:
    return {one.name: getattr(row, one.name) for one in fields(row)}


def find(tx: Transaction, name: str, *, lock: bool = False) -> ScheduleRow:
    """The schedule of that name; ScheduleNotFoundError names close ones."""
    found = tx.fetch_one(sql.SCHEDULE + (sql.LOCK if lock and tx.dialect == "postgres" else ""), {"name": name})
    if found is None:
        names = [row.name for row in all_schedules(tx)]
        raise ScheduleNotFoundError(
            schedule=name, hint=did_you_mean(str(name), names) if names else "The store has no schedules."
        )
    return row_of(found)


def all_schedules(tx: Transaction) -> list[ScheduleRow]:
    """Every schedule, by name."""
    return [row_of(values) for values in tx.fetch(sql.SCHEDULES)]


def create(tx: Transaction, schedule: Schedule, now: int, *, enabled: bool = True, origin: str = "api") -> ScheduleRow:
    """Store a new schedule; InvalidStateError when its name is taken."""
    times = Cron.parse(schedule.cron, schedule.timezone, f"schedule {schedule.name!r}")
    row = ScheduleRow(
        name=schedule.name,
        workflow=schedule.workflow,
        **options_of(schedule),
        origin=origin,
        enabled=int(enabled),
        disabled_reason=None,
        failures=0,
        last_error=None,
        next_at=times.next_after(now) if enabled else None,
        last_tick_at=None,
        last_execution_id=None,
        buffered=0,
        created_at=now,
        updated_at=now,
    )
    if not tx.execute(sql.INSERT_SCHEDULE, _params(row)):
        raise InvalidStateError(
            f"There is a schedule {schedule.name!r} already.",
            state="exists",
            hint="Give this one another name, or change that one with engine.schedules.update().",
        )
    return row


def options_of(schedule: Schedule) -> dict[str, Any]:
    """The columns that a schedule's options become."""
    check_choice(schedule.overlap, get_args(Overlap), "overlap", f"schedule {schedule.name!r}")
    check_choice(schedule.catch_up, get_args(CatchUp), "catch_up", f"schedule {schedule.name!r}")
    return {
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "queue": schedule.queue,
        "input": None if schedule.input is None else dump_tree(schedule.input),
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "catch_up_window": schedule.catch_up_window,
    }


def change(tx: Transaction, name: str, now: int, changes: Mapping[str, Any]) -> ScheduleRow:
    """Change options; the next tick follows cron and zone. Nothing changes when one of them is wrong."""
    row = find(tx, name, lock=True)
    unknown = [option for option in changes if option not in CHANGEABLE]
    if unknown:
        raise InputValidationError(
            f"A schedule has no option {unknown[0]!r} to change. {did_you_mean(unknown[0], CHANGEABLE)}",
            errors={option: ["is no option"] for option in unknown},
        )
    return apply_options(tx, row, now, {**changes})


def apply_options(tx: Transaction, row: ScheduleRow, now: int, options: Mapping[str, Any]) -> ScheduleRow:
    """Store other options; a schedule whose times change looks for its next tick from now on."""
    changed = replace(row, **cast("dict[str, Any]", dict(options)))
    times = changed.times
    check_choice(changed.overlap, get_args(Overlap), "overlap", f"schedule {row.name!r}")
    check_choice(changed.catch_up, get_args(CatchUp), "catch_up", f"schedule {row.name!r}")
    moved = (changed.cron, changed.timezone) != (row.cron, row.timezone)
    next_at = times.next_after(now) if moved and changed.enabled else changed.next_at
    return write(tx, changed, now, cron=times.expression, next_at=next_at)


def enable(tx: Transaction, name: str, now: int) -> ScheduleRow:
    """Let it tick from now on; its failures are forgotten."""
    row = find(tx, name, lock=True)
    if row.enabled:
        return row
    return write(
        tx,
        row,
        now,
        enabled=1,
        disabled_reason=None,
        failures=0,
        last_error=None,
        next_at=row.times.next_after(now),
    )


def disable(tx: Transaction, name: str, now: int, reason: str | None = None) -> ScheduleRow:
    """No further ticks, and none is made up for later; what runs goes on."""
    row = find(tx, name, lock=True)
    if not row.enabled:
        return row
    return stopped(tx, row, now, disabled_reason=reason)


def stopped(tx: Transaction, row: ScheduleRow, now: int, **changes: Any) -> ScheduleRow:
    """Disabled, and without a tick that waits its turn."""
    tx.execute(sql.DROP_BUFFERED, {"name": row.name})
    return write(tx, row, now, **{"enabled": 0, "next_at": None, "buffered": 0, **changes})


def delete(tx: Transaction, name: str) -> ScheduleRow:
    """Remove it with the record of its ticks; what it started goes on."""
    row = find(tx, name, lock=True)
    tx.execute(sql.DELETE_TICKS, {"name": name})
    tx.execute(sql.DELETE_SCHEDULE, {"name": name})
    return row
