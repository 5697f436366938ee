"""``[tool.durable-studio]`` of the nearest pyproject.toml, and the environment."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from durable_core.errors import DefinitionError

WORKFLOWS_VARIABLE: Final = "DURABLE_WORKFLOWS"
"""Files and modules that define workflows, separated by commas or the system's path separator."""

_KNOWN: Final = frozenset({"workflows", "url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project says about itself."""

    workflows: tuple[str, ...] = ()
    """Files and modules that define workflows; files are absolute."""
    url: str | None = None
    """The store, where neither --db nor DURABLE_URL names one."""


def read_settings(directory: Path | None = None) -> Settings:
    """The settings that hold in a directory: pyproject.toml there or above, then the environment."""
    found = _from_pyproject((directory or Path.cwd()).resolve())
    named = os.environ.get(WORKFLOWS_VARIABLE, "")
    parts = [part.strip() for piece in named.split(",") for part in _split_paths(piece)]
    if any(parts):
        return Settings(workflows=tuple(part for part in parts if part), url=found.url)
    return found


def _split_paths(text: str) -> list[str]:
    # "flows.py:name" is a target; a path separator is only taken for one where both sides are files or modules.
    pieces = text.split(os.pathsep)
    joined: list[str] = []
    for piece in pieces:
        if joined and piece.isidentifier() and joined[-1].endswith(".py"):
            joined[-1] += f"{os.pathsep}{piece}"
        else:
            joined.append(piece)
    return joined


def _from_pyproject(directory: Path) -> Settings:
    for place in (directory, *directory.parents):
        path = place / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            whole = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DefinitionError(f"{path} cannot be read: {error}", hint="Mend it, or move it away.") from None
        table = whole.get("tool", {}).get("durable-studio")
        if table is not None:
            return _checked(table, path)
    return Settings()


def _checked(table: Any, path: Path) -> Settings:
    where = f"[tool.durable-studio] in {path}"
    if not isinstance(table, dict):
        raise DefinitionError(f"{where} is no table")
    unknown = sorted(set(table) - _KNOWN)
    if unknown:
        raise DefinitionError(f"{where}: unknown key {unknown[0]!r}", hint=f"There are {', '.join(sorted(_KNOWN))}.")
    workflows, url = table.get("workflows", []), table.get("url")
    if not isinstance(workflows, list) or not all(isinstance(each, str) for each in workflows):
        raise DefinitionError(
            f"{where}: workflows must be a list of files and modules", hint='workflows = ["flows.py"]'
        )
    if url is not None and not isinstance(url, str):
        raise DefinitionError(f"{where}: url must be text")
    return Settings(workflows=tuple(_anchored(each, path.parent) for each in workflows), url=url)


def _anchored(target: str, base: Path) -> str:
    """Files in pyproject.toml are relative to it, not to where the command was typed."""
    file, colon, name = target.partition(":")
    return f"{base / file}{colon}{name}" if file.endswith(".py") and not Path(file).is_absolute() else target
