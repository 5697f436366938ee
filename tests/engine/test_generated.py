"""Generated flows on a real engine against a naive walk of the nested nodes: same bodies, same context, same output."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from durable_core.definition.model import Definition
from durable_core.definition.nodes import (
    DecisionNode,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SwitchNode,
    child_sequences,
)
from durable_core.dsl import decision, foreach, loop, parallel, registry, step, switch, workflow
from durable_core.dsl.workflow import Workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.testing.kit import Kit
from tests.generation import examples
from tests.interpreter.reference import Walk
from tests.interpreter.worlds import World, _value, worlds

PATIENCE = 20.0
relaxed = examples(20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def memory() -> Iterator[Engine]:
    with Engine(":memory:", queues={"default": 8}) as engine:
        yield engine


class Written:
    """A generated definition written again as users write it, with unique names; its bodies are those of a world."""

    def __init__(self, world: World, before: Callable[[Any, str], None] = lambda ctx, name: None) -> None:
        self.count = 0
        self.before = before
        """What each step does before its own work: waits, say."""
        self.bodies: dict[str, Callable[..., Any]] = {}
        nodes = [self.element(node) for node in world.definition.nodes]

        @workflow(name="generated")
        def flow() -> Any:
            return nodes

        self.flow: Workflow = flow
        definition: Definition = flow.definition
        paths = {place.node.name: path for path, place in definition.places.items()}
        old = dict(zip(self.names, world.definition.places, strict=True))
        failing = {paths[name]: world.failing.get(path, 0) for name, path in old.items()}
        self.world = World(definition, world.seed, failing)
        by_path = self.world.bodies()
        self.bodies.update({name: by_path[path] for name, path in paths.items()})

    @property
    def names(self) -> list[str]:
        return [f"node_{number}" for number in range(1, self.count + 1)]

    def element(self, node: Node) -> Any:
        self.count += 1
        name = f"node_{self.count}"

        def value(ctx: Any) -> Any:
            return self.bodies[name](ctx.copy(), ctx.iterations)

        def work(ctx: Any) -> Any:
            self.before(ctx, name)
            output, ops = self.bodies[name](ctx.copy(), ctx.iterations)
            for kind, key, *rest in ops:
                if kind == "set":
                    ctx[key] = rest[0]
                elif kind == "inc":
                    ctx.increment(key, rest[0])
                elif kind == "app":
                    ctx.append(key, rest[0])
                elif key in ctx:
                    del ctx[key]
            return output

        inner = [[self.element(each) for each in body] for _, body in child_sequences(node)]
        match node:
            case LoopNode():
                return loop(name, inner[0], while_=value, max_iterations=node.max_iterations)
            case SwitchNode():
                cases = [(_value(*case.key), body) for case, body in zip(node.cases, inner, strict=False) if case.key]
                default = None if node.default is None else inner[-1]
                return switch(name, on=value, cases=cases, default=default)
            case ParallelNode():
                named = {branch.label or "''": body for branch, body in zip(node.branches, inner, strict=True)}
                options: dict[str, Any] = {"merge": node.merge, "on_error": node.on_error}
                return parallel(name, named, concurrency=node.concurrency, **options)
            case ForeachNode():
                options = {"merge": node.merge, "on_error": node.on_error, "collect": node.collect}
                return foreach(name, inner[0], items=value, concurrency=node.concurrency, **options)
            case DecisionNode():
                branches = {_value(*b.key): body for b, body in zip(node.branches, inner, strict=False) if b.key}
                otherwise = None if node.otherwise is None else inner[-1]
                return decision(name=name)(work).branch(branches, otherwise=otherwise)
        return step(name=name)(work)

    def walk(self) -> Walk:
        """What comes of it by hand; a step also stores what it returns under its name."""
        bodies = self.world.bodies(fail=False)

        def storing(path: str, node: Node) -> Callable[..., Any]:
            if isinstance(node, LoopNode | SwitchNode | ParallelNode | ForeachNode):
                return bodies[path]

            def body(context: dict[str, Any], at: tuple[int, ...]) -> Any:
                output, ops = bodies[path](context, at)
                return output, [*ops, ["set", node.name, output]]

            return body

        places = self.world.definition.places
        return Walk(self.world.definition, self.world.input, {p: storing(p, place.node) for p, place in places.items()})


def taken(run: Execution) -> list[str]:
    return sorted(
        f"{s['path']} {list(s['iterations'])}"
        for s in run.steps()
        if s["status"] == "completed" and s["type"] in ("step", "decision")
    )


def assert_as_walked(run: Execution, walk: Walk) -> None:
    assert run.status == "completed", run.error
    assert taken(run) == sorted(f"{path} {at}" for path, at in walk.taken)
    assert run.context == walk.context
    assert run.output == walk.output


def unique_labels(world: World) -> bool:
    """A mapping of Python's takes 1 and True for one key: flows that tell them apart are not written as mappings."""
    for place in world.definition.places.values():
        node = place.node
        if isinstance(node, DecisionNode) and len({_value(*b.key) for b in node.branches if b.key}) < len(
            node.branches
        ):
            return False
        if isinstance(node, ParallelNode) and any(branch.label == "''" for branch in node.branches):
            continue
    return True


