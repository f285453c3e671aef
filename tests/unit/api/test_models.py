"""Every kind is read from what the API server shows: defaults, names outside, and named faults."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from tradewind.api.accelerator import AcceleratorClass
from tradewind.api.crdgen import MODELS
from tradewind.api.demand import Demand, PodDemand
from tradewind.api.fields import Model
from tradewind.api.policy import PlacementPolicy
from tradewind.api.queue import ComputeQueue, PreemptionRule
from tradewind.api.site import ComputeSite, Signal, SignalState, SiteStatus
from tradewind.api.workload import (
    AIWorkload,
    FailoverMode,
    PlacementPhase,
    WorkloadClass,
    WorkloadPhase,
    WorkloadStatus,
)

ROOT = Path(__file__).parents[3]
META = {"metadata": {"name": "x"}}

#: The least of each kind.
LEAST: dict[type[Model], dict[str, Any]] = {
    ComputeSite: {**META, "spec": {"access": {"hub": {}}}},
    AIWorkload: {**META, "spec": {"template": {"apiVersion": "batch/v1", "kind": "Job"}}},
    PlacementPolicy: {**META, "spec": {}},
    AcceleratorClass: {**META, "spec": {"vendor": "acme", "memoryGiB": 96}},
    ComputeQueue: {**META, "spec": {}},
}


def read(model: type[Model], **spec: Any) -> Any:
    body = copy.deepcopy(LEAST[model])
    body["spec"] |= spec
    return model.model_validate(body).spec  # type: ignore[attr-defined]


def test_every_kind_is_here() -> None:
    assert LEAST.keys() == set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_the_least_is_enough_and_less_is_not(model: type[Model]) -> None:
    least = LEAST[model]
    assert model.model_validate(least).kind == model.__name__  # type: ignore[attr-defined]
    for missing in ("metadata", "spec"):
        with pytest.raises(ValidationError) as caught:
            model.model_validate({key: value for key, value in least.items() if key != missing})
        assert [fault["loc"] for fault in caught.value.errors()] == [(missing,)]


@pytest.mark.parametrize("model", MODELS)
def test_fields_of_a_later_version_are_passed_over(model: type[Model]) -> None:
    body = copy.deepcopy(LEAST[model])
    body["spec"]["fromTheFuture"] = {"deep": [1]}
    assert model.model_validate(body) == model.model_validate(LEAST[model])


@pytest.mark.parametrize("model", MODELS)
def test_what_was_read_does_not_change(model: type[Model]) -> None:
    made = model.model_validate(LEAST[model])
    with pytest.raises(ValidationError, match="frozen"):
        made.kind = "Other"  # type: ignore[attr-defined]


# --- defaults


def test_a_workload_runs_at_once_anywhere_and_fails_over() -> None:
    spec = read(AIWorkload)
    assert spec.class_name is WorkloadClass.BATCH
    assert (spec.policy, spec.queue, spec.priority, spec.suspend) == ("", "", 0, False)
    assert (spec.runtime.max_delay, spec.runtime.duration, spec.runtime.deadline) == (0, None, None)
    assert spec.runtime.checkpoint is None
    assert (spec.failover.after, spec.failover.mode) == (300.0, FailoverMode.RECREATE)
    assert spec.placement.jurisdictions == ()
    assert spec.ttl_after_finished is None
    assert spec.accelerator.min_memory_gib is None


def test_a_workload_without_a_status_was_never_placed() -> None:
    status = WorkloadStatus()
    assert (status.phase, status.epoch, status.placements) == (WorkloadPhase.PENDING, 0, ())


def test_a_site_states_nothing_that_nobody_said() -> None:
    """Unknown is never zero: a price or an intensity that is not stated is None."""
    spec = read(ComputeSite)
    assert spec.energy.model_dump() == {
        "pue": None,
        "carbon_intensity": None,
        "price_per_mwh": None,
    }
    assert (spec.pricing.cpu_hour, spec.pricing.memory_gib_hour) == (None, None)
    assert spec.pricing.accelerator_hour == {}
    assert spec.reserved.model_dump() == {"cpu": None, "memory": None, "accelerators": None}
    assert (spec.unschedulable, spec.prometheus, spec.taints) == (False, None, ())


def test_a_signal_that_says_nothing_is_unknown() -> None:
    assert Signal() == Signal(value=None, state=SignalState.UNKNOWN)
    assert all(value in (None, {}) for value in dict(SiteStatus().signals).values())


def test_a_policy_prices_nothing_by_itself_and_moves_nothing() -> None:
    spec = read(PlacementPolicy)
    prices = {"carbon_per_tonne", "wait_per_hour", "latency_per_millisecond_hour", "data_per_gib"}
    assert {getattr(spec, name) for name in prices} == {0.0}
    assert spec.rebalance is None


def test_a_queue_preempts_nobody_by_itself() -> None:
    spec = read(ComputeQueue)
    assert (spec.preemption, spec.weight, spec.quotas) == (PreemptionRule.NEVER, 1.0, ())


def test_figures_of_a_class_that_nobody_vouches_for_are_of_the_lowest_grade() -> None:
    assert read(AcceleratorClass).confidence == "C"


# --- names outside


def test_names_outside_are_those_of_the_units() -> None:
    spec = read(
        AIWorkload,
        accelerator={"minMemoryGiB": 80, "minTFLOPS": 300},
        placement={
            "data": [{"site": "a", "sizeGiB": 5}],
            "latency": {"from": [{"region": "de-he"}], "maxMilliseconds": 20},
        },
        runtime={"duration": "1h30m", "checkpoint": {"interval": "10m"}},
        **{"class": "Training"},
    )
    assert (spec.accelerator.min_memory_gib, spec.accelerator.min_tflops) == (80, 300)
    assert spec.placement.data[0].size_gib == 5
    assert spec.placement.latency.from_[0].share == 1
    assert (spec.runtime.duration, spec.runtime.checkpoint.interval) == (5400, 600)
    assert spec.class_name is WorkloadClass.TRAINING


@pytest.mark.parametrize("model", MODELS)
def test_what_is_written_reads_the_same(model: type[Model]) -> None:
    made = model.model_validate(LEAST[model])
    assert model.model_validate(made.model_dump(mode="json", by_alias=True)) == made


def test_a_status_written_without_what_says_nothing_reads_the_same() -> None:
    """So is it sent to the hub; a placement's phase and epoch must survive that."""
    status = WorkloadStatus.model_validate(
        {
            "epoch": 3,
            "phase": "Running",
            "placements": [
                {
                    "site": "ulanqab",
                    "epoch": 3,
                    "replicas": 2,
                    "phase": "Running",
                    "startedAt": "2026-11-24T08:00:00Z",
                    "object": {"apiVersion": "batch/v1", "kind": "Job", "name": "t", "uid": "u"},
                }
            ],
            "decision": {"at": "2026-11-24T07:59:00Z", "costUSD": 4.5, "inputsAge": "30s"},
            "history": [{"at": "2026-11-24T07:59:00Z", "to": "ulanqab", "reason": "Placed"}],
        }
    )
    sent = status.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert sent["placements"][0]["startedAt"] == "2026-11-24T08:00:00Z"
    assert sent["decision"]["inputsAge"] == "30s"
    assert "from" not in sent["history"][0]
    assert WorkloadStatus.model_validate(sent) == status
    assert status.placements[0].phase is PlacementPhase.RUNNING


