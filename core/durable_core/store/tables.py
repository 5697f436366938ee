"""The tables: one SQLModel schema for SQLite and PostgreSQL.

Times are integers, microseconds since 1970 UTC (``*_at``). JSON travels as text made by the codec. Only the store's own
statements write these tables; the models declare the schema and serve reads for people.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, Text, text
from sqlmodel import Field, SQLModel

CASCADE = "CASCADE"


def _big(**options: Any) -> Any:
    """An integer that holds microseconds since 1970."""
    return Field(sa_column=Column(BigInteger, **{"nullable": True, **options}), default=options.pop("default", None))


def _text(nullable: bool = True) -> Any:
    return Field(default=None if nullable else ..., sa_column=Column(Text, nullable=nullable))


def _present(name: str, needed: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows that have a value in `needed`."""
    there = text(f"{needed} IS NOT NULL")
    return Index(name, *columns, unique=unique, sqlite_where=there, postgresql_where=there)


class DefinitionRow(SQLModel, table=True):
    """One version of a workflow's structure, kept as long as an execution may need it."""

    __tablename__: ClassVar[str] = "definitions"

    hash: str = Field(primary_key=True)
    workflow: str = Field(index=True)
    document: str = _text(nullable=False)
    created_at: int = _big(nullable=False)


