"""500 executions of mixed shapes, four workers, killed and frozen at random: what `make soak` does, but shorter."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.crash.nursery import Nursery
from tests.crash.soaking import Soak

SEED = "DURABLE_SOAK_SEED"


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_killed_and_frozen_at_random_every_promise_is_kept(
    nursery: Nursery, store_url: str, tmp_path: Path
) -> None:
    """S-1 to S-7, E-1, E-3, W-5, W-6, T-1 to T-6, C-1; DURABLE_SOAK_SEED repeats the choices of an earlier run."""
    seed = int(os.environ.get(SEED, random.SystemRandom().randrange(1_000_000)))
    print(f"{SEED}={seed}")
    soaked = Soak(nursery, store_url, tmp_path, 500, seed, print).soak()
    print(soaked)
    assert soaked.faults == [], f"{SEED}={seed}\n" + "\n".join(soaked.faults)
    assert soaked.kills and soaked.freezes and soaked.lost
