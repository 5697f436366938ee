"""Every named point around a commit, on every shape, on both databases: killed there, started again, checked.

One process runs all shapes at once and dies at the n-th passing of the point; a second, beside a worker that is left
alone, dies at a later passing; a third goes on to the end. Chains with other counts run at the same time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from durable_core.engine.engine import Engine
from durable_core.failpoints import POINTS
from tests.crash.nursery import Nursery
from tests.crash.runs import PATIENCE, Run
from tests.crash.shapes import SHAPES
from tests.crash.verdict import Reference, completed_of, faults

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(120)]

OFTEN = ((1, 40), (7, 3), (18, 11))
"""Passings at which the first and the second process of a chain die, for points that a run passes dozens of times."""
SOMETIMES = ((1, 5), (3, 1), (4, 2))
RARELY = ((1, 1), (2, 1))

COUNTS: dict[str, tuple[tuple[int, int], ...]] = {
    **dict.fromkeys(("before_body", "after_body", "before_record", "inside_record", "after_record"), OFTEN),
    **dict.fromkeys(("inside_settle", "after_settle"), OFTEN),
    **dict.fromkeys(("before_start", "inside_start", "after_start"), SOMETIMES),
    **dict.fromkeys(("inside_retry", "after_retry", "inside_wait", "after_wait"), SOMETIMES),
    **dict.fromkeys(("before_join", "inside_join", "after_join", "inside_fork", "after_fork"), SOMETIMES),
    **dict.fromkeys(("before_claim", "inside_claim", "after_claim", "after_mark"), SOMETIMES),
    **dict.fromkeys(("before_compensation", "after_compensation", "inside_compensation"), SOMETIMES),
    **dict.fromkeys(("compensation_recorded",), SOMETIMES),
    **dict.fromkeys(("before_control", "inside_control", "after_control"), SOMETIMES),
    **dict.fromkeys(("before_signal", "inside_signal", "after_signal"), RARELY),
    **dict.fromkeys(("before_takeover", "inside_takeover", "after_takeover"), RARELY),
    **dict.fromkeys(("before_heartbeat", "after_heartbeat"), RARELY),
    **dict.fromkeys(("before_stop", "before_hand_back", "after_stop"), ((1, 1),)),
}
FIRST_A_LOSS = ("before_takeover", "inside_takeover", "after_takeover")
"""Points that only a worker passes which finds another one dead."""
SHORT_LEASE = 1.5
"""Of the processes that are to die at a heartbeat, which comes three times a lease."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One point, and the passings at which the processes of the chain die."""

    point: str
    first: int
    second: int


@pytest.fixture(scope="module")
def reference(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What completes when nothing is killed; that run is checked like all others."""
    folder = tmp_path_factory.mktemp("reference")
    url = f"sqlite:///{folder / 'durable.db'}"
    run = Run(nursery, url, folder, {f"r-{shape}": shape for shape in SHAPES})
    assert run.process().wait(PATIENCE) == 0, run.log()
    evidence = run.evidence(None)
    assert faults(evidence) == []
    return {shape: completed_of(evidence.steps[id]) for id, shape in run.executions.items()}


def run_chain(nursery: Nursery, url: str, folder: Path, chain: Chain) -> Run:
    """Kill, start again beside a second worker, kill, start again, to the end."""
    run = Run(nursery, url, folder, {f"{chain.first}-{chain.second}-{shape}": shape for shape in SHAPES})
    lease = SHORT_LEASE if "heartbeat" in chain.point else 30.0
    first = "after_body=kill@4" if chain.point in FIRST_A_LOSS else f"{chain.point}=kill@{chain.first}"
    if run.dies(run.process(first, lease=lease)):
        beside = run.process(executions={}, expect=len(SHAPES) + 1, name="beside")
        if run.dies(run.process(f"{chain.point}=kill@{chain.second}", lease=lease)):
            assert run.process().wait(PATIENCE) == 0, run.log()
        assert beside.wait(PATIENCE) == 0, run.log()
    return run


@pytest.mark.parametrize("point", POINTS)
def test_whatever_a_kill_interrupts_goes_on_to_its_right_end(
    point: str, nursery: Nursery, reference: Reference, stores: list[str], tmp_path: Path
) -> None:
    """S-1, S-2, S-6, E-1, T-2, T-5: killed at any point, no step is lost, none is recorded twice."""
    chains = [Chain(point, first, second) for first, second in COUNTS[point]]
    folders = [tmp_path / f"{chain.first}-{chain.second}" for chain in chains]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(len(chains)) as pool:
        runs = list(pool.map(lambda each: run_chain(nursery, *each), zip(stores, folders, chains, strict=False)))
    assert any(run.kills for run in runs), f"no shape passes {point}"
    for run in runs:
        found = faults(run.evidence(reference))
        assert found == [], "\n".join([*found, run.log()])
        with Engine(run.url, worker=False) as engine:
            assert engine.verify() == []


def test_every_point_has_its_counts() -> None:
    """A new failpoint is not forgotten here."""
    assert set(COUNTS) == set(POINTS)
