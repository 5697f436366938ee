"""Starts as units of a shared commit; on PostgreSQL all starts of a commit are one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from durable_core.executor.definitions import Definitions
from durable_core.executor.settlement import Holder
from durable_core.executor.start import Beginning, Begun, Opening, begin, first_changes, opening_of
from durable_core.failpoints import failpoint
from durable_core.ids import iteration_key
from durable_core.store.commit import GroupWriter, Unit
from durable_core.store.group import START, start_params
from durable_core.store.transaction import Transaction


class StartUnit(Unit):
    """Starts one execution; with a holder its first token is claimed in the same transaction."""

    safe: ClassVar[bool] = True

    def __init__(self, beginning: Beginning, definitions: Definitions, holder: Holder | None) -> None:
        self.beginning = beginning
        self.definitions = definitions
        self.holder = holder
        self.opening: Opening | None = None

    def write(self, tx: Transaction) -> Begun:
        begun = begin(tx, self.beginning, self.definitions, self.holder)
        failpoint("inside_start", self.beginning.execution_id)
        return begun

    def group_writer(self) -> GroupWriter:
        return start_group

    def is_plain(self) -> bool:
        """Whether one statement can start it: one token, now."""
        if self.beginning.at is not None:
            return False
        self.opening = opening_of(self.beginning)
        return self.opening.plain

    def as_row(self) -> dict[str, Any]:
        """The start as a row of `store.group.START`."""
        beginning, opening = self.beginning, self.opening
        assert opening is not None
        definition, root = beginning.definition, opening.root
        row = {
            "id": beginning.execution_id,
            "workflow": definition.name,
            "definition_hash": definition.hash,
            "bodies": beginning.fingerprint,
            "input": opening.context,
            "queue": opening.queue,
            "priority": opening.priority,
            "tags": opening.tags,
            "idempotency_key": beginning.idempotency_key,
            "parent_id": beginning.parent_id,
            "parent_token": beginning.parent_token,
            "forked_from": beginning.forked_from,
            "scheduled_for": beginning.scheduled_for,
            "timeout_us": None if definition.timeout is None else int(definition.timeout * 1_000_000),
            "path": root.path,
            "iteration": iteration_key(root.iterations) if root.iterations else "",
            "first_queue": opening.first_queue,
            "changes": first_changes(beginning),
        }
        if self.claims():
            assert self.holder is not None
            row["worker_id"] = self.holder.worker_id
            row["lease_us"] = self.holder.lease_us
        return row

    def claims(self) -> bool:
        """Whether the first token is the holder's at once."""
        return self.holder is not None and self.opening is not None and self.holder.serves(self.opening.first_queue)

    def begun(self) -> Begun:
        """What the statement came to when it returned the execution's id."""
        opening, claimed = self.opening, self.claims()
        assert opening is not None
        return Begun(
            self.beginning.execution_id,
            new=True,
            claimed=claimed,
            token=opening.root if claimed else None,
            queue=opening.first_queue,
            home_queue=opening.queue,
            ready=not claimed,
        )


def start_group(tx: Transaction, units: Sequence[StartUnit], alone: bool) -> None:
    """Start many executions together; one that is there already is looked at by itself (E-2)."""
    plain = [unit for unit in units if unit.is_plain()] if tx.dialect == "postgres" else []
    started: set[str] = set()
    if plain:
        pinned = {unit.beginning.definition.hash: unit for unit in plain}
        for unit in pinned.values():
            unit.definitions.remember(tx, unit.beginning.definition)
        params = start_params([unit.as_row() for unit in plain], tx.given_now())
        # a transaction of its own only where nothing can follow it that fails
        fetch = tx.fetch_alone if alone and len(plain) == len(units) and all(map(_is_new, units)) else tx.fetch
        started = {id_ for (id_,) in fetch(START, params)}
        for unit in plain:
            if unit.beginning.execution_id in started:
                failpoint("inside_start", unit.beginning.execution_id)
                unit.result = unit.begun()
    for unit in units:
        if unit.beginning.execution_id not in started:
            unit.result = unit.write(tx)


def _is_new(unit: StartUnit) -> bool:
    """Whether there cannot be such an execution yet."""
    return unit.beginning.idempotency_key is None and not unit.beginning.given_id
