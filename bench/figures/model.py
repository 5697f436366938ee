"""What a figure is: a question, its numbers, what they are to be, and who is asked on which store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Store = Literal["sqlite", "postgres", "-"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a figure, and the bounds it is to keep."""

    key: str
    title: str
    unit: str = ""
    higher_is_better: bool = False
    at_most: float | None = None
    at_least: float | None = None
    times_raw: Mapping[str, float] = field(default_factory=dict)
    """By store: how many times the raw limit of the same run it may be."""
    times_dbos: float | None = None
    """How many times better than dbos it is to be."""

    def target(self, store: Store) -> str:
        """The bounds, in words."""
        words = []
        if self.at_most is not None:
            words.append(f"<= {self.at_most:g} {self.unit}".rstrip())
        if self.at_least is not None:
            words.append(f">= {self.at_least:,g} {self.unit}".rstrip())
        if store in self.times_raw:
            words.append(f"<= {self.times_raw[store]:g}x raw")
        if self.times_dbos is not None:
            words.append(f">= {self.times_dbos:g}x dbos")
        return ", ".join(words)

    def holds(self, store: Store, ours: float | None, raw: float | None, dbos: float | None) -> bool | None:
        """Whether every bound is kept; None when there is none, or what it needs was not measured."""
        if ours is None:
            return None
        kept = []
        if self.at_most is not None:
            kept.append(ours <= self.at_most)
        if self.at_least is not None:
            kept.append(ours >= self.at_least)
        if store in self.times_raw and raw:
            kept.append(ours <= self.times_raw[store] * raw)
        if self.times_dbos is not None and dbos:
            ratio = ours / dbos if self.higher_is_better else dbos / ours
            kept.append(ratio >= self.times_dbos)
        return all(kept) if kept else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measurement: a figure of one contestant on one store."""

    figure: str
    contestant: str
    store: Store
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A question, its numbers, and who is asked."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    on: tuple[tuple[str, Store], ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    """What a quick run takes instead: the numbers say less, the code is the same."""

    def runs(self, *, quick: bool = False) -> list[Run]:
        """The measurements of one round."""
        options = {**self.options, **self.quick} if quick else self.options
        return [Run(figure=self.name, contestant=who, store=store, options=options) for who, store in self.on]


RAW: tuple[tuple[str, Store], ...] = (("raw", "sqlite"), ("raw", "postgres"))
OURS: tuple[tuple[str, Store], ...] = (("ours", "sqlite"), ("ours", "postgres"))
DBOS: tuple[tuple[str, Store], ...] = (("dbos", "sqlite"), ("dbos", "postgres"))
LANGGRAPH: tuple[tuple[str, Store], ...] = (("langgraph", "sqlite"),)
