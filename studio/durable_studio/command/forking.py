"""``fork`` and ``explain``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from durable_core.engine import reading
from durable_core.engine.engine import Engine
from durable_core.errors import InputValidationError
from durable_studio.command.output import emit, emit_json, paint, safe, status_text
from durable_studio.discovery import need


def fork(
    engine: Engine,
    id: str,
    targets: Sequence[str],
    as_json: bool,
    *,
    step: str,
    iteration: str | None,
    context: dict[str, Any] | None,
) -> int:
    """Begin a new execution with a step of another; a worker takes it up."""
    source = reading.full_id(engine, id)
    workflow = engine.get_execution(source).record().workflow
    need(workflow, targets, f"Execution {source} runs", f"durable-studio fork {id} flows.py --step {shlex.quote(step)}")
    made = engine.fork(source, step=step, iteration=_iteration(iteration), context=context)
    record = made.record()
    if as_json:
        facts = {"id": made.id, "workflow": record.workflow, "status": record.status}
        emit_json({**facts, "forked_from": record.forked_from, "step": step})
    else:
        emit(paint(status_text(record.status), record.status) + f"  {safe(record.workflow)} {safe(made.id)}")
        emit(f"It begins with {safe(step)}; a worker takes it up. See: durable-studio watch {safe(made.id)}")
    return 0


def explain(engine: Engine, id: str, as_json: bool) -> int:
    """Say why an execution is where it is, what would move it, and what comes next."""
    found = engine.explain(reading.full_id(engine, id))
    if as_json:
        emit_json(found.to_dict())
        return 0
    first, *rest = found.sentences
    emit(paint(safe(first), found.status))
    for sentence in rest:
        emit(f"  {safe(sentence)}")
    return 0


def _iteration(text: str | None) -> int | tuple[int, ...] | None:
    """3, or 3.0 in nested loops: outer to inner."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split("."))
    except ValueError:
        raise InputValidationError(
            f"--iteration must be a number, or numbers with dots between them, not {text!r}.",
            errors={"iteration": ["is no number"]},
            hint="Write 3, or 2.0 for the first pass of an inner loop in the third of the outer one.",
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers
