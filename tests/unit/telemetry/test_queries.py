"""What PromQL is asked: one query, whole, with each site's own matchers and nothing let out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.telemetry.queries import CANDIDATES, LATENCY, combined_query, fill
from tradewind.telemetry.signals import BOUNDS, FIELDS

ALL = combined_query({"cluster": "ulanqab"}, "ulanqab", without=frozenset())
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def signals_in(query: str) -> set[str]:
    return set(re.findall(r'"signal", "(\w+)"', query))


def test_every_signal_is_asked_for_and_can_be_judged() -> None:
    assert signals_in(ALL) == {*CANDIDATES, "latencyMs"} == BOUNDS.keys()
    assert CANDIDATES.keys() == FIELDS.keys()


def test_each_candidate_names_its_source() -> None:
    for source, _ in [one for many in (*CANDIDATES.values(), LATENCY) for one in many]:
        assert f'"source", "{source}"' in ALL


@pytest.mark.parametrize("signal", BOUNDS)
def test_a_signal_with_a_query_of_its_own_is_left_out(signal: str) -> None:
    query = combined_query({}, "s", without=frozenset({signal}))
    assert signals_in(query) == BOUNDS.keys() - {signal}


def test_every_selector_of_the_site_carries_its_matchers() -> None:
    bare = STRING.sub('""', ALL)
    selectors = re.findall(r"\{[^}]*\}", bare)
    probes = [one for one in selectors if "site=" in one]
    assert len(probes) == 2 * len(LATENCY)
    assert all("cluster=" in one for one in selectors if one not in probes)
    assert len(selectors) > len(CANDIDATES)


def test_brackets_pair_and_nothing_is_left_to_fill() -> None:
    bare = STRING.sub('""', ALL)
    for left, right in ("()", "{}", "[]"):
        assert bare.count(left) == bare.count(right)
    assert "$" not in bare


def test_candidates_stand_in_their_order() -> None:
    for signal, candidates in CANDIDATES.items():
        places = [
            ALL.index(f'"signal", "{signal}", "", ""), "source", "{name}"')
            for name, _ in candidates
        ]
        assert places == sorted(places)


def test_no_query_makes_a_zero_of_an_absence() -> None:
    for idiom in ("or vector(", "absent(", "or on() vector", "clamp_min("):
        assert idiom not in ALL


def test_a_query_without_matchers_is_whole() -> None:
    assert fill("up{$M}", {}, "s") == "up{}"


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
