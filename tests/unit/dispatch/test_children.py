"""Whose an object is, and which children a site has, by workload."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.api.names import (
    ANNOTATION_SPEC_HASH,
    LABEL_EPOCH,
    LABEL_HUB_ID,
    LABEL_WORKLOAD_UID,
)
from tradewind.dispatch.children import Child, ChildIndex, child_of
from tradewind.workloads.adapter import Observed, ObservedState

SEEN = Observed(ObservedState.RUNNING, ready=1)


def found(labels: dict[str, str] | None, **changes: Any) -> Child | None:
    metadata = SimpleNamespace(
        name="train",
        namespace="research",
        uid="site-uid",
        labels=labels,
        annotations=None,
        deletion_timestamp=None,
    )
    for name, value in changes.items():
        setattr(metadata, name, value)
    return child_of("batch/v1/Job", metadata, SEEN, hub_id="hub-1")


def labels(**changes: str) -> dict[str, str]:
    known = {"hub": "hub-1", "workload": "uid-1", "epoch": "3"} | changes
    return {
        LABEL_HUB_ID: known["hub"],
        LABEL_WORKLOAD_UID: known["workload"],
        LABEL_EPOCH: known["epoch"],
    }


def test_a_child_of_ours_is_read_whole() -> None:
    child = found(labels(), annotations={ANNOTATION_SPEC_HASH: "abc"}, deletion_timestamp="now")
    assert child == Child(
        kind="batch/v1/Job",
        namespace="research",
        name="train",
        uid="site-uid",
        workload_uid="uid-1",
        epoch=3,
        spec_hash="abc",
        deleting=True,
        observed=SEEN,
    )


@pytest.mark.parametrize("theirs", [None, {}, labels(hub="hub-2"), labels(workload="")])
def test_what_is_not_this_hubs_is_no_child(theirs: dict[str, str] | None) -> None:
    assert found(theirs) is None


@pytest.mark.parametrize("epoch", ["", "-1", "three", "1.0", " 3"])
def test_a_damaged_epoch_is_that_of_no_placement(epoch: str) -> None:
    child = found(labels(epoch=epoch))
    assert child is not None
    assert child.epoch == -1


def test_a_child_without_an_epoch_is_ours_and_of_no_placement() -> None:
    without = labels()
    del without[LABEL_EPOCH]
    child = found(without)
    assert child is not None
    assert (child.epoch, child.spec_hash, child.deleting) == (-1, "", False)


def child(uid: str, workload: str) -> Child:
    made = found(labels(workload=workload), uid=uid)
    assert made is not None
    return made


changes = st.lists(
    st.tuples(st.booleans(), st.sampled_from("abc"), st.sampled_from(["w1", "w2"])), max_size=30
)


@given(changes)
def test_the_index_agrees_with_a_plain_dictionary(story: list[tuple[bool, str, str]]) -> None:
    index, model = ChildIndex(), dict[str, Child]()
    for put, uid, workload in story:
        if put:
            index.put(child(uid, workload))
            model[uid] = child(uid, workload)
        else:
            assert index.drop(uid) == model.pop(uid, None)
        assert len(index) == len(model)
        assert {one.uid: one for one in index} == model
        assert set(index.workloads()) == {one.workload_uid for one in model.values()}
        for name in ("w1", "w2"):
            expected = {one.uid for one in model.values() if one.workload_uid == name}
            assert {one.uid for one in index.of(name)} == expected
