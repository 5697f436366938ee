"""The SQL of the hot path and of the engine's own reads, written once for SQLite and PostgreSQL.

Parameters are named; a statement says in its WHERE clause which fence it needs, so that a worker whose lease was taken
over changes nothing (S-3).
"""

from __future__ import annotations

from typing import Final

# --- definitions --------------------------------------------------------------------------------------------------

INSERT_DEFINITION: Final = """
INSERT INTO definitions (hash, workflow, document, created_at) VALUES (:hash, :workflow, :document, :now)
ON CONFLICT (hash) DO NOTHING"""

SELECT_DEFINITION: Final = "SELECT document FROM definitions WHERE hash = :hash"

# --- executions ---------------------------------------------------------------------------------------------------

INSERT_EXECUTION: Final = """
INSERT INTO executions (id, workflow, definition_hash, bodies, status, control, revision, input, queue, priority, tags,
    idempotency_key, parent_id, parent_token, forked_from, scheduled_for, crashes, created_at, started_at, deadline_at)
VALUES (:id, :workflow, :definition_hash, :bodies, :status, 0, 0, :input, :queue, :priority, :tags,
    :idempotency_key, :parent_id, :parent_token, :forked_from, :scheduled_for, 0, :now, :started_at, :deadline_at)
ON CONFLICT DO NOTHING"""

SELECT_BY_KEY: Final = """
SELECT id FROM executions WHERE workflow = :workflow AND idempotency_key = :idempotency_key"""

SELECT_CONTROL: Final = """
SELECT status, control, revision, cancel_mode, reason, error, parent_id, parent_token, definition_hash, workflow,
    crashes, queue, priority
FROM executions WHERE id = :execution"""

SELECT_BEGINNING: Final = """
SELECT definition_hash, input, queue, parent_id, revision FROM executions WHERE id = :execution"""

ADVANCE_REVISION: Final = """
UPDATE executions SET revision = :revision WHERE id = :execution AND revision <= :before AND control = 0"""
"""A revision below `before` is that of a first token whose steps ran ahead (`store.ahead`)."""

SELECT_REVISION: Final = "SELECT revision FROM executions WHERE id = :execution AND control = 0"

END_EXECUTION: Final = """
UPDATE executions SET status = :status, control = 0, revision = revision + :n, output = :output, context = :context,
    error = :error, completed_at = :now
WHERE id = :execution AND status NOT IN ('completed', 'failed', 'cancelled', 'compensated', 'compensation_failed')
RETURNING revision"""

SET_STATUS: Final = """
UPDATE executions SET status = :status, control = :control, revision = revision + :n WHERE id = :execution
RETURNING revision"""

SET_CONTROL: Final = """
UPDATE executions SET status = :status, control = :control, cancel_mode = :cancel_mode, reason = :reason,
    error = :error, revision = revision + 1
WHERE id = :execution"""

MARK_RUNNING: Final = """
UPDATE executions SET status = 'running', started_at = COALESCE(started_at, :now), revision = revision + 1
WHERE id = :execution AND status IN ('pending', 'waiting')
    AND EXISTS (SELECT 1 FROM tokens t WHERE t.id = :token AND t.fence = :fence AND t.status = 'running')"""

ADOPT_DEFINITION: Final = """
UPDATE executions SET definition_hash = :hash, bodies = :bodies, revision = revision + 1
WHERE id = :execution AND definition_hash = :before"""

REOPEN_EXECUTION: Final = """
UPDATE executions SET status = :status, control = 0, revision = revision + 1, completed_at = NULL, error = NULL,
    output = NULL, context = NULL, cancel_mode = NULL, reason = NULL, crashes = 0, deadline_at = :deadline
WHERE id = :execution"""

DUE_DEADLINES: Final = """
SELECT id FROM executions WHERE deadline_at <= :now AND deadline_at IS NOT NULL AND completed_at IS NULL
AND status IN ('pending', 'running', 'waiting') ORDER BY deadline_at LIMIT 100"""

