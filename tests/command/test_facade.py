"""`from durable_studio import ...`: the names of the contract, loaded when they are asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import durable_core.errors
import durable_studio

BUILDING = "workflow step decision switch loop parallel foreach call"
WAITS = "sleep_for sleep_until wait_for_event wait_for_any wait_for_all wait_for_input"
PARTS = "Workflow Step Context Retry FormField Secret register_codec cron"
RUNNING = "Engine Execution Graph"


def test_every_name_of_the_contract_is_exported() -> None:
    """Section by section, and every error there is."""
    names = [*BUILDING.split(), *WAITS.split(), *PARTS.split(), *RUNNING.split(), *durable_core.errors.__all__]
    assert sorted(names) == sorted(durable_studio.__all__)
    for name in names:
        assert getattr(durable_studio, name).__name__ == name
        assert name in dir(durable_studio)


def test_what_type_checkers_see_is_what_is_exported() -> None:
    """The imports under TYPE_CHECKING, __all__ and the lazy names are the same."""
    tree = ast.parse(Path(durable_studio.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == durable_studio._HOME_OF
    assert durable_studio.__all__ == sorted(seen)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """With the module and the name."""
    with pytest.raises(AttributeError, match="no attribute 'wrokflow'"):
        durable_studio.wrokflow  # noqa: B018


def test_a_workflow_draws_itself_before_there_is_an_engine() -> None:
    """`.graph()` needs no other import than the public one."""
    roots = [str(Path(module.__file__ or "").parents[1]) for module in (durable_studio, durable_core.errors)]
    code = (
        f"import sys; sys.path[:0] = {roots!r}\n"
        "from durable_studio import step, workflow\n"
        "@step\ndef a(ctx): ...\n"
        "@workflow\ndef w(): return [a]\n"
        "print(len(w.graph().nodes), 'durable_core.engine.engine' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 False"
