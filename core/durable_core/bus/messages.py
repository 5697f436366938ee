"""What travels on a bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["started", "step", "tokens", "ended", "control", "logs"]


@dataclass(frozen=True, slots=True)
class Message:
    """Something about an execution was committed; `revision` says which state of it (0: unknown)."""

    kind: Kind
    execution_id: str
    revision: int = 0
    path: str = ""
    status: str = ""
