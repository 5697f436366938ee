"""What went wrong inside a value, and the path that leads to it, gathered while the recursion unwinds."""

from __future__ import annotations

from durable_core.errors import SerializationError

__all__ = ["Fault", "field", "index", "item"]


class Fault(Exception):
    """Raised deep inside a value; each container on the way out adds its part of the path."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.parts: list[str] = []
        self.containers: list[int] = []

    def within(self, part: str, container: object = None) -> Fault:
        """Add the part of the path inside ``container``; return self, to be raised again."""
        self.parts.append(part)
        self.containers.append(id(container))
        return self

    def error(self, where: str, verb: str) -> SerializationError:
        """The error users see."""
        parts, containers = self.parts[::-1], self.containers[::-1]
        problem, hint = self.problem, self.hint
        seen: dict[int, int] = {}
        for position, container in enumerate(containers):
            if container in seen:
                parts = parts[:position]
                problem = "the value contains itself"
                hint = "Store a key or an id instead of the object."
                break
            seen[container] = position
        path = join(where, parts)
        return SerializationError(f"cannot {verb} {path or 'the value'}: {problem}", path=path, hint=hint)


def join(where: str, parts: list[str]) -> str:
    """``order`` and ``.lines``, ``[3]``, ``.price`` are ``order.lines[3].price``."""
    path = where + "".join(parts)
    return path[1:] if path.startswith(".") else path


def item(key: object) -> str:
    """The part of the path for a mapping's key."""
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    try:
        shown = ascii(key)
    except Exception:
        shown = f"<{type(key).__name__}>"
    return f"[{shown[:80]}]"


def index(position: int) -> str:
    """The part of the path for a sequence's element."""
    return f"[{position}]"


def field(name: str) -> str:
    """The part of the path for an object's field."""
    return f".{name}"
