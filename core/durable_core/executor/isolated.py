"""The other side of `isolation="process"`: reads one request, runs one body, tells its output and answer."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import sys
from typing import Any

from durable_core.codec import decode, dump_tree, encode, load_tree
from durable_core.context import AttemptInfo, Context
from durable_core.context.results import Results
from durable_core.dsl.binding import BoundFunction
from durable_core.dsl.guard import imported_for, inside_body
from durable_core.executor.isolated_output import Channel, open_output
from durable_core.failure import describe_exception


def main() -> None:
    """Answer on a pipe of its own, whose number is the argument: what the body writes cannot garble the answer."""
    channel = Channel(int(sys.argv[1]))
    request = load_tree(sys.stdin.buffer.read().decode())
    open_output(channel, request["log_level"])
    try:
        reply = run(request)
    except BaseException as error:
        classes = [f"{cls.__module__}:{cls.__qualname__}" for cls in type(error).__mro__]
        reply = {"error": describe_exception(error), "classes": classes}
    channel.send("answer", dump_tree(reply))


def run(request: dict[str, Any]) -> dict[str, Any]:
    with imported_for(request["name"]):
        function = find(request["module"], request["file"], request["qualname"])
    facts = request["info"]
    # what `ctx.logger` lets through is what the attempt keeps
    logging.getLogger(f"durable.{facts['workflow']}.{facts['step']}").setLevel(request["log_level"])
    facts["iterations"] = tuple(facts["iterations"])
    context = Context._bound(request["context"], AttemptInfo(**facts))
    context._results = Results(request["results"])
    arguments: dict[str, Any] = {}
    if request["items"]:
        name, _, index = request["items"][-1]
        outer = {each: decode(value) for each, value, _ in request["items"][:-1] if each is not None}
        arguments = {"item": context.item, "index": index, "as_name": name, "outer": outer}
    bound = BoundFunction(function, "body", request["name"])
    inside_body.set(True)
    value = bound.invoke(context, **arguments)
    if bound.is_async:
        value = asyncio.run(value)
    return {"value": encode(value), "ops": context.changes()}


def find(module: str, file: str | None, qualname: str) -> Any:
    """The function itself: the module by its name, or from its file when it was loaded from one."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        if file is None:
            raise
        found = _load(module, file)
    if module == "__main__" and file is not None:
        found = _load("__durable_main__", file)
    target: Any = found
    for part in qualname.split("."):
        target = getattr(target, part)
    return getattr(target, "fn", target)


def _load(name: str, file: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
