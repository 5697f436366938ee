"""Workflow timeouts: an execution past its deadline fails, as soon as no body of it runs any more."""

from __future__ import annotations

from collections.abc import Callable

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.errors import WorkflowTimeoutError
from durable_core.executor.control import stop
from durable_core.executor.definitions import Definitions
from durable_core.executor.settlement import Settled
from durable_core.failpoints import failpoint
from durable_core.failure import describe_exception
from durable_core.store import statements as sql
from durable_core.store.commit import Committer
from durable_core.store.transaction import Transaction


def expire_deadlines(
    committer: Committer,
    definitions: Definitions,
    bus: LocalBus,
    interrupt: Callable[[str], None],
    wake: Callable[[], None],
) -> bool:
    """Stop every execution past its deadline; returns whether there was one."""
    with committer.database.read() as tx:
        due = [row[0] for row in tx.fetch(sql.DUE_DEADLINES, {"now": tx.now()})]
    for execution_id in due:

        def expire(tx: Transaction, execution_id: str = execution_id) -> Settled | None:
            return stop(
                tx,
                execution_id,
                definitions,
                mode="fail",
                reason="timed out",
                error=describe_exception(
                    WorkflowTimeoutError(
                        f"Execution {execution_id} ran longer than its workflow's timeout.",
                        hint="Raise timeout= of the workflow, or start it again.",
                    )
                ),
            )

        failpoint("before_deadline", execution_id)
        settled = committer.run(expire)
        if settled is None:
            continue
        failpoint("after_deadline", execution_id)
        for token_id in settled.interrupts:
            interrupt(token_id)
        bus.publish(
            Message("ended" if settled.ended else "control", execution_id, settled.revision, "", settled.status)
        )
        if settled.ready:
            wake()
    return bool(due)
