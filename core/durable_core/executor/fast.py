"""Records that lock nothing: a plain move along a sequence, and the last step with the end of its execution.

Each is fenced by its own statements. Many of them in one commit are written together: by one statement on PostgreSQL,
by one call for each statement on SQLite.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from durable_core.codec import dump_tree
from durable_core.definition.state import Token
from durable_core.executor.claim import CHANGES_INTERVAL
from durable_core.executor.plan import Plan, Row, json_or_none
from durable_core.failpoints import armed, failpoint
from durable_core.ids import iteration_key
from durable_core.store import statements as sql
from durable_core.store.ahead import MOVE_BY_MANY, MOVE_BY_ONE, PLAIN_MOVE
from durable_core.store.commit import GroupWriter, Unit
from durable_core.store.database import Database
from durable_core.store.group import MOVE, RECORD, record_params
from durable_core.store.transaction import Transaction

_FIRST_OF_MOVE = MOVE_BY_ONE["sqlite"]

TOGETHER = 3
"""Fast units in a commit from which on writing them together is quicker than one by one (SQLite)."""


class PlanUnit(Unit):
    """A unit that records one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.error = None  # asked for in every step, and quicker found here than in the class


def held_params(plan: Plan) -> dict[str, Any]:
    """The parameters that a fenced statement needs: whose token, which fence, and where it must still stand."""
    claim = plan.claim
    path, iteration = claim.row_at or standing(plan.start)
    return {
        "id": claim.token_id,
        "fence": claim.fence,
        "execution": claim.execution_id,
        "from_path": path,
        "from_iteration": iteration,
        "before": claim.revision,
    }


def standing(token: Token) -> tuple[str | None, str]:
    """Path and iteration of a token, as its row has them."""
    return token.path, iteration_key(token.iterations) if token.iterations else ""


class FastUnit(PlanUnit):
    """A record that needs no lock beyond its own statements.

    The result is False when the fast path is closed: the token is not this worker's any more, or something is asked of
    the execution.
    """

    safe: ClassVar[bool] = True
    finish: ClassVar[bool]
    revision = 0
    """The execution's revision once this is recorded."""

    def write(self, tx: Transaction) -> bool:
        if tx.dialect == "postgres":
            record_group(tx, (self,), False)
            return bool(self.result)
        plan = self.plan
        claim = plan.claim
        count = len(plan.rows)
        before = claim.revision
        if not self.advance(tx, before, before + count):
            # another token of the execution was quicker; or the fast path is closed
            found = tx.fetch_one(sql.SELECT_REVISION, {"execution": claim.execution_id})
            if found is None or found[0] <= before:
                return False
            before = found[0]
            if not self.advance(tx, before, before + count):
                return False
        seq = before
        for row in plan.rows:
            seq += 1
            row["seq"] = seq
            tx.execute(sql.INSERT_STEP, row)
        failpoint("inside_record", claim.token_id)
        self.revision = seq
        return True

    def advance(self, tx: Transaction, before: int, revision: int) -> bool:
        """Move the token, if it is held and the execution's revision is still `before`."""
        raise NotImplementedError

    def as_record(self) -> dict[str, Any]:
        """The record as a row of `store.group.RECORD`."""
        return {**held_params(self.plan), "n": len(self.plan.rows), "finish": self.finish}

    def step_records(self) -> list[dict[str, Any]]:
        """The step rows for `store.group.RECORD`: `seq` counts back from the record's revision."""
        last = len(self.plan.rows) - 1
        token_id = self.plan.claim.token_id
        return [{**row, "seq": last - offset, "token_id": token_id} for offset, row in enumerate(self.plan.rows)]

    def group_writer(self) -> GroupWriter:
        return record_group

    def recorded_as(self, revision: int) -> None:
        """The group's statement recorded it."""
        first = revision - len(self.plan.rows)
        for offset, row in enumerate(self.plan.rows, 1):
            row["seq"] = first + offset
        self.revision = revision
        self.result = True


