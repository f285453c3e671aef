"""The commands `tradewind` and `kubectl tradewind`: one program under two names.

Commands are declared here, with their flags and help, and import what they run when they run it:
help and completion come up in a fraction of what the operator's own imports cost.
"""

import sys
from pathlib import Path, PurePath
from typing import Annotated

import typer

from tradewind import __version__
from tradewind.base.errors import TradewindError
from tradewind.cli import joining, showing, simulating
from tradewind.cli.ask import (
    AllNamespacesFlag,
    Ask,
    ContextFlag,
    KubeconfigFlag,
    NamespaceFlag,
    OutputFlag,
    asks,
)
from tradewind.cli.scales import Measure

app = typer.Typer(
    help="Many Kubernetes clusters as one computing power network.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WatchFlag = Annotated[bool, typer.Option("--watch", "-w", help="Show it anew until Ctrl-C.")]


@app.callback()
def remember_shared_flags(
    ctx: typer.Context,
    *,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
    namespace: NamespaceFlag = None,
    all_namespaces: AllNamespacesFlag = None,
    output: OutputFlag = None,
) -> None:
    """Many Kubernetes clusters as one computing power network.

    The flags below may also stand after the command.
    """
    ctx.obj = Ask(kubeconfig, context, namespace, all_namespaces, output)


@app.command()
@asks(output=True)
def sites(
    ask: Ask,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One site, in detail.")
    ] = None,
    *,
    watch: WatchFlag = False,
) -> None:
    """Show sites: free accelerators, load, carbon, price."""
    from tradewind.cli import sites as view

    view.show(ask, name, watch=watch)


app.command("site", hidden=True)(sites)


@app.command()
@asks(namespaces=True, output=True)
def workloads(ask: Ask, *, watch: WatchFlag = False) -> None:
    """Show workloads: phase, site, cost, carbon."""
    from tradewind.cli import workloads as view

    view.show(ask, watch=watch)


@app.command()
@asks(namespace=True, output=True)
def explain(
    ask: Ask,
    workload: Annotated[
        str, typer.Argument(metavar="WORKLOAD", help="Its name, or NAMESPACE/NAME.")
    ],
) -> None:
    """Say why a workload is where it is, or nowhere."""
    from tradewind.cli import explain as view

    view.show(ask, workload)


@app.command()
@asks(output=True)
def policies(ask: Ask) -> None:
    """Show placement policies and their prices."""
    from tradewind.cli import policies as view

    view.show(ask)


app.command()(showing.top)
app.command()(showing.hardware)
app.command()(showing.usage)


@app.command()
@asks(namespace=True, output=True)
def plan(
    ask: Ask,
    *,
    filename: Annotated[
        list[Path] | None,
        typer.Option(
            "--filename", "-f", metavar="FILE", help="AIWorkloads; - is standard input. Repeatable."
        ),
    ] = None,
    running: Annotated[
        bool, typer.Option("--running", help="Tell what running work would move or pause, too.")
    ] = False,
    default_policy: Annotated[
        str,
        typer.Option(metavar="NAME", help="PlacementPolicy of workloads that name none."),
    ] = "balanced",
) -> None:
    """Say where workloads would go, when, at what cost and why.

    Nothing is written. PlacementPolicies and ComputeQueues in the files count instead of the hub's.
    """
    from tradewind.cli import whatif

    whatif.show(ask, filename or [], default_policy=default_policy, running=running)


SiteNames = Annotated[list[str], typer.Argument(metavar="SITE...", help="Names of ComputeSites.")]


@app.command()
@asks()
def cordon(ask: Ask, names: SiteNames) -> None:
    """Keep new work away from sites."""
    from tradewind.cli import drain as work

    work.cordon(ask, names)


@app.command()
@asks()
def uncordon(ask: Ask, names: SiteNames) -> None:
    """Let sites have work again."""
    from tradewind.cli import drain as work

    work.uncordon(ask, names)


@app.command()
@asks()
def drain(
    ask: Ask,
    name: Annotated[str, typer.Argument(metavar="SITE", help="The site that is to be emptied.")],
    *,
    wait: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Wait until it is empty, for so long at most."),
    ] = None,
) -> None:
    """Keep new work away from a site and move its work.

    Work with a checkpoint leaves as room is found elsewhere; other work stays until it ends.
    """
    from tradewind.cli import drain as work

    work.drain(ask, name, wait_s=wait)


app.command()(joining.join)
app.command()(joining.leave)


@app.command()
@asks()
def forget(
    ask: Ask,
    name: Annotated[str, typer.Argument(metavar="SITE", help="A site that will not come back.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even if it still answers.")] = False,
) -> None:
    """Give up a dead site and what it was running.

    Its work starts elsewhere, and nothing waits for it any more. For a site that lives, use leave:
    forgotten work goes on running there.
    """
    from tradewind.cli import forget as work

    work.forget(ask, name, yes=yes, force=force)


app.command()(simulating.simulate)


@app.command()
@asks()
def install(
    ask: Ask,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Let the hub check everything and change nothing.")
    ] = False,
) -> None:
    """Install or upgrade kinds and policies on the hub."""
    from tradewind.cli import install as work

    work.install(ask, dry_run=dry_run)


@app.command("forecast-backtest")
@asks(hub=False, output=True)
def forecast_backtest(
    ask: Ask,
    *,
    csv: Annotated[
        Path, typer.Option("--csv", metavar="FILE", help="Hourly values; the first column is time.")
    ],
    column: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these columns; may be repeated.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, metavar="HOURS", help="Between two forecasts of the test.")
    ] = 29,
    measure: Annotated[
        Measure, typer.Option(help="Percentages of each value, or of the mean size of all.")
    ] = Measure.MAPE,
) -> None:
    """Measure the forecast on a series of your own.

    Walks through it, forecasts from each origin as the operator would, and compares with what came:
    errors by horizon, beside those of persistence and of the same hour of the day before.
    """
    from tradewind.cli import backtest

    backtest.run(ask, csv, column or [], every, measure)


@app.command()
def crds() -> None:
    """Print the CustomResourceDefinitions as YAML."""
    from tradewind.cli import install as work

    work.print_crds()


@app.command("operator")
@asks(namespace=True)
def run_operator(
    ask: Ask,
    *,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings; the environment wins over it.")
    ] = None,
) -> None:
    """Run the operator against the hub.

    --namespace is the operator's own: its Lease is there, and the Secrets of the sites.
    """
    from tradewind.cli import operate

    raise typer.Exit(operate.run(ask, config))


@app.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"tradewind {__version__}\n")


def program_name(argv0: str) -> str:
    """What people typed: the plugin's file is named with a dash, its command with a blank.

    >>> program_name("/usr/bin/kubectl-tradewind"), program_name("__main__.py")
    ('kubectl tradewind', 'tradewind')
    """
    return "kubectl tradewind" if PurePath(argv0).stem == "kubectl-tradewind" else "tradewind"


def main() -> None:
    """Run the command line; a known error ends with 1, a wrong call with 2, Ctrl-C with 130."""
    try:
        app(prog_name=program_name(sys.argv[0]))
    except TradewindError as error:
        from tradewind.base.observe import redact

        sys.stdout.flush()
        sys.stderr.write(f"error: {redact(str(error))}\n")
        sys.exit(1)
