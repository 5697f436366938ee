"""What stands behind a body's context: whether it was asked to stop, and the outputs of finished steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from durable_core.capture import current_scope
from durable_core.codec import load_tree
from durable_core.definition.nodes import Node
from durable_core.executor.claim import Claim
from durable_core.query.lineage import inherited_results
from durable_core.store import statements as sql
from durable_core.store.database import Database


class BodyServices:
    """The services of one attempt that need no waits; who has waits, too, sets what they stand on."""

    database: Database
    claim: Claim
    node: Node

    @property
    def cancelled(self) -> bool:
        return self.claim.stopped

    @property
    def logger(self) -> logging.Logger:
        scope = current_scope()
        if scope is not None:
            return scope.logger
        return logging.getLogger(f"durable.{self.claim.definition.name}.{self.node.name}")

    def results(self) -> Mapping[str, Any]:
        with self.database.read() as tx:
            results = inherited_results(tx, self.claim.execution_id, self.claim.definition)
            found = tx.fetch(sql.RESULTS, {"execution": self.claim.execution_id})
        last: dict[str, str | None] = dict(found)  # of the many outputs of a step in a loop one is read
        results.update((name, None if output is None else load_tree(output)) for name, output in last.items())
        return results

    def wait(self, kind: str, name: str | None, options: dict[str, Any]) -> Any:
        raise NotImplementedError(kind)

    def call(self, workflow: Any, input: Any, *, name: str | None, wait: bool, options: dict[str, Any]) -> Any:
        raise NotImplementedError("call")

    def once(self, key: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError("once")
