"""What importing and installing costs."""

from __future__ import annotations

from bench.installed import installed_size
from bench.place import Place
from bench.samples import import_times


def imports(place: Place) -> dict[str, float]:
    return import_times(
        {
            "facade_ms": ("-c", "import durable_studio"),
            "names_ms": ("-c", "from durable_studio import workflow, step, Engine"),
            "help_ms": ("-m", "durable_studio", "--help"),
            # all that is loaded while a workflow runs
            "engine_ms": ("-c", "import durable_core.engine.engine, durable_core.store.sqlite, watchfiles"),
        },
        place.options["times"],
    )


def installed(place: Place) -> dict[str, float]:
    """What `durable_core` imports, with all that those need; its own files come on top."""
    roots = ("alembic", "croniter", "networkx", "pydantic", "pydot", "sqlmodel", "watchfiles")
    return installed_size(*roots, package="durable_core")
