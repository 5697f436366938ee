"""Sleepers that are woken by the worker that put them to sleep: waiting to claimed, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from durable_core.store.statements import INSERT_STEP, STEP_COLUMNS, STEP_FIELDS
from durable_core.store.transaction import Transaction


class Asleep(NamedTuple):
    """What must still hold of a sleeping first token, as its worker left it."""

    id: str
    """Of token and execution."""
    fence: int
    revision: int
    wait: str
    queue: str


_AS_LEFT: Final = """CASE WHEN e.status = 'waiting' AND e.control = 0 AND e.revision = r.revision
        AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.name = r.queue AND q.paused = 1) THEN TRUE ELSE FALSE END"""
_DUE: Final = """CASE WHEN k.fence = r.fence AND k.status = 'waiting' AND k.available_at <= {now}
        THEN TRUE ELSE FALSE END"""
_CLAIMED: Final = """SET status = 'running', fence = {fence} + 1, worker_id = :worker, lease_until = {now} + {lease},
    claimed_at = {now}"""

_SQLITE: Final = f"""
UPDATE tokens AS k {_CLAIMED.format(fence="k.fence", now=":now", lease=":lease_us")}
FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS fence,
        json_extract(value, '$[2]') AS revision, json_extract(value, '$[4]') AS queue FROM json_each(:asleep)) AS r
    JOIN executions e ON e.id = r.id
WHERE k.id = r.id AND {_AS_LEFT} AND {_DUE.format(now=":now")}
RETURNING id"""

_SQLITE_EXECUTIONS: Final = """
UPDATE executions SET status = 'running', revision = revision + 1 WHERE id IN (SELECT value FROM json_each(:ids))"""

_SQLITE_WAITS: Final = """
UPDATE waits SET status = 'satisfied', resolved_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'open'"""

_POSTGRES: Final = f"""
WITH n AS MATERIALIZED (
    SELECT CAST(:now AS bigint) AS now
), r AS MATERIALIZED (
    SELECT v->>0 AS id, CAST(v->>1 AS bigint) AS fence, CAST(v->>2 AS bigint) AS revision, v->>3 AS wait,
        v->>4 AS queue
    FROM json_array_elements(CAST(:asleep AS json)) AS v
), x AS MATERIALIZED (
    SELECT e.id FROM executions e JOIN r ON e.id = r.id WHERE {_AS_LEFT} FOR UPDATE OF e SKIP LOCKED
), t AS (
    UPDATE tokens k {_CLAIMED.format(fence="k.fence", now="n.now", lease="CAST(:lease_us AS bigint)")}
    FROM n, r JOIN x ON x.id = r.id WHERE k.id = r.id AND {_DUE.format(now="n.now")}
    RETURNING k.id
), e AS (
    UPDATE executions e SET status = 'running', revision = e.revision + 1 FROM t WHERE e.id = t.id RETURNING e.id
), w AS (
    UPDATE waits w SET status = 'satisfied', resolved_at = n.now FROM n, r JOIN t ON t.id = r.id
    WHERE w.id = r.wait AND w.status = 'open'
), s AS (
    INSERT INTO steps ({", ".join(STEP_COLUMNS)})
    SELECT {", ".join(f"v.{column}" for column in STEP_COLUMNS)}
    FROM json_to_recordset(CAST(:steps AS json)) AS v({STEP_FIELDS}) JOIN t ON t.id = v.execution_id
)
SELECT id FROM e"""


def wake(
    tx: Transaction, sleepers: Sequence[Asleep], steps: Sequence[dict[str, Any]], worker_id: str, lease_us: int
) -> set[str]:
    """Claim those that are due and still as they were left, and record their `steps`; returns their ids.

    None is woken early (W-4).
    """
    params = {"asleep": json.dumps(sleepers), "worker": worker_id, "lease_us": lease_us, "now": tx.now()}
    if tx.dialect == "postgres":
        return {id_ for (id_,) in tx.fetch(_POSTGRES, {**params, "steps": json.dumps(steps)})}
    woken = {id_ for (id_,) in tx.fetch(_SQLITE, params)}
    waits = [each.wait for each in sleepers if each.id in woken]
    tx.execute(_SQLITE_EXECUTIONS, {"ids": json.dumps(list(woken))})
    tx.execute(_SQLITE_WAITS, {"ids": json.dumps(waits), "now": params["now"]})
    tx.execute_many(INSERT_STEP, [row for row in steps if row["execution_id"] in woken])
    return woken
