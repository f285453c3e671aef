"""The command `tradewind simulate`: its flags; the work is in `simulated.py`."""

from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.ask import Ask, asks


def _file(metavar: str, help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help_text)
    return option


@asks(hub=False, output=True)
def simulate(  # noqa: PLR0913 - each is a flag
    ask: Ask,
    *,
    sites: Annotated[Path, _file("SITES.yaml", "Sites, their nodes, rules for jobs.")],
    jobs: Annotated[Path, _file("JOBS.csv", "Jobs: our form, openb, GAIA or Azure LLM.")],
    carbon: Annotated[Path, _file("CARBON.csv", "gCO2e/kWh by time and zone.")],
    price: Annotated[Path | None, _file("PRICE.csv", "USD/MWh by time and zone.")] = None,
    latency: Annotated[Path | None, _file("LATENCY.csv", "Round trips by region, ms.")] = None,
    forecast: Annotated[
        Path | None, _file("FORECAST.csv", "Carbon as it is believed; unset: the truth.")
    ] = None,
    policy: Annotated[
        str, typer.Option(metavar="A,B", help="Policies: shipped names, or YAML files.")
    ] = "balanced",
    baseline: Annotated[
        str, typer.Option(metavar="C,D", help="Baselines to compare with; all: every one.")
    ] = "home",
    prices: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="By whose prices all are compared; unset: the first."),
    ] = None,
    report: Annotated[Path | None, _file("REPORT.html", "Write a report with plots.")] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Of the baselines' dice.")] = 0,
    workers: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="Processes; 0: one for each core.")
    ] = 0,
) -> None:
    """Replay a trace of jobs through policies and baselines.

    In simulated time, by the operator's own planning function; metered by the true series.
    """
    from tradewind.cli import simulated
    from tradewind.simulate.study import Files

    simulated.run(
        ask.form,
        Files(sites, jobs, carbon, price, latency, forecast),
        policies=_names(policy),
        baselines=_names(baseline),
        prices=prices,
        report=report,
        seed=seed,
        workers=workers,
    )


def _names(text: str) -> tuple[str, ...]:
    """Names between commas, each once.

    >>> _names("balanced, greenest,balanced,")
    ('balanced', 'greenest')
    """
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
