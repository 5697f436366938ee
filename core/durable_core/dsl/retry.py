"""`Retry`: how often a step may fail, as users write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from durable_core.codec import type_name
from durable_core.definition.checks import check_choice, check_count, check_seconds, fault
from durable_core.definition.nodes import Backoff, RetryPolicy
from durable_core.dsl.guard import checked_options

__all__ = ["NO_RETRY", "Retry", "check_retry", "policy_of"]


@checked_options
@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried, and how long to wait between attempts; every wrong value is refused at once."""

    max_attempts: int = 1
    backoff: Backoff = "exponential"
    base: float | timedelta = 1.0
    """Seconds before the second attempt."""
    cap: float | timedelta = 60.0
    """Seconds that no wait exceeds."""
    jitter: float = 0.0
    """Share of the wait, 0 to 1, by which it is spread to either side."""
    retry_on: type[BaseException] | Sequence[type[BaseException]] = (Exception,)

    def __post_init__(self) -> None:
        check_count(self.max_attempts, "max_attempts", "Retry")
        check_choice(self.backoff, ("exponential", "linear", "constant"), "backoff", "Retry")
        for option in ("base", "cap"):
            object.__setattr__(self, option, check_seconds(getattr(self, option), option, "Retry", zero=True))
            if getattr(self, option) is None:
                raise fault("Retry", f"{option} must be seconds or a timedelta, got None")
        jitter = self.jitter
        if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
            raise fault("Retry", f"jitter must be between 0 and 1, got {jitter!r}", "It is a share of the delay.")
        object.__setattr__(self, "retry_on", _exceptions(self.retry_on))


def _exceptions(given: object) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else given
    if not isinstance(classes, tuple | list | set | frozenset):
        raise fault("Retry", f"retry_on must be exception classes, got {given!r}", "Write e.g. (ConnectionError,).")
    for one in classes:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise fault(
                "Retry", f"retry_on holds {one!r}, which is no exception class", "Write e.g. (ConnectionError,)."
            )
    return tuple(classes)


NO_RETRY = Retry()


def check_retry(value: object, where: str) -> Retry | None:
    """The `retry=` option: a Retry or nothing."""
    if value is None or isinstance(value, Retry):
        return value
    raise fault(where, f"retry must be a Retry, got {value!r}", "Write e.g. retry=Retry(max_attempts=3).")


def policy_of(retry: Retry) -> tuple[RetryPolicy, tuple[type[BaseException], ...]]:
    """The policy as data, and the exception classes it names."""
    classes = _exceptions(retry.retry_on)
    policy = RetryPolicy(
        max_attempts=retry.max_attempts,
        backoff=retry.backoff,
        base=float(retry.base),  # type: ignore[arg-type]  # seconds since __post_init__
        cap=float(retry.cap),  # type: ignore[arg-type]
        jitter=float(retry.jitter),
        retry_on=tuple(type_name(one) for one in classes),
    )
    return policy, classes
