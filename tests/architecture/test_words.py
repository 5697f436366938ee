"""The project speaks of itself alone: no file names somebody's machine or a package host."""

from __future__ import annotations

import re

import pytest

from tests.architecture.sources import name_of, text_of, tracked_files

# Put together from parts, so that this file is not found by its own patterns.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w./<-])/(?:work|root)/"),
    "somebody's home": re.compile(r"(?<![\w./])/(?:home|Users)/[a-z]\w*/"),
    "a package host": re.compile(
        "|".join(
            re.escape(f"{host}.{domain}")
            for host, domain in [
                ("pypi", "org"),
                ("pythonhosted", "org"),
                ("npmjs", "org"),
                ("npmjs", "com"),
                ("unpkg", "com"),
                ("jsdelivr", "net"),
                ("cdnjs.cloudflare", "com"),
                ("anaconda", "org"),
                ("docker", "io"),
                ("ghcr", "io"),
                ("quay", "io"),
            ]
        )
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_names(what: str) -> None:
    """Nothing in the repository works on one machine only, or reaches for a host."""
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:120]}"
        for path in tracked_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if FORBIDDEN[what].search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)
