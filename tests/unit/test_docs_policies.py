"""The page of policies says what the code does: fields, shipped figures, every worked number."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from tests.builders import NOW, SiteBuilder, WorkloadBuilder, site, snapshot, workload

from tradewind.api.policy import PlacementPolicy, PolicySpec
from tradewind.api.site import SiteStatus
from tradewind.placement.config import EngineConfig
from tradewind.placement.engine import plan
from tradewind.placement.plan import Assignment, Candidate
from tradewind.placement.snapshot import SiteName

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text()
SHIPPED = ROOT / "operator/tradewind/cli/shipped/policies.yaml"
H100 = "nvidia-h100-sxm"
DAY = ("hardware", "electricity", "carbon", "latency")


@cache
def shipped() -> Mapping[str, PolicySpec]:
    policies = map(PlacementPolicy.model_validate, yaml.safe_load_all(SHIPPED.read_text()))
    return {policy.metadata.name: policy.spec for policy in policies}


def rows(under: str) -> list[list[str]]:
    """The table that follows a heading, header first, without code marks."""
    lines = PAGE.partition(under)[2].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return [table[0], *table[2:]]


def place(name: str, carbon: float, power: float, distance_ms: float) -> SiteBuilder:
    return (
        site(name)
        .nodes(1, h100=8)
        .costs(carbon=carbon, power=power, load=0, pue=1.2)
        .charges(cpu=0, memory=0, h100=2.2)
        .but(latency_ms={"city": distance_ms})
    )


NORTH, SOUTH = place("north", 25, 60, 40), place("south", 600, 45, 8)


def job(hours: float = 10, **changes: object) -> WorkloadBuilder:
    made = workload("job").gang(1, chips=8, cpu=0, memory_gib=0)
    runtime = replace(
        made.view.runtime, duration_s=hours * 3600, reference_class=H100, checkpoint_s=1800
    )
    return made.but(runtime=runtime).only(latency_from=(("city", 1.0),), **changes)


def decide(prices: PolicySpec, **changes: object) -> tuple[Assignment, dict[str, Candidate]]:
    (found,) = plan(snapshot([NORTH, SOUTH], [job(**changes)], prices=prices), NOW).assignments
    chosen = found.explanation.chosen
    assert chosen is not None
    return found, {one.site: one for one in (chosen, *found.explanation.alternatives)}


def fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Dotted names of all fields, as the API spells them."""
    for name, field in model.model_fields.items():
        alias = field.alias or (
            model.model_config["alias_generator"](name)  # type: ignore[operator]
            if model.model_config.get("alias_generator")
            else name
        )
        yield path + alias
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields(inner, f"{path}{alias}.")


@pytest.mark.parametrize("field", sorted({name.rpartition(".")[2] for name in fields(PolicySpec)}))
def test_every_field_is_explained(field: str) -> None:
    if field in {"key", "operator", "values"}:
        assert f"{field}:" in PAGE  # of a label selector, as Kubernetes has it: in the example
    else:
        assert f"`{field}`" in PAGE or f".{field}`" in PAGE


def test_the_shipped_policies_are_those_of_the_table() -> None:
    header, *lines = rows("## The shipped policies")
    assert header[1:] == list(shipped())
    told = {line[0]: dict(zip(header[1:], line[1:], strict=True)) for line in lines}
    for name, spec in shipped().items():
        dumped: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
        rebalance = dumped.pop("rebalance")
        for field, figures in told.items():
            group, _, key = field.rpartition(".")
            if not group:
                assert float(figures[name]) == dumped[key], (name, field)
            elif rebalance is None:
                assert figures[name] == "never moves"
            elif key == "cooldown":
                assert figures[name] == rebalance[key]
            else:
                assert float(figures[name]) == rebalance[key], (name, field)
        untold = {field for field, value in dumped.items() if value} - set(told)
        assert untold <= {"terms", "defaults"}


def test_one_job_costs_what_the_table_says_under_each_policy() -> None:
    (_, *lines) = rows("### One job under each of them")
    assert [line[0] for line in lines] == list(shipped())
    for name, north, south, chosen in lines:
        found, candidates = decide(shipped()[name])
        assert found.site == chosen
        for site_name, told in (("north", north), ("south", south)):
            cost = candidates[site_name].cost
            terms = cost.as_dict()
            assert set(terms) <= set(DAY)
            sums = " + ".join(f"{terms.get(term, 0):.2f}" for term in DAY)
            assert told == f"{sums} = {cost.total:.2f}", (name, site_name)


