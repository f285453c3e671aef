"""What the ledger says is free, and what a gang leaves behind."""

import numpy as np
import pytest
from tests.builders import GIB, H100, SiteBuilder, WorkloadBuilder, node, site, taint, workload

from tradewind.api.fields import Toleration
from tradewind.placement.capacity import Ledger
from tradewind.placement.demands import PodNeed, needs_on
from tradewind.placement.packing import Groups, gangs, merged, pack
from tradewind.placement.snapshot import Assumed, Reserve, SiteName
from tradewind.placement.table import I64, SiteTable

W = workload("w")


def ledger_of(*places: SiteBuilder, assumed: tuple[Assumed, ...] = ()) -> tuple[Ledger, SiteTable]:
    table = SiteTable([place.view for place in places])
    return Ledger(table, assumed), table


def needs(work: WorkloadBuilder, table: SiteTable, row: int) -> tuple[PodNeed, ...]:
    return needs_on(work.view.demand, table.row_accelerator[row])


def h100_free(groups: Groups) -> dict[int, int]:
    """Nodes by how many H100 they have free."""
    found: dict[int, int] = {}
    for group in groups:
        for _, _, free in group.accelerators:
            found[free] = found.get(free, 0) + group.nodes
    return found


FITS: dict[str, tuple[SiteBuilder, WorkloadBuilder, int]] = {
    "whole nodes count, not totals": (
        site("s").nodes(3, h100=8).nodes(4, h100=4),
        W.gang(1, chips=8),
        3,
    ),
    "small pods fill all that is there": (
        site("s").nodes(3, h100=8).nodes(4, h100=5),
        W.gang(1, chips=2),
        3 * 4 + 4 * 2,
    ),
    "a gang is whole or nothing": (site("s").nodes(7, h100=8), W.gang(4, chips=8), 1),
    "CPUs beside the chips": (site("s").nodes(2, h100=8, cpu=10), W.gang(1, chips=1, cpu=4), 4),
    "memory beside the chips": (
        site("s").nodes(2, h100=8, memory_gib=10),
        W.gang(1, chips=1, memory_gib=4),
        4,
    ),
    "pod places beside the chips": (site("s").nodes(2, h100=8, pods=3), W.gang(1, chips=1), 6),
    "tainted nodes are closed": (
        site("s").nodes(2, h100=8).nodes(5, h100=8, taints=(taint("spot"),)),
        W.gang(1, chips=8),
        2,
    ),
    "tainted nodes are open to who tolerates": (
        site("s").nodes(2, h100=8).nodes(5, h100=8, taints=(taint("spot"),)),
        W.gang(1, chips=8, tolerations=(Toleration(key="spot", operator="Exists"),)),
        7,
    ),
    "the reserve is kept": (
        site("s").nodes(4, h100=8).but(reserved=Reserve(accelerators=5)),
        W.gang(1, chips=8),
        3,
    ),
    "other resources beside the chips": (
        site("s").nodes(2, h100=8, others={"rdma/hca": 3, "rdma/other": 1}),
        W.gang(1, chips=1, resources={"rdma/hca": 1}),
        6,
    ),
    "pod sets of nothing ask for nothing": (
        site("s").nodes(2, h100=8),
        W.gang(0, chips=8).gang(1, chips=8),
        2,
    ),
    "overcommitted nodes have nothing": (
        site("s").but(node_shapes=(node(cpu=-3, h100=8), node(h100=-1))),
        W.gang(1, chips=1),
        0,
    ),
}


@pytest.mark.parametrize("case", FITS)
def test_how_many_gangs_fit(case: str) -> None:
    place, work, want = FITS[case]
    ledger, table = ledger_of(place)
    row = table.rows - 1
    take = needs(work, table, row)
    assert ledger.fits(row, take) == want
    assert ledger.survey(table_rows(table), take).tolist() == [want]
    for _ in range(want):
        assert ledger.take(row, take)
    assert not ledger.take(row, take)
    assert ledger.survey(table_rows(table), take).tolist() == [0]


def table_rows(table: SiteTable) -> I64:
    return np.array([table.rows - 1], np.int64)


def test_small_work_leaves_whole_nodes_to_big_gangs() -> None:
    ledger, table = ledger_of(site("s").nodes(2, h100=8).nodes(1, h100=3))
    row = table.rows - 1
    for _ in range(3):
        assert ledger.take(row, needs(W.gang(1, chips=1), table, row))
    assert h100_free(ledger.groups(0)) == {8: 2, 0: 1}
    assert ledger.fits(row, needs(W.gang(2, chips=8), table, row)) == 1


