"""What a body's waits resolve to."""

from __future__ import annotations

from durable_core.definition.nodes import Node
from durable_core.executor.claim import Claim
from durable_core.executor.outcome import Outcome
from durable_core.executor.services import BodyServices
from durable_core.store.database import Database


class Waits:
    """Gives each attempt the services behind its context, and says which errors are suspensions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def services(self, claim: Claim, node: Node) -> BodyServices:
        return BodyServices(self.database, claim, node)

    def outcome(self, claim: Claim, node: Node, error: BaseException) -> Outcome | None:
        return None

    def run_node(self, claim: Claim, node: Node) -> Outcome:
        raise NotImplementedError(node.type)
