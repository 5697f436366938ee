"""A claimed token that a worker cannot simply go on with."""

from __future__ import annotations

from dataclasses import dataclass

from durable_core.query.fitness import Adopts, Misfits, Unknown


@dataclass(frozen=True, slots=True)
class Refused:
    """Held under this fence, and why the worker does not go on with it as it is."""

    token_id: str
    execution_id: str
    fence: int
    verdict: Adopts | Misfits | Unknown
