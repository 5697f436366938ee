"""Prints every lower bound of a pyproject.toml as an exact constraint, one a line."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

# What only checks or measures the sources is not part of what we promise to users.
NOT_PROMISED = ("bench",)

BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?>=(?P<version>[0-9][0-9.]*)")


def lowest(project: dict[str, object]) -> list[str]:
    """The exact lowest version of every requirement that names one."""
    requirements = list(project["dependencies"])  # type: ignore[call-overload]
    for extra, members in project["optional-dependencies"].items():  # type: ignore[attr-defined]
        if extra not in NOT_PROMISED:
            requirements.extend(members)
    found = {match["name"]: match["version"] for match in map(BOUND.match, requirements) if match}
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    document = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(lowest(document["project"])))
