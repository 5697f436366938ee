"""`python -m bench.soak`: run and kill workers for a long time on each database, and verify the stores."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.crash.nursery import Nursery
from tests.crash.soaking import Soak
from tests.services import ServiceMissing, postgres_server

STORES = ("sqlite", "postgres")
SHOWN = 20
"""Faults that are printed; there may be more."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Kill and freeze workers, then verify.")
    parser.add_argument("stores", nargs="*", metavar="store", help=f"which ones, all when none: {', '.join(STORES)}")
    parser.add_argument("--executions", type=int, default=10_000, help="on each store (default: 10000)")
    parser.add_argument("--seed", type=int, help="repeat the choices of an earlier soak")
    given = parser.parse_args()
    unknown = sorted(set(given.stores) - set(STORES))
    if unknown:
        parser.error(f"no such store: {', '.join(unknown)}; there are: {', '.join(STORES)}")
    if given.executions < 1:
        parser.error("--executions must be at least 1")
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", file=sys.stderr)
    failed = False
    for store in given.stores or STORES:
        failed |= not _soak(store, given.executions, seed)
    return int(failed)


def _soak(store: str, executions: int, seed: int) -> bool:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="durable-soak-")))
        url = f"sqlite:///{folder / 'durable.db'}"
        if store == "postgres":
            try:
                server = stack.enter_context(postgres_server())
            except ServiceMissing as missing:
                print(f"{store}: {missing}", file=sys.stderr)
                return False
            name = server.create_database()
            stack.callback(server.drop_database, name)
            url = server.engine_url(name)
        nursery = stack.enter_context(Nursery())
        soak = Soak(nursery, url, folder, executions, seed, lambda text: print(f"{store}: {text}", file=sys.stderr))
        soaked = soak.soak()
        print(f"{store}: {soaked} (seed {seed})")
        for fault in soaked.faults[:SHOWN]:
            print(f"  {fault}")
        return not soaked.faults


if __name__ == "__main__":
    sys.exit(main())
