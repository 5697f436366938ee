"""What a queue promises to workers, and the values that pass through it.

The row of a token decides, always: a queue only says which row to look at, and when. What waits is written in the
transaction that makes it wait, so a queue may lose, repeat or reorder what it was told and costs no more than time.

A broker (Redis, RabbitMQ) is one more adapter in front of `DatabaseQueue` and carries `Hint`s alone:

    enqueue   called by the relay of the outbox, after the commit that made the tokens ready; never before it
    claim     takes messages, then claims the rows they name; a message whose row is gone, held, paused or not due yet
              is dropped, for whoever moved that row has its own message or is found by the poll
    ack       of the message follows the claim of the row at once: from there on the row's lease protects the work
    lost      hints, a broker that was emptied or down: found by the slow poll of the rows, which every worker does
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

__all__ = ["ClaimRequest", "Claimed", "Hint", "Queue", "QueueStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A token that is ready, or will be at `available_at`: all that a broker's message holds."""

    token_id: str
    workflow: str
    queue: str = "default"
    priority: int = 0
    """Higher goes first."""
    available_at: int | None = None
    """Microseconds since 1970; None: at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A token in a worker's hands. The fence is the receipt: after another claim of the same token it is void (S-3)."""

    token_id: str
    execution_id: str
    fence: int
    workflow: str
    queue: str
    priority: int
    available_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What a worker can take on."""

    worker_id: str
    free: Mapping[str, int]
    """Free places, by queue."""
    workflows: Sequence[str]
    """Names it has registered; it is given no others."""
    lease_us: int
    """How long it may be silent before others take its tokens over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How one queue stands."""

    queue: str
    depth: int
    """Tokens that could be claimed now."""
    running: int
    """Tokens in workers' hands."""
    scheduled: int
    """Tokens that become ready later: started for later, or between two attempts."""
    paused: bool
    oldest_age: timedelta | None
    """How long the first of `depth` has been waiting."""


class Queue(Protocol):
    """Hands ready tokens to workers, each to one at a time."""

    def enqueue(self, hints: Sequence[Hint]) -> None:
        """Tell of tokens that are ready by what is committed already; telling twice is fine."""
        ...

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Take ready tokens: higher priority first, then by when they were due, then by when they came.

        Nothing that is not due yet, held by another, or in a paused queue; at most `free[queue]` of each queue.
        Durable when it returns, and no two claims ever return the same token under the same fence.
        """
        ...

    def ack(self, claimed: Claimed) -> None:
        """The claim is over, its record in the store: drop it. Void receipts and repeated calls change nothing."""
        ...

    def nack(self, claimed: Claimed, delay: timedelta = timedelta(0)) -> bool:
        """Give a claim back, to be claimed again after `delay`; no crash is counted. False when the receipt is void."""
        ...

    def reschedule(self, token_id: str, available_at: int) -> bool:
        """Let a token that nobody holds be claimed from another time on; False when there is no such token."""
        ...

    def stats(self, queue: str) -> QueueStats:
        """How a queue stands now; one that nothing was ever put in is empty."""
        ...

    def pause(self, queue: str) -> None:
        """Nothing more is claimed from it; what is held goes on."""
        ...

    def resume(self, queue: str) -> None:
        """Its tokens are claimed again."""
        ...
