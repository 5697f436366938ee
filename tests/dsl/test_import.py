"""Importing the floor brings in nothing heavy: each library comes with the part that needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import durable_core


def test_the_floor_imports_no_heavy_library() -> None:
    root = Path(durable_core.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from durable_core.dsl import step, workflow, wait_for_input\n"
        "@step\ndef a(ctx): ...\n"
        "@workflow\ndef w(): return [a, wait_for_input('x')]\n"
        "print([m for m in ('pydantic', 'croniter', 'sqlmodel', 'networkx', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
