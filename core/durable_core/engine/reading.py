"""What people read: executions, their steps, logs, pictures and numbers. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

from durable_core.clock import seconds_to_us, to_us
from durable_core.codec import to_plain
from durable_core.definition.model import Definition
from durable_core.definition.nodes import InputType
from durable_core.dsl.workflow import Workflow, set_graph_factory
from durable_core.durations import to_seconds
from durable_core.engine.starting import chosen_workflow
from durable_core.engine.surface import Surface
from durable_core.engine.watching import follow_lines
from durable_core.errors import InputValidationError, StoreError
from durable_core.query import executions as queries
from durable_core.query import inputs as questions
from durable_core.query import logs as lines
from durable_core.query import workers as machines
from durable_core.query.contexts import context_of
from durable_core.query.counts import stats as count_all
from durable_core.query.document import document, summary
from durable_core.query.entry import Entry
from durable_core.query.executions import FLAGS, ExecutionRecord, Filter
from durable_core.query.explain import difference
from durable_core.query.history import history_of
from durable_core.query.steps import current_names, find_node, open_steps, recorded_steps, steps_of
from durable_core.status import ExecutionStatus
from durable_core.store.transaction import Transaction

DEFAULT_PAGE = 50


def _definition(engine: Surface, tx: Transaction, record: ExecutionRecord) -> Definition | None:
    try:
        return engine.definitions.stored(tx, record.definition_hash)
    except StoreError:
        return None  # `verify` tells; the record can still be read


def steps(engine: Surface, execution_id: str) -> list[Entry]:
    """Every finished attempt in order, then those that run or wait now."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        return steps_of(tx, execution_id, _definition(engine, tx, record), record.status)


def steps_since(engine: Surface, execution_id: str, seq: int) -> tuple[ExecutionRecord, list[Entry], list[Entry]]:
    """The execution, the attempts recorded after `seq`, and where it stands now; values plain, as for JSON."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        recorded = recorded_steps(tx, execution_id, seq, read=to_plain)
        return record, recorded, open_steps(tx, execution_id, _definition(engine, tx, record), record.status)


def current_steps(engine: Surface, execution_id: str) -> list[str]:
    """Names of the steps that run or wait now."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        return current_names(open_steps(tx, execution_id, _definition(engine, tx, record), record.status))


def compensations(engine: Surface, execution_id: str) -> list[Entry]:
    """Every attempt of a compensation handler, in the order they ran."""
    with engine.database.read() as tx:
        queries.find(tx, execution_id)
        return [step for step in recorded_steps(tx, execution_id) if step["type"] == "compensation"]


