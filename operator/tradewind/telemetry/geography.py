"""How far is a site from its consumers, in milliseconds, when nobody measured it? Pure.

Round trip = 2 × great circle × 2.1 / (2/3 c). Light in glass has about two thirds of its speed in
vacuum, and real routes are about 2.1 times as long as the line of sight: the rule of thumb that
Bozkurt, Aqeel, Chandrasekaran and others begin with in "Dissecting Latency in the Internet's Fiber
Infrastructure" (arXiv:1811.10737, 2018). Between large clouds' regions routes are straighter, 1.7
in the median: the estimate errs on the far side there, as an assumed figure should.
"""

import math
from collections.abc import Mapping
from typing import Final

from tradewind.api.site import Coordinates

#: Mean radius of the Earth, km: IUGG.
EARTH_KM: Final = 6371.0088
#: Light in vacuum, km/ms.
LIGHT_KM_PER_MS: Final = 299.792458
FIBRE_SHARE: Final = 2 / 3
PATH_FACTOR: Final = 2.1
#: No round trip is shorter: the last mile and the servers are there even in the same town.
LEAST_MS: Final = 1.0

#: Degrees north and east of places that consumer regions are often called by, to a tenth of a
#: degree (11 km, 0.2 ms): cities, and the metropolitan areas of large clouds' regions.
PLACES: Final[Mapping[str, tuple[float, float]]] = {
    "amsterdam": (52.4, 4.9),
    "ashburn": (39.0, -77.5),
    "athens": (38.0, 23.7),
    "atlanta": (33.7, -84.4),
    "auckland": (-36.8, 174.8),
    "bangalore": (13.0, 77.6),
    "bangkok": (13.8, 100.5),
    "beijing": (39.9, 116.4),
    "berlin": (52.5, 13.4),
    "bogota": (4.7, -74.1),
    "brussels": (50.8, 4.4),
    "cairo": (30.0, 31.2),
    "cape-town": (-33.9, 18.4),
    "chengdu": (30.6, 104.1),
    "chicago": (41.9, -87.6),
    "chongqing": (29.6, 106.6),
    "copenhagen": (55.7, 12.6),
    "dallas": (32.8, -96.8),
    "denver": (39.7, -105.0),
    "dubai": (25.2, 55.3),
    "dublin": (53.3, -6.3),
    "frankfurt": (50.1, 8.7),
    "geneva": (46.2, 6.1),
    "guangzhou": (23.1, 113.3),
    "guiyang": (26.6, 106.6),
    "hamburg": (53.6, 10.0),
    "hangzhou": (30.3, 120.2),
    "hanoi": (21.0, 105.8),
    "helsinki": (60.2, 24.9),
    "hohhot": (40.8, 111.7),
    "hong-kong": (22.3, 114.2),
    "houston": (29.8, -95.4),
    "istanbul": (41.0, 29.0),
    "jakarta": (-6.2, 106.8),
    "johannesburg": (-26.2, 28.0),
    "karachi": (24.9, 67.0),
    "kuala-lumpur": (3.1, 101.7),
    "lagos": (6.5, 3.4),
    "lanzhou": (36.1, 103.8),
    "lima": (-12.0, -77.0),
    "lisbon": (38.7, -9.1),
    "london": (51.5, -0.1),
    "los-angeles": (34.1, -118.2),
    "luxembourg": (49.6, 6.1),
    "lyon": (45.8, 4.8),
    "madrid": (40.4, -3.7),
    "manila": (14.6, 121.0),
    "marseille": (43.3, 5.4),
    "melbourne": (-37.8, 145.0),
    "mexico-city": (19.4, -99.1),
    "miami": (25.8, -80.2),
    "milan": (45.5, 9.2),
    "montreal": (45.5, -73.6),
    "mumbai": (19.1, 72.9),
    "munich": (48.1, 11.6),
    "nairobi": (-1.3, 36.8),
    "nanjing": (32.1, 118.8),
    "new-delhi": (28.6, 77.2),
    "new-york": (40.7, -74.0),
    "osaka": (34.7, 135.5),
    "oslo": (59.9, 10.8),
    "paris": (48.9, 2.4),
    "phoenix": (33.4, -112.1),
    "portland": (45.5, -122.7),
    "prague": (50.1, 14.4),
    "riyadh": (24.7, 46.7),
    "rome": (41.9, 12.5),
    "san-francisco": (37.8, -122.4),
    "santiago": (-33.4, -70.7),
    "sao-paulo": (-23.6, -46.6),
    "seattle": (47.6, -122.3),
    "seoul": (37.6, 127.0),
    "shanghai": (31.2, 121.5),
    "shenzhen": (22.5, 114.1),
    "singapore": (1.4, 103.8),
    "stockholm": (59.3, 18.1),
    "sydney": (-33.9, 151.2),
    "taipei": (25.0, 121.6),
    "tel-aviv": (32.1, 34.8),
    "tokyo": (35.7, 139.7),
    "toronto": (43.7, -79.4),
    "ulanqab": (41.0, 113.1),
    "vancouver": (49.3, -123.1),
    "vienna": (48.2, 16.4),
    "warsaw": (52.2, 21.0),
    "wuhan": (30.6, 114.3),
    "xian": (34.3, 108.9),
    "zhangjiakou": (40.8, 114.9),
    "zhongwei": (37.5, 105.2),
    "zurich": (47.4, 8.5),
}


def place_of(region: str) -> Coordinates | None:
    """Where a consumer region is, if it is called by a place that is known.

    >>> place_of("Hong Kong").latitude
    22.3
    """
    found = PLACES.get("-".join(region.lower().replace("_", "-").split()))
    return Coordinates(latitude=found[0], longitude=found[1]) if found else None


def great_circle_km(a: Coordinates, b: Coordinates) -> float:
    """The shortest way over the Earth, by the haversine formula.

    >>> paris, london = place_of("paris"), place_of("london")
    >>> round(great_circle_km(paris, london))
    339
    """
    north_a, north_b = math.radians(a.latitude), math.radians(b.latitude)
    half_north = (north_b - north_a) / 2
    half_east = math.radians(b.longitude - a.longitude) / 2
    part = (
        math.sin(half_north) ** 2 + math.cos(north_a) * math.cos(north_b) * math.sin(half_east) ** 2
    )
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, part)))


def round_trip_ms(a: Coordinates, b: Coordinates) -> float:
    """An estimate of the round trip between two places, milliseconds.

    >>> round(round_trip_ms(place_of("paris"), place_of("london")), 1)
    7.1
    """
    glass_km = great_circle_km(a, b) * PATH_FACTOR
    return max(LEAST_MS, 2 * glass_km / (LIGHT_KM_PER_MS * FIBRE_SHARE))
