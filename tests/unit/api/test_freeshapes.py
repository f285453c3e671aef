"""Free capacity in a status: whole while it is small, and never more than is there."""

from hypothesis import given
from hypothesis import strategies as st

from tradewind.api.fields import Taint
from tradewind.api.freeshapes import SHAPE_LIMIT, read, told
from tradewind.api.inventory import NodeShape
from tradewind.api.site import SiteStatus

GIB = 2**30


def shape(cpu: int, memory: int, chips: int = 0, nodes: int = 1, taints: int = 0) -> NodeShape:
    return NodeShape(
        free_cpu_millis=cpu,
        free_memory_bytes=memory,
        free_pods=cpu % 111,
        accelerators=(("nvidia-h100-sxm", "nvidia.com/gpu", chips),) if chips else (),
        taints=tuple(Taint(key=f"k{n}", effect="NoSchedule") for n in range(taints)),
        nodes=nodes,
        other_resources=(("example.com/nic", 2),),
    )


SHAPES = st.builds(
    shape,
    st.integers(0, 256_000),
    st.integers(0, 2**41),
    st.integers(0, 8),
    st.integers(1, 50),
    st.integers(0, 2),
)


@given(st.lists(SHAPES, max_size=SHAPE_LIMIT, unique=True))
def test_what_is_told_is_read_back_as_it_was(shapes: list[NodeShape]) -> None:
    status = SiteStatus(free_shapes=told(shapes))
    again = SiteStatus.model_validate(status.model_dump(mode="json", by_alias=True))
    assert sorted(map(repr, read(again.free_shapes))) == sorted(map(repr, shapes))


@given(st.lists(SHAPES, min_size=SHAPE_LIMIT + 1, max_size=300, unique=True))
def test_of_too_many_sorts_a_bounded_number_is_told_and_nothing_is_made_up(
    shapes: list[NodeShape],
) -> None:
    found = read(told(shapes))
    assert len(found) <= SHAPE_LIMIT
    for amount in ("free_cpu_millis", "free_memory_bytes", "free_pods"):
        there = sum(getattr(one, amount) * one.nodes for one in shapes)
        assert sum(getattr(one, amount) * one.nodes for one in found) <= there
    chips = sum(one.nodes * sum(n for _, _, n in one.accelerators) for one in shapes)
    assert sum(one.nodes * sum(n for _, _, n in one.accelerators) for one in found) <= chips
    assert sum(one.nodes for one in found) <= sum(one.nodes for one in shapes)


def test_a_thousand_nodes_that_differ_a_little_lose_little() -> None:
    shapes = [shape(60_000 + n, 500 * GIB + n, chips=n % 9) for n in range(1000)]
    found = read(told(shapes))
    assert sum(one.nodes for one in found) == 1000
    free = sum(one.free_cpu_millis for one in shapes)
    assert sum(one.free_cpu_millis * one.nodes for one in found) > 0.95 * free
