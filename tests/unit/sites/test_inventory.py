"""The fold over nodes and pods, held against a plain recount after every change."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.api.inventory import HeldPods
from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.hardware.catalog import Catalog, builtin_catalog
from tradewind.sites.inventory import Inventory
from tradewind.sites.slim import Node, Pod

HUB = "hub-1"
H100 = "nvidia-h100-sxm"


def node(name: str, chips: int = 8, *, ready: bool = True, cordoned: bool = False) -> Node:
    allocatable = {"cpu": "96", "memory": "1Ti", "pods": "110"}
    labels = {}
    if chips:
        allocatable["nvidia.com/gpu"] = str(chips)
        labels["nvidia.com/gpu.product"] = "NVIDIA-H100-80GB-HBM3"
    return msgspec.convert(
        {
            "metadata": {"name": name, "uid": name, "labels": labels},
            "spec": {"unschedulable": cordoned},
            "status": {
                "allocatable": allocatable,
                "conditions": [{"type": "Ready", "status": str(ready)}],
            },
        },
        Node,
    )


def pod(
    uid: str, node_name: str, chips: int = 1, *, phase: str = "Running", workload: str = ""
) -> Pod:
    labels = {LABEL_HUB_ID: HUB, LABEL_WORKLOAD_UID: workload} if workload else {}
    requests = {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": str(chips)}
    return msgspec.convert(
        {
            "metadata": {"name": uid, "uid": uid, "labels": labels},
            "spec": {"nodeName": node_name, "containers": [{"resources": {"requests": requests}}]},
            "status": {"phase": phase},
        },
        Pod,
    )


def inventory() -> Inventory:
    return Inventory(builtin_catalog, hub_id=HUB)


def test_a_bound_pod_takes_from_its_node_alone() -> None:
    seen = inventory()
    for name in "abc":
        seen.on_node(None, node(name))
    seen.on_pod(None, pod("p", "b", 3))
    (found,) = seen.view().classes
    assert (found.class_name, found.allocatable, found.requested) == (H100, 24, 3)
    assert found.free_by_node == {5: 1, 8: 2}
    assert sorted(shape.nodes for shape in seen.view().node_shapes) == [1, 2]


def test_a_finished_or_unbound_pod_takes_nothing() -> None:
    seen = inventory()
    seen.on_node(None, node("a"))
    running = pod("p", "a", 8)
    seen.on_pod(None, running)
    assert seen.view().classes[0].free_by_node == {}
    seen.on_pod(running, pod("p", "a", 8, phase="Succeeded"))
    seen.on_pod(None, pod("q", "", 8, phase="Pending"))
    assert seen.view().classes[0].free_by_node == {8: 1}


def test_pods_may_come_before_their_node_and_stay_behind_it() -> None:
    seen = inventory()
    bound, placed = pod("p", "a", 2), node("a")
    seen.on_pod(None, bound)
    assert seen.view().nodes == 0
    seen.on_node(None, placed)
    assert seen.view().classes[0].free_by_node == {6: 1}
    seen.on_node(placed, None)
    assert seen.view().nodes == 0
    seen.on_pod(bound, None)
    seen.on_node(None, placed)
    assert seen.view().classes[0].free_by_node == {8: 1}


def test_a_cordoned_or_unready_node_counts_for_nothing() -> None:
    seen = inventory()
    seen.on_node(None, node("a", cordoned=True))
    seen.on_node(None, node("b", ready=False))
    assert seen.view().nodes == 0
    assert seen.view().classes == ()


def test_the_hubs_own_pods_are_told_apart_from_foreign_ones() -> None:
    seen = inventory()
    seen.on_node(None, node("a"))
    seen.on_pod(None, pod("p", "a", 2, workload="w"))
    seen.on_pod(None, pod("q", "a", 3))
    assert (seen.view().requested.accelerators, seen.view().foreign.accelerators) == (5, 3)
    assert seen.bound("w") == 1
    assert seen.take_rebound() == {"w"}
    assert seen.take_rebound() == set()


def test_another_hubs_pods_are_foreign() -> None:
    seen = Inventory(builtin_catalog, hub_id="another")
    seen.on_node(None, node("a"))
    seen.on_pod(None, pod("p", "a", 2, workload="w"))
    assert seen.view().foreign.accelerators == 2
    assert seen.bound("w") == 0


def test_it_tells_who_stands_on_which_nodes_and_what_they_would_leave() -> None:
    seen = inventory()
    for name in "abcd":
        seen.on_node(None, node(name))
    for uid, where in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")):
        seen.on_pod(None, pod(uid, where, 4, workload="train"))
    seen.on_pod(None, pod("5", "c", 2, workload="serve"))
    seen.on_pod(None, pod("6", "c", 1))  # somebody else's
    seen.on_pod(None, pod("7", "d", 8))  # only somebody else's
    serve, train = seen.view().occupied
    assert (train.node.nodes, train.node.accelerators[0][2]) == (2, 0)
    assert train.held == (HeldPods("train", 2, 1000, 2 * 2**30, (("nvidia.com/gpu", 8),)),)
    assert (serve.node.nodes, serve.node.accelerators[0][2]) == (1, 5)
    assert serve.held == (HeldPods("serve", 1, 500, 2**30, (("nvidia.com/gpu", 2),)),)
    seen.on_node(node("c"), node("c", cordoned=True))
    assert seen.view().occupied == (train,)  # what would come free there is no use


def test_amounts_that_cannot_be_read_or_lie_stop_nothing() -> None:
    seen = inventory()
    lying = node("a")
    assert lying.status.allocatable is not None
    lying.status.allocatable |= {"nvidia.com/gpu": "9" * 60, "cpu": "many", "example.com/x": "-"}
    seen.on_node(None, lying)
    seen.on_node(None, node("b"))
    assert seen.view().nodes == 2
    assert seen.view().allocatable.cpu_millis == 96_000


def test_a_new_catalogue_is_applied_to_nodes_that_are_known() -> None:
    catalogs = [builtin_catalog()]
    seen = Inventory(lambda: catalogs[-1], hub_id=HUB)
    seen.on_node(None, node("a"))
    assert seen.view().classes[0].class_name == H100
    catalogs.append(Catalog([]))
    seen.reclassify()
    assert seen.view().classes[0].class_name == "unknown"


def test_the_view_is_the_same_until_something_changes() -> None:
    seen = inventory()
    seen.on_node(None, node("a"))
    before = seen.view()
    assert seen.view() is before
    seen.on_pod(None, pod("p", "a"))
    assert seen.view() is not before


NAMES = st.sampled_from(["a", "b", "c"])
CHANGES = st.one_of(
    st.tuples(st.just("node"), NAMES, st.sampled_from([0, 4, 8]), st.booleans(), st.booleans()),
    st.tuples(st.just("no node"), NAMES),
    st.tuples(
        st.just("pod"),
        st.sampled_from(["p", "q", "r", "s"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.integers(0, 3),
        st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
        st.sampled_from(["", "w1", "w2"]),
    ),
    st.tuples(st.just("no pod"), st.sampled_from(["p", "q", "r", "s"])),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(CHANGES, max_size=25))
def test_it_equals_a_recount_after_any_changes(changes: list[tuple[Any, ...]]) -> None:
    seen = inventory()
    nodes: dict[str, Node] = {}
    pods: dict[str, Pod] = {}
    for sort, name, *rest in changes:
        if sort == "node":
            made = node(name, rest[0], ready=rest[1], cordoned=rest[2])
            seen.on_node(nodes.get(name), made)
            nodes[name] = made
        elif sort == "no node":
            seen.on_node(nodes.pop(name, None), None)
        elif sort == "pod":
            where, chips, phase, workload = rest
            known = pods.get(name)
            if known is not None:  # where a pod is bound and whose it is never changes
                where = known.spec.node_name or where
                labels = known.metadata.labels or {}
                workload = labels.get(LABEL_WORKLOAD_UID, "")
                was = known.spec.containers
                assert was is not None
                assert was[0].resources is not None
                assert was[0].resources.requests is not None
                chips = int(was[0].resources.requests["nvidia.com/gpu"])
            bound = pod(name, where, chips, phase=phase, workload=workload)
            seen.on_pod(known, bound)
            pods[name] = bound
        else:
            seen.on_pod(pods.pop(name, None), None)
        recount(seen, nodes, pods)


def recount(seen: Inventory, nodes: dict[str, Node], pods: dict[str, Pod]) -> None:
    usable = {
        name: int((found.status.allocatable or {}).get("nvidia.com/gpu", "0"))
        for name, found in nodes.items()
        if not found.spec.unschedulable and (found.status.conditions or [])[0].status == "True"
    }
    asked: Counter[str] = Counter()
    bound: Counter[str] = Counter()
    for found in pods.values():
        if found.spec.node_name and found.status.phase not in ("Succeeded", "Failed"):
            (container,) = found.spec.containers or []
            assert container.resources is not None
            amount = int((container.resources.requests or {})["nvidia.com/gpu"])
            asked[found.spec.node_name] += amount
            labels = found.metadata.labels or {}
            if LABEL_WORKLOAD_UID in labels:
                bound[labels[LABEL_WORKLOAD_UID]] += 1
    view = seen.view()
    assert view.nodes == len(usable)
    assert sum(shape.nodes for shape in view.node_shapes) == len(usable)
    free = Counter(max(0, chips - asked[name]) for name, chips in usable.items() if chips)
    (totals,) = view.classes or (None,)
    if totals is None:
        assert not any(usable.values())
    else:
        assert totals.free_by_node == {chips: n for chips, n in free.items() if chips}
        assert totals.allocatable == sum(usable.values())
    assert {uid: seen.bound(uid) for uid in ("w1", "w2")} == {
        uid: bound[uid] for uid in ("w1", "w2")
    }


def test_a_nodes_operator_may_name_the_class_of_its_chips() -> None:
    seen = inventory()
    told = node("a")
    raw = msgspec.to_builtins(told)
    raw["metadata"]["annotations"] = {
        "accelerator.tradewind.dev/override": "nvidia-h200-sxm",
        "something.example/else": "long",
    }
    seen.on_node(None, msgspec.convert(raw, Node))
    assert [found.class_name for found in seen.view().classes] == ["nvidia-h200-sxm"]


def test_of_a_node_that_hami_shares_out_cards_are_free_and_not_slots() -> None:
    seen = inventory()
    raw = msgspec.to_builtins(node("a", chips=20))
    raw["metadata"]["labels"] = {}
    raw["metadata"]["annotations"] = {
        "hami.io/node-nvidia-register": (
            "GPU-0,10,23034,100,NVIDIA-NVIDIA L4,0,true:GPU-1,10,23034,100,NVIDIA-NVIDIA L4,0,true:"
        )
    }
    seen.on_node(None, msgspec.convert(raw, Node))
    seen.on_pod(None, pod("shares", "a", chips=1))
    [totals] = seen.view().classes
    assert (totals.class_name, totals.allocatable, totals.requested) == ("nvidia-l4", 2, 1)
    assert totals.free_by_node == {1: 1}
