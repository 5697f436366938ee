"""How many examples a generated test takes: all of them in the whole suite, a share of them in `make check`."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

WHOLE = 100
"""What the profiles of the whole suite give a test that asks for no number of its own."""
QUICK = 20

PATIENT = "patient"


def register_profiles() -> None:
    """`--hypothesis-profile=quick` is for `make check`; for the rest slow machines must not matter."""
    settings.register_profile(PATIENT, max_examples=WHOLE, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("quick", settings.get_profile(PATIENT), max_examples=QUICK)


def examples(number: int, **others: Any) -> settings:
    """So many examples where a test gets a hundred by default, and the same share of them elsewhere."""
    return settings(max_examples=max(1, number * settings().max_examples // WHOLE), **others)
