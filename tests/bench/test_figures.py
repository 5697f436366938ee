"""The benchmarks' own arithmetic: which targets are kept, what the table says, and where it goes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from bench import document
from bench.figures import FIGURES, Figure, Metric
from bench.rounds import Results
from bench.samples import percentile
from bench.table import as_markdown, rows

RATE = Metric(key="rate", title="workflows", unit="/s", higher_is_better=True, times_dbos=10)
STEP = Metric(key="us", title="a step", unit="us", times_raw={"sqlite": 1.8})


@pytest.mark.parametrize(
    ("metric", "ours", "raw", "dbos", "kept", "why"),
    [
        (STEP, 180.0, 100.0, None, True, "exactly 1.8 times the raw limit"),
        (STEP, 181.0, 100.0, None, False, "a little more"),
        (STEP, 180.0, None, None, None, "the raw limit was not measured"),
        (STEP, None, 100.0, None, None, "ours was not measured"),
        (RATE, 1_000.0, None, 100.0, True, "ten times as many a second"),
        (RATE, 990.0, None, 100.0, False, "more is better, and it is not enough more"),
        (Metric(key="p", title="p99", at_most=5.0), 5.0, None, None, True, "a bound of its own"),
        (Metric(key="r", title="lines", at_least=50_000), 49_999.0, None, None, False, "a bound from below"),
        (Metric(key="n", title="nothing asked"), 1.0, 1.0, 1.0, None, "no target"),
    ],
)
def test_a_target_is_kept_or_missed_or_unknown(
    metric: Metric, ours: float | None, raw: float | None, dbos: float | None, kept: bool | None, why: str
) -> None:
    """Each bound against the numbers of the same run."""
    assert metric.holds("sqlite", ours, raw, dbos) is kept, why


def test_a_row_shows_ratios_and_whether_the_target_was_kept() -> None:
    """Medians over the rounds; a peer's ratio says how many times better ours is."""
    figure = Figure(name="fan", title="many", metrics=(RATE,), on=(("ours", "sqlite"), ("dbos", "sqlite")))
    results = Results(rounds=3)
    run_of = {run.contestant: run for run in figure.runs()}
    for ours, dbos in ((900.0, 80.0), (1_000.0, 100.0), (2_000.0, 110.0)):
        results.take(run_of["ours"], {"rate": ours})
        results.take(run_of["dbos"], {"rate": dbos})
    (row,) = rows([figure], results)
    assert row[0] == "many: workflows, /s"
    assert (row[3], row[4], row[7], row[-1]) == ("1,000", "100", "10x", "yes")


def test_everybody_who_is_asked_can_answer() -> None:
    """Each figure names measurements that exist, for us and for the raw limit."""
    for who in ("raw", "ours"):
        known = import_module(f"bench.contestants.{who}").MEASUREMENTS
        asked = {figure.name for figure in FIGURES if any(each == who for each, _ in figure.on)}
        assert asked <= set(known)


def test_a_quick_run_takes_smaller_samples_of_the_same() -> None:
    """`--quick` changes sizes, never what is asked of whom."""
    for figure in FIGURES:
        full, quick = figure.runs(), figure.runs(quick=True)
        assert [(run.contestant, run.store) for run in full] == [(run.contestant, run.store) for run in quick]
        for name, value in figure.quick.items():
            assert value <= figure.options[name]


def test_the_table_takes_the_place_between_the_markers(tmp_path: Path) -> None:
    """The rest of the page stays as it is; a page without markers is refused."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    document.update(page, as_markdown([], Results(rounds=3)), rounds=3, seconds=600)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "old" not in text and "medians of 3; 10 minutes in all" in text and "| figure | store |" in text
    with pytest.raises(ValueError, match="lacks the markers"):
        page.write_text("nothing here")
        document.update(page, "", rounds=1, seconds=1)


def test_percentiles_are_samples() -> None:
    """The smallest sample that so many are no greater than."""
    samples = [float(number) for number in range(100, 0, -1)]
    assert [percentile(samples, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([3.0], 0.5) == 3.0
