"""A study as one HTML page that needs nothing else: where, when and why, at a glance.

No script, no network, no font of others; `prefers-color-scheme` decides on light or dark.
"""

from collections.abc import Sequence
from html import escape
from importlib import resources

from tradewind import __version__
from tradewind.simulate import svg
from tradewind.simulate.meter import Metered
from tradewind.simulate.series import Series
from tradewind.simulate.study import Study
from tradewind.simulate.summary import (
    Line,
    Summary,
    energy_over_time,
    hourly_carbon,
    hourly_energy,
)

_TERMS = ("hardware", "electricity", "carbon", "latency", "waiting")
_BINS = 96


def render(study: Study, found: Sequence[Metered], summary: Summary) -> str:
    """The page."""
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    body = [
        _head(summary),
        _section("At a glance", _GLANCE, _glance(summary)),
        _section("Why: what each pays for", _WHY, _why(summary)),
        _section("Carbon against waiting", _TRADE, _trade(summary)),
        _section("Where", _WHERE, _where(study, summary)),
        _section("When", _WHEN, _when(study, found)),
        _section("Over time", _TIME, _over_time(study, found, summary)),
        f"<footer>tradewind {escape(__version__)}, seed {summary.seed}</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Tradewind simulation</title><style>{style}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


_GLANCE = (
    "Bars are in one scale for each column; short is good. The bound is what no plan can come "
    "below, with everything known and room everywhere."
)
_WHY = "The total by its terms, USD, at the prices of the policy by which all are compared."
_TRADE = "Left is sooner, low is cleaner. Policies are filled, baselines are rings."
_WHERE = (
    "Share of each replay's energy that each site used; under a site's name its mean carbon "
    "intensity (gCO2e/kWh) and mean electricity price (USD/MWh)."
)
_WHEN = (
    "Energy by the hour of the day (UTC). The colour is the carbon intensity that it met on "
    "average, from the cleanest to the dirtiest hour of all replays."
)
_TIME = "Power drawn from the first arrival to the last end, by site, kW; the same scale for all."


def _section(title: str, text: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{content}</section>"


def _head(summary: Summary) -> str:
    facts = (
        f"{summary.jobs:,} jobs over {summary.days:.0f} days from {summary.start[:10]}. Totals are "
        f"at the prices of {summary.prices_of}."
    )
    return f"<h1>Tradewind simulation</h1><p>{escape(facts)}</p><ul>{_findings(summary)}</ul>"


def _findings(summary: Summary) -> str:
    """The sentences that a reader would take home."""
    policies = [line for line in summary.lines if line.kind == "policy"]
    others = [line for line in summary.lines if line.kind == "baseline"]
    told = [
        f"{line.name}: {svg.figure(line.total_usd)} USD, "
        f"{line.over_bound:.2%} above the bound; {svg.figure(line.carbon_kg)} kg CO2e; "
        f"mean wait {line.mean_wait_h:.1f} h; "
        + (_broken(line) or "no deadline, latency or residency limit broken")
        for line in policies
    ]
    if policies and others:
        cheap, rival = (min(lines, key=lambda x: x.total_usd) for lines in (policies, others))
        told.append(
            f"In total cost the best policy is {cheap.name}, the best baseline {rival.name}: "
            f"{_versus(cheap.total_usd, rival.total_usd)}."
        )
        clean, rival = (min(lines, key=lambda x: x.carbon_kg) for lines in (policies, others))
        told.append(
            f"In carbon the best policy is {clean.name}, the best baseline {rival.name}: "
            f"{_versus(clean.carbon_kg, rival.carbon_kg)}."
        )
    return "".join(f"<li>{escape(text)}</li>" for text in told)


def _versus(ours: float, theirs: float) -> str:
    if not theirs > 0:
        return "the same"
    share = ours / theirs - 1
    return f"{abs(share):.1%} {'less' if share <= 0 else 'more'}"


def _broken(line: Line) -> str:
    return ", ".join(f"{count} {rule}" for rule, count in line.violations.items() if count)


def _glance(summary: Summary) -> str:
    lines = summary.lines
    usd = max(line.total_usd for line in lines) or 1.0
    kg = max(line.carbon_kg for line in lines) or 1.0
    wait = max(line.mean_wait_h for line in lines) or 1.0
    rows = "".join(
        f'<tr class="{line.kind}"><th>{escape(line.name)}</th>'
        f"<td>{svg.bar(line.total_usd / usd, f'{svg.figure(line.total_usd)} USD')}</td>"
        f'<td class="n">{round(line.over_bound, 6) + 0.0:+.2%}</td>'
        f"<td>{svg.bar(line.carbon_kg / kg, f'{svg.figure(line.carbon_kg)} kg', 'carbon')}</td>"
        f"<td>{svg.bar(line.mean_wait_h / wait, f'{line.mean_wait_h:.2f} h', 'wait')}</td>"
        f'<td class="n">{svg.figure(line.money_usd)}</td>'
        f'<td class="n">{line.moves} / {line.pauses}</td>'
        f'<td class="n">{line.utilisation:.1%}</td>'
        f"<td>{escape(_broken(line)) or 'none'}</td></tr>"
        for line in lines
    )
    return (
        '<div class="wide"><table><tr><th></th><th>total</th><th>over bound</th>'
        "<th>carbon</th><th>mean wait</th><th>paid, USD</th><th>moves / pauses</th><th>used</th>"
        f"<th>violations</th></tr>{rows}</table></div>"
    )


def _why(summary: Summary) -> str:
    terms = [t for t in _TERMS if any(line.terms.get(t, 0.0) > 0 for line in summary.lines)]
    rows = [(line.name, [line.terms.get(t, 0.0) for t in terms]) for line in summary.lines]
    drawn = _legend(terms) + svg.stacked_bars(rows, terms, "USD")
    if terms[:1] == ["hardware"] and len(terms) > 1:
        rest = [(name, values[1:]) for name, values in rows]
        drawn += "<p>Without hardware, which costs much the same everywhere:</p>"
        drawn += svg.stacked_bars(rest, terms[1:], "USD", first=1)
    return drawn


def _legend(names: Sequence[str]) -> str:
    return (
        '<p class="legend">'
        + "".join(
            f'<span><i style="background:{svg.colour(place)}"></i>{escape(name)}</span>'
            for place, name in enumerate(names)
        )
        + "</p>"
    )


def _trade(summary: Summary) -> str:
    points = [svg.Point(x.name, x.mean_wait_h, x.carbon_kg, x.kind) for x in summary.lines]
    return svg.scatter(points, "mean wait, hours", "kg CO2e")


def _where(study: Study, summary: Summary) -> str:
    head = "".join(
        f"<th>{escape(site.name)}<small>{_mean(study, study.world.carbon[place]):.0f}<br>"
        f"{_mean(study, study.world.price[place]):.0f}</small></th>"
        for place, site in enumerate(study.world.sites)
    )
    rows = []
    for line in summary.lines:
        cells = []
        for figures in line.sites.values():
            share = figures["energyKWh"] / line.energy_kwh if line.energy_kwh else 0.0
            cells.append(
                f'<td class="heat" style="--h:{min(100, share * 160):.0f}%">'
                f"{f'{share:.0%}' if share >= 0.005 else ''}</td>"  # noqa: PLR2004
            )
        rows.append(f'<tr class="{line.kind}"><th>{escape(line.name)}</th>{"".join(cells)}</tr>')
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'


def _mean(study: Study, series: Series) -> float:
    """Of a signal, from the first arrival to a day after the last."""
    first_s, last_s = study.jobs[0].arrival_s, study.jobs[-1].arrival_s + 86_400
    return series.integral(first_s, last_s) / (last_s - first_s)


def _when(study: Study, found: Sequence[Metered]) -> str:
    intensity = hourly_carbon(study)
    energies = [hourly_energy(study, replay) for replay in found]
    met: list[list[float]] = []
    sums: list[list[float]] = []
    for energy in energies:
        total = [sum(site[hour] for site in energy) for hour in range(24)]
        grams = [
            sum(site[hour] * own[hour] for site, own in zip(energy, intensity, strict=True))
            for hour in range(24)
        ]
        sums.append(total)
        met.append([g / t if t > 0 else 0.0 for g, t in zip(grams, total, strict=True)])
    every = [value for row in met for value in row if value > 0] or [0.0]
    low, high = min(every), max(every)
    top = max((value for row in sums for value in row), default=1.0)
    drawn = [
        f"<figure><figcaption>{escape(replay.name)}</figcaption>"
        + svg.columns(
            total,
            [(value - low) / (high - low) if high > low else 0.0 for value in shades],
            top,
            f"energy of {replay.name} by hour",
        )
        + "</figure>"
        for replay, total, shades in zip(found, sums, met, strict=True)
    ]
    scale = (
        f'<p class="legend"><span><i style="background:var(--clean)"></i>{low:.0f} g/kWh</span>'
        f'<span><i style="background:var(--dirty)"></i>{high:.0f} g/kWh</span></p>'
    )
    return f'{scale}<div class="grid">{"".join(drawn)}</div>'


def _over_time(study: Study, found: Sequence[Metered], summary: Summary) -> str:
    span_s = max(3600.0, summary.days * 86400)
    hours = span_s / _BINS / 3600
    power = [
        [[kwh / hours for kwh in site] for site in energy_over_time(study, replay, _BINS, span_s)]
        for replay in found
    ]
    sites = [site.name for site in study.world.sites]
    weight = [sum(sum(replay[i]) for replay in power) for i in range(len(sites))]
    shown = sorted(range(len(sites)), key=lambda i: -weight[i])[: svg.SERIES]
    rest = [i for i in range(len(sites)) if i not in shown]
    top = max((sum(s[b] for s in replay) for replay in power for b in range(_BINS)), default=1.0)
    names = [sites[i] for i in shown] + (["others"] if rest else [])
    drawn = []
    for replay, one in zip(found, power, strict=True):
        rows = [(sites[i], one[i]) for i in shown]
        if rest:
            rows.append(("others", [sum(one[i][b] for i in rest) for b in range(_BINS)]))
        drawn.append(
            f"<figure><figcaption>{escape(replay.name)}</figcaption>"
            f"{svg.areas(rows, top, f'power of {replay.name} by site over time')}</figure>"
        )
    return _legend(names) + "".join(drawn)
