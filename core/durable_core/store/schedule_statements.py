"""The SQL of schedules and their ticks, written once for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Final

SCHEDULE_COLUMNS: Final = (
    "name",
    "workflow",
    "cron",
    "timezone",
    "queue",
    "input",
    "overlap",
    "catch_up",
    "catch_up_window",
    "origin",
    "enabled",
    "disabled_reason",
    "failures",
    "last_error",
    "next_at",
    "last_tick_at",
    "last_execution_id",
    "buffered",
    "created_at",
    "updated_at",
)
_ALL: Final = ", ".join(SCHEDULE_COLUMNS)

INSERT_SCHEDULE: Final = (
    f"INSERT INTO scheduled_workflows ({_ALL}) "
    f"VALUES ({', '.join(':' + column for column in SCHEDULE_COLUMNS)}) ON CONFLICT (name) DO NOTHING"
)

SET_SCHEDULE: Final = (
    "UPDATE scheduled_workflows SET "
    + ", ".join(f"{column} = :{column}" for column in SCHEDULE_COLUMNS if column not in ("name", "created_at"))
    + " WHERE name = :name"
)

SCHEDULE: Final = f"SELECT {_ALL} FROM scheduled_workflows WHERE name = :name"

SCHEDULES: Final = f"SELECT {_ALL} FROM scheduled_workflows ORDER BY name"

LOCK: Final = " FOR UPDATE"
LOCK_UNLESS_TAKEN: Final = " FOR UPDATE SKIP LOCKED"
"""For PostgreSQL; SQLite has one writer at a time."""

DUE: Final = f"""
SELECT {_ALL} FROM scheduled_workflows WHERE enabled = 1 AND next_at <= :now ORDER BY next_at, name"""

BUFFERED: Final = f"SELECT {_ALL} FROM scheduled_workflows WHERE buffered > 0 AND enabled = 1 ORDER BY name"

NEXT_TICK: Final = "SELECT MIN(next_at) FROM scheduled_workflows WHERE enabled = 1"

DELETE_SCHEDULE: Final = "DELETE FROM scheduled_workflows WHERE name = :name"
DELETE_TICKS: Final = "DELETE FROM schedule_ticks WHERE schedule = :name"

DECLARED_OF: Final = f"""
SELECT {_ALL} FROM scheduled_workflows WHERE workflow = :workflow AND origin = 'decorator' ORDER BY name"""

REVIVABLE: Final = f"""
SELECT {_ALL} FROM scheduled_workflows WHERE enabled = 0 AND disabled_reason LIKE :reason ORDER BY name"""

# --- ticks --------------------------------------------------------------------------------------------------------

INSERT_TICK: Final = """
INSERT INTO schedule_ticks (schedule, tick_at, execution_id, outcome, created_at)
VALUES (:name, :tick, :execution, :outcome, :now) ON CONFLICT (schedule, tick_at) DO NOTHING"""

SET_TICK: Final = """
UPDATE schedule_ticks SET execution_id = :execution, outcome = :outcome WHERE schedule = :name AND tick_at = :tick"""

START_BUFFERED: Final = """
UPDATE schedule_ticks SET execution_id = :execution, outcome = 'started'
WHERE schedule = :name AND tick_at = :tick AND outcome = 'buffered'"""

OLDEST_BUFFERED: Final = """
SELECT tick_at FROM schedule_ticks WHERE schedule = :name AND outcome = 'buffered' ORDER BY tick_at LIMIT 1"""

DROP_BUFFERED: Final = """
UPDATE schedule_ticks SET outcome = 'skipped' WHERE schedule = :name AND outcome = 'buffered'"""

# An overlap is about executions of late: the newest few are looked at, however long the history is.
ACTIVE: Final = """
SELECT e.id FROM executions e WHERE e.completed_at IS NULL AND (e.id = :last OR e.id IN (
    SELECT t.execution_id FROM schedule_ticks t WHERE t.schedule = :name AND t.execution_id IS NOT NULL
    ORDER BY t.tick_at DESC LIMIT 100))
AND e.status NOT IN ('completed', 'failed', 'cancelled', 'compensated', 'compensation_failed') ORDER BY e.id"""

TICKS: Final = """
SELECT tick_at, execution_id, outcome, created_at FROM schedule_ticks WHERE schedule = :name
ORDER BY tick_at DESC LIMIT :limit"""

WORKFLOWS_OF_WORKERS: Final = "SELECT workflows FROM workers WHERE status = 'running'"
