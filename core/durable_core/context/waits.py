"""The waits of a step's body: plain calls, in ``def`` and ``async def``, never awaited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from durable_core.clock import aware
from durable_core.context.attempt import ContextServices
from durable_core.definition.checks import check_timeout_options
from durable_core.durations import from_parts, to_seconds
from durable_core.errors import DefinitionError, InvalidStateError

__all__ = ["WaitMethods"]


class WaitMethods:
    """What a context can wait for; each is checked here and answered by the services behind the context."""

    __slots__ = ()

    _services: ContextServices | None
    _role: str | None

    def sleep_for(
        self,
        seconds: float | timedelta | None = None,
        /,
        *,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
        weeks: float = 0,
        name: str | None = None,
    ) -> None:
        """Sleep for a duration, never shorter, holding no thread and no worker."""
        if seconds is None and not any((minutes, hours, days, weeks)):
            raise DefinitionError("ctx.sleep_for needs a duration", hint="Write e.g. ctx.sleep_for(30) or (hours=1).")
        total = from_parts("ctx.sleep_for", seconds or 0, minutes=minutes, hours=hours, days=days, weeks=weeks)
        self._behind("sleep_for").wait("sleep_for", name, {"seconds": total})

    def sleep_until(self, time: datetime, /, *, name: str | None = None) -> None:
        """Sleep until a time, which has a time zone."""
        self._behind("sleep_until").wait("sleep_until", name, {"time": aware(time, "ctx.sleep_until")})

    def wait_for_event(
        self,
        event: str,
        /,
        *,
        timeout: float | timedelta | None = None,
        timeout_value: Any = None,
        on_timeout: Literal["resume", "fail"] = "resume",
        where: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Any:
        """Wait for an event and return its payload."""
        options = _timed("wait_for_event", timeout, timeout_value, on_timeout)
        services = self._behind("wait_for_event")
        payload = services.wait("wait_for_event", name or event, {"events": (event,), "where": where, **options})
        return self._keep(name or event, payload)

    def wait_for_any(
        self,
        events: Sequence[str],
        /,
        *,
        timeout: float | timedelta | None = None,
        timeout_value: Any = None,
        on_timeout: Literal["resume", "fail"] = "resume",
        where: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Any:
        """Wait for the first of several events: ``{"event": name, "payload": ...}``."""
        options = _timed("wait_for_any", timeout, timeout_value, on_timeout)
        services = self._behind("wait_for_any")
        names = _names("wait_for_any", events)
        payload = services.wait("wait_for_any", name or "wait_for_any", {"events": names, "where": where, **options})
        return self._keep(name or "wait_for_any", payload)

    def wait_for_all(
        self,
        events: Sequence[str],
        /,
        *,
        timeout: float | timedelta | None = None,
        timeout_value: Any = None,
        on_timeout: Literal["resume", "fail"] = "resume",
        where: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Any:
        """Wait for all of several events: ``{name: payload}``."""
        options = _timed("wait_for_all", timeout, timeout_value, on_timeout)
        services = self._behind("wait_for_all")
        names = _names("wait_for_all", events)
        payload = services.wait("wait_for_all", name or "wait_for_all", {"events": names, "where": where, **options})
        return self._keep(name or "wait_for_all", payload)

    def wait_for_input(
        self,
        name: str,
        /,
        *,
        type: str | None = None,
        prompt: str = "",
        fields: Sequence[Any] | None = None,
        choices: Sequence[Any] | None = None,
        schema: Any = None,
        timeout: float | timedelta | None = None,
        timeout_value: Any = None,
        on_timeout: Literal["resume", "fail"] = "resume",
    ) -> Any:
        """Wait for a person's answer and return it."""
        options = _timed("wait_for_input", timeout, timeout_value, on_timeout)
        form = {"type": type, "prompt": prompt, "fields": fields, "choices": choices, "schema": schema}
        answer = self._behind("wait_for_input").wait("wait_for_input", name, {**form, **options})
        return self._keep(name, answer)

    def call(
        self,
        workflow: Any,
        input: Any = None,
        *,
        name: str | None = None,
        wait: bool = True,
        timeout: float | timedelta | None = None,
        timeout_value: Any = None,
        on_timeout: Literal["resume", "fail"] = "resume",
    ) -> Any:
        """Run another workflow and return its output, or its id with ``wait=False``.

        A child that is not done in time is cancelled.
        """
        if not isinstance(workflow, str) and not hasattr(workflow, "definition"):
            raise DefinitionError(
                f"ctx.call: {workflow!r} is no workflow",
                hint="Give a workflow or the name of one; call a step directly.",
            )
        options = _timed("call", timeout, timeout_value, on_timeout)
        if not wait and timeout is not None:
            raise DefinitionError("ctx.call: wait=False does not wait, so timeout means nothing", hint="Remove one.")
        name = name or getattr(workflow, "name", None) or str(workflow)
        output = self._behind("call").call(workflow, input, name=name, wait=wait, options=options)
        return self._keep(name, output)

    def once(self, key: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``fn`` and keep its result at once, so that a re-entered body does not call it again.

        With a coroutine function the result is awaited: ``await ctx.once("charge", charge, order)``.
        """
        if not callable(fn):
            raise DefinitionError(
                f"ctx.once({key!r}) takes a function and its arguments, not {fn!r:.80}",
                hint='Write ctx.once("key", fn, arg), without calling fn.',
            )
        return self._behind("once").once(key, fn, args, kwargs)

    def _keep(self, name: str, value: Any) -> Any:
        """What a wait gave is in the context too, under the wait's name."""
        self[name] = value  # type: ignore[index]  # the context this is mixed into is a mutable mapping
        return value

    def _behind(self, method: str) -> ContextServices:
        if self._role is not None:
            raise InvalidStateError(
                f"{self._role} cannot use ctx.{method}(): it only reads the context",
                state="read-only",
                hint="Wait in a step, or with a node of the flow.",
            )
        if self._services is None:
            raise InvalidStateError(
                f"ctx.{method}() needs a running execution, and this is a free-standing context",
                state="free-standing",
                hint="Run the workflow with an engine, or with the `durable` test fixture.",
            )
        return self._services


def _timed(method: str, timeout: float | timedelta | None, value: Any, on_timeout: str) -> dict[str, Any]:
    check_timeout_options(timeout, value, on_timeout, f"ctx.{method}")
    seconds = None if timeout is None else to_seconds(timeout, f"ctx.{method}: timeout")
    return {"timeout": seconds, "timeout_value": value, "on_timeout": on_timeout}


def _names(method: str, events: Sequence[str]) -> tuple[str, ...]:
    if isinstance(events, str) or not events or not all(isinstance(each, str) for each in events):
        raise DefinitionError(
            f"ctx.{method} takes a list of event names, not {events!r:.80}", hint=f'Write ctx.{method}(["a", "b"]).'
        )
    return tuple(events)