class MoveUnit(FastUnit):
    """The token goes on to the next node of its sequence."""

    finish: ClassVar[bool] = False
    row_at: tuple[str | None, str] | None = None
    """`Claim.row_at` once this is recorded."""

    @property
    def ahead(self) -> bool:
        """Whether the step rows alone can tell of it: a first token's, but for every 128th or so."""
        claim = self.plan.claim
        return claim.token.parent is None and claim.rows_since < CHANGES_INTERVAL

    def write(self, tx: Transaction) -> bool:
        self.row_at = None
        if tx.dialect == "postgres" or not self.ahead:
            return super().write(tx)
        first, *others = self.rows_ahead()
        if not tx.execute(_FIRST_OF_MOVE, first):
            return False
        for row in others:
            tx.execute(sql.INSERT_STEP, row)
        failpoint("inside_record", self.plan.claim.token_id)
        self.recorded_ahead()
        return True

    def write_alone(self, database: Database) -> bool:
        if len(self.plan.rows) > 1 or not self.ahead or armed("inside_record"):
            return False
        changed = database.try_alone(PLAIN_MOVE if self.plan.plain else _FIRST_OF_MOVE, self.rows_ahead()[0])
        if not changed:  # what stands in the way is found out in a transaction
            return False
        self.recorded_ahead()
        return True

    def rows_ahead(self) -> list[Row]:
        """The step rows of a move that they alone record; the first holds what the fence is checked with."""
        plan = self.plan
        rows, claim = plan.rows, plan.claim
        for seq, row in enumerate(rows, claim.revision + 1):
            row["seq"] = seq
        rows[0]["fence"] = claim.fence
        rows[-1]["next_path"], rows[-1]["next_iteration"] = standing(plan.token)
        return rows

    def recorded_ahead(self) -> None:
        """The step rows are written, and the token's own row stays where it is."""
        self.row_at = self.plan.claim.row_at or standing(self.plan.start)
        self.revision = self.plan.rows[-1]["seq"]
        self.result = True

    def advance(self, tx: Transaction, before: int, revision: int) -> bool:
        claim = self.plan.claim
        head = {"execution": claim.execution_id, "before": before, "revision": revision}
        if not tx.execute(sql.ADVANCE_REVISION, head):
            return False
        params = {**self.target(), "revision": revision}
        statement = sql.MOVE_TOKEN_KEEPING_CHANGES if "changes" in params else sql.MOVE_TOKEN
        if tx.execute(statement, params):
            return True
        # fenced: the revision goes back to what it was, in this same transaction
        tx.execute(sql.ADVANCE_REVISION, {**head, "before": revision, "revision": before})
        return False

    def target(self) -> dict[str, Any]:
        plan = self.plan
        params = held_params(plan)
        token, claim = plan.token, plan.claim
        params["path"], params["iteration"] = standing(token)
        params["begun_at"] = plan.rows[-1]["completed_at"] if plan.rows else None
        if claim.rows_since >= CHANGES_INTERVAL:
            params["changes"] = dump_tree(claim.changes_json())
        return params

    def recorded_as(self, revision: int) -> None:
        super().recorded_as(revision)
        self.row_at = None

    def as_record(self) -> dict[str, Any]:
        return {**self.target(), "n": len(self.plan.rows), "finish": False}


class FinishUnit(FastUnit):
    """The flow's last node and the end of the execution."""

    finish: ClassVar[bool] = True

    def __init__(self, plan: Plan, output: Any) -> None:
        super().__init__(plan)
        self.output = output

    def advance(self, tx: Transaction, before: int, revision: int) -> bool:
        params = self.ending(tx, before, revision)
        return bool(tx.execute(sql.COMPLETE_EXECUTION, params) and tx.execute(sql.DELETE_TOKEN, params))

    def ending(self, tx: Transaction, before: int, revision: int) -> dict[str, Any]:
        """The parameters of `COMPLETE_EXECUTION`."""
        return {
            **held_params(self.plan),
            "before": before,
            "revision": revision,
            "output": json_or_none(self.output),
            "context": dump_tree(self.plan.claim.context),
            "now": tx.now(),
        }

    def as_record(self) -> dict[str, Any]:
        record = super().as_record()
        record["output"] = json_or_none(self.output)
        record["context"] = dump_tree(self.plan.claim.context)
        return record


def record_group(tx: Transaction, units: Sequence[FastUnit], alone: bool) -> None:
    """Record many fast units together; one execution appears in each round once."""
    if len(units) < TOGETHER and tx.dialect == "sqlite":
        for unit in units:
            unit.result = unit.write(tx)
        return
    left = list(units)
    alone = alone and len({unit.plan.claim.execution_id for unit in left}) == len(left)
    while left:
        chosen: dict[str, FastUnit] = {}
        later: list[FastUnit] = []
        for unit in left:
            if chosen.setdefault(unit.plan.claim.execution_id, unit) is not unit:
                later.append(unit)
        together = list(chosen.values())
        if tx.dialect == "postgres":
            ahead, others = _apart(together)
            if ahead:
                _ahead_by_one_statement(tx, ahead, alone=alone and not others)
            if others:
                _by_one_statement(tx, others, alone=alone and not ahead)
        elif len(together) < TOGETHER or not _by_many_rows(tx, together):
            for unit in together:
                unit.result = unit.write(tx)
        left = later


def _apart(units: Sequence[FastUnit]) -> tuple[list[MoveUnit], list[FastUnit]]:
    """The moves that their step rows alone record, and the others."""
    ahead: list[MoveUnit] = []
    others: list[FastUnit] = []
    for unit in units:
        if isinstance(unit, MoveUnit) and unit.ahead:
            ahead.append(unit)
        else:
            others.append(unit)
    return ahead, others


