"""Every named point around a commit, with all shapes on their way, on both databases: killed there, and run on."""

from __future__ import annotations

import ast
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import durable_core
from durable_core import failpoints
from durable_core.engine.engine import Engine
from tests.crash.chains import AT_LEAST, POINTS, Chain, Link, chains
from tests.crash.nursery import Nursery
from tests.crash.runs import PATIENCE, Run
from tests.crash.shapes import SHAPES
from tests.crash.verdict import Reference, completed_of, faults

pytestmark = [pytest.mark.crash]

SHORT_LEASE = 1.5
"""Of the processes that are to die at a heartbeat, which comes three times a lease."""

LINGERING = {"seconds": 5.0, "again": 0.1}
"""Input of what is still at work when its process stops, or comes to its heartbeat."""


@pytest.fixture(scope="module")
def reference(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What completes when nothing is killed; that run is checked like all others."""
    folder = tmp_path_factory.mktemp("reference")
    url = f"sqlite:///{folder / 'durable.db'}"
    run = Run(nursery, url, folder, {f"r-{shape}": shape for shape in (*SHAPES, "lingering")})
    assert run.process().wait(PATIENCE) == 0, run.log()
    evidence = run.evidence(None)
    assert faults(evidence) == []
    return {shape: completed_of(evidence.steps[id]) for id, shape in run.executions.items()}


def options_of(link: Link, lingering: str) -> dict[str, Any]:
    """What the process of a link needs to pass its point."""
    options: dict[str, Any] = {"failpoints": f"{link.point}=kill@{link.passing}"}
    if "heartbeat" in link.point:
        options["lease"] = SHORT_LEASE
    if "stop" in link.point or "hand_back" in link.point:
        options.update(stop_when=f"{lingering}:linger", grace=0.02)
    return options


def run_chain(nursery: Nursery, url: str, folder: Path, chain: Chain) -> Run:
    """Kill, start more and go on, kill, ... to the end."""
    run = Run(nursery, url, folder, {})
    beside = None
    for number, link in enumerate(chain.links):
        run.executions.update({f"{number}-{shape}": shape for shape in link.shapes})
        options = options_of(link, f"{number}-lingering")
        if chain.company and number:
            beside = beside or run.process(executions={}, name="beside")
            options["queues"] = {"default": 20}  # the branches of the other queue run in the other process
        run.stops += "stop_when" in options
        died = run.dies(run.process(inputs={f"{number}-lingering": LINGERING}, **options))
        assert died or beside is not None, f"no shape passes {link.point} {link.passing} times:\n{run.log()}"
    assert run.process().wait(PATIENCE) == 0, run.log()
    if beside is not None:
        beside.signal(signal.SIGTERM)
        assert beside.wait(PATIENCE) == 0, run.log()
    return run


@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.parametrize("chain", chains(), ids=str)
def test_whatever_a_kill_interrupts_goes_on_to_its_right_end(
    chain: Chain, nursery: Nursery, reference: Reference, store_url: str, tmp_path: Path
) -> None:
    """S-1, S-2, S-6, E-1, T-2, T-5, W-3, C-1: killed at any point, nothing is lost, and nothing recorded twice."""
    run = run_chain(nursery, store_url, tmp_path, chain)
    found = faults(run.evidence(reference))
    assert found == [], "\n".join([*found, run.story(found), run.log()])
    with Engine(run.url, worker=False) as engine:
        assert engine.verify() == []


def test_every_point_is_in_a_chain_with_many_shapes_on_their_way() -> None:
    """A new failpoint is not forgotten here."""
    killed = {link.point for chain in chains() for link in chain.links}
    assert killed == {point.name for point in POINTS} == set(failpoints.POINTS)
    assert all(len(link.shapes) >= AT_LEAST >= 8 for chain in chains() for link in chain.links)
    assert {shape for chain in chains() for link in chain.links for shape in link.shapes} >= set(SHAPES)


def _named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint":
            match node.args[0]:
                case ast.Constant(str(name)):
                    yield name
                case ast.JoinedStr([ast.Constant(str(prefix)), ast.FormattedValue()]):
                    yield from (f"{prefix}{kind}" for kind in ("fork", "join", "retry", "wait", "settle"))


def test_every_point_in_the_code_can_be_switched_on() -> None:
    """A point that is named in the code alone would never be passed by a test."""
    folder = Path(durable_core.__file__).parent
    used = {name for path in folder.rglob("*.py") for name in _named(ast.parse(path.read_text("utf-8")))}
    assert used == set(failpoints.POINTS)


def test_branches_and_failing_siblings_run_in_two_processes() -> None:
    """Parallel branches on two workers, and a fail-fast with a running sibling that has a handler (T-5)."""
    together = {shape for chain in chains() if chain.company for link in chain.links[1:] for shape in link.shapes}
    assert together >= {"branches", "failfast", "retried"}
