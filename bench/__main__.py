"""`python -m bench [figures] [--quick] [--rounds 3] [--update PAGE]`: one table of all figures."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bench.document import update
from bench.figures import FIGURES
from bench.rounds import measure_all
from bench.table import as_json, as_markdown, as_text


def main() -> None:
    names = [figure.name for figure in FIGURES]
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against the raw store and peers.")
    parser.add_argument("figures", nargs="*", metavar="figure", help=f"which ones, all when none: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="each number is the median of so many (default: 3, quick: 1)")
    parser.add_argument("--quick", action="store_true", help="smaller samples: whether all of it runs, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number of every round there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, as Markdown")
    parser.add_argument("--update", type=Path, metavar="PAGE", help="put the table between the markers of that page")
    parser.add_argument("--folder", type=Path, help="where to work; must be on a disk (default: build)")
    given = parser.parse_args()
    unknown = sorted(set(given.figures) - set(names))
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}; there are: {', '.join(names)}")
    rounds = given.rounds if given.rounds is not None else 1 if given.quick else 3
    if rounds < 1:
        parser.error("--rounds must be at least 1")
    chosen = [figure for figure in FIGURES if not given.figures or figure.name in given.figures]
    began = time.monotonic()
    results = measure_all(chosen, rounds, given.folder, _say, quick=given.quick)
    took = time.monotonic() - began
    _say(f"took {took:.0f} s")
    print(as_text(chosen, results))
    if given.json is not None:
        given.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    if given.markdown is not None:
        given.markdown.write_text(as_markdown(chosen, results) + "\n", encoding="utf-8")
    if given.update is not None:
        update(given.update, as_markdown(chosen, results), rounds, took)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