def test_work_without_chips_keeps_off_nodes_with_chips() -> None:
    ledger, table = ledger_of(site("s").nodes(2, h100=8, cpu=8).nodes(2, cpu=8))
    assert ledger.take(0, needs(W.gang(2, cpu=8), table, 0))
    assert ledger.fits(table.rows - 1, needs(W.gang(2, chips=8, cpu=8), table, table.rows - 1)) == 1


def test_a_trial_leaves_the_ledger_as_it_is() -> None:
    ledger, table = ledger_of(site("s").nodes(1, h100=8))
    take = needs(W.gang(1, chips=8), table, 1)
    trial = ledger.copy()
    assert trial.take(1, take)
    assert (trial.fits(1, take), ledger.fits(1, take)) == (0, 1)


def test_a_view_stays_as_it_was_taken() -> None:
    ledger, table = ledger_of(site("s").nodes(1, h100=8))
    before = ledger.view()
    ledger.take(1, needs(W.gang(1, chips=8), table, 1))
    assert h100_free(before.groups(0)) == {8: 1}
    assert h100_free(ledger.view().groups(0)) == {0: 1}


def test_assumed_work_is_subtracted_first() -> None:
    demand = W.gang(2, chips=8).view.demand
    assumed = Assumed(SiteName("s"), H100, demand, 2)
    ledger, table = ledger_of(site("s").nodes(3, h100=8), assumed=(assumed,))
    assert ledger.fits(1, needs(W.gang(1, chips=8), table, 1)) == 1


def test_a_part_of_a_split_takes_its_own_replicas_only() -> None:
    assumed = Assumed(SiteName("s"), H100, W.gang(4, chips=8).view.demand, 1)
    ledger, table = ledger_of(site("s").nodes(3, h100=8), assumed=(assumed,))
    assert ledger.fits(1, needs(W.gang(1, chips=8), table, 1)) == 2


def test_more_may_be_assumed_than_is_free() -> None:
    assumed = (
        Assumed(SiteName("s"), H100, W.gang(9, chips=8).view.demand, 9),
        Assumed(SiteName("gone"), H100, W.gang(1, chips=8).view.demand, 1),
        Assumed(SiteName("s"), "another-class", W.gang(1, cpu=1).view.demand, 1),
    )
    ledger, table = ledger_of(site("s").nodes(3, h100=8), assumed=assumed)
    assert ledger.fits(1, needs(W.gang(1, chips=8), table, 1)) == 0


def test_unlike_pods_of_a_gang_share_the_nodes() -> None:
    ledger, table = ledger_of(site("s").nodes(2, h100=8, cpu=10))
    both = W.gang(2, chips=8, cpu=8).gang(2, cpu=2)
    assert ledger.fits(1, needs(both, table, 1)) == 1
    too_much = W.gang(2, chips=8, cpu=8).gang(2, cpu=3)
    assert ledger.fits(1, needs(too_much, table, 1)) == 0


def test_equal_nodes_become_one_node_shape() -> None:
    assert merged((node(h100=8), node(h100=8, nodes=2), node(h100=4))) == (
        node(h100=8, nodes=3),
        node(h100=4),
    )


def test_nothing_is_lost_or_made_by_packing() -> None:
    groups = (node(h100=8, nodes=3), node(h100=5, nodes=2), node(nodes=2))
    table = SiteTable([site("s").but(node_shapes=groups).view])
    left = pack(
        groups, needs(W.gang(5, chips=3, cpu=7, memory_gib=2), table, 1), table.row_accelerator[1]
    )
    assert left is not None

    def sums(nodes: Groups) -> tuple[int, ...]:
        return (
            sum(n.nodes for n in nodes),
            sum(n.nodes * n.free_cpu_millis for n in nodes),
            sum(n.nodes * n.free_memory_bytes for n in nodes),
            sum(n.nodes * n.free_pods for n in nodes),
            sum(n.nodes * free for n in nodes for _, _, free in n.accelerators),
        )

    taken = tuple(b - a for a, b in zip(sums(left), sums(groups), strict=True))
    assert taken == (0, 35_000, 10 * GIB, 5, 15)


def test_gangs_of_nothing_always_fit() -> None:
    assert gangs((), (), None) == 1