NEXT_DEADLINE: Final = """
SELECT MIN(deadline_at) FROM executions WHERE deadline_at IS NOT NULL AND completed_at IS NULL"""

# --- tokens -------------------------------------------------------------------------------------------------------

TOKEN_COLUMNS: Final = (
    "id",
    "execution_id",
    "key",
    "parent_id",
    "branch",
    "branch_label",
    "path",
    "iteration",
    "mode",
    "status",
    "workflow",
    "queue",
    "priority",
    "available_at",
    "attempt",
    "pass_number",
    "fence",
    "worker_id",
    "lease_until",
    "claimed_at",
    "begun_at",
    "stop",
    "frame",
    "items",
    "changes",
    "changes_seq",
    "output",
    "error",
)
_TOKEN: Final = ", ".join(TOKEN_COLUMNS)

INSERT_TOKEN: Final = f"INSERT INTO tokens ({_TOKEN}) VALUES ({', '.join(':' + column for column in TOKEN_COLUMNS)})"

UPSERT_TOKEN: Final = (
    INSERT_TOKEN
    + " ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in TOKEN_COLUMNS[4:])
)

SELECT_TOKEN: Final = f"SELECT {_TOKEN} FROM tokens WHERE id = :id"
SELECT_TOKENS: Final = f"SELECT {_TOKEN} FROM tokens WHERE execution_id = :execution"
SELECT_CHILDREN: Final = f"SELECT {_TOKEN} FROM tokens WHERE parent_id = :parent ORDER BY branch"
DELETE_TOKEN: Final = "DELETE FROM tokens WHERE id = :id"
DELETE_TOKENS: Final = "DELETE FROM tokens WHERE execution_id = :execution"
DELETE_CHILDREN: Final = "DELETE FROM tokens WHERE parent_id = :parent"

_HOLDS: Final = """
WHERE id = :id AND fence = :fence AND status = 'running' AND stop = 0 AND path = :from_path
    AND iteration = :from_iteration"""

MOVE_TOKEN: Final = (
    """
UPDATE tokens SET path = :path, iteration = :iteration, mode = 'run', attempt = 1, pass_number = 1,
    begun_at = :begun_at"""
    + _HOLDS
)

MOVE_TOKEN_KEEPING_CHANGES: Final = (
    """
UPDATE tokens SET path = :path, iteration = :iteration, mode = 'run', attempt = 1, pass_number = 1,
    begun_at = :begun_at,
    changes = :changes, changes_seq = :revision"""
    + _HOLDS
)

REST_TOKEN: Final = (
    """
UPDATE tokens SET status = 'waiting', worker_id = NULL, lease_until = NULL, available_at = :due, path = :path,
    iteration = :iteration, mode = 'run', attempt = :attempt, pass_number = :pass_number, begun_at = :begun_at,
    changes = :changes, changes_seq = (SELECT CASE WHEN revision > :before THEN revision ELSE :before END + 1
        FROM executions WHERE executions.id = :execution)"""
    + _HOLDS
    + """
    AND EXISTS (SELECT 1 FROM executions WHERE executions.id = :execution AND control = 0
        AND executions.status IN ('pending', 'running', 'waiting'))"""
)
"""The only token at work goes to rest; `REST_EXECUTION` follows."""

REST_EXECUTION: Final = """
UPDATE executions SET status = 'waiting', revision = CASE WHEN revision > :before THEN revision ELSE :before END + 1
WHERE id = :execution RETURNING revision"""

COMPLETE_EXECUTION: Final = (
    """
UPDATE executions SET status = 'completed', revision = :revision, output = :output, context = :context,
    completed_at = :now
WHERE id = :execution AND revision <= :before AND control = 0 AND status IN ('pending', 'running', 'waiting')
    AND EXISTS (SELECT 1 FROM tokens"""
    + _HOLDS.replace("WHERE id", "WHERE tokens.id").replace("AND status", "AND tokens.status")
    + ")"
)

HOLDING: Final = "SELECT stop FROM tokens WHERE id = :id AND fence = :fence AND status = 'running'"

