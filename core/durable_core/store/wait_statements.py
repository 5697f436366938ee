"""The SQL of waits and events, written once for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Final

WAIT_COLUMNS: Final = (
    "id",
    "execution_id",
    "token_id",
    "workflow",
    "path",
    "iteration",
    "kind",
    "name",
    "occurrence",
    "position",
    "event",
    "group_id",
    "status",
    "spec",
    "due_at",
    "payload",
    "answered_by",
    "answered_through",
    "comment",
    "created_at",
    "resolved_at",
)
_WAIT: Final = ", ".join(WAIT_COLUMNS)

INSERT_WAIT: Final = (
    f"INSERT INTO waits ({_WAIT}) VALUES ({', '.join(':' + column for column in WAIT_COLUMNS)}) ON CONFLICT DO NOTHING"
)

WAITS_OF: Final = f"""
SELECT {_WAIT} FROM waits WHERE execution_id = :execution AND path = :path AND iteration = :iteration
ORDER BY position, created_at, id"""

LAST_WAIT: Final = """
SELECT id, kind, status, payload, spec FROM waits WHERE execution_id = :execution AND path = :path
AND iteration = :iteration AND kind NOT IN ('once', 'member') ORDER BY position DESC LIMIT 1"""

FORGET_WAIT: Final = "DELETE FROM waits WHERE id = :id OR group_id = :id"

RESOLVE: Final = """
UPDATE waits SET status = :status, payload = :payload, answered_by = :by, answered_through = :through,
    comment = :comment, resolved_at = :now
WHERE id = :id AND status = 'open'"""

CLOSE_GROUP: Final = """
UPDATE waits SET status = 'closed', resolved_at = :now WHERE group_id = :group AND status = 'open'"""

OPEN_IN_GROUP: Final = "SELECT COUNT(*) FROM waits WHERE group_id = :group AND status = 'open'"
GROUP_MEMBERS: Final = """
SELECT event, status, payload FROM waits WHERE group_id = :group ORDER BY position, id"""

WAIT_BY_ID: Final = f"SELECT {_WAIT} FROM waits WHERE id = :id"

# one statement for what is due: sleeps end, everything else has timed out (W-6: the row's status decides). The tokens
# say what that is: they have an index for it.
END_DUE: Final = """
UPDATE waits SET status = CASE WHEN kind = 'sleep' THEN 'satisfied' ELSE 'timed_out' END, resolved_at = :now
WHERE status = 'open' AND due_at IS NOT NULL AND due_at <= :now AND token_id IN (SELECT id FROM tokens
    WHERE status IN ('retry', 'waiting') AND available_at IS NOT NULL AND available_at <= :now)
RETURNING id, kind"""
END_DUE_UNLOCKED: Final = """
UPDATE waits SET status = CASE WHEN kind = 'sleep' THEN 'satisfied' ELSE 'timed_out' END, resolved_at = :now
WHERE id IN (SELECT w.id FROM tokens t JOIN waits w ON w.token_id = t.id
    WHERE t.status IN ('retry', 'waiting') AND t.available_at IS NOT NULL AND t.available_at <= :now
    AND w.status = 'open' AND w.due_at IS NOT NULL AND w.due_at <= :now FOR UPDATE OF w SKIP LOCKED)
RETURNING id, kind"""
"""PostgreSQL: whoever has locked a wait ends it; two that take them in different orders would wait for each other."""

WAKE_TOKEN: Final = """
UPDATE tokens SET status = CASE WHEN (SELECT control FROM executions WHERE executions.id = tokens.execution_id) = 0
    THEN 'ready' ELSE 'paused' END, available_at = :now
WHERE id = :token AND status = 'waiting'"""

# --- events -------------------------------------------------------------------------------------------------------

OPEN_FOR_EVENT: Final = f"""
SELECT {_WAIT} FROM waits WHERE status = 'open' AND event = :event AND kind IN ('event', 'member')
ORDER BY created_at, id"""

OPEN_FOR_EVENT_OF: Final = f"""
SELECT {_WAIT} FROM waits WHERE status = 'open' AND event = :event AND kind IN ('event', 'member')
AND execution_id = :execution ORDER BY created_at, id"""

# PostgreSQL: whoever keeps an event and whoever registers a wait for it see one another, whichever commits first
LOCK_EVENT: Final = "SELECT pg_advisory_xact_lock(hashtext('durable event ' || :event))"
SHARE_EVENT: Final = "SELECT pg_advisory_xact_lock_shared(hashtext('durable event ' || :event))"

INSERT_EVENT: Final = """
INSERT INTO events (event_id, name, execution_id, payload, satisfied, keep_until, created_at)
VALUES (:event_id, :name, :execution, :payload, :satisfied, :keep_until, :now) RETURNING seq"""

EVENT_BY_ID: Final = "SELECT satisfied FROM events WHERE event_id = :event_id"

INBOX: Final = """
SELECT seq, payload FROM events WHERE execution_id = :execution AND name = :event AND consumed_by IS NULL
AND satisfied = 0 ORDER BY seq"""

KEPT: Final = """
SELECT seq, payload FROM events WHERE execution_id IS NULL AND name = :event AND keep_until > :now
AND NOT EXISTS (SELECT 1 FROM event_deliveries d WHERE d.event_seq = events.seq AND d.execution_id = :execution)
ORDER BY seq"""

CONSUME: Final = "UPDATE events SET consumed_by = :wait WHERE seq = :seq AND consumed_by IS NULL"

DELIVERED: Final = """
INSERT INTO event_deliveries (event_seq, execution_id, created_at) VALUES (:seq, :execution, :now)
ON CONFLICT DO NOTHING"""

# --- input --------------------------------------------------------------------------------------------------------

INPUTS_OF: Final = f"""
SELECT {_WAIT} FROM waits WHERE execution_id = :execution AND kind = 'input' AND name = :name
ORDER BY created_at, position, id"""

# --- children -----------------------------------------------------------------------------------------------------

CALL_WAIT: Final = """
SELECT id, token_id FROM waits WHERE execution_id = :execution AND event = :child AND kind = 'call'
AND status = 'open'"""

OPEN_CALLS_OF_TOKEN: Final = """
SELECT event FROM waits WHERE token_id = :token AND kind = 'call' AND status = 'open' AND event IS NOT NULL"""

ACTIVE_CHILDREN: Final = """
SELECT id FROM executions WHERE parent_id = :execution
AND status NOT IN ('completed', 'failed', 'cancelled', 'compensated', 'compensation_failed') ORDER BY id"""
