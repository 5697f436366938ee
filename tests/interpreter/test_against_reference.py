"""The interpreter against a naive walk of the nested nodes: the same path, context and output, in any order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from durable_core.definition.nodes import ForeachNode, ParallelNode
from durable_core.executor.simulation import Action, Simulation
from durable_core.status import TokenStatus
from tests.generation import examples
from tests.interpreter.reference import Walk
from tests.interpreter.worlds import World, worlds

seeds = st.integers(0, 2**32)
Check = Callable[[Simulation], None]


def new(world: World, fail: bool = True) -> Simulation:
    return Simulation(world.definition, world.input, world.bodies(fail))


def walked(world: World, fail: bool = True) -> Walk:
    return Walk(world.definition, world.input, world.bodies(fail))


def in_any_order(simulation: Simulation, chance: random.Random, check: Check | None = None) -> Simulation:
    while actions := simulation.actions():
        simulation.take(chance.choice(actions))
        if check is not None:
            check(simulation)
    return simulation


def reloaded(simulation: Simulation) -> Simulation:
    return Simulation.load(simulation.definition, simulation.bodies, json.loads(json.dumps(simulation.save())))


def in_order(taken: list[list[Any]]) -> list[list[Any]]:
    return sorted(taken, key=repr)


def running(simulation: Simulation) -> list[str]:
    return [key for key, token in simulation.tokens.items() if token.status is TokenStatus.RUNNING]


def assert_same_end(simulation: Simulation, walk: Walk) -> None:
    assert simulation.status == walk.status
    if walk.status == "completed":
        assert simulation.context == walk.context
        assert simulation.output == walk.output


@given(worlds(failures=2))
@examples(50)
def test_branch_after_branch_goes_the_way_of_the_written_flow(world: World) -> None:
    """Same path taken, same context, same output as the nested nodes read by a person (T-1, T-4, X-3)."""
    simulation, walk = new(world).run(), walked(world)
    assert simulation.taken == walk.taken
    assert_same_end(simulation, walk)
    if walk.status == "failed" and len(walk.failed) == 1 and simulation.error["type"] == "ValueError":
        assert simulation.error["path"] == walk.failed[0]


@given(worlds(), seeds)
@examples(50)
def test_no_order_of_branches_changes_the_end(world: World, seed: int) -> None:
    """T-1: the merge is decided by written order, never by who finished first."""
    simulation, walk = in_any_order(new(world), random.Random(seed)), walked(world)
    assert in_order(simulation.taken) == in_order(walk.taken)
    assert_same_end(simulation, walk)


@given(worlds(failures=3, on_error="complete_all"), seeds)
@examples(50)
def test_complete_all_runs_every_branch_in_any_order(world: World, seed: int) -> None:
    """complete_all: all finish, and failures are raised together."""
    simulation, walk = in_any_order(new(world), random.Random(seed)), walked(world)
    assert in_order(simulation.taken) == in_order(walk.taken)
    assert simulation.status == walk.status
    assert_same_end(simulation, walk)


@given(worlds(failures=3, on_error="fail_fast"), seeds)
@examples(50)
def test_fail_fast_fails_whatever_the_order(world: World, seed: int) -> None:
    """fail_fast: the failure goes up, nothing is left running, and no node ran that the flow does not hold."""
    simulation, walk = in_any_order(new(world), random.Random(seed)), walked(world)
    assert_same_end(simulation, walk)
    assert not running(simulation)


@given(worlds(failures=1), seeds)
@examples(50)
def test_the_state_of_every_moment_goes_on_to_the_same_end(world: World, seed: int) -> None:
    """S-5, E-1: killed at any point and resumed from what was written, it comes to the same end."""
    chance = random.Random(seed)
    simulation = new(world)
    while actions := simulation.actions():
        before = reloaded(simulation)
        assert before.save() == simulation.save()
        simulation = before
        action = chance.choice(actions)
        if action.verb == "finish" and chance.random() < 0.2:
            simulation.give_back(action.token)  # the worker died
            continue
        simulation.take(action)
    if not any(world.definition.places[path] for path in world.failing):
        assert_same_end(simulation, walked(world))
    else:
        assert simulation.status == walked(world).status


@given(worlds(failures=2), seeds)
@examples(50)
def test_concurrency_holds_at_every_instant(world: World, seed: int) -> None:
    """T-3: begun and unfinished branches and items never exceed the limit."""

    def check(simulation: Simulation) -> None:
        _concurrency(simulation)

    in_any_order(new(world), random.Random(seed), check)


def _concurrency(simulation: Simulation) -> None:
    open_: dict[str, int] = {}
    for token in simulation.tokens.values():
        if token.parent is not None and not token.ended:
            open_[token.parent] = open_.get(token.parent, 0) + 1
    for key, count in open_.items():
        parent = simulation.tokens[key]
        assert parent.path is not None and parent.frame is not None
        node = simulation.definition.places[parent.path].node
        assert isinstance(node, ParallelNode | ForeachNode)
        assert count <= (node.concurrency or parent.frame.total)
        assert parent.frame.open == count


@given(worlds(failures=1), seeds, st.integers(0, 40))
@examples(50)
def test_a_stop_at_any_point_comes_to_rest(world: World, seed: int, after: int) -> None:
    """T-6: no new step begins once a stop is recorded, running ones end, then nothing is left open."""
    chance = random.Random(seed)
    simulation = new(world)
    for _ in range(after):
        if not (actions := simulation.actions()):
            return
        simulation.take(chance.choice(actions))
    if simulation.status != "running":
        return
    began = set(running(simulation))
    simulation.stop()
    assert all(action.verb == "finish" and action.token in began for action in simulation.actions())
    while actions := simulation.actions():
        action = chance.choice(actions)
        assert action.verb == "finish" and action.token in began, "a step began after the stop"
        if chance.random() < 0.3:
            simulation.halt(action.token)
        else:
            simulation.take(action)
        began.discard(action.token)
    assert simulation.status in ("cancelled", "failed")
    assert all(token.ended for token in simulation.tokens.values())


@given(worlds(failures=3, times=1), seeds)
@examples(50)
def test_a_retried_failure_goes_on_and_repeats_nothing(world: World, seed: int) -> None:
    """`retry` continues from the failed step: what completed stays, limits hold, the end is that of no failure."""
    chance = random.Random(seed)
    simulation = new(world)
    for _ in range(200):
        in_any_order(simulation, chance, _concurrency)
        if simulation.status == "completed":
            break
        simulation = reloaded(simulation)
        simulation.revive()
        _concurrency(simulation)
    assert_same_end(simulation, walked(world, fail=False))
    assert len(simulation.taken) == len({repr(entry) for entry in simulation.taken}), "a completed node ran again"
    assert in_order(simulation.taken) == in_order(walked(world, fail=False).taken)


@given(worlds(), seeds, st.integers(0, 30))
@examples(50)
def test_an_execution_stopped_anywhere_goes_on_when_it_is_retried(world: World, seed: int, after: int) -> None:
    """A workflow that timed out and is retried goes on where it came to rest; no completed node runs twice (S-2)."""
    chance = random.Random(seed)
    simulation = new(world)
    for _ in range(after):
        if not (actions := simulation.actions()):
            return
        simulation.take(chance.choice(actions))
    if simulation.status != "running":
        return
    simulation.stop()
    while actions := simulation.actions():
        action = chance.choice(actions)
        if chance.random() < 0.3:
            simulation.halt(action.token)
        else:
            simulation.take(action)
    simulation = reloaded(simulation)
    simulation.revive()
    in_any_order(simulation, chance, _concurrency)
    assert_same_end(simulation, walked(world))
    assert in_order(simulation.taken) == in_order(walked(world).taken)


@given(worlds(failures=1))
@examples(50)
def test_a_state_serialises_as_json_data(world: World) -> None:
    """D-4: the position of an execution is plain data."""
    simulation = new(world)
    while actions := simulation.actions():
        simulation.take(Action(actions[-1].verb, actions[-1].token))
        assert reloaded(simulation).tokens == simulation.tokens
