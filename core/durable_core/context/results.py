"""The outputs of finished steps, decoded when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from durable_core.codec import decode
from durable_core.errors import MissingContextError

__all__ = ["Results"]


class Results(Mapping[str, Any]):
    """A read-only mapping of step name to output over encoded outputs."""

    __slots__ = ("_encoded",)

    def __init__(self, encoded: Mapping[str, Any]) -> None:
        self._encoded = encoded

    def __getitem__(self, step: str) -> Any:
        try:
            tree = self._encoded[step]
        except KeyError:
            names = list(self._encoded)
            raise MissingContextError(
                f"no step {step!r} has a result yet",
                key=step,
                keys=names[:20],
                hint=f"There are: {', '.join(names[:20])}." if names else "No step has finished.",
            ) from None
        return decode(tree, where=f"results.{step}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)

    def __repr__(self) -> str:
        return f"<results of {', '.join(self._encoded) or 'no step'}>"
