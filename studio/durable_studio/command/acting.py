"""``cancel``, ``retry``, ``pause``, ``resume``, ``cleanup``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from durable_core.durations import parse_duration
from durable_core.engine import reading
from durable_core.engine.engine import Engine
from durable_studio.command.output import emit, emit_json, paint, safe, status_text


def control(engine: Engine, verb: str, id: str, as_json: bool, **options: Any) -> int:
    """Do one thing to an execution and say where it is now."""
    execution = getattr(engine, verb)(reading.full_id(engine, id), **options)
    record = execution.record()
    if as_json:
        facts = {"id": record.id, "workflow": record.workflow, "status": record.status, "flags": list(record.flags)}
        emit_json({**facts, "reason": record.reason})
    else:
        shown = status_text(record.status, record.flags)
        emit(paint(shown, record.status) + f"  {safe(record.workflow)} {safe(record.id)}")
    return 0


def cleanup(engine: Engine, as_json: bool, older_than: str, statuses: list[str] | None, dry_run: bool) -> int:
    """Remove executions that ended long ago."""
    age = timedelta(seconds=parse_duration(older_than, "--older-than"))
    chosen = [part.strip() for each in statuses or [] for part in each.split(",") if part.strip()]
    number = engine.cleanup(age, chosen or None, dry_run)
    if as_json:
        emit_json({"executions": number, "dry_run": dry_run})
    else:
        emit(f"{'Would remove' if dry_run else 'Removed'} {number} execution{'' if number == 1 else 's'}.")
    return 0