# --- faults

FAULTS: dict[str, tuple[type[Model], dict[str, Any], str]] = {
    "no template": (AIWorkload, {"template": None}, "spec.template"),
    "a template that is text": (AIWorkload, {"template": "x"}, "spec.template"),
    "a class that is none": (AIWorkload, {"class": "Party"}, "spec.class"),
    "a duration that is none": (AIWorkload, {"runtime": {"duration": "soon"}}, "duration"),
    "a checkpoint of no interval": (AIWorkload, {"runtime": {"checkpoint": {}}}, "interval"),
    "a share above all": (
        AIWorkload,
        {"placement": {"latency": {"from": [{"region": "a", "share": 2}]}}},
        "share",
    ),
    "less than no data": (
        AIWorkload,
        {"placement": {"data": [{"site": "a", "sizeGiB": -1}]}},
        "sizeGiB",
    ),
    "no sites to split over": (AIWorkload, {"placement": {"split": {"maxSites": 0}}}, "maxSites"),
    "a toleration's operator": (
        AIWorkload,
        {"placement": {"tolerations": [{"operator": "Maybe"}]}},
        "operator",
    ),
    "a selector's operator": (
        AIWorkload,
        {"placement": {"siteSelector": {"matchExpressions": [{"key": "a", "operator": "in"}]}}},
        "operator",
    ),
    "an override without a patch": (AIWorkload, {"overrides": [{}]}, "patch"),
    "a failover of no sort": (AIWorkload, {"failover": {"mode": "Later"}}, "mode"),
    "no access": (ComputeSite, {"access": None}, "spec.access"),
    "a Secret without a name": (
        ComputeSite,
        {"access": {"kubeconfigSecretRef": {"namespace": "a"}}},
        "name",
    ),
    "a place off the globe": (
        ComputeSite,
        {"location": {"coordinates": {"latitude": 91, "longitude": 0}}},
        "latitude",
    ),
    "a PUE below one": (ComputeSite, {"energy": {"pue": 0.9}}, "pue"),
    "less than no carbon": (ComputeSite, {"energy": {"carbonIntensity": -1}}, "carbonIntensity"),
    "a taint without an effect": (ComputeSite, {"taints": [{"key": "a"}]}, "effect"),
    "a Prometheus without an address": (ComputeSite, {"prometheus": {}}, "url"),
    "less than no price": (PlacementPolicy, {"carbonPerTonne": -1}, "carbonPerTonne"),
    "a saving above all": (PlacementPolicy, {"rebalance": {"minSaving": 1.1}}, "minSaving"),
    "a term without a price": (
        PlacementPolicy,
        {"terms": [{"name": "a", "query": "up"}]},
        "pricePerUnit",
    ),
    "a queue without weight": (ComputeQueue, {"weight": 0}, "weight"),
    "a quota of less than nothing": (ComputeQueue, {"quotas": [{"nominal": -1}]}, "nominal"),
    "a chip without a maker": (AcceleratorClass, {"vendor": None}, "vendor"),
    "a chip without memory": (AcceleratorClass, {"memoryGiB": 0}, "memoryGiB"),
    "a grade that is none": (AcceleratorClass, {"confidence": "D"}, "confidence"),
}


