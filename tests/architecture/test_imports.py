"""Imports only go down: the contracts of pyproject.toml hold."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

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


def test_every_package_is_checked_for_cycles() -> None:
    """A source root whose package has modules stands in the "no cycles" contract."""
    linter = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [contract] = [contract for contract in linter["contracts"] if contract["type"] == "acyclic_siblings"]
    packages = {path.parent.name for root in ROOTS for path in root.glob("*/__init__.py")}
    assert packages == set(contract["ancestors"]), "name the package in pyproject.toml under `ancestors`"
