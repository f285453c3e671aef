"""How a run becomes figures, and figures are held against limits."""

import pytest

from bench.__main__ import _median_of
from bench.figures import compare
from bench.load import Run, quantile


def run() -> Run:
    sent = {"a": 10.0, "b": 10.5, "c": 11.0}
    answered = {"a": 10.2, "b": 10.7, "c": 11.2}
    added = {"a": 10.3, "b": 10.6, "c": 11.5}
    return Run(sent=sent, answered=answered, added=added)


def test_makespan_and_creation_both_begin_with_the_first_post() -> None:
    figures = run().figures()
    assert figures["creation_s"] == pytest.approx(1.2)
    assert figures["makespan_s"] == pytest.approx(1.5)
    assert figures["makespan_ratio"] == pytest.approx(1.25)
    assert figures["per_second"] == pytest.approx(2.0)
    assert (figures["p50_ms"], figures["p99_ms"]) == (300.0, 500.0)


def test_a_lost_workload_is_no_figure() -> None:
    lost = run()
    del lost.added["b"]
    with pytest.raises(RuntimeError, match=r"1 workloads never arrived: \['b'\]"):
        lost.figures()


def test_a_quantile_is_a_measured_value() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99)) == (50, 99)
    assert quantile([7.0], 0.99) == 7
    assert quantile([1.0, 2.0], 0.5) == 1


def test_limits_go_both_ways_and_their_edge_is_met() -> None:
    figures = {"burst": {"per_second": 100.0, "p99_ms": 9.0}, "peak_rss_mb": 200.1}
    limits = {
        "burst.per_second": {"at_least": 100},
        "burst.p99_ms": {"at_most": 8},
        "peak_rss_mb": {"at_most": 200},
    }
    assert [met for *_, met in compare(figures, limits)] == [True, False, False]


def test_the_median_run_is_told_whole() -> None:
    runs = [
        {"per_second": rate, "makespan_ratio": ratio}
        for rate, ratio in ((90.0, 1.3), (110.0, 1.1), (100.0, 1.2))
    ]
    told = _median_of(runs)
    assert (told["per_second"], told["makespan_ratio"]) == (100.0, 1.2)
    assert len(told["runs"]) == 3