@pytest.mark.parametrize(("model", "spec", "named"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named_by_its_field(
    model: type[Model], spec: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(model, **spec)
    faults = [".".join(map(str, fault["loc"])) for fault in caught.value.errors()]
    assert len(faults) == 1
    assert faults[0].startswith("spec.")
    assert faults[0].endswith(named)


# --- the rest


def test_electricity_may_cost_less_than_nothing() -> None:
    assert read(ComputeSite, energy={"pricePerMWh": -20}).energy.price_per_mwh == -20


def test_a_demand_counts_all_of_its_pods() -> None:
    pods = (PodDemand(2, 1000, 0), PodDemand(3, 1000, 0))
    assert Demand("batch/v1/Job", pods).replicas == 5
    assert Demand("batch/v1/Job", pods) == Demand("batch/v1/Job", tuple(pods))


def _examples() -> list[tuple[str, dict[str, Any]]]:
    """Every object of ours in the project's own YAML outside the CRDs and templates."""
    kinds = {model.__name__ for model in MODELS}
    found = []
    for folder in ("manifests", "hack", "docs"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            try:
                bodies = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
            except yaml.YAMLError:
                continue  # a chart's template
            found += [
                (f"{path.relative_to(ROOT)}:{body['kind']}", body)
                for body in bodies
                if isinstance(body, dict) and body.get("kind") in kinds
            ]
    return found


def test_every_example_of_ours_is_read_and_names_no_field_that_is_not_there() -> None:
    models = {model.__name__: model for model in MODELS}
    examples = _examples()
    assert examples
    for where, body in examples:
        made = models[body["kind"]].model_validate(body)
        assert unknown(body["spec"], made.spec, where) == []  # type: ignore[attr-defined]


def unknown(given: Any, made: Any, where: str) -> list[str]:
    """Fields of an object that its model passed over."""
    if isinstance(given, list) and isinstance(made, tuple):
        pairs = zip(given, made, strict=True)
        return [one for part, its in pairs for one in unknown(part, its, f"{where}[]")]
    if not (isinstance(given, dict) and isinstance(made, BaseModel)):
        return []
    by_alias = {
        field.alias or name: getattr(made, name) for name, field in type(made).model_fields.items()
    }
    here = [f"{where}.{name}" for name in given if name not in by_alias]
    inner = (
        unknown(part, by_alias[name], f"{where}.{name}")
        for name, part in given.items()
        if name in by_alias
    )
    return here + [one for part in inner for one in part]
