"""What a pod asks for, held against the scheduler's rule written out once more, plainly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.base.errors import QuantityError
from tradewind.workloads.requests import pod_requests


def asking(cpu: int, *, always: bool = False, name: str = "c") -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "resources": {"requests": {"cpu": f"{cpu}m"}}}
    return made | ({"restartPolicy": "Always"} if always else {})


def test_containers_add_up_and_an_init_container_only_raises() -> None:
    spec = {"containers": [asking(100), asking(200)], "initContainers": [asking(250)]}
    assert pod_requests(spec) == {"cpu": 300}
    assert pod_requests(spec | {"initContainers": [asking(900)]}) == {"cpu": 900}


def test_a_sidecar_runs_beside_the_containers_and_later_init_containers() -> None:
    sidecar = asking(100, always=True)
    spec = {"containers": [asking(100)], "initContainers": [asking(400), sidecar, asking(400)]}
    assert pod_requests(spec) == {"cpu": 500}


def test_a_limit_without_a_request_is_one() -> None:
    resources = {"limits": {"cpu": "2", "nvidia.com/gpu": 8}, "requests": {"cpu": "1"}}
    assert pod_requests({"containers": [{"name": "c", "resources": resources}]}) == {
        "cpu": 1000,
        "nvidia.com/gpu": 8,
    }


def test_pod_level_requests_win_and_overhead_comes_on_top() -> None:
    spec = {
        "containers": [asking(100)],
        "resources": {"requests": {"cpu": "2", "memory": "1Gi"}},
        "overhead": {"cpu": "250m"},
    }
    assert pod_requests(spec) == {"cpu": 2250, "memory": 2**30}


@pytest.mark.parametrize("amount", ["many", "-1", "1e999999", "", "1 Gi", None])
def test_an_amount_that_cannot_be_read_is_refused_by_its_place(amount: Any) -> None:
    spec = {"containers": [{"name": "main", "resources": {"requests": {"memory": amount}}}]}
    with pytest.raises(QuantityError, match=r"container main, resource memory"):
        pod_requests(spec)


@pytest.mark.parametrize(
    "spec", [{}, {"containers": None}, {"containers": ["x", 7]}, {"containers": [{"name": "c"}]}]
)
def test_a_pod_that_asks_for_nothing_is_no_error(spec: Any) -> None:
    assert pod_requests(spec) == {}


@given(
    containers=st.lists(st.integers(0, 5000), min_size=1, max_size=4),
    inits=st.lists(st.tuples(st.integers(0, 5000), st.booleans()), max_size=5),
    overhead=st.integers(0, 500),
)
def test_it_is_what_the_pod_needs_at_its_busiest_moment(
    containers: list[int], inits: list[tuple[int, bool]], overhead: int
) -> None:
    busiest, started = 0, 0
    for cpu, always in inits:  # one after the other; sidecars stay
        busiest = max(busiest, started + cpu)
        started += cpu if always else 0
    busiest = max(busiest, started + sum(containers))
    spec = {
        "containers": [asking(cpu) for cpu in containers],
        "initContainers": [asking(cpu, always=always) for cpu, always in inits],
        "overhead": {"cpu": f"{overhead}m"},
    }
    assert pod_requests(spec) == {"cpu": busiest + overhead}
