"""Schedules declared by @cron: the code owns their options, the person owns whether they are enabled."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from durable_core.dsl.schedules import Schedule
from durable_core.dsl.workflow import Workflow
from durable_core.errors import InvalidStateError
from durable_core.scheduler.schedules import apply_options, create, options_of, row_of, write
from durable_core.store import schedule_statements as sql
from durable_core.store.transaction import Transaction

__all__ = ["UNKNOWN_WORKFLOW", "Declared", "declare", "declared_of", "revive", "withdraw"]

log = logging.getLogger("durable_studio.scheduler")

UNKNOWN_WORKFLOW = "no running worker knows the workflow"

Declared = dict[str, Schedule]


def declared_of(workflows: Iterable[Workflow]) -> Declared:
    """The schedules that code declares, by name; the first of two under one name counts."""
    found: Declared = {}
    for workflow in workflows:
        for schedule in workflow.schedules:
            other = found.setdefault(schedule.name, schedule)
            if other is not schedule:
                log.warning(
                    "the workflows %r and %r both declare a schedule %r: give one of them @cron(name=...)",
                    other.workflow,
                    schedule.workflow,
                    schedule.name,
                )
    return found


def declare(tx: Transaction, schedules: Sequence[Schedule], now: int) -> None:
    """Bring declared schedules to the store: new ones enabled, known ones with the code's options."""
    for schedule in schedules:
        lock = sql.LOCK if tx.dialect == "postgres" else ""
        found = tx.fetch_one(sql.SCHEDULE + lock, {"name": schedule.name})
        if found is None:
            # Another process may bring the same schedule at this very moment: one of the two does.
            with suppress(InvalidStateError):
                create(tx, schedule, now, origin="decorator")
            continue
        row = row_of(found)
        if row.origin != "decorator":
            log.warning(
                "the schedule %r of workflow %r was created by hand; the @cron of that name in the code is left out",
                row.name,
                row.workflow,
            )
            continue
        options: dict[str, Any] = options_of(schedule)
        if row.workflow != schedule.workflow or any(getattr(row, name) != value for name, value in options.items()):
            apply_options(tx, replace(row, workflow=schedule.workflow), now, options)


def withdraw(tx: Transaction, workflows: Iterable[Workflow]) -> list[str]:
    """Remove declared schedules that the code of their workflow no longer has; returns their names."""
    gone: list[str] = []
    for workflow in workflows:
        names = {schedule.name for schedule in workflow.schedules}
        for values in tx.fetch(sql.DECLARED_OF, {"workflow": workflow.name}):
            row = row_of(values)
            if row.name not in names:
                tx.execute(sql.DELETE_TICKS, {"name": row.name})
                tx.execute(sql.DELETE_SCHEDULE, {"name": row.name})
                gone.append(row.name)
    return gone


def revive(tx: Transaction, names: Iterable[str], now: int) -> None:
    """Enable schedules again that were disabled because nobody knew their workflow, now that somebody does."""
    known = set(names)
    for values in tx.fetch(sql.REVIVABLE, {"reason": f"%{UNKNOWN_WORKFLOW}%"}):
        row = row_of(values)
        if row.workflow in known:
            write(
                tx,
                row,
                now,
                enabled=1,
                disabled_reason=None,
                failures=0,
                last_error=None,
                next_at=row.times.next_after(now),
            )