class ExecutionRow(SQLModel, table=True):
    """One run of a workflow. `control` is non-zero while something forbids the fast path (see `store.control`)."""

    __tablename__: ClassVar[str] = "executions"
    __table_args__ = (
        Index("ix_executions_created", "created_at", "id"),
        Index("ix_executions_status", "status", "created_at", "id"),
        Index("ix_executions_workflow", "workflow", "created_at", "id"),
        # most executions have neither, and each index is written again whenever a status changes
        _present("ux_executions_key", "idempotency_key", "workflow", "idempotency_key", unique=True),
        _present("ix_executions_parent", "parent_id", "parent_id"),
        Index("ix_executions_blocked", "id", sqlite_where=text("control >= 4"), postgresql_where=text("control >= 4")),
        Index(
            "ix_executions_deadline",
            "deadline_at",
            sqlite_where=text("deadline_at IS NOT NULL AND completed_at IS NULL"),
            postgresql_where=text("deadline_at IS NOT NULL AND completed_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    workflow: str
    definition_hash: str
    bodies: str | None = None
    """Fingerprint of the bodies it started with."""
    status: str
    control: int = 0
    revision: int = _big(nullable=False)
    """Raised by every committed change; also numbers the step rows."""
    input: str = _text(nullable=False)
    context: str | None = _text()
    """The final context, once terminal."""
    output: str | None = _text()
    error: str | None = _text()
    queue: str = "default"
    priority: int = 0
    tags: str | None = None
    idempotency_key: str | None = None
    cancel_mode: str | None = None
    reason: str | None = _text()
    """Why it is paused, cancelling or blocked."""
    parent_id: str | None = None
    parent_token: str | None = None
    forked_from: str | None = None
    scheduled_for: int | None = _big()
    """The tick of the schedule that started it."""
    crashes: int = 0
    created_at: int = _big(nullable=False)
    started_at: int | None = _big()
    completed_at: int | None = _big()
    deadline_at: int | None = _big()


class TokenRow(SQLModel, table=True):
    """One thread of control of an execution, and the unit of a claim: where it stands and who holds it."""

    __tablename__: ClassVar[str] = "tokens"
    __table_args__ = (
        Index("ix_tokens_execution", "execution_id"),
        _present("ix_tokens_parent", "parent_id", "parent_id"),
        Index(
            "ix_tokens_ready",
            "queue",
            text("priority DESC"),
            "available_at",
            sqlite_where=text("status = 'ready'"),
            postgresql_where=text("status = 'ready'"),
        ),
        Index(
            "ix_tokens_due",
            "available_at",
            sqlite_where=text("status IN ('retry', 'waiting') AND available_at IS NOT NULL"),
            postgresql_where=text("status IN ('retry', 'waiting') AND available_at IS NOT NULL"),
        ),
        Index(
            "ix_tokens_lease",
            "lease_until",
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
    )

    id: str = Field(primary_key=True)
    """``<execution id>`` for the first token, ``<execution id>:<key>`` for the others."""
    execution_id: str
    key: str
    parent_id: str | None = None
    branch: int = 0
    branch_label: str | None = None
    path: str | None = _text()
    iteration: str = ""
    mode: str = "run"
    """What a claim does next: run, join, compensate."""
    status: str
    workflow: str
    queue: str
    priority: int = 0
    available_at: int | None = _big()
    attempt: int = 1
    """Failed attempts of the present node + 1."""
    pass_number: int = 1
    fence: int = 0
    worker_id: str | None = None
    lease_until: int | None = _big()
    claimed_at: int | None = _big()
    begun_at: int | None = _big()
    """When the present node's first pass began (waits count from there)."""
    stop: int = 0
    """Non-zero once it is asked to stop."""
    frame: str | None = _text()
    """An open parallel or foreach: counts, as JSON."""
    items: str | None = _text()
    """The items of an open foreach, encoded once."""
    changes: str | None = _text()
    """Context change since the fork (or the start), as of `changes_seq`; later changes stand in the step rows."""
    changes_seq: int = _big(nullable=False, default=0)
    output: str | None = _text()
    error: str | None = _text()


class StepRow(SQLModel, table=True):
    """One finished attempt of a node; never changed after it is written."""

    __tablename__: ClassVar[str] = "steps"
    __table_args__ = (
        Index(
            "ux_steps_completed",
            "execution_id",
            "path",
            "iteration",
            "type",
            unique=True,
            sqlite_where=text("status = 'completed'"),
            postgresql_where=text("status = 'completed'"),
        ),
        {"sqlite_with_rowid": False},
    )

    execution_id: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    token_key: str
    path: str = _text(nullable=False)
    name: str
    type: str
    iteration: str = ""
    attempt: int = 1
    pass_number: int = 1
    status: str
    choice: str | None = None
    """Label of the branch that a decision or switch took."""
    output: str | None = _text()
    error: str | None = _text()
    change: str | None = _text()
    """Context operations, as JSON."""
    snapshot: str | None = _text()
    """The token's whole context after this step, at bounded intervals."""
    compensate: int = 0
    """1: has a handler that has not run; 2: it has run."""
    worker_id: str | None = None
    started_at: int | None = _big()
    completed_at: int = _big(nullable=False)
    next_path: str | None = _text()
    """Where the first token went from here, with `next_iteration`, if this row alone says so (`store.ahead`)."""
    next_iteration: str | None = None


class WaitRow(SQLModel, table=True):
    """One wait of a node or of a body, keyed by where it stands and the call that made it."""

    __tablename__: ClassVar[str] = "waits"
    __table_args__ = (
        Index("ux_waits_call", "execution_id", "path", "iteration", "kind", "name", "occurrence", unique=True),
        Index("ix_waits_token", "token_id"),
        Index(
            "ix_waits_event",
            "event",
            sqlite_where=text("status = 'open' AND event IS NOT NULL"),
            postgresql_where=text("status = 'open' AND event IS NOT NULL"),
        ),
        _present("ix_waits_group", "group_id", "group_id"),
        Index(
            "ix_waits_open",
            "kind",
            "created_at",
            "id",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )

    id: str = Field(primary_key=True)
    execution_id: str
    token_id: str
    workflow: str
    path: str = _text(nullable=False)
    iteration: str = ""
    kind: str
    """sleep, event, any, all, input, call, once."""
    name: str
    occurrence: int = 0
    position: int = 0
    """Place in the order of the body's calls, for the drift check."""
    event: str | None = None
    """Event name of one member of an event, any or all wait."""
    group_id: str | None = None
    status: str
    """open, satisfied, timed_out, cancelled, closed."""
    spec: str | None = _text()
    """Options as JSON: prompt, fields, choices, where, timeout value."""
    due_at: int | None = _big()
    payload: str | None = _text()
    answered_by: str | None = None
    answered_through: str | None = None
    comment: str | None = _text()
    created_at: int = _big(nullable=False)
    resolved_at: int | None = _big()


class EventRow(SQLModel, table=True):
    """An event that was sent: kept for later waits, addressed to an inbox, or remembered by its id."""

    __tablename__: ClassVar[str] = "events"
    __table_args__ = (
        Index("ux_events_id", "event_id", unique=True),
        Index("ix_events_inbox", "execution_id", "name", "seq"),
        Index("ix_events_kept", "name", "keep_until"),
    )

    seq: int | None = Field(default=None, primary_key=True)
    event_id: str | None = None
    name: str
    execution_id: str | None = None
    payload: str | None = _text()
    satisfied: int = 0
    keep_until: int | None = _big()
    consumed_by: str | None = None
    created_at: int = _big(nullable=False)


class EventDeliveryRow(SQLModel, table=True):
    """A kept event reaches an execution at most once."""

    __tablename__: ClassVar[str] = "event_deliveries"

    event_seq: int = Field(primary_key=True)
    execution_id: str = Field(primary_key=True)
    created_at: int = _big(nullable=False)


class LogRow(SQLModel, table=True):
    """One captured line."""

    __tablename__: ClassVar[str] = "logs"
    __table_args__ = (Index("ix_logs_execution", "execution_id", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    execution_id: str
    path: str = _text(nullable=False)
    step: str
    iteration: str = ""
    attempt: int = 1
    pass_number: int = 1
    seq: int = 0
    at: int = _big(nullable=False)
    level: str
    source: str
    logger: str | None = None
    message: str = _text(nullable=False)
    metadata_: str | None = Field(default=None, sa_column=Column("metadata", Text, nullable=True))


class JournalRow(SQLModel, table=True):
    """What happened to an execution besides its steps: cancelled, paused, retried, adopted, worker lost ..."""

    __tablename__: ClassVar[str] = "journal"
    __table_args__ = (Index("ix_journal_execution", "execution_id", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    execution_id: str
    kind: str
    detail: str | None = _text()
    created_at: int = _big(nullable=False)


class OutboxRow(SQLModel, table=True):
    """A message that must reach a broker or bus, written in the transaction that makes it true."""

    __tablename__: ClassVar[str] = "outbox"

    id: int | None = Field(default=None, primary_key=True)
    topic: str
    body: str = _text(nullable=False)
    created_at: int = _big(nullable=False)


class WorkerRow(SQLModel, table=True):
    """A worker process that lives, or did until its lease ran out."""

    __tablename__: ClassVar[str] = "workers"

    id: str = Field(primary_key=True)
    name: str
    host: str
    """Identity of the machine and its boot; equal hosts can test each other's operating-system lock."""
    pid: int
    lock_file: str | None = None
    queues: str | None = _text()
    workflows: str | None = _text()
    lease: float = 30.0
    status: str = "running"
    started_at: int = _big(nullable=False)
    heartbeat_at: int = _big(nullable=False)


class QueueRow(SQLModel, table=True):
    """A queue that was paused or limited by hand; others need no row."""

    __tablename__: ClassVar[str] = "queues"

    name: str = Field(primary_key=True)
    paused: int = 0
    updated_at: int = _big(nullable=False)


class ScheduledWorkflowRow(SQLModel, table=True):
    """One schedule of a workflow."""

    __tablename__: ClassVar[str] = "scheduled_workflows"

    name: str = Field(primary_key=True)
    workflow: str
    cron: str
    timezone: str = "UTC"
    queue: str | None = None
    input: str | None = _text()
    overlap: str = "skip"
    catch_up: str = "latest"
    catch_up_window: float | None = None
    origin: str = "api"
    """decorator or api: a decorator's options follow the code, enabled follows the person."""
    enabled: int = 1
    disabled_reason: str | None = _text()
    failures: int = 0
    last_error: str | None = _text()
    next_at: int | None = _big()
    last_tick_at: int | None = _big()
    last_execution_id: str | None = None
    buffered: int = 0
    created_at: int = _big(nullable=False)
    updated_at: int = _big(nullable=False)


class ScheduleTickRow(SQLModel, table=True):
    """One execution a tick, however many schedulers run."""

    __tablename__: ClassVar[str] = "schedule_ticks"

    schedule: str = Field(primary_key=True)
    tick_at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    execution_id: str | None = None
    outcome: str
    created_at: int = _big(nullable=False)
