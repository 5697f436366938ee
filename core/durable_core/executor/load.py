"""From rows to claims: where a token stands, and the context it goes on with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from durable_core.codec import dump_tree, load_tree
from durable_core.context.changes import Delta, apply_changes
from durable_core.definition.model import Definition
from durable_core.definition.nodes import ForeachNode
from durable_core.definition.state import Token
from durable_core.executor.claim import Claim, Item, byte_size
from durable_core.executor.refused import Refused
from durable_core.executor.settlement import token_of
from durable_core.query.fitness import Fits, Stored, judge
from durable_core.status import TokenStatus
from durable_core.store import statements as sql
from durable_core.store.contexts import stored_context
from durable_core.store.loading import Loaded, load_tokens
from durable_core.store.transaction import Transaction

FORK_CACHE = 256
"""Open forks whose context and items are kept in memory; a miss costs one read."""


@dataclass(frozen=True, slots=True)
class Fork:
    """What the branches of one open parallel or foreach have in common."""

    context: dict[str, Any]
    """The parent's whole context at the fork; never written to."""
    raw_items: list[Any] | None
    items: tuple[Item, ...]
    """Of the foreachs around the fork."""
    as_: str | None
    context_bytes: int


class Loader:
    """Builds claims; keeps what branches share, so that a foreach of n items does not cost n squared."""

    def __init__(self, stored: Stored, worker_id: str, capture: Any = None) -> None:
        self._stored = stored
        self._worker_id = worker_id
        self._capture = capture
        self._forks: OrderedDict[tuple[str, str], Fork] = OrderedDict()

    def load(self, tx: Transaction, ids: Iterable[str], *, adopting: bool = True) -> list[Claim | Refused]:
        """The claims for tokens that this worker has just taken; those it cannot go on with come as refused (T-7).

        A token that was taken over since then is left out: its row has the fence of somebody else (S-3).
        """
        return [
            self.claim(tx, loaded, adopting)
            for loaded in load_tokens(tx, ids)
            if loaded.row["status"] == TokenStatus.RUNNING and loaded.row["worker_id"] == self._worker_id
        ]

    def claim(self, tx: Transaction, loaded: Loaded, adopting: bool = True) -> Claim | Refused:
        row, definition_hash = loaded.row, loaded.definition_hash
        execution_id = row["execution_id"]
        place = (row["path"], row["mode"], row["id"])
        verdict = judge(tx, self._stored, execution_id, row["workflow"], definition_hash, *place, adopting=adopting)
        if not isinstance(verdict, Fits):
            return Refused(row["id"], execution_id, row["fence"], verdict)
        workflow, definition = verdict.workflow, verdict.definition
        token = token_of(row)
        fork = self._fork_of(tx, row, token, definition)
        base = {} if fork is None else fork.context
        delta = None if fork is None else Delta.from_json(load_tree(row["changes"])) if row["changes"] else Delta()
        context = dict(base)
        if delta is not None:
            context = delta.apply(base)
        elif row["changes"]:
            context = Delta.from_json(load_tree(row["changes"])).apply({})
        since = 0
        size = byte_size(row["changes"] or "") + (0 if fork is None else fork.context_bytes)
        for change in loaded.changes:
            ops = load_tree(change)
            apply_changes(context, ops)
            if delta is not None:
                delta.add(ops)
            since += 1
            size += byte_size(change)
        return Claim(
            execution_id=execution_id,
            token_id=row["id"],
            token=token,
            workflow=workflow,
            definition=definition,
            fence=row["fence"],
            queue=row["queue"],
            home_queue=loaded.home_queue,
            context=context,
            delta=delta,
            input=load_tree(loaded.input),
            attempt=row["attempt"],
            pass_number=row["pass_number"],
            begun_at=row["begun_at"] or 0,
            items=_items(fork, token),
            rows_since=since,
            context_bytes=size,
            parent_execution=loaded.parent_execution,
            scheduled_for=loaded.scheduled_for,
            capture=self._capture,
            revision=loaded.revision,
            waits=[] if loaded.waits is None and row["fence"] == 1 else loaded.waits,  # 1: nobody had it before
        )

    def _fork_of(self, tx: Transaction, row: dict[str, Any], token: Token, definition: Definition) -> Fork | None:
        if row["parent_id"] is None:
            return None
        cache_key = (row["execution_id"], row["key"].rpartition("#")[0])
        fork = self._forks.get(cache_key)
        if fork is not None:
            self._forks.move_to_end(cache_key)
            return fork
        found = tx.fetch_one(sql.SELECT_TOKEN, {"id": row["parent_id"]})
        assert found is not None, row["parent_id"]
        parent = dict(zip(sql.TOKEN_COLUMNS, found, strict=True))
        parent_token = token_of(parent)
        outer = self._fork_of(tx, parent, parent_token, definition)
        base = {} if outer is None else outer.context
        node = definition.places[parent_token.path or ""].node
        each = isinstance(node, ForeachNode)
        context = stored_context(tx, row["execution_id"], parent["key"], parent["changes"], parent["changes_seq"], base)
        fork = Fork(
            context=context,
            context_bytes=byte_size(dump_tree(context)),
            raw_items=load_tree(parent["items"]) if each and parent["items"] else None,
            items=_items(outer, parent_token),
            as_=node.as_ if isinstance(node, ForeachNode) else None,
        )
        self._forks[cache_key] = fork
        if len(self._forks) > FORK_CACHE:
            self._forks.popitem(last=False)
        return fork


def _items(fork: Fork | None, token: Token) -> tuple[Item, ...]:
    """The items around a token: those around its fork, and its own."""
    if fork is None:
        return ()
    if fork.raw_items is None:
        return fork.items
    return (*fork.items, Item(fork.as_, fork.raw_items[token.branch], token.branch))
