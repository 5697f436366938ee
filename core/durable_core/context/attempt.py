"""What a context knows about the attempt it belongs to, and whom it asks for everything that is not data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from durable_core.ids import iteration_key

__all__ = ["AttemptInfo", "ContextServices"]


class AttemptInfo(NamedTuple):
    """The facts of one attempt; ``item``, ``input`` and ``output`` are encoded."""

    execution_id: str = ""
    workflow: str = ""
    step: str = ""
    path: str = ""
    attempt: int = 1
    """From 1; counts failed attempts, not passes."""
    iteration: int = 0
    """Of the innermost loop, from 0."""
    item_index: int = 0
    """Of the innermost foreach's item, from 0."""
    iterations: tuple[int, ...] = ()
    """Of every loop and foreach around the step, outer to inner."""
    item: Any = None
    input: Any = None
    output: Any = None
    scheduled_for: int | None = None
    """The tick of the schedule that started the execution, in microseconds."""

    @property
    def idempotency_key(self) -> str:
        """The same in every attempt and pass of this step, another one in each iteration."""
        key = f"{self.execution_id}:{self.path or self.step}"
        return f"{key}:{iteration_key(self.iterations)}" if self.iterations else key


class ContextServices(Protocol):
    """What stands behind a context while its step runs."""

    @property
    def cancelled(self) -> bool:
        """Whether the step was asked to stop."""
        ...

    @property
    def logger(self) -> logging.Logger:
        """The step's logger, whose level is that of the attempt's capture."""
        ...

    def results(self) -> Mapping[str, Any]:
        """The encoded outputs of the finished steps, by name."""
        ...

    def wait(self, kind: str, name: str | None, options: dict[str, Any]) -> Any:
        """The result of a wait, or suspension; ``kind`` is the context's method, options are its arguments."""
        ...

    def call(self, workflow: Any, input: Any, *, name: str | None, wait: bool, options: dict[str, Any]) -> Any:
        """The output of a child execution, or suspension until it has one; its id when ``wait`` is false."""
        ...

    def once(self, key: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The recorded result of ``fn``, called now when there is none; an awaitable for a coroutine function."""
        ...
