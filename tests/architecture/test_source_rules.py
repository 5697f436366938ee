"""Constructs the sources never contain: silent failures, leftovers, and what would run data as code (D-4)."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.architecture.sources import modules, name_of, source_files, text_of

# Modules that turn data into objects or code of its choosing.
CODE_FROM_DATA = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
LEFTOVERS = re.compile(r"\b(TODO|FIXME|HACK)\b")
EVAL = re.compile(r"(?<![\w.])(eval|exec)\(")
BROAD = {"Exception", "BaseException"}
SOURCE_SUFFIXES = {".py", ".js", ".mjs", ".ts", ".css", ".tcss", ".html"}


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """Every node of every module; read once for all tests here."""
    return [(path, node) for path in modules() for node in ast.walk(ast.parse(text_of(path), filename=str(path)))]


def place(path: Path, node: ast.AST) -> str:
    return f"{name_of(path)}:{getattr(node, 'lineno', '?')}"


def does_nothing(body: list[ast.stmt]) -> bool:
    """Whether a block is only `pass`, `...` or `continue`."""
    return all(
        isinstance(statement, ast.Pass | ast.Continue)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in body
    )


def names_in(expression: ast.expr | None) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)} if expression else set()


def swallows(node: ast.AST) -> bool:
    """Whether it drops every error: a broad handler that does nothing, a bare one, or `suppress(Exception)`."""
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler():
            return does_nothing(node.body) and (bool(names_in(node.type) & BROAD) or isinstance(node.body[0], ast.Pass))
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress")):
            return any(names_in(argument) & BROAD for argument in node.args)
    return False


def test_no_error_is_swallowed() -> None:
    """No bare `except:`, no `except ...: pass`, no `suppress(Exception)`.

    A known error that may be ignored is named in `contextlib.suppress(...)`, with a comment that says why.
    """
    assert not [place(path, node) for path, node in nodes() if swallows(node)]


def test_nothing_is_left_for_later() -> None:
    """What is in the sources is finished."""
    assert not [name_of(path) for path in source_files() if LEFTOVERS.search(text_of(path))]


def test_data_never_becomes_code() -> None:
    """D-4: no pickle and its kin, no eval, no exec, in Python or in what a browser runs."""
    imported = [
        place(path, node)
        for path, node in nodes()
        if (
            isinstance(node, ast.Import) and any(alias.name.partition(".")[0] in CODE_FROM_DATA for alias in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in CODE_FROM_DATA)
    ]
    called = [
        place(path, node)
        for path, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    in_browsers = [
        name_of(path)
        for path in source_files()
        if path.suffix in SOURCE_SUFFIXES - {".py"} and EVAL.search(text_of(path))
    ]
    assert not imported + called + in_browsers
