"""What can be known about a user's function before it runs: its name, whether it can be a body, what it consists of."""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

from durable_core.definition.checks import fault

__all__ = [
    "check_body",
    "check_function",
    "check_importable",
    "fingerprint",
    "function_name",
    "local_names",
    "remember_locals",
    "unwrapped",
]

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_LOCALS: WeakKeyDictionary[Callable[..., Any], dict[str, Any]] = WeakKeyDictionary()


def unwrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function as written: without `functools.wraps` and `functools.partial` around it."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif hasattr(fn, "__wrapped__"):
            fn = fn.__wrapped__
        else:
            return fn


def function_name(fn: Callable[..., Any]) -> str:
    """The name people know a function by."""
    name = getattr(unwrapped(fn), "__name__", None) or type(fn).__name__
    return "lambda" if name == "<lambda>" else str(name)


def _is_function(fn: object) -> TypeGuard[FunctionType]:
    # Functions compiled by Cython are of another type and carry the same code object.
    return isinstance(fn, FunctionType) or (inspect.isroutine(fn) and hasattr(fn, "__code__"))


def check_body(fn: object, where: str) -> None:
    """Refuse what cannot be the body of a step: only a function with named parameters can."""
    if isinstance(fn, classmethod | staticmethod):
        raise fault(where, f"a {type(fn).__name__} cannot be a step", "Move the function out of the class.")
    if inspect.ismethod(fn):
        raise fault(where, f"the method {fn.__qualname__} cannot be a step", "Write a function that calls it.")
    if isinstance(fn, type):
        raise fault(where, f"the class {fn.__name__} cannot be a step", "Write a function that makes the object.")
    if not _is_function(fn):
        raise fault(where, f"{fn!r} is no function", "A step is a function written with def or async def.")
    if fn.__code__.co_flags & _GENERATORS:
        raise fault(
            where, "a generator cannot be a step", "Return the values as a list, or write them with ctx.append()."
        )
    parameters = list(inspect.signature(fn).parameters.values())
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise fault(
                where,
                f"the parameter {stars}{parameter.name} has no name to bind a context value to",
                "Name each parameter, or take ctx and read from it.",
            )
    if parameters and parameters[0].name in ("self", "cls") and "." in fn.__qualname__:
        raise fault(where, f"the method {fn.__qualname__} cannot be a step", "Write a function outside the class.")


def check_function(fn: object, option: str, where: str) -> Callable[..., Any]:
    """A function of ctx: callable, no class and no generator."""
    if not callable(fn) or isinstance(fn, type):
        raise fault(where, f"{option} must be a function of ctx, got {fn!r}", f"Write e.g. {option}=lambda ctx: ...")
    code = getattr(unwrapped(fn), "__code__", None)
    if code is not None and code.co_flags & _GENERATORS:
        raise fault(where, f"{option} is a generator function", "Return a value instead of yielding.")
    return fn


def check_importable(fn: Callable[..., Any], where: str) -> None:
    """Refuse a function that a fresh interpreter could not find by its module and qualified name."""
    problem = None
    file = fn.__code__.co_filename if _is_function(fn) else ""
    if "<lambda>" in fn.__qualname__:
        problem = "a lambda has no name"
    elif "<locals>" in fn.__qualname__:
        problem = f"{fn.__name__} is made inside a function"
    elif file.startswith("<") or "ipykernel_" in file:
        problem = f"{fn.__name__} is written in a notebook or at a prompt"
    if problem is not None:
        raise fault(
            where,
            f'isolation="process" needs a function that a fresh interpreter can import, and {problem}',
            'Move it to the top of a module, or use isolation="thread".',
        )


def remember_locals(fn: Callable[..., Any], frame: FrameType | None) -> None:
    """Keep the local names that the written-as-text annotations of a function made inside a function speak of."""
    texts = [text for text in getattr(fn, "__annotations__", {}).values() if isinstance(text, str)]
    if not texts or frame is None or frame.f_locals is frame.f_globals:
        return
    known = frame.f_locals
    found = {name: known[name] for text in texts for name in re.findall(r"[^\W\d]\w*", text) if name in known}
    if found:
        _LOCALS[fn] = found


def local_names(fn: Callable[..., Any]) -> dict[str, Any]:
    """Names the annotations of `fn` may use besides its globals: its closure, and what `remember_locals` kept."""
    known = dict(_LOCALS.get(fn, {})) if _is_function(fn) else {}
    code = getattr(fn, "__code__", None)
    for name, cell in zip(code.co_freevars if code else (), getattr(fn, "__closure__", None) or (), strict=False):
        try:
            known[name] = cell.cell_contents
        except ValueError:  # the cell is filled later, by a name bound further down
            continue
    return known


def fingerprint(fn: object) -> str:
    """12 hex digits of what a function does: its instructions, constants and defaults, not its comments or place."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    while True:
        code = getattr(fn, "__code__", None)
        if isinstance(code, CodeType):
            _digest_code(digest, code, getattr(fn, "__doc__", None))
            defaults = getattr(fn, "__defaults__", None), getattr(fn, "__kwdefaults__", None)
            digest.update(_plain(defaults).encode("utf-8", "backslashreplace"))
        else:
            named = fn if hasattr(fn, "__qualname__") else type(fn)
            digest.update(f"{getattr(named, '__module__', '')}:{getattr(named, '__qualname__', '')}".encode())
        if isinstance(fn, functools.partial):
            digest.update(_plain((fn.args, fn.keywords)).encode("utf-8", "backslashreplace"))
            fn = fn.func
        elif hasattr(fn, "__wrapped__"):
            fn = fn.__wrapped__
        else:
            return digest.hexdigest()[:12]


def _digest_code(digest: hashlib._Hash, code: CodeType, doc: str | None = None) -> None:
    digest.update(code.co_code)
    named = (code.co_names, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], code.co_freevars)
    digest.update(repr(named).encode("utf-8", "backslashreplace"))
    constants = code.co_consts
    if doc is not None and constants and constants[0] == doc:
        constants = (None, *constants[1:])  # other words in a docstring change nothing
    for constant in constants:
        if isinstance(constant, CodeType):
            _digest_code(digest, constant)
        else:
            digest.update(_plain(constant).encode("utf-8", "backslashreplace"))


def _plain(value: object) -> str:
    """Text of a value that is the same in every process: no addresses, sets in order."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return f"{type(value).__name__} {value!r};"
    if isinstance(value, tuple | list):
        return f"[{''.join(map(_plain, value))}]"
    if isinstance(value, frozenset | set):
        return f"{{{''.join(sorted(map(_plain, value)))}}}"
    if isinstance(value, dict):
        return f"({''.join(_plain(item) for item in value.items())})"
    return f"{type(value).__module__}.{type(value).__qualname__};"
