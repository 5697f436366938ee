"""Imports only go down: the contracts of pyproject.toml hold."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.architecture.sources import PROJECT, ROOTS


def test_every_import_contract_is_kept() -> None:
    """The layers, the floors of the core, "core knows no screen" and "no cycles" are all kept."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS)), "NO_COLOR": "1", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"\n{done.stdout}\n{done.stderr}"
