"""What came out, as plain values: the JSON of `-o json`, and what tables and the report show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradewind.simulate.baselines import CLAIRVOYANT
from tradewind.simulate.meter import Metered, Totals
from tradewind.simulate.study import Study

_HOURS = 24


@dataclass(frozen=True, slots=True)
class Line:
    """One replay in figures.

    Args:
        name: of the policy or baseline.
        kind: `policy`, `baseline`, or `clairvoyant` for a baseline that knows the future.
        total_usd: at the prices by which all are compared.
        over_bound: total over the bound, less 1; NaN without a bound.
        terms: USD by term.
        energy_kwh, carbon_kg: at the meter, by the true series.
        money_usd: hardware and electricity: what is paid.
        mean_wait_h, p95_wait_h: from arrival to end, less running.
        moves, pauses: stops of running work.
        unbound: starts that the site's own scheduler could not bind at once.
        lost_hours: run time that stops have lost.
        violations: by rule.
        utilisation: share of the accelerators' time (of the cores', where there are none) in use.
        finished: jobs.
        seconds: of computing.
        sites: by site: jobs, energy, carbon, money, total, utilisation.
    """

    name: str
    kind: str
    total_usd: float
    over_bound: float
    terms: Mapping[str, float]
    energy_kwh: float
    carbon_kg: float
    money_usd: float
    mean_wait_h: float
    p95_wait_h: float
    moves: int
    pauses: int
    unbound: int
    lost_hours: float
    violations: Mapping[str, int]
    utilisation: float
    finished: int
    seconds: float
    sites: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Summary:
    """A study in figures.

    Args:
        prices_of: the policy by whose prices all are compared.
        bound_usd: what no plan can undercut.
        jobs: of the trace.
        start: of simulated time, ISO 8601.
        days: from the first arrival to the last end of any replay.
        lines: in the order that was asked for.
    """

    prices_of: str
    bound_usd: float
    jobs: int
    start: str
    days: float
    seed: int
    lines: tuple[Line, ...]

    def document(self) -> dict[str, Any]:
        """For JSON; keys are camelCase with units, as those of the API."""
        return {
            "pricesOf": self.prices_of,
            "boundUSD": round(self.bound_usd, 6),
            "jobs": self.jobs,
            "start": self.start,
            "days": round(self.days, 3),
            "seed": self.seed,
            "results": [_line_document(line) for line in self.lines],
        }


def summarize(study: Study, found: Sequence[Metered], bound_usd: float) -> Summary:
    """Figures of a study."""
    first_s = study.jobs[0].arrival_s
    last_s = max((replay.makespan_s for replay in found), default=first_s)
    return Summary(
        study.prices_of,
        bound_usd,
        len(study.jobs),
        study.world.scenario.start.isoformat().replace("+00:00", "Z"),
        (last_s - first_s) / 86400,
        study.seed,
        tuple(_line(study, replay, bound_usd, (last_s - first_s) / 3600) for replay in found),
    )


def _line(study: Study, replay: Metered, bound_usd: float, span_h: float) -> Line:
    overall, usage = replay.overall, replay.overall.usage
    waits = np.array([job.wait_s for job in replay.outcomes]) / 3600
    units = [sum(nodes.total.values()) for nodes in study.fleet]
    cores = [nodes.cpu_millis / 1000 for nodes in study.fleet]
    return Line(
        name=replay.name,
        kind=_kind(study, replay.name),
        total_usd=overall.total_usd,
        over_bound=overall.total_usd / bound_usd - 1 if bound_usd > 0 else float("nan"),
        terms=dict(overall.terms),
        energy_kwh=usage.energy_kwh,
        carbon_kg=usage.carbon_kg,
        money_usd=usage.hardware_usd + usage.electricity_usd,
        mean_wait_h=replay.mean_wait_h,
        p95_wait_h=float(np.quantile(waits, 0.95)) if len(waits) else 0.0,
        moves=replay.moves,
        pauses=replay.pauses,
        unbound=replay.unbound,
        lost_hours=replay.lost_hours,
        violations=dict(replay.violations),
        utilisation=_utilisation(overall, sum(units), sum(cores), span_h),
        finished=sum(job.end_s is not None for job in replay.outcomes),
        seconds=replay.seconds,
        sites={
            site.name: _site_figures(totals, units[place], cores[place], span_h)
            for place, (site, totals) in enumerate(
                zip(study.world.sites, replay.by_site, strict=True)
            )
        },
    )


def _kind(study: Study, name: str) -> str:
    if name in study.policies:
        return "policy"
    return "clairvoyant" if name in CLAIRVOYANT else "baseline"


def _utilisation(totals: Totals, units: float, cores: float, span_h: float) -> float:
    used, there = totals.usage.core_hours, cores
    if units:
        used, there = totals.usage.unit_hours, units
    return used / (there * span_h) if there and span_h else 0.0


def _site_figures(totals: Totals, units: float, cores: float, span_h: float) -> dict[str, float]:
    usage = totals.usage
    return {
        "jobs": totals.jobs,
        "acceleratorHours": usage.unit_hours,
        "coreHours": usage.core_hours,
        "energyKWh": usage.energy_kwh,
        "carbonKg": usage.carbon_kg,
        "moneyUSD": usage.hardware_usd + usage.electricity_usd,
        "totalUSD": totals.total_usd,
        "utilisation": _utilisation(totals, units, cores, span_h),
    }


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "name": line.name,
        "kind": line.kind,
        "totalUSD": _figure(line.total_usd),
        "overBound": _figure(line.over_bound),
        "termsUSD": {name: _figure(usd) for name, usd in line.terms.items()},
        "energyKWh": _figure(line.energy_kwh),
        "carbonKg": _figure(line.carbon_kg),
        "moneyUSD": _figure(line.money_usd),
        "meanWaitHours": _figure(line.mean_wait_h),
        "p95WaitHours": _figure(line.p95_wait_h),
        "moves": line.moves,
        "pauses": line.pauses,
        "unbound": line.unbound,
        "lostHours": _figure(line.lost_hours),
        "violations": dict(line.violations),
        "utilisation": _figure(line.utilisation),
        "finished": line.finished,
        "sites": {
            site: {name: _figure(value) for name, value in figures.items()}
            for site, figures in line.sites.items()
        },
    }


def _figure(value: float) -> float | None:
    """Nine decimals; what is no number is null, which JSON has."""
    return round(float(value), 9) if np.isfinite(value) else None


def hourly_energy(study: Study, replay: Metered) -> list[list[float]]:
    """(S, 24) kWh of each site by the hour of the day, UTC."""
    return _spread(study, replay, 3600.0, _HOURS, wrap=True)


def energy_over_time(study: Study, replay: Metered, bins: int, span_s: float) -> list[list[float]]:
    """(S, bins) kWh of each site over the time of the study, from the first arrival on."""
    return _spread(study, replay, span_s / bins, bins, wrap=False)


def _spread(
    study: Study, replay: Metered, width_s: float, bins: int, *, wrap: bool
) -> list[list[float]]:
    world = study.world
    origin_s = 0.0 if wrap else study.jobs[0].arrival_s
    if wrap:
        start = world.scenario.start
        origin_s = -(start.hour * 3600.0 + start.minute * 60.0 + start.second)
    found = np.zeros((len(world.sites), bins))
    for run in replay.runs:
        power = world.kilowatts(study.jobs[run.job], run.place)
        first = int((run.start_s - origin_s) // width_s)
        last = int((run.end_s - origin_s) // width_s)
        edges = origin_s + np.arange(first, last + 2) * width_s
        inside = np.diff(np.clip(edges, run.start_s, run.end_s)) / 3600 * power
        slots = np.arange(first, last + 1)
        slots = slots % bins if wrap else np.clip(slots, 0, bins - 1)
        np.add.at(found[run.place.site], slots, inside)
    return [[float(value) for value in row] for row in found]


def hourly_carbon(study: Study) -> list[list[float]]:
    """(S, 24) mean true intensity of each site by the hour of the day, over the study's time."""
    world = study.world
    first = int(study.jobs[0].arrival_s // 3600)
    last = int(study.jobs[-1].arrival_s // 3600) + 24
    hour = world.scenario.start.hour
    found = []
    for series in world.carbon:
        values = np.array([series.at(h * 3600.0) for h in range(first, last)])
        hours = (np.arange(first, last) + hour) % _HOURS
        found.append([float(values[hours == h].mean()) for h in range(_HOURS)])
    return found
