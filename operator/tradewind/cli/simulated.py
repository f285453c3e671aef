"""What `tradewind simulate` does: policies by name, the study, and its figures for people.

The table is ordered as asked for; `-o wide` adds the sites of each replay. Progress goes to
standard error, where a person watches it.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from tradewind.api.policy import PlacementPolicy, PolicySpec
from tradewind.base.errors import ConfigurationError, InputFileError
from tradewind.cli import answer
from tradewind.cli.ask import Output
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, usd
from tradewind.cli.view import carbon as carbon_text
from tradewind.simulate.baselines import BASELINES
from tradewind.simulate.progress import Progress
from tradewind.simulate.report import render
from tradewind.simulate.study import Files, load, run_all
from tradewind.simulate.summary import Line, Summary, summarize

_COLUMNS: Final = (
    Column("NAME"),
    Column("TOTAL USD", right=True),
    Column("OVER BOUND", right=True),
    Column("CO2e", right=True),
    Column("ENERGY KWH", right=True),
    Column("PAID USD", right=True),
    Column("MEAN WAIT H", right=True),
    Column("P95 WAIT H", right=True, wide=True),
    Column("MOVES", right=True),
    Column("PAUSES", right=True),
    Column("VIOLATIONS"),
    Column("USED", right=True),
    Column("SECONDS", right=True, wide=True),
)
_SITE_COLUMNS: Final = (
    Column("NAME"),
    Column("SITE"),
    Column("JOBS", right=True),
    Column("ENERGY KWH", right=True),
    Column("CO2e", right=True),
    Column("PAID USD", right=True),
    Column("TOTAL USD", right=True),
    Column("USED", right=True),
)
#: Shorter spans are told in hours.
_DAYS: Final = 2


def run(
    form: Output,
    files: Files,
    *,
    policies: Sequence[str],
    baselines: Sequence[str],
    prices: str | None,
    report: Path | None,
    seed: int,
    workers: int,
) -> None:
    """Run the command.

    Raises:
        ConfigurationError: a policy or baseline that nobody knows, or nothing to replay.
        InputFileError: a file that cannot be read, with file, line and column.
    """
    names = tuple(BASELINES) if baselines == ("all",) else baselines
    for name in names:
        if name not in BASELINES:
            raise ConfigurationError(
                f"there is no baseline {name!r}", hint=f"there are {', '.join(BASELINES)}"
            )
    chosen: dict[str, PolicySpec] = {}
    for text in policies:
        chosen |= policies_of(text)
    if not (chosen or names):
        raise ConfigurationError("nothing to replay", hint="name a --policy or a --baseline")
    if clash := sorted(chosen.keys() & set(names)):
        raise ConfigurationError(
            f"{clash[0]!r} is a policy and a baseline", hint="give the policy another name"
        )
    if report is not None and not report.absolute().parent.is_dir():
        raise InputFileError(f"{report} cannot be written", hint="its folder is not there")
    counting = policies_of(prices) if prices else chosen or policies_of("balanced")
    prices_of, counted = next(iter(counting.items()))
    study = load(
        files,
        policies=chosen,
        baselines=names,
        prices_of=prices_of,
        prices=counted,
        seed=seed,
    )
    bar = Progress(study.names, len(study.jobs), sys.stderr)
    try:
        found, bound_usd = run_all(study, workers=workers, tell=bar.tell)
    finally:
        bar.close()
    summary = summarize(study, found, bound_usd)
    if report is not None:
        _write(report, render(study, found, summary))
    if form.structured:
        answer.document(summary.document(), form)
        return
    answer.table(replays_table(summary), form)
    if form is Output.WIDE:
        answer.note("")
        answer.table(sites_table(summary), form)
    answer.note(_told(summary, report))


def policies_of(text: str) -> dict[str, PolicySpec]:
    """A shipped policy by its name, or all in a YAML file.

    Raises:
        ConfigurationError: neither.
        InputFileError: the file holds no PlacementPolicy.
    """
    shipped = _policies(
        resources.files("tradewind.cli").joinpath("shipped/policies.yaml").read_text("utf-8"),
        Path("policies.yaml"),
    )
    if text in shipped:
        return {text: shipped[text]}
    file = Path(text)
    if not file.is_file():
        raise ConfigurationError(
            f"there is no policy {text!r}",
            hint=f"shipped are {', '.join(shipped)}; or name a YAML file with a PlacementPolicy",
        )
    return _policies(file.read_text("utf-8"), file)


def _policies(text: str, file: Path) -> dict[str, PolicySpec]:
    try:
        made = [PlacementPolicy.model_validate(part) for part in yaml.safe_load_all(text) if part]
    except (yaml.YAMLError, ValidationError) as error:
        raise InputFileError(
            f"{file} holds no PlacementPolicy: {str(error).splitlines()[0]}",
            hint="compare it with the shipped ones, `tradewind policies -o yaml`",
        ) from error
    found = {one.metadata.name: one.spec for one in made if one.kind == "PlacementPolicy"}
    if not found:
        raise InputFileError(f"{file} holds no PlacementPolicy", hint="its kind says so")
    return found


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputFileError(
            f"{file} cannot be written: {error.strerror}", hint="is the folder there?"
        ) from error


def replays_table(summary: Summary) -> Table:
    """One line for each replay."""
    least = min((line.total_usd for line in summary.lines), default=0.0)
    shown = Table(_COLUMNS)
    for line in summary.lines:
        best = line.total_usd == least
        shown.rows.append(
            [
                Cell(line.name, Tone.STRONG if line.kind == "policy" else Tone.PLAIN),
                Cell(usd(line.total_usd), Tone.GOOD if best else Tone.PLAIN),
                _over(line),
                carbon_text(line.carbon_kg),
                f"{line.energy_kwh:,.0f}",
                usd(line.money_usd),
                f"{line.mean_wait_h:.2f}",
                f"{line.p95_wait_h:.2f}",
                str(line.moves),
                str(line.pauses),
                _violations(line.violations),
                f"{line.utilisation:.1%}",
                f"{line.seconds:.1f}",
            ]
        )
    return shown


def _over(line: Line) -> str:
    return (
        NOTHING if line.over_bound != line.over_bound else f"{round(line.over_bound, 6) + 0.0:+.2%}"
    )


def _violations(broken: Mapping[str, int]) -> Cell:
    text = ", ".join(f"{count} {rule}" for rule, count in broken.items() if count)
    return Cell(text, Tone.BAD) if text else Cell("none", Tone.GOOD)


def sites_table(summary: Summary) -> Table:
    """One line for each replay and site that had work."""
    shown = Table(_SITE_COLUMNS)
    for line in summary.lines:
        for site, figures in line.sites.items():
            if not figures["jobs"]:
                continue
            shown.rows.append(
                [
                    line.name,
                    site,
                    f"{figures['jobs']:.0f}",
                    f"{figures['energyKWh']:,.0f}",
                    carbon_text(figures["carbonKg"]),
                    usd(figures["moneyUSD"]),
                    usd(figures["totalUSD"]),
                    f"{figures['utilisation']:.1%}",
                ]
            )
    return shown


def _told(summary: Summary, report: Path | None) -> str:
    jobs = f"{summary.jobs} jobs" if summary.jobs != 1 else "1 job"
    span = f"{summary.days:.1f} days" if summary.days >= _DAYS else f"{summary.days * 24:.1f} hours"
    text = (
        f"{jobs} over {span} from {summary.start}; totals at the prices of {summary.prices_of}; "
        f"no plan can come below {usd(summary.bound_usd)} USD"
    )
    return text if report is None else f"{text}\nreport: {report}"
