"""Which ways of choosing can be named on the command line, beside Tradewind's own policies?"""

from collections.abc import Callable, Mapping

from tradewind.api.policy import PolicySpec
from tradewind.simulate.clairvoyant import Clairvoyant
from tradewind.simulate.replay import Chooser
from tradewind.simulate.rules import (
    at_random,
    lowest_carbon,
    lowest_price,
    most_available,
    round_robin,
    run_at_home,
)
from tradewind.simulate.timing import (
    Booked,
    carbon_time,
    ecovisor,
    lets_wait_awhile,
    lowest_slot,
    lowest_window,
    wait_awhile,
)

#: By name: how one is made for a replay, of the prices that count and the seed.
BASELINES: Mapping[str, Callable[[PolicySpec, int], Chooser]] = {
    "home": lambda _prices, _seed: run_at_home(),
    "random": lambda _prices, seed: at_random(seed),
    "round-robin": lambda _prices, _seed: round_robin(),
    "most-available": lambda _prices, _seed: most_available(),
    "lowest-price": lambda _prices, _seed: lowest_price(),
    "lowest-carbon": lambda _prices, _seed: lowest_carbon(),
    "lets-wait-awhile": lambda _prices, _seed: Booked("lets-wait-awhile", lets_wait_awhile),
    "lowest-slot": lambda _prices, _seed: Booked("lowest-slot", lowest_slot),
    "carbon-time": lambda _prices, _seed: Booked("carbon-time", carbon_time),
    "lowest-window": lambda _prices, _seed: Booked("lowest-window", lowest_window),
    "ecovisor": lambda _prices, _seed: Booked("ecovisor", ecovisor),
    "wait-awhile": lambda _prices, _seed: Booked("wait-awhile", wait_awhile),
    "clairvoyant": lambda prices, _seed: Clairvoyant(prices),
}

#: Baselines that know what nobody can know when they choose.
CLAIRVOYANT = frozenset({"wait-awhile", "clairvoyant"})
