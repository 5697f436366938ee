"""Executions whose definition changed while they ran: adopted, parked, and taken up again (T-7).

Each is one locked transaction. A structure changes hands only while no other worker runs a token of the execution, for
that one goes on by the structure it has read.
"""

from __future__ import annotations

from dataclasses import dataclass

from durable_core.codec import load_tree
from durable_core.definition.events import Halted
from durable_core.definition.state import ROOT
from durable_core.dsl.registry import registry
from durable_core.executor.control import opened
from durable_core.executor.definitions import Definitions
from durable_core.executor.ending import end
from durable_core.executor.parking import journal, mark_blocked, release
from durable_core.executor.refused import Refused
from durable_core.executor.settlement import Settled
from durable_core.query.fitness import Adopts, Fits, Misfits, OpenPlace, adoptable, judge
from durable_core.status import TokenStatus
from durable_core.store import statements as sql
from durable_core.store.control import BLOCKED, PAUSED, STOPPING
from durable_core.store.transaction import Transaction

BATCH = 100
"""Blocked executions looked at in one sweep."""

_BLOCKED = """
SELECT id, workflow, definition_hash, revision FROM executions
WHERE control >= 4 AND id > :after ORDER BY id LIMIT :limit"""

_WHY = "SELECT detail FROM journal WHERE execution_id = :execution AND kind = 'blocked' ORDER BY id DESC LIMIT 1"


def adopt(tx: Transaction, refused: Refused, definitions: Definitions) -> bool:
    """Move an execution to the registered structure; False when it no longer lies ahead of every open token."""
    assert isinstance(refused.verdict, Adopts)
    workflow = refused.verdict.workflow
    settlement = opened(tx, refused.execution_id, definitions)
    if settlement.terminal or settlement.control or settlement.definition_hash == workflow.definition.hash:
        return False
    settlement.load_all()
    places = [
        OpenPlace(row["id"], row["path"], row["mode"], row["status"])
        for key, row in settlement.rows.items()
        if row["path"] is not None and not settlement.state[key].ended
    ]
    if not any(place.token_id == refused.token_id and place.status == "running" for place in places):
        return False
    found = adoptable(tx, refused.execution_id, settlement.definition, workflow.definition, places, refused.token_id)
    if found is None:
        return False
    definitions.remember(tx, workflow.definition)
    tx.execute(
        sql.ADOPT_DEFINITION,
        {
            "execution": refused.execution_id,
            "before": settlement.definition_hash,
            "hash": workflow.definition.hash,
            "bodies": workflow.fingerprint,
        },
    )
    journal(
        settlement,
        "adopted",
        {
            "from": settlement.definition_hash,
            "to": workflow.definition.hash,
            "change": found.sentence,
            "kind": found.kind,
            "added": list(found.added) or None,
            "removed": list(found.removed) or None,
            "changed": list(found.changed) or None,
        },
    )
    return True


def park(tx: Transaction, refused: Refused, definitions: Definitions) -> Settled | None:
    """Park an execution that cannot go on here; None when the token is not this worker's any more."""
    assert isinstance(refused.verdict, Misfits)
    settlement = opened(tx, refused.execution_id, definitions)
    key = refused.token_id[len(refused.execution_id) + 1 :] if refused.token_id != refused.execution_id else ROOT
    token = settlement.load(key)
    if token is None or settlement.rows[key]["fence"] != refused.fence or token.status is not TokenStatus.RUNNING:
        return None
    settlement.rows[key].update(fence=refused.fence + 1)
    if token.stop:
        settlement.happen(Halted(key))
        if settlement.outcome is not None:
            end(settlement, None, None, None)
    else:
        settlement.change(key, token._replace(status=TokenStatus.PAUSED))
        mark_blocked(settlement, refused.verdict.reason, refused.verdict.fingerprint)
    settlement.write()
    return settlement.result


@dataclass(frozen=True, slots=True)
class Candidate:
    """A blocked execution that this process may be able to take up again."""

    execution_id: str
    revision: int


class Unblocker:
    """Finds the blocked executions that fit the code of this process again; looks at each only once per version."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._after = ""
        self._judged: dict[str, tuple[int, str]] = {}

    def candidates(self, tx: Transaction) -> list[Candidate]:
        """The next few blocked executions that could go on here."""
        rows = tx.fetch(_BLOCKED, {"after": self._after, "limit": BATCH})
        self._after = rows[-1][0] if len(rows) == BATCH else ""
        if not rows:
            self._judged.clear()
            return []
        found = []
        for execution_id, name, pinned_hash, revision in rows:
            if name not in registry:
                continue
            looked = (revision, registry.get(name).fingerprint)
            if self._judged.get(execution_id) == looked:
                continue
            self._judged[execution_id] = looked
            if self._fits(tx, execution_id, name, pinned_hash):
                found.append(Candidate(execution_id, revision))
        return found

    def forget(self, candidate: Candidate) -> None:
        """Nothing came of it this time: look at it again."""
        self._judged.pop(candidate.execution_id, None)

    def _fits(self, tx: Transaction, execution_id: str, name: str, pinned_hash: str) -> bool:
        why = tx.fetch_one(_WHY, {"execution": execution_id})
        detail = load_tree(why[0]) if why is not None and why[0] else {}
        if detail.get("drift") and detail.get("bodies") == registry.get(name).fingerprint:
            return False
        paused = tx.fetch(
            "SELECT id, path, mode FROM tokens WHERE execution_id = :execution AND status = 'paused'",
            {"execution": execution_id},
        )
        return all(
            isinstance(
                judge(tx, self._definitions.stored, execution_id, name, pinned_hash, path, mode, token_id),
                Fits | Adopts,
            )
            for token_id, path, mode in paused
        )


def unblock(
    tx: Transaction, candidate: Candidate, definitions: Definitions, worker_id: str, lease_us: int, room: dict[str, int]
) -> tuple[Settled | None, list[str]]:
    """Let a blocked execution go on, with its tokens in the hands of the worker whose code fits, as far as it has room.

    A worker with other code would only park it again.
    """
    settlement = opened(tx, candidate.execution_id, definitions)
    if settlement.terminal or not settlement.control & BLOCKED or settlement.revision != candidate.revision:
        return None, []
    if settlement.control & (PAUSED | STOPPING):
        return None, []
    settlement.load_all()
    paused = [key for key, row in settlement.rows.items() if row["status"] == TokenStatus.PAUSED]
    if not any(room.get(settlement.rows[key]["queue"], 0) > 0 for key in paused) and paused:
        return None, []
    taken: list[str] = []
    release(settlement)
    for key in paused:
        row = settlement.rows[key]
        if room.get(row["queue"], 0) <= 0:
            continue
        room[row["queue"]] -= 1
        settlement.state[key] = settlement.state[key]._replace(status=TokenStatus.RUNNING)
        row.update(
            status="running",
            fence=row["fence"] + 1,
            worker_id=worker_id,
            lease_until=settlement.now + lease_us,
            claimed_at=settlement.now,
        )
        taken.append(row["id"])
    journal(settlement, "unblocked", {"worker": worker_id})
    settlement.write()
    return settlement.result, taken