OPEN_COUNTS: Final = """
SELECT COUNT(*) FILTER (WHERE status IN ('ready', 'running', 'paused')),
       COUNT(*) FILTER (WHERE status IN ('retry', 'waiting'))
FROM tokens WHERE execution_id = :execution"""

# --- claims -------------------------------------------------------------------------------------------------------

WAKE_DUE: Final = """
UPDATE tokens SET status = CASE WHEN (SELECT control FROM executions WHERE executions.id = tokens.execution_id) = 0
    THEN 'ready' ELSE 'paused' END WHERE id IN (SELECT id FROM tokens
    WHERE status IN ('retry', 'waiting') AND available_at IS NOT NULL AND available_at <= :now
    AND NOT EXISTS (SELECT 1 FROM waits WHERE waits.token_id = tokens.id AND waits.status = 'open'
        AND waits.due_at <= :now)"""
"""A wait that was committed after the due ones were ended is left with its token for the next claim."""
WAKE_DUE_UNLOCKED: Final = " FOR UPDATE SKIP LOCKED)"

NEXT_DUE: Final = """
SELECT MIN(available_at) FROM tokens WHERE status IN ('retry', 'waiting') AND available_at IS NOT NULL"""

NEXT_SCHEDULED: Final = "SELECT MIN(available_at) FROM tokens WHERE status = 'ready' AND available_at > :now"

HEARTBEAT: Final = """
UPDATE tokens SET lease_until = :lease_until WHERE worker_id = :worker AND status = 'running'"""

HEARTBEAT_UNLOCKED: Final = """
UPDATE tokens SET lease_until = :lease_until WHERE id IN (
    SELECT id FROM tokens WHERE worker_id = :worker AND status = 'running' FOR UPDATE SKIP LOCKED)"""
"""PostgreSQL: a token that is being recorded waits for the next heartbeat, or the two would wait for each other."""

HELD_TOKENS: Final = "SELECT id, fence FROM tokens WHERE worker_id = :worker AND status = 'running'"

HELD_UNDER: Final = """
SELECT t.execution_id, t.key, e.control, t.stop, e.definition_hash
FROM tokens t JOIN executions e ON e.id = t.execution_id
WHERE t.id = :id AND t.fence = :fence AND t.status = 'running'"""

RELEASE_TOKEN: Final = """
UPDATE tokens SET status = 'ready', worker_id = NULL, lease_until = NULL, fence = fence + 1
WHERE id = :id AND fence = :fence AND status = 'running'"""

STOP_REQUESTS: Final = "SELECT id FROM tokens WHERE worker_id = :worker AND status = 'running' AND stop <> 0"

# --- steps --------------------------------------------------------------------------------------------------------

STEP_COLUMNS: Final = (
    "execution_id",
    "seq",
    "token_key",
    "path",
    "name",
    "type",
    "iteration",
    "attempt",
    "pass_number",
    "status",
    "choice",
    "output",
    "error",
    "change",
    "snapshot",
    "compensate",
    "worker_id",
    "started_at",
    "completed_at",
    "next_path",
    "next_iteration",
)

STEP_TYPES: Final = dict.fromkeys(STEP_COLUMNS, "text") | {
    "seq": "bigint",
    "attempt": "int",
    "pass_number": "int",
    "compensate": "int",
    "started_at": "bigint",
    "completed_at": "bigint",
}
STEP_FIELDS: Final = ", ".join(f"{column} {type_}" for column, type_ in STEP_TYPES.items())
"""The columns with their types, for step rows in JSON."""

INSERT_STEP: Final = (
    f"INSERT INTO steps ({', '.join(STEP_COLUMNS)}) VALUES ({', '.join(':' + column for column in STEP_COLUMNS)})"
)

CHANGES_SINCE: Final = """
SELECT change FROM steps WHERE execution_id = :execution AND seq > :seq AND token_key = :key AND status = 'completed'
AND change IS NOT NULL ORDER BY seq"""

RESULTS: Final = """
SELECT name, output FROM steps WHERE execution_id = :execution AND status = 'completed'
AND type NOT IN ('loop', 'compensation') ORDER BY seq"""

