"""Whether the promises were kept: the store's tables against the ledger, both read from outside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash.ledger import Line
from tests.crash.shapes import ALL, FOLLOWERS
from tests.crash.shapes.steered import FORKED, MINUTE_US
from tests.crash.tables import Row, Tables, tree

Reference = Mapping[str, frozenset[tuple[str, str, str]]]
"""By shape: the path, iteration and type of every step that completes when nothing is killed."""

BODIES = ("step", "decision")
AWAKENING_US = 200_000
"""A process frozen between lease check and first instruction may begin a body this long after it goes on (S-2)."""


@dataclass(slots=True)
class Evidence:
    """Everything about one run of the shapes."""

    tables: Tables
    lines: Sequence[Line]
    expected: Mapping[str, str]
    """Execution id -> shape."""
    kills: int = 0
    reference: Reference | None = None
    stops: int = 0
    """Processes that stopped and handed back what did not end within their grace (E-4)."""
    thawed: Sequence[tuple[int, int]] = ()
    """When a frozen process went on: (pid, microseconds)."""
    steps: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    losses: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in sorted(self.tables.steps, key=lambda row: row["seq"]):
            self.steps[row["execution_id"]].append(row)
        for row in self.tables.journal:
            if row["kind"] == "worker_lost":
                self.losses[row["execution_id"]].append(tree(row["detail"]))


def faults(evidence: Evidence) -> list[str]:
    """Every broken promise, in words; an empty list when all were kept."""
    found = list(_endings(evidence))
    found += _rows(evidence)
    found += _compensations(evidence)
    found += _bodies(evidence)
    found += _effects(evidence)
    found += _followers(evidence)
    found += _ticks(evidence)
    found += _leftovers(evidence)
    return found


def completed_of(rows: Sequence[Row]) -> frozenset[tuple[str, str, str]]:
    return frozenset((row["path"], row["iteration"], row["type"]) for row in rows if row["status"] == "completed")


def _endings(evidence: Evidence) -> Iterator[str]:
    """Every execution is there, has ended as it should, and counts its crashes right."""
    by_id = {row["id"]: row for row in evidence.tables.executions}
    for execution_id, name in evidence.expected.items():
        row, shape = by_id.get(execution_id), ALL[name]
        if row is None:
            yield f"{execution_id}: lost"
            continue
        if row["status"] not in shape.statuses:
            yield f"{execution_id}: {row['status']}, expected {shape.status} ({row['error'] or row['reason']})"
            continue
        context = tree(row["context"])
        if shape.context is not None:
            expected = {**tree(row["input"]), **_filled(shape.context, evidence, execution_id)}
            if context != expected:
                yield f"{execution_id}: context {context}, expected {expected}"
    for row in evidence.tables.executions:
        if row["completed_at"] is None:
            yield f"{row['id']}: {row['status']} and has not ended"
        lost = {loss["worker"] for loss in evidence.losses[row["id"]]}
        counted = evidence.expected.get(row["id"]) not in ("retried", "mended")  # a retry begins to count anew
        most = max(evidence.kills, len(evidence.losses[row["id"]]))
        if (counted and row["crashes"] < len(lost)) or row["crashes"] > most:
            yield f"{row['id']}: {row['crashes']} crashes counted, {len(lost)} workers lost, {evidence.kills} killed"
        if row["control"]:
            yield f"{row['id']}: ended with control {row['control']}"
        if evidence.steps[row["id"]] and row["revision"] < evidence.steps[row["id"]][-1]["seq"]:
            yield f"{row['id']}: revision {row['revision']} below its last step"


def _filled(context: Mapping[str, Any], evidence: Evidence, execution_id: str) -> dict[str, Any]:
    """The context with ids that differ from run to run in their places."""
    loose = {
        tree(wait["payload"])["id"]
        for wait in evidence.tables.waits
        if wait["execution_id"] == execution_id and wait["kind"] == "call" and wait["name"] == "apart"
    }
    known = {"$id": execution_id, "$child": next(iter(loose), None)}

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(each) for key, each in value.items()}
        return known.get(value, value) if isinstance(value, str) else value

    return {key: fill(value) for key, value in context.items()}


def _rows(evidence: Evidence) -> Iterator[str]:
    """No step completed twice, none lost, none too many."""
    for execution_id, rows in evidence.steps.items():
        counts = Counter((row["path"], row["iteration"], row["type"]) for row in rows if row["status"] == "completed")
        yield from (f"{execution_id}: {key} completed {n} times" for key, n in counts.items() if n > 1)
    for execution_id, name in evidence.expected.items():
        if evidence.reference is not None and ALL[name].steady:
            completed = completed_of(evidence.steps[execution_id])
            lost, extra = evidence.reference[name] - completed, completed - evidence.reference[name]
            if lost or extra:
                yield f"{execution_id}: steps lost {sorted(lost)}, too many {sorted(extra)}"


def _compensations(evidence: Evidence) -> Iterator[str]:
    """Each completed compensatable step was undone exactly once, in reverse order of completion."""
    for row in evidence.tables.executions:
        rows = evidence.steps[row["id"]]
        undone = [(each["path"], each["iteration"]) for each in rows if _is_done(each, "compensation")]
        if row["status"] != "compensated":
            if undone and row["status"] != "compensation_failed":
                yield f"{row['id']}: {row['status']}, and {undone} were compensated"
            if row["status"] == "failed" and any(_is_done(each, "step") and each["compensate"] == 1 for each in rows):
                yield f"{row['id']}: failed, and what it did was not undone"
            continue
        to_undo = [(each["path"], each["iteration"]) for each in rows if _is_done(each, "step") and each["compensate"]]
        shape = ALL.get(evidence.expected.get(row["id"], ""))
        if shape is not None and not shape.in_order:
            to_undo, undone = sorted(to_undo, reverse=True), sorted(undone)
        if undone != to_undo[::-1]:
            yield f"{row['id']}: completed {to_undo}, compensated {undone}"


def _is_done(row: Row, type_: str) -> bool:
    return bool(row["status"] == "completed" and row["type"] == type_)


def _bodies(evidence: Evidence) -> Iterator[str]:
    """Every result stands for a body that ended; none began after its result was recorded, none without a reason."""
    begun: dict[tuple[str, str], list[Line]] = defaultdict(list)
    ended: dict[tuple[str, str], int] = Counter()
    for line in evidence.lines:
        kind, _, what = line.kind.rpartition("-")
        if what == "begin":
            begun[kind, line.key].append(line)
        elif what == "end":
            ended[kind, line.key] += 1
    recorded: dict[tuple[str, str], int] = Counter()
    for execution_id, rows in evidence.steps.items():
        for row in rows:
            kind = "undo" if row["type"] == "compensation" else "" if row["type"] in BODIES else None
            if kind is None:
                continue
            key = kind, f"{execution_id}:{row['path']}" + (f":{row['iteration']}" if row["iteration"] else "")
            recorded[key] += 1
            if row["status"] == "completed":
                if not ended[key]:
                    yield f"{key}: recorded as completed, but its body never ended"
                for line in begun[key]:
                    if line.at > row["completed_at"] and not _just_thawed(evidence, line):
                        yield f"{key}: a body began {(line.at - row['completed_at']) / 1e6:.3f} s after its completion"
    lost = Counter((execution_id, loss["path"]) for execution_id, losses in evidence.losses.items() for loss in losses)
    for key, lines in begun.items():
        execution_id, path = key[1].split(":")[:2]
        shape = ALL.get(evidence.expected.get(execution_id, ""))
        reasons = recorded[key] + lost[execution_id, path] + evidence.stops
        if shape is not None:
            reasons += shape.passes.get(path.rpartition("/")[2], 0) + shape.cut
        if key[0] == "undo":
            reasons = recorded[key] + len(evidence.losses[execution_id]) + evidence.stops
        thawed = sum(_just_thawed(evidence, line) for line in lines)
        if len(lines) - thawed > reasons:
            yield f"{key}: began {len(lines)} times for {recorded[key]} rows and {lost[execution_id, path]} losses"


def _effects(evidence: Evidence) -> Iterator[str]:
    """What `ctx.once` keeps happened again only where its process was lost before it was recorded."""
    happened = Counter(line.key for line in evidence.lines if line.kind == "once")
    for key, count in happened.items():
        execution_id, path = key.split(":")[:2]
        lost = sum(loss["path"] == path for loss in evidence.losses[execution_id])
        if count > 1 + lost:
            yield f"{key}: its effect happened {count} times, and {lost} workers were lost there"


def _followers(evidence: Evidence) -> Iterator[str]:
    """Children, forks and ticks: as many as there should be, and each at its right end."""
    children: dict[str, dict[str, int]] = defaultdict(Counter)
    forks: dict[str, int] = Counter()
    for row in evidence.tables.executions:
        if row["id"] in evidence.expected:
            continue
        if row["status"] != FOLLOWERS[row["workflow"]]:
            yield f"{row['id']} of {row['workflow']}: {row['status']} ({row['error'] or row['reason']})"
        if row["parent_id"]:
            children[row["parent_id"]][row["workflow"]] += 1
        if row["forked_from"]:
            forks[row["forked_from"]] += 1
            if tree(row["context"]) != FORKED:
                yield f"{row['id']}: a fork with the context {row['context']}, expected {FORKED}"
    for execution_id, name in evidence.expected.items():
        if children[execution_id] != ALL[name].children:
            yield f"{execution_id}: children {dict(children[execution_id])}, expected {ALL[name].children}"
        if forks[execution_id] != (name == "forked"):
            yield f"{execution_id}: forked {forks[execution_id]} times"


def _ticks(evidence: Evidence) -> Iterator[str]:
    """C-1, C-3: one execution for each tick, none missing between the first and the last."""
    ticks: dict[str, dict[int, str]] = defaultdict(dict)
    for row in evidence.tables.schedule_ticks:
        ticks[row["schedule"]][row["tick_at"]] = row["execution_id"]
        if row["outcome"] != "started":
            yield f"{row['schedule']}: the tick of {row['tick_at']} was {row['outcome']}"
    started = Counter(row["id"] for row in evidence.tables.executions if row["workflow"] == "ticked")
    fired = Counter(id for each in ticks.values() for id in each.values())
    if started != fired:
        yield f"executions without a tick of their own, or ticks without theirs: {started - fired}, {fired - started}"
    for execution_id, name in evidence.expected.items():
        if name != "scheduled":
            continue
        times = sorted(ticks[execution_id])
        if not times or times != list(range(times[0], times[-1] + 1, MINUTE_US)):
            yield f"{execution_id}: it ticked at {times}"


def _just_thawed(evidence: Evidence, line: Line) -> bool:
    return any(pid == line.pid and at <= line.at <= at + AWAKENING_US for pid, at in evidence.thawed)


def _leftovers(evidence: Evidence) -> Iterator[str]:
    """Nothing is left of executions that ended, and no worker is believed to live."""
    status = {row["id"]: row["status"] for row in evidence.tables.executions}
    for row in evidence.tables.tokens:
        if status.get(row["execution_id"]) != "failed" or row["status"] in ("ready", "running", "waiting", "retry"):
            state = status.get(row["execution_id"])
            yield f"{row['id']}: a {row['status']} token is left of an execution that is {state}"
    for row in evidence.tables.waits:
        if row["status"] == "open":
            yield f"{row['execution_id']}: wait {row['name']} is still open"
    for row in evidence.tables.workers:
        if row["status"] == "running":
            yield f"worker {row['id']} ({row['name']}) is still listed as running"
