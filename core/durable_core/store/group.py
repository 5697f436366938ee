"""Records and starts of many executions in one PostgreSQL statement each: one round trip, one commit.

Each record is fenced on its own; a start whose id or key is taken already is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from durable_core.store.statements import STEP_COLUMNS, STEP_FIELDS

_STEP_VALUES: Final = ", ".join("e.revision - v.seq" if column == "seq" else f"v.{column}" for column in STEP_COLUMNS)

_NOW: Final = "COALESCE(CAST(:now AS bigint), CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint))"
"""A virtual clock's time where one is given, else the server's."""
_GOES_ON: Final = "CASE WHEN x.control = 0 AND x.status IN ('pending', 'running', 'waiting') THEN TRUE ELSE FALSE END"
_HELD: Final = "CASE WHEN k.fence = r.fence AND k.status = 'running' THEN TRUE ELSE FALSE END"
_STANDS: Final = f"""CASE WHEN {_HELD} AND k.stop = 0 AND k.path = r.from_path AND k.iteration = r.from_iteration
            THEN TRUE ELSE FALSE END"""
"""Nothing is asked of the execution; the token is held; it stands where it was. The planner takes a CASE to hold for
half of all rows, and finds them by their keys. Of the bare conditions it expects a single row of the whole table, and
would look through the table once for each record."""

RECORD: Final = f"""
WITH r AS (
    SELECT * FROM json_to_recordset(CAST(:records AS json)) AS r(id text, fence bigint, execution text, from_path text,
        from_iteration text, path text, iteration text, begun_at bigint, before bigint, n bigint, changes text,
        finish boolean, output text, context text)
), x AS MATERIALIZED (
    SELECT x.id FROM executions x JOIN r ON x.id = r.execution
    WHERE r.finish AND {_GOES_ON} FOR UPDATE OF x
), f AS MATERIALIZED (
    SELECT k.id FROM tokens k JOIN r ON k.id = r.id JOIN x ON x.id = r.execution
    WHERE {_STANDS} FOR UPDATE OF k
), e AS (
    UPDATE executions x SET revision = GREATEST(x.revision, r.before) + r.n,
        status = CASE WHEN r.finish THEN 'completed' ELSE x.status END,
        output = CASE WHEN r.finish THEN r.output ELSE x.output END,
        context = CASE WHEN r.finish THEN r.context ELSE x.context END,
        completed_at = CASE WHEN r.finish
            THEN {_NOW}
            ELSE x.completed_at END
    FROM r WHERE x.id = r.execution AND {_GOES_ON}
        AND (NOT r.finish OR r.id IN (SELECT id FROM f))
        AND EXISTS (SELECT 1 FROM tokens k WHERE k.id = r.id AND {_STANDS})
    RETURNING r.id AS token_id, x.revision
), t AS (
    UPDATE tokens k SET path = r.path, iteration = r.iteration, mode = 'run', attempt = 1, pass_number = 1,
        begun_at = r.begun_at, changes = COALESCE(r.changes, k.changes),
        changes_seq = CASE WHEN r.changes IS NULL THEN k.changes_seq ELSE e.revision END
    FROM r JOIN e ON e.token_id = r.id
    WHERE NOT r.finish AND k.id = r.id AND {_HELD}
    RETURNING k.id, e.revision
), d AS (
    DELETE FROM tokens k USING r JOIN e ON e.token_id = r.id
    WHERE r.finish AND k.id = r.id AND {_HELD}
    RETURNING k.id, e.revision
), done AS (
    SELECT id, revision FROM t UNION ALL SELECT id, revision FROM d
), s AS (
    INSERT INTO steps ({", ".join(STEP_COLUMNS)})
    SELECT {_STEP_VALUES}
    FROM json_to_recordset(CAST(:steps AS json)) AS v(token_id text, {STEP_FIELDS})
    JOIN done e ON e.id = v.token_id
)
SELECT id, revision FROM done"""
"""What `e` sees of a token may be older than the lock it waited for. A token that moves looks again as it does so, and
the others of its record follow it; an end could not be taken back, so its execution and token are locked first.
"""

MOVE: Final = f"""
WITH e AS (
    UPDATE executions SET revision = GREATEST(revision, CAST(:before AS bigint)) + CAST(:n AS bigint)
    WHERE id = :execution AND control = 0 AND status IN ('pending', 'running', 'waiting')
        AND EXISTS (SELECT 1 FROM tokens k WHERE k.id = :id AND k.fence = CAST(:fence AS bigint)
            AND k.status = 'running' AND k.stop = 0 AND k.path = :from_path AND k.iteration = :from_iteration)
    RETURNING revision
), t AS (
    UPDATE tokens k SET path = :path, iteration = :iteration, mode = 'run', attempt = 1, pass_number = 1,
        begun_at = CAST(:begun_at AS bigint), changes = COALESCE(CAST(:changes AS text), k.changes),
        changes_seq = CASE WHEN CAST(:changes AS text) IS NULL THEN k.changes_seq ELSE e.revision END
    FROM e WHERE k.id = :id AND k.fence = CAST(:fence AS bigint) AND k.status = 'running'
    RETURNING k.id
), s AS (
    INSERT INTO steps ({", ".join(STEP_COLUMNS)})
    SELECT {_STEP_VALUES}
    FROM e, t, json_to_recordset(CAST(:steps AS json)) AS v({STEP_FIELDS})
)
SELECT e.revision FROM e, t"""
"""`RECORD` for one token that moves on: what stands in plain parameters is found by its key at once."""


SLEEP: Final = f"""
WITH n AS MATERIALIZED (
    SELECT {_NOW} AS now
), r AS MATERIALIZED (
    SELECT r.*, n.now, n.now + r.us AS due FROM n, json_to_recordset(CAST(:records AS json)) AS r(id text, fence bigint,
        execution text, from_path text, from_iteration text, before bigint, attempt int, pass_number int,
        begun_at bigint, changes text, wait text, workflow text, path text, iteration text, name text, occurrence int,
        position int, spec text, us bigint)
), x AS MATERIALIZED (
    SELECT x.id, GREATEST(x.revision, r.before) + 1 AS revision FROM executions x JOIN r ON x.id = r.execution
    WHERE {_GOES_ON} FOR UPDATE OF x
), t AS (
    UPDATE tokens k SET status = 'waiting', worker_id = NULL, lease_until = NULL, available_at = r.due, path = r.path,
        iteration = r.iteration, mode = 'run', attempt = r.attempt, pass_number = r.pass_number, begun_at = r.begun_at,
        changes = r.changes, changes_seq = x.revision
    FROM r JOIN x ON x.id = r.execution WHERE k.id = r.id AND {_STANDS}
    RETURNING k.id, k.execution_id
), e AS (
    UPDATE executions e SET status = 'waiting', revision = x.revision FROM t JOIN x ON x.id = t.execution_id
    WHERE e.id = t.execution_id RETURNING t.id, e.revision
), w AS (
    INSERT INTO waits (id, execution_id, token_id, workflow, path, iteration, kind, name, occurrence, position, status,
        spec, due_at, created_at)
    SELECT r.wait, r.execution, r.id, r.workflow, r.path, r.iteration, 'sleep', r.name, r.occurrence, r.position,
        'open', r.spec, r.due, r.now
    FROM r JOIN t ON t.id = r.id
)
SELECT e.id, e.revision, r.due FROM e JOIN r ON r.id = e.id"""
"""First tokens that go to sleep for `us` microseconds from now, the only ones at work in their executions."""


def sleep_params(records: Sequence[Mapping[str, Any]], now: int | None) -> dict[str, Any]:
    """The parameters of `SLEEP`; without `now` the server's clock counts."""
    return {"records": json.dumps(records), "now": now}


