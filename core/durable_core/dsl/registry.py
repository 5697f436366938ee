"""The workflows this process knows, by name. One registry a process: defining a workflow registers it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from durable_core.definition.checks import did_you_mean
from durable_core.definition.diff import DefinitionDiff, diff
from durable_core.definition.model import Definition
from durable_core.dsl.origin import Origin, StepOrigin
from durable_core.errors import DefinitionError, WorkflowNotFoundError

__all__ = ["Change", "Redefinition", "Registered", "Registry", "registry"]


class Registered(Protocol):
    """What the registry needs of a workflow."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def definition(self) -> Definition: ...
    @property
    def bodies(self) -> dict[str, str]: ...
    @property
    def step_origins(self) -> dict[str, StepOrigin]: ...

    def rebind(self, key: str, fn: Callable[..., Any]) -> bool: ...


_KEPT_VERSIONS = 20

W = TypeVar("W", bound=Registered)


@dataclass(frozen=True, slots=True)
class Redefinition:
    """A workflow, or the body of a step in it, was defined again; `diff.sentence` tells it to people."""

    name: str
    diff: DefinitionDiff


@dataclass(frozen=True, slots=True)
class Change(Generic[W]):
    """What listeners hear: a workflow is new, was replaced, got another body, or other schedules."""

    kind: Literal["registered", "replaced", "body", "schedules"]
    workflow: W
    redefinition: Redefinition | None = None


class Registry(Generic[W]):
    """Thread-safe; listeners are called after the change, outside the lock."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._workflows: dict[str, W] = {}
        self._replaced: dict[str, dict[str, W]] = {}
        self._uses: dict[StepOrigin, set[tuple[str, str]]] = {}
        self._listeners: list[Callable[[Change[W]], None]] = []
        self._told: deque[Redefinition] = deque(maxlen=100)

    def register(self, workflow: W) -> Redefinition | None:
        """Take in a workflow; one of the same origin is replaced, one of another origin keeps the name for itself."""
        redefinition = None
        with self._lock:
            known = self._workflows.get(workflow.name)
            if known is not None and known is not workflow:
                if known.origin != workflow.origin:
                    raise DefinitionError(
                        f"There are two workflows {workflow.name!r}: {known.origin}, and {workflow.origin}.",
                        node=workflow.name,
                        hint="Give one of them another name: @workflow(name=...).",
                    )
                redefinition = Redefinition(
                    workflow.name, diff(known.definition, workflow.definition, known.bodies, workflow.bodies)
                )
                self._forget_uses(known)
                self._keep(known)
            self._workflows[workflow.name] = workflow
            for key, origin in workflow.step_origins.items():
                self._uses.setdefault(origin, set()).add((workflow.name, key))
            self._collect(redefinition)
        self.tell(Change("registered" if known is None else "replaced", workflow, redefinition))
        return redefinition

    def replace_body(self, origin: StepOrigin, fn: Callable[..., Any]) -> list[Redefinition]:
        """A step was defined again: its new function becomes the body in every workflow that uses it."""
        if origin not in self._uses and not self._replaced:  # the usual case, at import
            return []
        changes: list[Change[W]] = []
        with self._lock:
            for versions in self._replaced.values():
                for old in versions.values():
                    for key, found_origin in old.step_origins.items():
                        if found_origin == origin:
                            old.rebind(key, fn)
            keys: dict[str, list[str]] = {}
            for name, key in sorted(self._uses.get(origin, ())):
                keys.setdefault(name, []).append(key)
            for name, used in keys.items():
                workflow = self._workflows[name]
                before = dict(workflow.bodies)
                changed = [workflow.rebind(key, fn) for key in used]
                if any(changed):
                    found = diff(workflow.definition, workflow.definition, before, workflow.bodies)
                    redefinition = Redefinition(name, found)
                    self._collect(redefinition)
                    changes.append(Change("body", workflow, redefinition))
        for change in changes:
            self.tell(change)
        return [change.redefinition for change in changes if change.redefinition is not None]

    def get(self, name: str) -> W:
        """The workflow of that name; WorkflowNotFoundError names close ones."""
        found = self._workflows.get(name)
        if found is None:
            names = self.names()
            hint = did_you_mean(str(name), names) if names else "None is registered: import the module that defines it."
            raise WorkflowNotFoundError(workflow=str(name), hint=hint)
        return found

    def version(self, name: str, definition_hash: str) -> W | None:
        """The workflow with exactly that structure: the registered one, or one it replaced in this process."""
        with self._lock:
            found = self._workflows.get(name)
            if found is not None and found.definition.hash == definition_hash:
                return found
            return self._replaced.get(name, {}).get(definition_hash)

    def __contains__(self, name: object) -> bool:
        return name in self._workflows

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        with self._lock:
            return sorted(self._workflows)

    def workflows(self) -> list[W]:
        """All workflows, in the order they were first defined."""
        with self._lock:
            return list(self._workflows.values())

    def listen(self, listener: Callable[[Change[W]], None]) -> Callable[[], None]:
        """Call `listener` after every change; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def tell(self, change: Change[W]) -> None:
        """Tell the listeners, in the order they came."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(change)

    def take_redefinitions(self) -> list[Redefinition]:
        """What was defined again since the last call, for a screen to tell."""
        with self._lock:
            told = list(self._told)
            self._told.clear()
            return told

    def remove(self, name: str) -> None:
        """Forget one workflow, as a reloaded module that no longer has it does."""
        with self._lock:
            known = self._workflows.pop(name, None)
            if known is not None:
                self._forget_uses(known)

    def clear(self) -> None:
        """Forget every workflow; listeners stay."""
        with self._lock:
            self._workflows.clear()
            self._replaced.clear()
            self._uses.clear()
            self._told.clear()

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """An empty registry inside the block, and the old content after it: for tests."""
        with self._lock:
            uses = {origin: set(keys) for origin, keys in self._uses.items()}
            kept = dict(self._workflows), {name: dict(old) for name, old in self._replaced.items()}, uses
            self.clear()
        try:
            yield
        finally:
            with self._lock:
                self.clear()
                self._workflows, self._replaced, self._uses = kept

    def _collect(self, redefinition: Redefinition | None) -> None:
        if redefinition is not None and redefinition.diff.kind != "identical":
            self._told.append(redefinition)

    def _keep(self, workflow: W) -> None:
        """Executions that wait on a replaced structure finish on it, so its functions are kept, the newest few."""
        versions = self._replaced.setdefault(workflow.name, {})
        versions.pop(workflow.definition.hash, None)
        versions[workflow.definition.hash] = workflow
        while len(versions) > _KEPT_VERSIONS:
            del versions[next(iter(versions))]

    def _forget_uses(self, workflow: W) -> None:
        for key, origin in workflow.step_origins.items():
            self._uses.get(origin, set()).discard((workflow.name, key))


registry: Registry[Any] = Registry()
"""The one registry of this process."""
