"""Round trips that nobody measured, from coordinates."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.api.site import Coordinates
from tradewind.telemetry import geography
from tradewind.telemetry.geography import (
    EARTH_KM,
    LEAST_MS,
    PLACES,
    great_circle_km,
    place_of,
    round_trip_ms,
)

places = st.builds(
    Coordinates, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180, exclude_min=True)
)


def known(name: str) -> Coordinates:
    found = place_of(name)
    assert found is not None
    return found


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(geography).failed == 0


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [("london", "new-york", 5570), ("tokyo", "singapore", 5320), ("paris", "sydney", 16960)],
)
def test_great_circles_are_as_atlases_have_them(one: str, other: str, km: float) -> None:
    assert great_circle_km(known(one), known(other)) == pytest.approx(km, rel=0.01)


@given(places, places)
def test_it_is_the_same_both_ways_and_no_longer_than_half_the_globe(
    one: Coordinates, other: Coordinates
) -> None:
    there, back = great_circle_km(one, other), great_circle_km(other, one)
    assert there == pytest.approx(back, abs=1e-6)
    assert 0 <= there <= math.pi * EARTH_KM + 1e-6


@given(places)
def test_no_round_trip_is_free(here: Coordinates) -> None:
    assert round_trip_ms(here, here) == LEAST_MS


@pytest.mark.parametrize(
    ("one", "other", "measured_ms"),
    # Between clouds' regions: umassos/decarbonization-potential, shared_data (Apache-2.0).
    [("frankfurt", "paris", 10), ("tokyo", "singapore", 69), ("london", "montreal", 77)],
)
def test_the_estimate_is_of_the_right_order_and_on_the_far_side(
    one: str, other: str, measured_ms: float
) -> None:
    told = round_trip_ms(known(one), known(other))
    assert 0.95 * measured_ms <= told <= 2 * measured_ms


@pytest.mark.parametrize("name", PLACES)
def test_the_table_holds_places_on_the_globe_by_their_plain_names(name: str) -> None:
    assert name == name.lower().replace(" ", "-")
    north, east = PLACES[name]
    assert -60 < north < 70
    assert -180 < east <= 180


def test_a_region_of_ones_own_has_no_place() -> None:
    assert place_of("eu-west-17") is None
    assert place_of("Hong Kong") == place_of("hong_kong") == known("hong-kong")
