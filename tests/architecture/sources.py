"""What the architecture tests look at: the source roots and the files git tracks."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ROOTS = tuple(PROJECT / root for root in ("core", "tui", "notebook_ext", "studio"))


def modules() -> list[Path]:
    """Every Python module of the four source roots."""
    return sorted(path for root in ROOTS for path in root.rglob("*.py"))


def source_files() -> list[Path]:
    """Every text file of the four source roots, whatever its language."""
    return sorted(
        path for root in ROOTS for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def tracked_files() -> list[Path]:
    """Every file git tracks and that is there; none where the project is not a checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False)
    paths = (PROJECT / name for name in listed.stdout.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def text_of(path: Path) -> str:
    """Its text; bytes that are no text become replacement characters."""
    return path.read_text(encoding="utf-8", errors="replace")


def name_of(path: Path) -> str:
    """How a message names it: relative to the project."""
    return path.relative_to(PROJECT).as_posix()
