"""What PromQL is asked: every signal, with each site's own matchers and nothing let out."""

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.telemetry import queries
from tradewind.telemetry.candidates import ASKED, KEPLER_HOSTS
from tradewind.telemetry.queries import SIGNALS, fill, joined, signal_queries, signal_query
from tradewind.telemetry.signals import BOUNDS, FIELDS, KEYED

ALL = fill(" or ".join(signal_queries(ASKED).values()), {"cluster": "ulanqab"}, "ulanqab")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(queries).failed == 0


def test_every_signal_is_asked_for_and_can_be_judged_and_kept() -> None:
    assert set(re.findall(r'"signal", "(\w+)"', ALL)) == set(ASKED)
    assert BOUNDS.keys() == SIGNALS == FIELDS.keys() | KEYED.keys()
    assert {name for name, asked in ASKED.items() if asked.key} == KEYED.keys()


@pytest.mark.parametrize("signal", ASKED)
def test_each_candidate_names_its_source_in_its_place(signal: str) -> None:
    query = signal_query(signal)
    told = re.findall(r'"source", "([^"]+)", "", ""', query)
    assert told == [source for source, _ in ASKED[signal].candidates]


def test_every_selector_of_the_site_carries_its_matchers() -> None:
    bare = STRING.sub('""', ALL)
    selectors = re.findall(r"\{[^}]*\}", bare)
    probes = [one for one in selectors if "site=" in one]
    assert len(probes) == 5  # two probes join their success, one does not
    assert all("cluster=" in one for one in selectors if one not in probes)
    assert len(selectors) > len(ASKED)


def test_every_metric_has_a_selector() -> None:
    """A metric without braces would be read without the site's matchers."""
    bare = STRING.sub("", ALL)
    metrics = re.findall(r"\b(?:[a-z]+[_:])+\w+\b(?![({\w])", bare)
    functions = {"last_over_time", "quantile_over_time", "histogram_quantile", "label_replace"}
    labels = {
        "serial_number", "gpu_id", "card_model", "model_name", "pci_bdf", "instance_type",
        "accelerator_id", "device_id", "device_uuid", "node_name", "gpu_uuid", "cluster_queue",
        "group_left", "namespace_", "replica_role", "gpu_partition_id", "__name__",
        "label_accelerator_tradewind_dev_class",
    }  # fmt: skip
    assert {name for name in metrics if name not in functions | labels} == set()


@pytest.mark.parametrize("signal", ASKED)
def test_brackets_pair_and_nothing_is_left_to_fill(signal: str) -> None:
    bare = STRING.sub('""', fill(signal_query(signal), {"cluster": "x"}, "s"))
    for left, right in ("()", "{}", "[]"):
        assert bare.count(left) == bare.count(right)
    assert "$" not in bare


def test_no_query_makes_a_zero_of_an_absence() -> None:
    for idiom in ("or vector(", "absent(", "or on() vector", "clamp_min("):
        assert idiom not in ALL


def test_the_power_of_hosts_alone_is_the_last_resort() -> None:
    assert ASKED["powerKW"].candidates[-1][0] == KEPLER_HOSTS


def test_a_query_without_matchers_is_whole() -> None:
    assert fill("up{$M}", {}, "s") == "up{}"


def test_a_name_that_only_begins_like_a_place_to_fill_is_left() -> None:
    assert fill("up{$MY}", {"a": "b"}, "s") == "up{$MY}"


@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=9), st.integers(1, 30))
def test_batches_hold_all_queries_in_order_and_are_as_long_as_they_may(
    asked: list[str], limit: int
) -> None:
    batches = joined(asked, limit)
    assert " or ".join(batches) == " or ".join(asked)
    assert all(len(batch) <= limit or batch in asked for batch in batches)
    assert joined(asked) == ([" or ".join(asked)] if asked else [])


@given(
    value=st.text(st.characters(codec="utf-8"), max_size=20), site=st.from_regex(r"[a-z]{1,9}\Z")
)
def test_no_matcher_gets_out_of_its_quotes(value: str, site: str) -> None:
    query = fill('x{$M,site="$SITE"}', {"a": value}, site)
    outside = STRING.sub("", query)
    assert outside == "x{a=,site=}"
    assert "\n" not in query


@pytest.mark.parametrize("value", ["$SITE", "$M", "$MSITE", "a$M$SITE"])
def test_a_matcher_that_looks_like_a_place_to_fill_is_a_value(value: str) -> None:
    assert fill('x{$M,site="$SITE"}', {"a": value}, "here") == f'x{{a="{value}",site="here"}}'