def section(heading: str) -> str:
    return re.split(r"\n##+ ", PAGE.partition(f"{heading}\n")[2])[0].replace("\n", " ")


def test_the_worked_numbers_of_carbon() -> None:
    _, at = decide(shipped()["balanced"])
    north, south = at["north"], at["south"]
    text = section("### `carbonPerTonne`")
    for told in (
        f"{south.energy_kwh:.1f} kWh",
        f"{south.carbon_kg:.1f} kg at `south` and {north.carbon_kg:.1f} kg",
        f"{south.cost.as_dict()['carbon']:.2f} and {north.cost.as_dict()['carbon']:.2f} USD",
    ):
        assert told in text
    dearer = north.cost.as_dict()["electricity"] - south.cost.as_dict()["electricity"]
    even = dearer / (south.carbon_kg - north.carbon_kg) * 1000
    assert f"{dearer:.2f} USD more in electricity" in text
    assert f"above {even:.1f} USD a tonne" in text
    for price, winner in ((even - 1, "south"), (even + 1, "north")):
        assert decide(PolicySpec(carbon_per_tonne=price))[0].site == winner


def test_the_worked_numbers_of_latency_and_data() -> None:
    text = section("### `latencyPerMillisecondHour`")
    for name, told in (("balanced", "cost 0.32 USD"), ("fastest", "cost 32.00")):
        _, at = decide(shipped()[name])
        more = at["north"].cost.as_dict()["latency"] - at["south"].cost.as_dict()["latency"]
        assert told.startswith(f"cost {more:.2f}")
        assert told in text
    gib, prices = 900.0, shipped()["balanced"]
    _, at = decide(prices, data=((SiteName("south"), gib),))
    hours = gib * 8 * 2**30 / 1e9 / EngineConfig().transfer_gbit_per_s / 3600
    wait = hours * prices.wait_per_hour
    assert at["north"].cost.as_dict()["data"] == pytest.approx(gib * prices.data_per_gib + wait)
    text = section("### `dataPerGiB`")
    assert f"cost {gib * prices.data_per_gib:.2f} USD to bring" in text
    assert f"{hours:.2f} hours" in text
    assert f"{wait:.2f} USD more" in text


def test_the_worked_numbers_of_moves() -> None:
    prices = shipped()["balanced"]
    minutes = 30 + EngineConfig().restart_s / 60
    wasted = 8 * minutes / 60 * prices.move_per_accelerator_hour
    text = section("### `movePerAcceleratorHour`")
    assert f"is {minutes:.0f} minutes of eight chips: {wasted:.2f} USD" in text

    def moves(chip_hour: float) -> list[str]:
        north = NORTH.charges(cpu=0, memory=0, h100=chip_hour)
        work = job(hours=72).at("south", ago_h=8)
        known = snapshot([north, SOUTH], running=[work.view], prices=prices, rebalance=True)
        return [move.message for move in plan(known, NOW).evictions]

    (message,) = moves(1.6)
    assert f"> {message}" in section("### `rebalance`")
    assert moves(1.8) == []


def test_an_own_term_costs_what_the_page_says() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    policies = [PlacementPolicy.model_validate(yaml.safe_load(block)) for block in blocks]
    prices = next(policy.spec for policy in policies if policy.spec.terms)
    (term,) = prices.terms
    thirsty = SOUTH.but(term_values={term.query: 500.0})
    dry = NORTH.but(term_values={term.query: 0.0})
    (found,) = plan(snapshot([dry, thirsty], [job()], prices=prices), NOW).assignments
    (other,) = found.explanation.alternatives
    assert (other.site, other.cost.as_dict()["policy"]) == ("south", 10.0)
    assert "500 litres an hour costs the job of 10 hours 10.00 USD" in section("### `terms`")
    assert "terms" in SiteStatus.model_fields


def test_a_changed_price_changes_the_decision_as_the_page_says() -> None:
    text = section("## When a price changes")
    (old, new) = re.findall(r"carbonPerTonne: (\d+)", text)[:2]
    prices = shipped()["balanced"]
    assert prices.carbon_per_tonne == float(old)
    found, at = decide(prices.model_copy(update={"carbon_per_tonne": float(new)}))
    assert found.site == "south"
    assert (
        f"At {new} USD a tonne the job above would go to `south`: {at['south'].cost.total:.2f} USD "
        f"against {at['north'].cost.total:.2f}" in text
    )
    assert EngineConfig().keep_plan == 0.05
    assert "more than 5% of its energy's cost" in text