@given(world=worlds().filter(unique_labels))
@relaxed
def test_a_generated_flow_runs_as_it_is_written(memory: Engine, world: World) -> None:
    """Same bodies, same context, same output as the nested nodes read by a person (T-1, T-4, X-3)."""
    with registry.isolated():
        written = Written(world)
        run = memory.start(written.flow, written.world.input).wait(PATIENCE)
        assert_as_walked(run, written.walk())


@given(world=worlds(failures=3, times=1).filter(unique_labels))
@relaxed
def test_a_generated_flow_that_fails_and_is_retried_ends_as_if_it_had_not(memory: Engine, world: World) -> None:
    """`retry` goes on from the failed step; S-2: nothing that completed runs again; S-7: failures leave no change."""
    with registry.isolated():
        written = Written(world)
        run = memory.start(written.flow, written.world.input).wait(PATIENCE)
        for _ in range(60):
            if run.status != "failed":
                break
            memory.retry(run)
            run.wait(PATIENCE)
        assert_as_walked(run, written.walk())


@given(world=worlds().filter(unique_labels))
@relaxed
def test_a_generated_flow_that_is_paused_again_and_again_ends_the_same(memory: Engine, world: World) -> None:
    """pause and resume at any moment change nothing of what comes out."""
    from durable_core.errors import InvalidStateError

    with registry.isolated():
        written = Written(world)
        run = memory.start(written.flow, written.world.input)
        for _ in range(20):
            try:
                memory.pause(run)
                memory.resume(run)
            except InvalidStateError:
                break
        run.wait(PATIENCE)
        assert_as_walked(run, written.walk())


@given(world=worlds().filter(unique_labels), data=st.data())
@relaxed
def test_a_generated_flow_forked_from_any_step_ends_the_same(memory: Engine, world: World, data: st.DataObject) -> None:
    """Nothing before the step runs again, what stood beside it goes on, and the same comes out; of forks of forks."""
    with registry.isolated():
        written = Written(world)
        walk = written.walk()
        run = memory.start(written.flow, written.world.input).wait(PATIENCE)
        for _ in range(4):
            done = [s for s in run.steps() if s["status"] == "completed" and s["type"] in ("step", "decision")]
            if not done:
                break
            chosen = data.draw(st.sampled_from(done))
            run = memory.fork(run, step=chosen["path"], iteration=chosen["iterations"] or None).wait(PATIENCE)
            assert run.status == "completed", run.error
            assert run.context == walk.context
            assert run.output == walk.output
            assert f"{chosen['path']} {list(chosen['iterations'])}" in taken(run)


@given(world=worlds().filter(unique_labels), spans=st.lists(st.sampled_from([0, 0.4, 1, 7, 60]), min_size=5))
@relaxed
def test_a_generated_flow_whose_steps_wait_ends_the_same_through_crashes(world: World, spans: list[float]) -> None:
    """W-1 to W-3: sleeps in bodies, wherever these stand, with every worker lost now and then."""

    def waiting(ctx: Any, name: str) -> None:
        ctx.sleep_for(int(name.removeprefix("node_")))
        begun = ctx.once("begun", time.monotonic_ns)
        ctx.sleep_for(0.5, name="again")
        assert ctx.once("begun", time.monotonic_ns) == begun

    with registry.isolated(), Kit() as kit:
        written = Written(world, waiting)
        run = kit.start_workflow(written.flow, written.world.input)
        for seconds in cycle([*spans, 60]):
            if run.status not in ("pending", "running", "waiting"):
                break
            if seconds == 0:
                kit.simulate_crash()
            kit.advance(seconds=seconds)
        assert_as_walked(run, written.walk())
