"""``doctor`` and ``verify``."""

from __future__ import annotations

from dataclasses import asdict

from durable_core.engine.engine import Engine
from durable_studio.command.output import emit, emit_json, paint, safe

_GLYPHS = {"ok": "✔", "warning": "!", "problem": "✘"}


def doctor(engine: Engine, as_json: bool) -> int:
    """What is well and what is not; 1 when there is a problem."""
    found = engine.doctor()
    if as_json:
        emit_json([asdict(check) for check in found])
    else:
        for check in found:
            emit(
                paint(f"{_GLYPHS[check.level]} {check.level:<8}", check.level) + f" {check.name}: {safe(check.detail)}"
            )
            if check.hint:
                emit(f"             {safe(check.hint)}")
    return int(any(check.level == "problem" for check in found))


def verify(engine: Engine, as_json: bool) -> int:
    """Every broken promise the store shows; 1 when there is one."""
    found = engine.verify()
    if as_json:
        emit_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            emit(safe(finding))
        emit(f"{len(found)} broken promise{'' if len(found) == 1 else 's'} in {engine.count_executions()} executions.")
    return int(bool(found))
