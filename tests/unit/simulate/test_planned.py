"""Tradewind's own decisions in simulated time: where work starts, pauses, and moves on to."""

import pytest
from tests.unit.simulate.worlds import CARBON_ONLY, HOUR, job, replayed, windows, world

from tradewind.api.policy import PolicySpec, Rebalance
from tradewind.simulate.meter import Metered
from tradewind.simulate.planned import Planned

MOVING = CARBON_ONLY.model_copy(
    update={"rebalance": Rebalance(min_saving=0.1, cooldown=3600, max_concurrent_moves=1)}
)
#: Clean for three hours and then dirty for the rest of two days, and the other way round.
EBBS, FLOWS = [100.0] * 3 + [900.0] * 45, [800.0] * 3 + [50.0] * 45


def planned(policy: PolicySpec, *carbon: list[float], jobs: int = 1, **given: object) -> Metered:
    # Nothing is forecast beyond the present hour, so that nothing is believed to change.
    made = world(*carbon, forecastHours=1)
    work = [job(f"job-{i}", length_s=10 * HOUR, **given) for i in range(jobs)]
    return replayed(Planned("policy", policy, made[0]), made, work, policy)


def sites(found: Metered) -> list[list[int]]:
    return [list(outcome.sites) for outcome in found.outcomes]


def test_running_work_moves_where_its_policy_rebalances_and_is_counted() -> None:
    found = planned(MOVING, EBBS, FLOWS, checkpoint_s=1800)
    assert windows(found) == [(0, 3), (3, 10)]
    assert sites(found) == [[0, 1]]
    assert (found.moves, found.pauses) == (1, 0)
    assert [run.ended_by for run in found.runs] == ["Moved", "done"]
    assert found.overall.usage.carbon_kg == pytest.approx(3 * 0.1 + 7 * 0.05)


@pytest.mark.parametrize(
    ("policy", "given"),
    [(CARBON_ONLY, {"checkpoint_s": 1800}), (MOVING, {}), (MOVING, {"checkpoint_s": 5 * HOUR})],
    ids=["a policy that does not rebalance", "no checkpoints", "too much would be lost"],
)
def test_other_work_stays_where_it_is(policy: PolicySpec, given: dict[str, object]) -> None:
    found = planned(policy, EBBS, [800.0] * 3 + [600.0] * 45, **given)
    assert sites(found) == [[0]]
    assert found.violations["stopped"] == 0


def test_only_so_many_are_on_the_move_at_a_time() -> None:
    found = planned(MOVING, EBBS, FLOWS, checkpoint_s=1800, jobs=3)
    assert sites(found) == [[0, 1]] * 3
    moved = sorted(run.end_s / HOUR for run in found.runs if run.ended_by == "Moved")
    assert moved == [3, 4, 5]
