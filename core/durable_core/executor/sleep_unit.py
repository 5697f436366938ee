"""The record of a body or node that goes to sleep, where nothing else can be asked: one statement on PostgreSQL.

The first token of an execution that runs a body is the only one that is at work, so the execution waits with it.
Everything that waits for others (events, answers, children) is settled under the execution's lock instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from durable_core.codec import dump_tree
from durable_core.errors import FencedError
from durable_core.executor.fast import PlanUnit, held_params, standing
from durable_core.executor.plan import Plan
from durable_core.executor.suspend import place_of
from durable_core.failpoints import failpoint
from durable_core.store import statements as sql
from durable_core.store.commit import GroupWriter
from durable_core.store.group import SLEEP, sleep_params
from durable_core.store.transaction import Transaction
from durable_core.store.wait_statements import INSERT_WAIT
from durable_core.wait.rows import Row, open_row


class SleepUnit(PlanUnit):
    """The token waits for a time that is yet to come. The result is False when the fast path is closed."""

    safe: ClassVar[bool] = True

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.due = 0
        self.revision = 0
        self.kept_bytes = 0
        """How large the context is that the token keeps while it waits."""
        self._wait: Row = {}

    @staticmethod
    def records(plan: Plan) -> bool:
        """Whether a plan is of that kind: a first sleep of a first token, for some time from now."""
        claim, spec = plan.claim, plan.wait
        return spec is not None and spec.kind == "sleep" and bool(spec.seconds) and claim.is_root and claim.waits == []

    def write(self, tx: Transaction) -> bool:
        if tx.dialect == "postgres":
            sleep_group(tx, (self,), False)
            return bool(self.result)
        claim = self.plan.claim
        now = tx.now()
        row = self.row(now)
        rest = {**held_params(self.plan), **self.rest(), "due": row["due_at"]}
        if not tx.execute(sql.REST_TOKEN, rest):
            return False
        if not tx.execute(INSERT_WAIT, row):
            raise FencedError(f"What execution {claim.execution_id} did at {claim.node.path!r} is recorded already.")
        [(revision,)] = tx.fetch(sql.REST_EXECUTION, {"execution": claim.execution_id, "before": claim.revision})
        self.recorded_as(revision, row["due_at"])
        failpoint("inside_wait", claim.token_id)
        return True

    def row(self, now: int) -> dict[str, Any]:
        """The wait's own row."""
        self._wait = open_row(place_of(self.plan.claim, self.plan.claim.node), self.plan.wait, now)
        return self._wait

    @property
    def wait_id(self) -> str:
        """Id of the wait's row."""
        return str(self._wait["id"])

    def wait_over(self) -> Row:
        """The wait's row once the time has come."""
        row = self._wait
        created = self.due - row["due_at"] + row["created_at"]
        return {**row, "status": "satisfied", "due_at": self.due, "created_at": created, "resolved_at": self.due}

    def rest(self) -> dict[str, Any]:
        """What the token keeps while it waits."""
        claim = self.plan.claim
        path, iteration = standing(claim.token)
        changes = dump_tree(claim.changes_json())
        self.kept_bytes = len(changes)
        return {
            "path": path,
            "iteration": iteration,
            "attempt": claim.attempt,
            "pass_number": claim.pass_number + 1,
            "begun_at": self.plan.begun_at,
            "changes": changes,
        }

    def as_record(self) -> dict[str, Any]:
        """The record as a row of `store.group.SLEEP`."""
        row = self.row(0)
        wait = {name: row[name] for name in ("workflow", "path", "name", "occurrence", "position", "spec")}
        return {**held_params(self.plan), **self.rest(), **wait, "wait": row["id"], "us": row["due_at"]}

    def recorded_as(self, revision: int, due: int) -> None:
        self.revision, self.due, self.result = revision, due, True

    def group_writer(self) -> GroupWriter:
        return sleep_group


def sleep_group(tx: Transaction, units: Sequence[SleepUnit], alone: bool) -> None:
    """Record many of them together."""
    if tx.dialect == "sqlite":
        for unit in units:
            unit.result = unit.write(tx)
        return
    by_token = {unit.plan.claim.token_id: unit for unit in units}
    for unit in units:
        unit.result = False
    params = sleep_params([unit.as_record() for unit in units], tx.given_now())
    for token_id, revision, due in tx.fetch_alone(SLEEP, params) if alone else tx.fetch(SLEEP, params):
        by_token[token_id].recorded_as(revision, due)
    for unit in units:
        if unit.result:
            failpoint("inside_wait", unit.plan.claim.token_id)