def history(engine: Surface, execution_id: str) -> list[Entry]:
    """Everything that happened to it, oldest first."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        return history_of(tx, record, _definition(engine, tx, record))


def describe(engine: Surface, execution_id: str) -> dict[str, Any]:
    """The execution as one JSON document: what `status --json` prints."""
    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        definition = _definition(engine, tx, record)
        found = steps_of(tx, execution_id, definition, record.status, read=to_plain)
        standing = [step for step in found if step["seq"] is None]
        whole = document(record, context_of(tx, record), current_names(standing), found)
        whole["version"] = record.definition_hash[:8]
        change = None if definition is None else difference(tx, record, definition)
        whole["definition"] = None if change is None else {"kind": change.kind, "change": change.sentence}
        return whole


def full_id(engine: Surface, text: str) -> str:
    """The id that a text means: itself, or the one execution whose id begins with it."""
    with engine.database.read() as tx:
        return queries.full_id(tx, text)


# --- lists ---------------------------------------------------------------------------------------------------------


def list_ids(engine: Surface, limit: int, after: str | None, **chosen: Any) -> list[str]:
    """Ids of the executions that match, newest first."""
    return [record.id for record in list_records(engine, limit, after, **chosen)]


def list_records(engine: Surface, limit: int, after: str | None, **chosen: Any) -> list[ExecutionRecord]:
    """One page of executions, newest first; `after` is the id of the last one of the page before."""
    if limit < 1:
        raise InputValidationError(f"limit must be at least 1, got {limit}", errors={"limit": ["must be at least 1"]})
    wanted = filter_of(**chosen)
    with engine.database.read() as tx:
        place = None if after is None else queries.place_of(tx, after)
        return queries.page(tx, wanted, limit, place)


def count(engine: Surface, **chosen: Any) -> int:
    """How many executions match, over all pages."""
    wanted = filter_of(**chosen)
    with engine.database.read() as tx:
        return queries.count(tx, wanted)


def summaries(engine: Surface, limit: int, after: str | None, **chosen: Any) -> list[dict[str, Any]]:
    """One page as JSON: what `list --json` prints."""
    return [summary(record) for record in list_records(engine, limit, after, **chosen)]


def filter_of(
    workflow: Workflow | str | None = None,
    status: str | Sequence[str] | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    search: str | None = None,
    parent: str | None = None,
    top_level: bool = False,
) -> Filter:
    """The filter that these options mean; InputValidationError for a status there is not."""
    statuses = (status,) if isinstance(status, str) else tuple(status or ())
    known = [*(each.value for each in ExecutionStatus), *FLAGS]
    for each in statuses:
        if each not in known:
            raise InputValidationError(
                f"there is no status {each!r}; there are {', '.join(known)}", errors={"status": [f"{each!r} is none"]}
            )
    return Filter(
        workflow=workflow.name if isinstance(workflow, Workflow) else workflow,
        statuses=tuple(str(each) for each in statuses),
        tag=tag,
        since=None if since is None else to_us(since, "since"),
        until=None if until is None else to_us(until, "until"),
        search=search,
        parent=parent,
        top_level=top_level,
    )


def pending_inputs(
    engine: Surface,
    execution_id: str | None,
    workflow: Workflow | str | None = None,
    type: str | None = None,
    older_than: float | timedelta | None = None,
    limit: int | None = None,
    after: str | None = None,
) -> list[Entry]:
    """Every open question to people, longest waiting first."""
    if limit is not None and limit < 1:
        raise InputValidationError(f"limit must be at least 1, got {limit}", errors={"limit": ["must be at least 1"]})
    if type is not None and type not in get_args(InputType):
        raise InputValidationError(
            f"there is no type of question {type!r}",
            errors={"type": ["is unknown"]},
            hint=f"There are: {', '.join(get_args(InputType))}.",
        )
    age = None if older_than is None else seconds_to_us(to_seconds(older_than, "older_than"))
    name = workflow.name if isinstance(workflow, Workflow) else workflow
    with engine.database.read() as tx:
        if execution_id is not None:
            queries.find(tx, execution_id)
        return questions.pending_inputs(
            tx, execution_id=execution_id, workflow=name, type=type, older_than_us=age, limit=limit, after=after
        )


def stats(engine: Surface) -> dict[str, Any]:
    """How many executions there are by status and workflow, and what waits in each queue."""
    with engine.database.read() as tx:
        found = count_all(tx)
        found["queues"] = {queue["name"]: queue for queue in machines.queues(tx)}
        return found


def nodes(engine: Surface, *, ended: bool = False) -> list[Entry]:
    """The workers of this store, newest first."""
    with engine.database.read() as tx:
        return machines.workers(tx, ended=ended)


# --- logs ----------------------------------------------------------------------------------------------------------


def logs(
    engine: Surface, execution_id: str, step: str | None = None, level: str | None = None, after: int = 0
) -> list[Entry]:
    """The captured lines, oldest first; `step` is a name, id or path."""
    with engine.database.read() as tx:
        path = _path(engine, tx, execution_id, step)
        return lines.lines_of(tx, execution_id, path=path, level=level, after=after)


def follow_logs(
    engine: Surface, execution_id: str, step: str | None = None, level: str | None = None
) -> Iterator[Entry]:
    """The captured lines as they come, until the execution has ended."""
    with engine.database.read() as tx:
        path = _path(engine, tx, execution_id, step)
    if level is not None:
        lines.check_level(level)
    return follow_lines(engine, execution_id, path, level)


def _path(engine: Surface, tx: Transaction, execution_id: str, step: str | None) -> str | None:
    record = queries.find(tx, execution_id)
    if step is None:
        return None
    definition = _definition(engine, tx, record)
    return step if definition is None else find_node(definition, step).path


# --- pictures ------------------------------------------------------------------------------------------------------


def workflow_graph(workflow: Workflow | str) -> Any:
    """The graph of a workflow before anything runs."""
    from durable_core.graph import build_graph  # half of what an engine costs to import, and few ask for it

    chosen = chosen_workflow(workflow)
    return build_graph(chosen.definition)


def execution_graph(engine: Surface, execution_id: str) -> Any:
    """The graph of the structure that the execution is pinned to, with a state on every node that was reached."""
    from durable_core.graph import build_graph, overlay_facts
    from durable_core.query.facts import facts_of

    with engine.database.read() as tx:
        record = queries.find(tx, execution_id)
        definition = engine.definitions.stored(tx, record.definition_hash)
        facts = facts_of(tx, record)
    return overlay_facts(build_graph(definition), facts)


set_graph_factory(workflow_graph)
