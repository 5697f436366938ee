"""What the documents show runs: their Python blocks, page by page, as whoever copies them would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PROJECT, ROOTS

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFTEST = """
def pytest_configure(config):
    if not config.pluginmanager.has_plugin("durable_studio"):
        from durable_core.testing import plugin

        config.pluginmanager.register(plugin, "durable_studio")
"""


def code_of(page: str) -> str:
    """The blocks of a page, one after the other."""
    return "\n\n".join(BLOCK.findall((PROJECT / page).read_text(encoding="utf-8")))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=150,
    )


@pytest.mark.slow
@pytest.mark.timeout(160)
@pytest.mark.parametrize("page", ["README.md", "docs/waits.md"])
def test_a_page_is_a_program_that_runs(tmp_path: Path, page: str) -> None:
    (tmp_path / "page.py").write_text(code_of(page), encoding="utf-8")
    done = run(tmp_path, "page.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(160)
def test_the_page_on_testing_is_a_test_file_that_passes(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_page.py").write_text(code_of("docs/testing.md"), encoding="utf-8")
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("def test_") == 0
    assert f"{code_of('docs/testing.md').count('def test_')} passed" in done.stdout