def record_params(
    records: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]], now: int | None
) -> dict[str, Any]:
    """The parameters of `RECORD`; in `steps`, `seq` says how far before the record's revision the row stands."""
    return {"records": json.dumps(records), "steps": json.dumps(steps), "now": now}


START: Final = f"""
WITH n AS MATERIALIZED (
    SELECT {_NOW} AS now
), r AS MATERIALIZED (
    SELECT r.*, n.now, r.worker_id IS NOT NULL AS claimed FROM n, json_to_recordset(CAST(:starts AS json)) AS r(
        id text, workflow text, definition_hash text, bodies text, input text, queue text, priority int, tags text,
        idempotency_key text, parent_id text, parent_token text, forked_from text, scheduled_for bigint,
        timeout_us bigint, path text, iteration text, first_queue text, changes text, worker_id text, lease_us bigint)
), e AS (
    INSERT INTO executions (id, workflow, definition_hash, bodies, status, control, revision, input, queue, priority,
        tags, idempotency_key, parent_id, parent_token, forked_from, scheduled_for, crashes, created_at, started_at,
        deadline_at)
    SELECT id, workflow, definition_hash, bodies, CASE WHEN claimed THEN 'running' ELSE 'pending' END, 0, 0, input,
        queue, priority, tags, idempotency_key, parent_id, parent_token, forked_from, scheduled_for, 0, now,
        CASE WHEN claimed THEN now END, now + timeout_us
    FROM r ON CONFLICT DO NOTHING
    RETURNING id
), t AS (
    INSERT INTO tokens (id, execution_id, key, branch, path, iteration, mode, status, workflow, queue, priority,
        available_at, attempt, pass_number, fence, worker_id, lease_until, claimed_at, begun_at, stop, changes,
        changes_seq)
    SELECT r.id, r.id, '', 0, path, iteration, 'run', CASE WHEN claimed THEN 'running' ELSE 'ready' END, workflow,
        first_queue, priority, now, 1, 1, CASE WHEN claimed THEN 1 ELSE 0 END, worker_id, now + lease_us,
        CASE WHEN claimed THEN now END, now, 0, changes, 0
    FROM r JOIN e ON e.id = r.id
)
SELECT id FROM e"""


def start_params(starts: Sequence[Mapping[str, Any]], now: int | None) -> dict[str, Any]:
    """The parameters of `START`; without `now` the server's clock counts."""
    return {"starts": json.dumps(starts), "now": now}
