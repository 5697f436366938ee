"""The truth about one execution, read from the store in one snapshot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.definition.document import from_document
from durable_core.definition.model import Definition
from durable_core.errors import ExecutionNotFoundError, StoreError
from durable_core.ids import parse_iteration_key
from durable_core.live.recorded import Attempts, Iteration, Recorded
from durable_core.live.view import ExecutionView, Line, OpenWait, Position
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.store import statements as sql
from durable_core.store.ahead import REVISION, TOKENS
from durable_core.store.control import BLOCKED, PAUSED, STOPPING
from durable_core.store.transaction import Transaction

LINES: Final = 100
"""How many of the last captured lines a view holds."""
_FLAGS: Final = {"paused": PAUSED, "cancelling": STOPPING, "blocked": BLOCKED}
_WAITS: Final = ("sleep", "event", "any", "all", "input", "call")

_HEAD: Final = f"""
SELECT workflow, definition_hash, status, control, {REVISION}, reason, error, crashes, parent_id, created_at,
    started_at, completed_at FROM executions WHERE id = :id"""
_STEPS: Final = """
SELECT seq, path, type, iteration, attempt, status, choice, error, started_at, completed_at,
    CASE WHEN type = 'foreach' AND status = 'completed' THEN output END
FROM steps WHERE execution_id = :id AND seq > :after ORDER BY seq"""
_TOKENS: Final = f"""
SELECT id, path, iteration, status, mode, attempt, available_at, begun_at, claimed_at, frame, items IS NOT NULL
FROM {TOKENS} WHERE execution_id = :id AND path IS NOT NULL ORDER BY id"""
_WAITING: Final = """
SELECT id, path, iteration, kind, name, event, status, spec, created_at, due_at, answered_by FROM waits
WHERE execution_id = :id AND (status = 'open' OR answered_by IS NOT NULL) ORDER BY created_at, id"""
_LINES: Final = """
SELECT id, at, level, source, step, path, message, iteration, attempt FROM logs
WHERE execution_id = :id AND id > :after ORDER BY id DESC LIMIT :limit"""

DefinitionOf = Callable[[Transaction, str], Definition]


def fetch_view(
    tx: Transaction,
    execution_id: str,
    definition_of: DefinitionOf | None = None,
    *,
    known: ExecutionView | None = None,
    lines: int = LINES,
) -> ExecutionView:
    """The execution as the store has it now; ExecutionNotFoundError when there is none.

    With a `known` earlier view only what was recorded since is read: that costs the same however much there was before.
    """
    head = tx.fetch_one(_HEAD, {"id": execution_id})
    if head is None:
        raise ExecutionNotFoundError(
            f"There is no execution {execution_id!r}.",
            execution_id=execution_id,
            hint="`durable-studio list` shows those there are.",
        )
    workflow, hash_, status, control, revision, reason, error, crashes, parent_id, created, started, completed = head
    items: dict[tuple[str, Iteration], int] = {}
    waits, answered = _waits(tx, execution_id)
    return ExecutionView(
        id=execution_id,
        workflow=workflow,
        definition_hash=hash_,
        definition=_definition(tx, hash_, definition_of, known),
        status=status,
        flags=tuple(name for name, bit in _FLAGS.items() if control & bit),
        reason=reason,
        revision=revision,
        attempts=_attempts(tx, execution_id, known),
        positions=_positions(tx, execution_id, items, ended=ExecutionStatus(status) in TERMINAL),
        waits=waits,
        items=items,
        answered=answered,
        error=load_tree(error) if error else None,
        crashes=crashes,
        parent_id=parent_id,
        created_at=_time(created),
        started_at=_time(started),
        completed_at=_time(completed),
        lines=_last_lines(tx, execution_id, known, lines),
        at=from_us(tx.now()),
    )


def _definition(
    tx: Transaction, hash_: str, definition_of: DefinitionOf | None, known: ExecutionView | None
) -> Definition | None:
    if known is not None and known.definition_hash == hash_ and known.definition is not None:
        return known.definition
    if definition_of is None:
        found = tx.fetch_one(sql.SELECT_DEFINITION, {"hash": hash_})
        return None if found is None else from_document(load_tree(found[0]))
    try:
        return definition_of(tx, hash_)
    except StoreError:
        return None  # `verify` tells; the rest can still be shown


def _attempts(tx: Transaction, execution_id: str, known: ExecutionView | None) -> Attempts:
    before = Attempts() if known is None else known.attempts
    found = []
    for seq, path, type_, iteration, attempt, status, choice, error, started, completed, output in tx.fetch(
        _STEPS, {"id": execution_id, "after": before.last_seq}
    ):
        failure = load_tree(error) if error else {}
        found.append(
            Recorded(
                seq=seq,
                path=path,
                type=type_,
                status=status,
                iteration=parse_iteration_key(iteration),
                attempt=attempt,
                choice=choice,
                error_type=failure.get("type"),
                error_message=failure.get("message") or "",
                started_at=_time(started),
                completed_at=_time(completed),
                items=len(load_tree(output)) if output else None,
            )
        )
    return before.followed_by(found)


def _positions(
    tx: Transaction, execution_id: str, items: dict[tuple[str, Iteration], int], *, ended: bool
) -> tuple[Position, ...]:
    """Where it stands now; counts the items of open foreachs on the way."""
    found = []
    for id_, path, iteration, status, mode, attempt, available, begun, claimed, frame, has_items in tx.fetch(
        _TOKENS, {"id": execution_id}
    ):
        passes = parse_iteration_key(iteration)
        if frame and has_items:
            items[path, passes] = load_tree(frame)[0]
        if status == "done" or ended:
            continue
        since = begun if status != "running" or begun is not None else claimed
        found.append(
            Position(
                token_id=id_,
                path=path,
                status=status,
                mode=mode,
                iteration=passes,
                attempt=attempt,
                due_at=_time(available if status in ("waiting", "retry") else None),
                since=_time(since),
            )
        )
    return tuple(found)


def _waits(tx: Transaction, execution_id: str) -> tuple[tuple[OpenWait, ...], dict[tuple[str, Iteration], str]]:
    open_, answered = [], {}
    for id_, path, iteration, kind, name, event, status, spec_text, created, due, by in tx.fetch(
        _WAITING, {"id": execution_id}
    ):
        passes = parse_iteration_key(iteration)
        if by is not None:
            answered[path, passes] = by
        if status != "open" or kind not in _WAITS:
            continue
        spec = load_tree(spec_text) if spec_text and kind == "input" else {}
        open_.append(
            OpenWait(
                id=id_,
                path=path,
                kind=kind,
                name=name,
                iteration=passes,
                event=event,
                type=spec.get("type", "free_text") if kind == "input" else None,
                prompt=spec.get("prompt") or "",
                created_at=_time(created),
                due_at=_time(due),
            )
        )
    return tuple(open_), answered


def _last_lines(tx: Transaction, execution_id: str, known: ExecutionView | None, limit: int) -> tuple[Line, ...]:
    """The window of the last lines; of those already seen only the last few are read again.

    On PostgreSQL a line may become visible after one with a higher id that another worker wrote at the same time.
    """
    seen = () if known is None else known.lines
    again = min(len(seen), 20) if tx.dialect == "postgres" else 0
    after = seen[-1 - again].id if len(seen) > again else 0
    kept = [line for line in seen if line.id <= after]
    window = deque(kept, maxlen=max(1, limit))
    for number, at, level, source, step, path, message, iteration, attempt in reversed(
        tx.fetch(_LINES, {"id": execution_id, "after": after, "limit": limit})
    ):
        window.append(
            Line(
                id=number,
                at=from_us(at),
                level=level,
                source=source,
                step=step,
                path=path,
                message=message,
                iteration=parse_iteration_key(iteration),
                attempt=attempt,
            )
        )
    return tuple(window)


def _time(us: Any) -> datetime | None:
    return None if us is None else from_us(us)
