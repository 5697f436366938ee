"""What a read returns to people: a dict whose keys are attributes too."""

from __future__ import annotations

from typing import Any

from durable_core.codec import decode


class Entry(dict[str, Any]):
    """One row, decoded: ``step["status"]`` and ``step.status`` are the same, and `json` takes it as it is."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name!r} here; there are {', '.join(self)}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]


def decode_leniently(tree: Any) -> Any:
    """The value of a stored tree; a type this process does not know comes as plain data."""
    return decode(tree, strict=False)
