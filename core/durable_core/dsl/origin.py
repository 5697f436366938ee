"""Where a function was written: what decides whether a definition replaces an earlier one or collides with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from durable_core.dsl.functions import unwrapped

__all__ = ["NOTEBOOK", "Origin", "StepOrigin", "origin_of"]

NOTEBOOK = "notebook"
"""The file of everything written in cells: a cell that runs again has another file name each time."""

_CELL = re.compile(r"^<(?:ipython-input-|ipykernel|cell|python-input-)|[/\\]ipykernel_\d+[/\\]")


_STRING = "<string>"


@dataclass(frozen=True, slots=True)
class Origin:
    """File and qualified name. `__main__` and the module import of one file have the same origin."""

    file: str
    qualname: str

    @property
    def is_local(self) -> bool:
        """Whether it was made inside a function or by `exec`, so that each time makes another one."""
        return "<locals>" in self.qualname or "<lambda>" in self.qualname or self.file == _STRING

    def __str__(self) -> str:
        return f"{self.qualname} in {'the notebook' if self.file == NOTEBOOK else self.file}"


StepOrigin = tuple[Origin, str]
"""The origin of a step's function and the step's declared name: a loop at module level may make several of one def."""


def origin_of(fn: Callable[..., Any]) -> Origin:
    """The origin of a function as it was written, under whatever wraps it."""
    inner = unwrapped(fn)
    code = getattr(inner, "__code__", None)
    file = _file(code.co_filename) if code is not None else str(getattr(inner, "__module__", ""))
    return Origin(file, str(getattr(inner, "__qualname__", type(inner).__qualname__)))


@lru_cache(maxsize=1024)
def _file(name: str) -> str:
    if _CELL.search(name):
        return NOTEBOOK
    if name.startswith("<"):
        return name
    return os.path.realpath(name)
