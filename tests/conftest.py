"""Fixtures every test may use: stores to run on, and the rule that continuous integration skips no service."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.generation import PATIENT, register_profiles
from tests.services import PostgresServer, ServiceMissing, postgres_server

if TYPE_CHECKING:
    from tests.stores import StorePool

NEVER_SKIPPED_IN_CI = ("service", "browser")
POSTGRES_FIXTURES = frozenset(("postgres_url", "postgres_store_url", "_postgres_stores"))


def pytest_configure(config: pytest.Config) -> None:
    """The plugin that installs with the package is there without an installation, too."""
    if not config.pluginmanager.has_plugin("durable_studio") and find_spec("durable_core") is not None:
        from durable_core.testing import plugin

        config.pluginmanager.register(plugin, "durable_studio")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell has started this run in the background: what the tests start would ignore Ctrl-C as well
        signal.signal(signal.SIGINT, signal.default_int_handler)
    register_profiles()
    if not in_ci():  # there hypothesis has a profile of its own, which is as patient
        settings.load_profile(PATIENT)


def in_ci() -> bool:
    """Whether continuous integration runs these tests."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a service's fixture bears that service's mark, so `-m "not service"` leaves it out."""
    for item in items:
        if POSTGRES_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.service("postgres"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a service or browser test that would be skipped fails with the reason: nobody reads skips there."""
    report = yield
    expected_to_fail = hasattr(report, "wasxfail")
    if in_ci() and report.skipped and not expected_to_fail and any(map(item.get_closest_marker, NEVER_SKIPPED_IN_CI)):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"not skipped, because CI is set: {reason.removeprefix('Skipped: ')}"
    # Hostile text that a test printed: a report with a lone surrogate cannot travel from one process to another.
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


@pytest.fixture(scope="session")
def _postgres_or_reason() -> Iterator[PostgresServer | str]:
    with ExitStack() as stack:
        try:
            found: PostgresServer | str = stack.enter_context(postgres_server())
        except ServiceMissing as missing:
            found = str(missing)
        yield found


@pytest.fixture
def postgres_url(_postgres_or_reason: PostgresServer | str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that is this test's alone."""
    if isinstance(_postgres_or_reason, str):
        pytest.skip(_postgres_or_reason)
    name = _postgres_or_reason.create_database()
    try:
        yield _postgres_or_reason.engine_url(name)
    finally:
        _postgres_or_reason.drop_database(name)


@pytest.fixture(scope="session")
def _postgres_stores(_postgres_or_reason: PostgresServer | str) -> Iterator[StorePool | str]:
    if isinstance(_postgres_or_reason, str):
        yield _postgres_or_reason
        return
    from tests.stores import StorePool

    pool = StorePool(_postgres_or_reason)
    yield pool
    pool.close()


@pytest.fixture
def postgres_store_url(_postgres_stores: StorePool | str) -> Iterator[str]:
    """The URL of a PostgreSQL database for one empty store; others may have used it before."""
    if isinstance(_postgres_stores, str):
        pytest.skip(_postgres_stores)
    with _postgres_stores.store() as url:
        yield url


@pytest.fixture(scope="session")
def _sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from durable_core.store.database import open_database

    path = tmp_path_factory.mktemp("store") / "empty.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_store_url(_sqlite_store: Path, tmp_path: Path) -> str:
    """The twin of `postgres_store_url`: an SQLite file with one empty store; a copy costs less than making tables."""
    path = tmp_path / "durable.db"
    shutil.copyfile(_sqlite_store, path)
    return f"sqlite:///{path}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist yet and is this test's alone."""
    return f"sqlite:///{tmp_path / 'durable.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service("postgres"))])
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty store of each kind in turn: the same promises hold on all of them."""
    url: str = request.getfixturevalue(f"{request.param}_store_url")
    return url
