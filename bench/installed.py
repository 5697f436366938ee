"""How much an installation of some distributions weighs, from what is installed here."""

from __future__ import annotations

from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def installed_size(*roots: str, package: str | None = None) -> dict[str, float]:
    """Megabytes and number of the distributions that `roots` need; `package` is a source folder that counts as one."""
    found: dict[str, int] = {}
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        about = distribution(name)
        found[name] = sum(_size(Path(str(about.locate_file(file)))) for file in about.files or ())
        for line in about.requires or ():
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    if package is not None:
        spec = find_spec(package)
        assert spec is not None and spec.submodule_search_locations is not None
        found[package] = sum(_size(file) for file in Path(spec.submodule_search_locations[0]).rglob("*"))
    return {"mb": sum(found.values()) / 1e6, "distributions": float(len(found))}


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() and file.suffix != ".pyc" else 0
