"""Threads and pool jobs that a step begins belong to that step; nothing else of the context goes along."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from durable_core.capture.route import ROUTE, Route

__all__ = ["carrying_start", "carrying_submit"]


def carrying_start(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """``Thread.start`` that gives a thread started inside a step the step's route."""

    def start(self: threading.Thread) -> None:
        route = ROUTE.get()
        # A process pool's own thread lives longer than the step that first used the pool.
        if route is None or type(self).__module__.startswith("concurrent.futures"):
            original(self)
            return
        attributes: dict[str, Any] = self.__dict__
        had_own, own, run = "run" in attributes, attributes.get("run"), self.run

        def restore() -> None:
            if had_own:
                attributes["run"] = own
            else:
                attributes.pop("run", None)

        def carried() -> None:
            restore()
            # Not taken back at the end: what `threading.excepthook` prints about this thread is the step's too.
            ROUTE.set(route)
            run()

        attributes["run"] = carried
        try:
            original(self)
        except BaseException:
            restore()
            raise

    return start


def carrying_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """``ThreadPoolExecutor.submit`` that gives a job of a step the step's route, wherever the pool was made."""

    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        route = ROUTE.get()
        if route is None:
            return original(self, fn, *args, **kwargs)
        # Submitting may start the pool's threads, which will serve others too: only the job is the step's.
        token = ROUTE.set(None)
        try:
            return original(self, _Carried(route, fn), *args, **kwargs)
        finally:
            ROUTE.reset(token)

    return submit


class _Carried:
    """A job with the route of the step that submitted it."""

    __slots__ = ("_fn", "_route")

    def __init__(self, route: Route, fn: Callable[..., Any]) -> None:
        self._route = route
        self._fn = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = ROUTE.set(self._route)
        try:
            return self._fn(*args, **kwargs)
        finally:
            ROUTE.reset(token)
