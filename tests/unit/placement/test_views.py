"""API objects become what placement reads, with every default where it belongs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.builders import DEFAULT_DEMAND, GIB, node

from tradewind.api.site import ComputeSite, Reserved, Signal, SignalState, SiteSignals
from tradewind.api.workload import AIWorkload
from tradewind.placement.snapshot import Pricing, Reserve, SignalValue, SiteName
from tradewind.placement.views import reserve_of, signal_value, site_view, workload_view

TEMPLATE: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "spec": {}}


def made_workload(spec: dict[str, Any], status: dict[str, Any] | None = None) -> AIWorkload:
    return AIWorkload.model_validate(
        {
            "metadata": {
                "name": "llama",
                "namespace": "research",
                "uid": "u-1",
                "generation": 4,
                "creationTimestamp": "2026-11-24T10:00:00Z",
            },
            "spec": {"template": TEMPLATE, **spec},
            "status": status,
        }
    )


def test_a_bare_workload_gets_the_default_policy_and_no_limits() -> None:
    view = workload_view(made_workload({}), DEFAULT_DEMAND, default_policy="balanced")
    assert (view.policy, view.uid, view.namespace, view.name) == (
        "balanced",
        "u-1",
        "research",
        "llama",
    )
    assert (view.generation, view.created) == (4, datetime(2026, 11, 24, 10, tzinfo=UTC))
    assert view.placement.site_selector == ()
    assert view.placement.max_latency_ms is None
    assert (view.epoch, view.current, view.runtime.duration_s) == (0, (), None)


def test_a_full_workload_keeps_every_limit() -> None:
    spec = {
        "class": "Training",
        "policy": "greenest",
        "priority": 7,
        "accelerator": {"classes": ["nvidia-h100-sxm"], "minMemoryGiB": 64, "minTFLOPS": 300},
        "placement": {
            "siteSelector": {
                "matchLabels": {"b": "2", "a": "1"},
                "matchExpressions": [{"key": "c", "operator": "Exists"}],
            },
            "jurisdictions": ["CN"],
            "latency": {"from": [{"region": "shanghai", "share": 0.7}], "maxMilliseconds": 40},
            "data": [{"site": "ulanqab", "sizeGiB": 900}],
            "split": {"maxSites": 3},
        },
        "runtime": {
            "duration": "6h",
            "deadline": "2026-12-01T08:00:00+08:00",
            "maxDelay": "12h",
            "checkpoint": {"interval": "30m"},
            "durationIs": "Mean",
        },
    }
    view = workload_view(
        made_workload(spec),
        DEFAULT_DEMAND,
        default_policy="balanced",
        excluded_sites=[SiteName("lost")],
    )
    assert (view.workload_class, view.policy, view.priority) == ("Training", "greenest", 7)
    assert [rule.key for rule in view.placement.site_selector] == ["a", "b", "c"]
    assert view.placement.latency_from == (("shanghai", 0.7),)
    assert (view.placement.max_latency_ms, view.placement.data) == (40, (("ulanqab", 900),))
    assert view.placement.max_sites == 3
    assert view.accelerator.classes == ("nvidia-h100-sxm",)
    assert (view.accelerator.min_memory_gib, view.accelerator.min_tflops) == (64, 300)
    assert (view.runtime.duration_s, view.runtime.max_delay_s) == (21600, 43200)
    assert view.runtime.checkpoint_s == 1800
    assert view.runtime.mean_only
    assert view.runtime.deadline == datetime(2026, 12, 1, tzinfo=UTC)
    assert view.excluded_sites == {"lost"}
    assert hash(view) is not None


def test_the_epoch_is_the_highest_ever_written() -> None:
    placements = [{"site": "a", "epoch": 5, "replicas": 2, "phase": "Running"}]
    for epoch, want in ((2, 5), (8, 8)):
        work = made_workload({}, {"epoch": epoch, "placements": placements})
        view = workload_view(work, DEFAULT_DEMAND, default_policy="p")
        assert view.epoch == want
        assert [(part.site, part.replicas) for part in view.current] == [("a", 2)]


def made_site(**spec: Any) -> ComputeSite:
    return ComputeSite.model_validate(
        {
            "metadata": {"name": "ulanqab", "labels": {"tier": "gold"}},
            "spec": {"access": {"hub": {}}, **spec},
        }
    )


def test_a_site_keeps_what_its_object_and_its_watches_say() -> None:
    object_ = made_site(
        location={"region": "cn-nm", "jurisdiction": "CN"},
        energy={"pue": 1.2, "carbonIntensity": 640},
        pricing={"acceleratorHour": {"nvidia-h100-sxm": 2.1}, "cpuHour": 0.03},
        taints=[{"key": "dedicated", "effect": "NoSchedule"}],
        unschedulable=True,
    )
    signals = SiteSignals(
        carbon_intensity=Signal(value=610, state=SignalState.CURRENT),
        load=Signal(value=0.4, state=SignalState.STALE),
        latency_ms={
            "shanghai": Signal(value=31, state=SignalState.CURRENT),
            "berlin": Signal(value=180, state=SignalState.STALE),
        },
    )
    view = site_view(
        object_,
        node_shapes=[node(h100=8)],
        accelerators=[],
        kinds=["batch/v1/Job"],
        signals=signals,
        reachable=True,
        synced=False,
    )
    assert (view.name, view.region, view.jurisdiction) == ("ulanqab", "cn-nm", "CN")
    assert (view.unschedulable, view.reachable, view.synced) == (True, True, False)
    assert view.carbon_intensity == SignalValue(610, SignalState.CURRENT)
    assert view.pue == SignalValue(1.2, SignalState.FALLBACK)
    assert view.load == SignalValue(None, SignalState.UNKNOWN)
    assert view.latency_ms == {"shanghai": 31}
    assert view.pricing == Pricing({"nvidia-h100-sxm": 2.1}, 0.03, None)
    assert [taint.key for taint in view.taints] == ["dedicated"]


SIGNALS: dict[str, tuple[Signal | None, float | None, SignalValue]] = {
    "a current signal is taken": (
        Signal(value=5, state=SignalState.CURRENT),
        9.0,
        SignalValue(5, SignalState.CURRENT),
    ),
    "a stale one gives way to the site's own figure": (
        Signal(value=5, state=SignalState.STALE),
        9.0,
        SignalValue(9, SignalState.FALLBACK),
    ),
    "an implausible one is not known": (
        Signal(value=5, state=SignalState.IMPLAUSIBLE),
        None,
        SignalValue(None, SignalState.UNKNOWN),
    ),
    "zero is a figure": (
        Signal(value=0, state=SignalState.CURRENT),
        9.0,
        SignalValue(0, SignalState.CURRENT),
    ),
}


@pytest.mark.parametrize("case", SIGNALS)
def test_of_signals(case: str) -> None:
    signal, stated, want = SIGNALS[case]
    assert signal_value(signal, stated) == want


def test_a_reserve_shrinks_by_what_the_sites_own_users_take() -> None:
    whole = Reserve(cpu_millis=100_000, memory_bytes=1000 * GIB, accelerators=16)
    reserved = Reserved(cpu="10%", memory="64Gi", accelerators=2)
    assert reserve_of(reserved, allocatable=whole) == Reserve(10_000, 64 * GIB, 2)
    used = Reserve(cpu_millis=4_000, memory_bytes=100 * GIB, accelerators=1)
    assert reserve_of(reserved, allocatable=whole, used_by_site=used) == Reserve(6_000, 0, 1)
    assert reserve_of(Reserved(), allocatable=whole) == Reserve()
    assert reserve_of(Reserved(accelerators="10%"), allocatable=whole).accelerators == 2
