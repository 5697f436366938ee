"""Runs one measurement in this process and prints its numbers as the last line: `python -m bench.measure JSON`."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path


def main(argument: str) -> None:
    from bench.place import Place

    given = json.loads(argument)
    place = Place(
        store=given["store"],
        folder=Path(given["folder"]),
        postgres=given["postgres"],
        shared=Path(given["shared"]),
        options=given["options"],
    )
    module = import_module(f"bench.contestants.{given['contestant']}")
    numbers = module.MEASUREMENTS[given["figure"]](place)
    print(json.dumps(numbers), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
