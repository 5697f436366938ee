"""Facts of an execution become one state per node: what each pass did, then all passes of a node together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from durable_core.graph.facts import AttemptFact, CompensationFact, ExecutionFacts, Iteration
from durable_core.graph.model import GraphData, NodeError, NodeState, NodeStatus

ACTIVE: Final = frozenset({"running", "pending", "waiting"})
LOUDEST: Final[tuple[NodeStatus, ...]] = (
    "failed",
    "running",
    "waiting",
    "pending",
    "uncertain",
    "cancelled",
    "compensated",
    "completed",
    "skipped",
)
_BY_TOKEN: Final[Mapping[str, NodeStatus]] = {
    "ready": "pending",
    "running": "running",
    "waiting": "waiting",
    "retry": "pending",
    "joining": "running",
    "paused": "pending",
    "failed": "failed",
    "cancelled": "cancelled",
}
_KNOWN: Final[Mapping[str, NodeStatus]] = dict(zip(map(str, LOUDEST), LOUDEST, strict=True))


@dataclass(slots=True)
class Pass:
    """One pass of one node: its last attempt, its token, and what is inside it."""

    status: NodeStatus | None = None
    row: AttemptFact | None = None
    attempt: int = 0
    since: datetime | None = None
    due_at: datetime | None = None
    retrying: bool = False
    needs_answer: bool = False
    inside: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reading:
    """States by path, compensations by path of their step, and how often each branch was chosen."""

    states: Mapping[str, NodeState]
    compensations: Mapping[str, NodeState]
    choices: Mapping[str, Mapping[str, int]]


class Reader:
    """Reads the facts of one execution against the structure of its graph."""

    def __init__(self, graph: GraphData, facts: ExecutionFacts) -> None:
        self.graph, self.facts = graph, facts
        self.blocks = graph.structure.blocks
        self.passes: list[dict[Iteration, Pass]] = [{} for _ in self.blocks]
        self.position: dict[str, int] = {}
        self.depth: list[int] = []
        """Length of a block's iteration vector."""
        self.next: list[int] = [-1] * len(self.blocks)
        for number, block in enumerate(self.blocks):
            owner = block.owner
            around = 0
            if owner >= 0:
                around = self.depth[owner] + (self.blocks[owner].kind in ("loop", "foreach"))
            self.depth.append(around)
            node = graph.nodes[block.node]
            if node.type not in ("start", "end"):
                self.position[node.path] = number
            for way in block.ways:
                for one, after in zip(way.blocks, way.blocks[1:], strict=False):
                    self.next[one] = after
        for one, after in zip(graph.structure.root, graph.structure.root[1:-1], strict=False):
            self.next[one] = after

    def read(self) -> Reading:
        self._collect()
        for number in range(len(self.blocks) - 1, -1, -1):
            self._conclude(number)
        kept = self._kept()
        states: dict[str, NodeState] = {}
        choices: dict[str, dict[str, int]] = {}
        compensations = self._compensations()
        for path, number in self.position.items():
            state = self._state(number, kept[number])
            if state is None:
                continue
            undone = compensations.get(path)
            if undone is not None and undone.status == "completed" and state.status == "completed":
                state = replace(state, status="compensated")
            states[path] = state
            if self.blocks[number].kind == "fork":
                counts = choices.setdefault(path, {})
                for one in kept[number].values():
                    if one.row is not None and one.row.choice is not None:
                        counts[one.row.choice] = counts.get(one.row.choice, 0) + 1
        return Reading(states, compensations, choices)

    def _pass(self, path: str, iteration: Iteration) -> Pass | None:
        number = self.position.get(path)
        if number is None:
            return None  # a path of another version of the workflow: not in this picture
        return self.passes[number].setdefault(tuple(iteration)[: self.depth[number]], Pass())

    def _collect(self) -> None:
        for row in self.facts.attempts:
            one = self._pass(row.path, row.iteration)
            if one is not None and (one.row is None or row.attempt >= one.row.attempt):
                one.row, one.status, one.attempt = row, _KNOWN.get(row.status, "pending"), row.attempt
        for token in self.facts.tokens:
            status = _BY_TOKEN.get(token.status)
            one = None if status is None else self._pass(token.path, token.iteration)
            if one is not None:
                one.status = status
                one.attempt = max(one.attempt, token.attempt)
                one.since = token.since or (one.row.started_at if one.row else None)
                one.due_at = token.due_at
                one.retrying = token.status == "retry"
        for wait in self.facts.waits:
            one = self._pass(wait.path, wait.iteration)
            if one is not None:
                one.status, one.due_at = "waiting", wait.due_at
                one.needs_answer = one.needs_answer or wait.kind == "input"

    def _conclude(self, number: int) -> None:
        """Give each pass of a block its status, and tell the composite around it."""
        block = self.blocks[number]
        for iteration, one in self.passes[number].items():
            if block.ways and not (block.kind == "fork" and one.status is not None and one.status != "completed"):
                one.status = self._of_composite(number, iteration, one)
            status = one.status or "completed"
            inside = one.inside if block.kind == "fork" else set()
            if block.owner >= 0:
                around = self.passes[block.owner].setdefault(iteration[: self.depth[block.owner]], Pass())
                around.inside.add(status)
                around.inside |= inside

    def _of_composite(self, number: int, iteration: Iteration, one: Pass) -> NodeStatus:
        block = self.blocks[number]
        if block.kind == "fork":
            return "completed"
        recorded = one.row.status if one.row else None
        if one.inside & ACTIVE:
            return "running" if one.inside & {"running", "pending"} else "waiting"
        if recorded in ("completed", "failed", "cancelled"):
            return _KNOWN[recorded]
        if self.facts.status == "completed" or self._passed(number, iteration):
            return "completed"
        for ended in ("failed", "cancelled"):
            if ended in one.inside:
                return _KNOWN[ended]
        if self._all_done(number, iteration):
            return "completed"
        return "running" if self.facts.status in ("pending", "running", "waiting") else "cancelled"

    def _passed(self, number: int, iteration: Iteration) -> bool:
        """Whether something behind the block has begun: what follows it, or what follows a composite around it."""
        while number >= 0:
            after = self.next[number]
            if after >= 0 and iteration in self.passes[after]:
                return True
            owner = self.blocks[number].owner
            if owner >= 0 and after < 0 and self.blocks[owner].kind == "loop":
                first = self.blocks[owner].ways[0].blocks[0]
                if (*iteration[:-1], iteration[-1] + 1) in self.passes[first]:
                    return True
            if owner >= 0:
                iteration = iteration[: self.depth[owner]]
            number = owner
        return False

    def _all_done(self, number: int, iteration: Iteration) -> bool:
        block = self.blocks[number]
        if block.kind == "parallel":
            return self.ways_done(number, iteration) == len(block.ways)
        if block.kind == "foreach":
            total = self.facts.items.get((self.graph.nodes[block.node].path, iteration))
            return total is not None and self.items_done(number, iteration) >= total
        return False

    def ways_done(self, number: int, iteration: Iteration) -> int:
        """Branches of a parallel that have finished."""
        done = 0
        for way in self.blocks[number].ways:
            last = self.passes[way.blocks[-1]].get(iteration) if way.blocks else None
            done += not way.blocks or (last is not None and self._finished(way.blocks[-1], last))
        return done

    def items_done(self, number: int, iteration: Iteration) -> int:
        """Items of a foreach that have finished."""
        body = self.blocks[number].ways[0].blocks
        if not body:
            return self.facts.items.get((self.graph.nodes[self.blocks[number].node].path, iteration), 0)
        last = body[-1]
        return sum(
            1
            for item, one in self.passes[last].items()
            if item[: len(iteration)] == iteration and self._finished(last, one)
        )

    def _finished(self, number: int, one: Pass) -> bool:
        if one.status not in ("completed", "skipped", "compensated"):
            return False
        return self.blocks[number].kind != "fork" or not one.inside - {"completed", "skipped"}

    def _kept(self) -> list[dict[Iteration, Pass]]:
        """Per block the passes that are shown: inside a loop still going, those of its present iteration."""
        present: list[dict[Iteration, int]] = [{} for _ in self.blocks]
        loops: list[tuple[int, ...]] = []
        kept: list[dict[Iteration, Pass]] = []
        for number, block in enumerate(self.blocks):
            owner = block.owner
            around = () if owner < 0 else loops[owner]
            if owner >= 0 and self.blocks[owner].kind == "loop":
                around = (*around, owner)
            loops.append(around)
            shown = {
                iteration: one
                for iteration, one in self.passes[number].items()
                if all(
                    present[loop].get(iteration[: self.depth[loop]], iteration[self.depth[loop]])
                    == iteration[self.depth[loop]]
                    for loop in around
                )
            }
            kept.append(shown)
            if block.kind == "loop" and block.ways[0].blocks:
                first = block.ways[0].blocks[0]
                going = {key for key, one in self.passes[number].items() if one.status in ACTIVE}
                for iteration in self.passes[first]:
                    key = iteration[:-1]
                    if key in going:
                        present[number][key] = max(present[number].get(key, 0), iteration[-1])
        return kept

    def _state(self, number: int, kept: dict[Iteration, Pass]) -> NodeState | None:
        if not kept:
            return None
        block, node = self.blocks[number], self.graph.nodes[self.blocks[number].node]
        every = self.passes[number]
        statuses = {one.status for one in kept.values()}
        asked = any(one.needs_answer for one in kept.values())
        status: NodeStatus = next((status for status in LOUDEST if status in statuses), "pending")
        if asked and status != "failed":
            status = "waiting"
        loud = [one for one in kept.values() if one.status == status]
        chosen = next((one for one in loud if one.needs_answer), loud[-1] if loud else next(iter(kept.values())))
        active = sum(1 for one in kept.values() if one.status in ACTIVE)
        done = sum(1 for one in every.values() if one.status == "completed")
        iterations, total = len(every), None
        if block.kind == "parallel":
            done, total = sum(self.ways_done(number, iteration) for iteration in kept), len(block.ways) * len(kept)
        elif block.kind == "foreach":
            counts = [self.facts.items.get((node.path, iteration)) for iteration in kept]
            known = [count for count in counts if count is not None]
            total = sum(known) if known else None
            done = sum(self.items_done(number, iteration) for iteration in kept)
            active = self._open_items(number, kept)
        elif block.kind == "loop" and block.ways[0].blocks:
            iterations = len(self.passes[block.ways[0].blocks[0]])
        row = chosen.row
        due = chosen.due_at
        return NodeState(
            status=status,
            attempt=chosen.attempt,
            max_attempts=int(node.metadata.get("max_attempts", 0)),
            duration_ms=self._duration(number, chosen, every),
            started_at=(row.started_at if row else None) or chosen.since,
            completed_at=row.completed_at if row else None,
            error=_error(row.error_type, row.error_message) if row else None,
            active=active,
            iterations=iterations,
            done=done,
            total=total,
            choice=row.choice if row else None,
            due_in=None if due is None else max(0.0, (due - self.facts.now).total_seconds()),
            retrying=chosen.retrying,
            needs_answer=chosen.needs_answer,
            answered_by=row.answered_by if row else None,
        )

    def _open_items(self, number: int, kept: dict[Iteration, Pass]) -> int:
        deep = self.depth[number] + 1
        going: set[Iteration] = set()
        for inside in range(number + 1, self.blocks[number].last + 1):
            for iteration, one in self.passes[inside].items():
                if one.status in ACTIVE and iteration[: deep - 1] in kept:
                    going.add(iteration[:deep])
        return len(going)

    def _duration(self, number: int, chosen: Pass, every: dict[Iteration, Pass]) -> float | None:
        if chosen.status in ACTIVE:
            since = chosen.since or (chosen.row.started_at if chosen.row else None) or self._first_start(number)
            return None if since is None else _ms(since, self.facts.now)
        spans = [
            _ms(one.row.started_at, one.row.completed_at)
            for one in every.values()
            if one.row is not None and one.row.started_at is not None and one.row.completed_at is not None
        ]
        if spans:
            return sum(spans) / len(spans)
        first, last = self._first_start(number), self._last_end(number)
        return None if first is None or last is None else _ms(first, last)

    def _rows_inside(self, number: int) -> list[AttemptFact]:
        return [
            one.row
            for inside in range(number, self.blocks[number].last + 1)
            for one in self.passes[inside].values()
            if one.row is not None
        ]

    def _first_start(self, number: int) -> datetime | None:
        return min((row.started_at for row in self._rows_inside(number) if row.started_at is not None), default=None)

    def _last_end(self, number: int) -> datetime | None:
        ends = (row.completed_at for row in self._rows_inside(number) if row.completed_at is not None)
        return max(ends, default=None)

    def _compensations(self) -> dict[str, NodeState]:
        by_path: dict[str, list[CompensationFact]] = {}
        for fact in self.facts.compensations:
            by_path.setdefault(fact.path, []).append(fact)
        return {path: _compensation(facts, self.facts.now) for path, facts in by_path.items()}


def _compensation(facts: list[CompensationFact], now: datetime) -> NodeState:
    statuses = {_KNOWN.get(fact.status, "pending") for fact in facts}
    status = next(status for status in LOUDEST if status in statuses)
    shown = next(fact for fact in facts if _KNOWN.get(fact.status, "pending") == status)
    end = shown.completed_at or (now if status == "running" else None)
    return NodeState(
        status=status,
        duration_ms=None if shown.started_at is None or end is None else _ms(shown.started_at, end),
        started_at=shown.started_at,
        completed_at=shown.completed_at,
        error=_error(shown.error_type, shown.error_message),
        active=sum(1 for fact in facts if fact.status in ACTIVE),
        iterations=len(facts),
        done=sum(1 for fact in facts if fact.status == "completed"),
        order=min(fact.order for fact in facts),
    )


def _error(kind: str | None, message: str) -> NodeError | None:
    return None if kind is None else NodeError(kind, message)


def _ms(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() * 1000.0
