"""Importing the library is cheap: what costs hundreds of milliseconds comes in with the part that needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.architecture.sources import ROOTS

HEAVY = {
    "aio_pika": "only with a RabbitMQ queue",
    "alembic": "only when a store is opened",
    "anywidget": "only in a notebook",
    "croniter": "only with a schedule",
    "ipywidgets": "only in a notebook",
    "networkx": "about 350 ms; only for to_networkx()",
    "psycopg": "only with PostgreSQL",
    "pydantic": "about 100 ms; only when values are validated",
    "pydot": "only to draw with graphviz",
    "redis": "only with Redis",
    "rich": "only in a terminal",
    "sqlalchemy": "only when a store is opened",
    "sqlmodel": "about 860 ms; only when a store is opened",
    "textual": "about 400 ms; only in the terminal studio",
    "typer": "only on the command line",
    "watchfiles": "only when a store or a source file is watched",
}

PUBLIC_IMPORT_LIMIT_MS = 60

PROBE = """
import json, sys, time
before = set(sys.modules)
begun = time.process_time()
import {package}
seconds = time.process_time() - begun
print(json.dumps({{"ms": seconds * 1000, "loaded": sorted(set(sys.modules) - before)}}))
"""


def imported(package: str) -> tuple[float, list[str]]:
    """How many milliseconds of processor time the import took in a fresh interpreter, and the modules it brought in."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(package=package)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["ms"], answer["loaded"]


@pytest.mark.parametrize("package", ["durable_core", "durable_studio"])
def test_an_import_brings_in_nothing_heavy(package: str) -> None:
    """`import durable_studio` loads no database, screen, graph or broker library."""
    _, loaded = imported(package)
    heavy = sorted({name.partition(".")[0] for name in loaded} & HEAVY.keys())
    assert not heavy, "\n".join(f"import {package} loads {name}: {HEAVY[name]}" for name in heavy)


def test_the_public_import_is_quick() -> None:
    """`import durable_studio` costs at most 60 ms beyond Python itself, measured as the best of several tries."""
    best = min(imported("durable_studio")[0] for _ in range(6))
    assert best <= PUBLIC_IMPORT_LIMIT_MS, f"import durable_studio took {best:.0f} ms; see python -X importtime"