NEXT_COMPENSATION: Final = """
SELECT seq, token_key, path, name, iteration, output, snapshot FROM steps
WHERE execution_id = :execution AND compensate = 1 AND status = 'completed' ORDER BY seq DESC LIMIT 1"""

COMPENSATION_RAN: Final = """
UPDATE steps SET compensate = 2 WHERE execution_id = :execution AND seq = :seq AND compensate = 1"""

COMPENSATION_FAILURES: Final = """
SELECT COUNT(*) FROM steps WHERE execution_id = :execution AND type = 'compensation' AND status = 'failed'
AND compensate = 2"""

REOPEN_COMPENSATIONS: Final = """
UPDATE steps SET compensate = 1 WHERE execution_id = :execution AND status = 'completed' AND compensate = 2
AND EXISTS (SELECT 1 FROM steps f WHERE f.execution_id = :execution AND f.type = 'compensation' AND f.status = 'failed'
    AND f.compensate = 2 AND f.path = steps.path AND f.iteration = steps.iteration)"""

FORGIVE_COMPENSATIONS: Final = """
UPDATE steps SET compensate = 0 WHERE execution_id = :execution AND type = 'compensation' AND status = 'failed'
AND compensate = 2"""

INSERT_LINE: Final = """
INSERT INTO logs (execution_id, path, step, iteration, attempt, pass_number, seq, at, level, source, logger, message,
    metadata)
VALUES (:execution_id, :path, :step, :iteration, :attempt, :pass_number, :seq, :at, :level, :source, :logger, :message,
    :metadata)"""

# --- journal ------------------------------------------------------------------------------------------------------

INSERT_JOURNAL: Final = """
INSERT INTO journal (execution_id, kind, detail, created_at) VALUES (:execution, :kind, :detail, :now)"""

CLOSE_WAITS: Final = """
UPDATE waits SET status = :status, resolved_at = :now WHERE execution_id = :execution AND status = 'open'"""

CLOSE_TOKEN_WAITS: Final = """
UPDATE waits SET status = :status, resolved_at = :now WHERE token_id = :token AND status = 'open'"""

# --- workers ------------------------------------------------------------------------------------------------------

INSERT_WORKER: Final = """
INSERT INTO workers (id, name, host, pid, lock_file, queues, workflows, lease, status, started_at, heartbeat_at)
VALUES (:id, :name, :host, :pid, :lock_file, :queues, :workflows, :lease, 'running', :now, :now)"""

WORKER_HEARTBEAT: Final = "UPDATE workers SET heartbeat_at = :now WHERE id = :worker"

WORKER_WORKFLOWS: Final = "UPDATE workers SET workflows = :workflows WHERE id = :worker"

OTHER_WORKERS: Final = """
SELECT id, host, pid, lock_file, heartbeat_at, lease FROM workers WHERE status = 'running' AND id <> :worker"""

END_WORKER: Final = "UPDATE workers SET status = :status, heartbeat_at = :now WHERE id = :worker AND status = 'running'"

COUNT_CRASH: Final = """
UPDATE executions SET crashes = crashes + 1, revision = revision + 1 WHERE id = :execution
AND status IN ('pending', 'running', 'waiting', 'compensating') RETURNING crashes"""

LOSSES: Final = """
SELECT kind, detail FROM journal WHERE execution_id = :execution AND kind IN ('worker_lost', 'retried') ORDER BY id"""

EXPIRED_TOKENS: Final = """
SELECT id, execution_id, key, worker_id, fence, lease_until FROM tokens WHERE status = 'running' AND (lease_until < :now
    OR NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = tokens.worker_id AND workers.status = 'running'))
ORDER BY execution_id, id LIMIT 200"""
"""A worker that is known to be gone may still get a token: its last COMMIT can reach the server after its burial."""

TOKENS_OF_WORKER: Final = """
SELECT id, execution_id, key, worker_id, fence FROM tokens WHERE status = 'running' AND worker_id = :worker
ORDER BY execution_id, id LIMIT 200"""
"""In one order everywhere, so that two sweepers do not wait for each other."""