def _ahead_by_one_statement(tx: Transaction, units: Sequence[MoveUnit], *, alone: bool) -> None:
    """PostgreSQL: moves that their step rows alone record."""
    fetch = tx.fetch_alone if alone else tx.fetch
    rows = [row for unit in units for row in unit.rows_ahead()]
    if len(rows) == 1:
        found = fetch(MOVE_BY_ONE["postgres"], rows[0])
    else:
        found = fetch(MOVE_BY_MANY, {"steps": json.dumps(rows)})
    recorded = {id_ for (id_,) in found}
    for unit in units:
        unit.result = False
        if unit.plan.claim.execution_id in recorded:
            unit.recorded_ahead()
    failpoint("inside_record", units[0].plan.claim.token_id)


def _by_one_statement(tx: Transaction, units: Sequence[FastUnit], *, alone: bool) -> None:
    """PostgreSQL: one statement and one round trip for the whole group.

    Only where it is `alone` may it be a transaction of its own: a later round that fails must take this one along.
    """
    if len(units) == 1 and isinstance(units[0], MoveUnit):
        _move_one(tx, units[0], alone=alone)
        return
    by_token = {unit.plan.claim.token_id: unit for unit in units}
    steps = [row for unit in units for row in unit.step_records()]
    params = record_params([unit.as_record() for unit in units], steps, tx.given_now())
    for unit in units:
        unit.result = False
    for token_id, revision in tx.fetch_alone(RECORD, params) if alone else tx.fetch(RECORD, params):
        by_token[token_id].recorded_as(revision)
    failpoint("inside_record", next(iter(by_token)))


def _move_one(tx: Transaction, unit: MoveUnit, *, alone: bool) -> None:
    fetch = tx.fetch_alone if alone else tx.fetch
    params = {"changes": None, **unit.as_record(), "steps": json.dumps(unit.step_records())}
    moved = fetch(MOVE, params)
    unit.result = False
    if moved:
        unit.recorded_as(moved[0][0])
    failpoint("inside_record", unit.plan.claim.token_id)


class _NotAllError(Exception):
    """Some unit of a group cannot take the fast path: none of it was written, each is looked at by itself."""


def _by_many_rows(tx: Transaction, units: Sequence[FastUnit]) -> bool:
    """SQLite: each statement once for all units; False when not every one of them found what it expected."""
    ahead, others = _apart(units)
    moves = [unit for unit in others if isinstance(unit, MoveUnit)]
    finishes = [unit for unit in others if isinstance(unit, FinishUnit)]
    try:
        with tx.savepoint():
            rows = _move_all_ahead(tx, ahead)
            _move_all(tx, moves)
            _finish_all(tx, finishes)
            for unit in others:
                unit.recorded_as(unit.plan.claim.revision + len(unit.plan.rows))
                rows += unit.plan.rows
            tx.execute_many(sql.INSERT_STEP, rows)
    except _NotAllError:
        for unit in units:
            unit.result = None
        return False
    failpoint("inside_record", units[0].plan.claim.token_id)
    return True


def _move_all_ahead(tx: Transaction, moves: Sequence[MoveUnit]) -> list[Row]:
    """Insert the first row of each move; returns the others."""
    firsts: list[Row] = []
    others: list[Row] = []
    for unit in moves:
        first, *following = unit.rows_ahead()
        firsts.append(first)
        others += following
        unit.recorded_ahead()
    if firsts and tx.execute_many(_FIRST_OF_MOVE, firsts) != len(firsts):
        raise _NotAllError
    return others


def _move_all(tx: Transaction, moves: Sequence[MoveUnit]) -> None:
    heads: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []
    keeping: list[dict[str, Any]] = []
    for unit in moves:
        claim = unit.plan.claim
        params = {**unit.target(), "revision": claim.revision + len(unit.plan.rows)}
        heads.append(params)
        (keeping if "changes" in params else plain).append(params)
    for statement, rows in (
        (sql.ADVANCE_REVISION, heads),
        (sql.MOVE_TOKEN, plain),
        (sql.MOVE_TOKEN_KEEPING_CHANGES, keeping),
    ):
        if rows and tx.execute_many(statement, rows) != len(rows):
            raise _NotAllError


def _finish_all(tx: Transaction, finishes: Sequence[FinishUnit]) -> None:
    ends = []
    for unit in finishes:
        revision = unit.plan.claim.revision
        ends.append(unit.ending(tx, revision, revision + len(unit.plan.rows)))
    for statement in (sql.COMPLETE_EXECUTION, sql.DELETE_TOKEN):
        if ends and tx.execute_many(statement, ends) != len(ends):
            raise _NotAllError
