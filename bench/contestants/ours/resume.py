"""How long a killed execution takes to go on."""

from __future__ import annotations

import shutil
from statistics import median

from bench.contestants.ours.child import spawn
from bench.place import Place


def resume(place: Place) -> dict[str, float]:
    """A store is built once a run by a process that kills itself; each round opens copies of it."""
    numbers = {}
    for key, iterations in (("short_ms", place.options["short"]), ("long_ms", place.options["long"])):
        built = place.shared / f"loop-{iterations}"
        if not built.exists():
            built.mkdir()
            spawn("build", f"sqlite:///{built / 'store.db'}", str(iterations), capture=False).wait(timeout=280)
        samples = []
        for number in range(3):
            copy = place.folder / f"{key}-{number}"
            shutil.copytree(built, copy)
            child = spawn("go-on", f"sqlite:///{copy / 'store.db'}", str(iterations))
            out, _ = child.communicate(timeout=60)
            samples.append(float(out.split()[-1]))
        numbers[key] = median(samples)
    return {**numbers, "ratio": numbers["long_ms"] / numbers["short_ms"]}
