"""Finds workflows by what people type: ``file.py:name``, ``package.module:name``, or the ``:name`` left out."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from durable_core.definition.checks import did_you_mean
from durable_core.dsl.registry import registry
from durable_core.dsl.workflow import Workflow
from durable_core.errors import DefinitionError, DurableError, WorkflowNotFoundError
from durable_studio.settings import Settings, read_settings


def find_workflow(target: str) -> Workflow:
    """The workflow that a target means; WorkflowNotFoundError says what there is instead."""
    place, name = split_target(target)
    module = load(place)
    found = workflows_of(module)
    if name:
        return _named(found, name, place)
    if len(found) == 1:
        return found[0]
    if not found:
        raise WorkflowNotFoundError(
            f"{place} defines no workflow.", workflow=place, hint="Put @workflow on a function that returns the flow."
        )
    names = ", ".join(one.name for one in found)
    raise WorkflowNotFoundError(
        f"{place} defines several workflows: {names}.", workflow=place, hint=f"Name one: {place}:{found[0].name}"
    )


def load_all(targets: Iterable[str], settings: Settings) -> list[Workflow]:
    """Load every target (those of the settings where none is given) and return the workflows they define."""
    found: dict[str, Workflow] = {}
    for target in tuple(targets) or settings.workflows:
        place, name = split_target(target)
        defined = workflows_of(load(place))
        if not defined:
            raise WorkflowNotFoundError(
                f"{place} defines no workflow.", workflow=place, hint="Put @workflow on a function in it."
            )
        for one in [_named(defined, name, place)] if name else defined:
            found[one.name] = one
    return list(found.values())


def need(workflow: str, targets: Iterable[str], whose: str, retry: str) -> None:
    """Load the code until a workflow is known; WorkflowNotFoundError says for whom, and with `retry` how to name it."""
    load_all(targets, read_settings())
    if workflow not in registry:
        raise WorkflowNotFoundError(
            f"{whose} the workflow {workflow!r}, which is not loaded here.",
            workflow=workflow,
            hint=f"Name the file that defines it: {retry}",
        )


def is_target(text: str) -> bool:
    """Whether a text names a file or module rather than an execution."""
    place, _ = split_target(text)
    return place.endswith(".py") or ":" in text or "/" in text or Path(text).is_file()


def split_target(target: str) -> tuple[str, str]:
    """File or module, and the workflow's name ("" when it is left out)."""
    place, colon, name = target.rpartition(":")
    # C:\flows.py has a colon of its own
    return (
        (place, name) if colon and not name.endswith(".py") and "/" not in name and "\\" not in name else (target, "")
    )


def workflows_of(module: ModuleType) -> list[Workflow]:
    """The workflows a module holds, its own before those it imported, in written order."""
    found: dict[int, Workflow] = {}
    for value in vars(module).values():
        if isinstance(value, Workflow):
            found.setdefault(id(value), value)
    own = [one for one in found.values() if getattr(one.fn, "__module__", None) == module.__name__]
    return own or list(found.values())


def load(place: str) -> ModuleType:
    """Import a file or a module, once."""
    if place.endswith(".py") or "/" in place or Path(place).is_file():
        return _load_file(Path(place).expanduser())
    return _load_module(place)


def _named(found: list[Workflow], name: str, place: str) -> Workflow:
    for one in found:
        if name in (one.name, one.fn.__name__):
            return one
    if name in registry:
        chosen: Workflow = registry.get(name)
        return chosen
    names = [one.name for one in found]
    hint = did_you_mean(name, names) if names else "It defines none."
    raise WorkflowNotFoundError(f"{place} defines no workflow {name!r}.", workflow=name, hint=hint)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "there is no such file"
        raise WorkflowNotFoundError(
            f"{path}: {what}.", workflow=str(path), hint="Give a Python file or a module that defines a workflow."
        )
    file = path.resolve()
    for known in list(sys.modules.values()):
        if getattr(known, "__file__", None) == str(file) and known.__name__ != "__main__":
            return known
    root, name = _root_of(file)
    _reach(root)
    if name in sys.modules or name in sys.stdlib_module_names:
        # A flow called like a module that is loaded already, json.py say, gets a name of its own.
        return _run_file(file, f"durable_flow_{file.stem}_{abs(hash(str(file))):x}")
    if "." in name:
        return _load_module(name)
    return _run_file(file, name)


def _root_of(file: Path) -> tuple[Path, str]:
    """The folder to import from, and the module's full name: a file in a package belongs to it."""
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _run_file(file: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise WorkflowNotFoundError(f"{file} is no Python file.", workflow=str(file), hint="Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise _broken(str(file), error) from None
    return module


def _load_module(name: str) -> ModuleType:
    _reach(Path.cwd())
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise WorkflowNotFoundError(
            f"{name!r} is neither a file nor a module.",
            workflow=name,
            hint="Write file.py:name or package.module:name.",
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise WorkflowNotFoundError(
                f"There is no module {missing!r}.", workflow=name, hint="Write file.py:name or package.module:name."
            ) from None
        raise _broken(name, error) from None
    except BaseException as error:
        raise _broken(name, error) from None


def _reach(folder: Path) -> None:
    """Let a flow import its neighbours, as `python file.py` does."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _broken(place: str, error: BaseException) -> BaseException:
    """What went wrong while a file was imported, with the line where it did."""
    if isinstance(error, DurableError | KeyboardInterrupt):
        return error
    if isinstance(error, SyntaxError):
        where = f"{error.filename or place}:{error.lineno or '?'}"
        return DefinitionError(f"{where}: {error.msg}.", hint="Mend the syntax and try again.")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else place
    return DefinitionError(
        f"{place} cannot be imported: {type(error).__name__}: {error} ({where}).", hint="Mend it and try again."
    )
