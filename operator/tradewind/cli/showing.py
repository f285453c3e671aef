"""The commands that show the federation as a whole: usage, hardware, top; with flags and help."""

from typing import Annotated

import typer

from tradewind.base.errors import QuantityError
from tradewind.cli.ask import Ask, asks
from tradewind.cli.scales import Form, HardwareBy, UsageBy

WatchFlag = Annotated[bool, typer.Option("--watch", "-w", help="Show it anew until Ctrl-C.")]


def _span(text: str) -> str:
    from tradewind.api.fields import parse_duration

    try:
        parse_duration(text)
    except QuantityError as error:
        raise typer.BadParameter(str(error)) from error
    return text


@asks(namespace=True)
def usage(
    ask: Ask,
    *,
    by: Annotated[
        UsageBy, typer.Option(help="What to sum by.", show_choices=True)
    ] = UsageBy.NAMESPACE,
    since: Annotated[
        str,
        typer.Option(metavar="SPAN", callback=_span, help="How far back, such as 24h or 30d."),
    ] = "30d",
    output: Annotated[
        Form | None,
        typer.Option("--output", "-o", metavar="FORM", help="table|wide|json|yaml|csv"),
    ] = None,
    operator_namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Where the operator keeps its ledger.")
    ] = "tradewind-system",
) -> None:
    """Show who took how much: accelerator hours, energy, carbon, cost.

    All namespaces are counted, unless -n names one. Deleted workloads count by what the operator
    kept of them.
    """
    from tradewind.api.fields import parse_duration
    from tradewind.cli import usage as view

    view.show(ask, by, parse_duration(since), output, operator_namespace)


@asks(output=True)
def hardware(
    ask: Ask,
    *,
    by: Annotated[
        HardwareBy, typer.Option(help="What to sum by.", show_choices=True)
    ] = HardwareBy.CLASS,
    watch: WatchFlag = False,
) -> None:
    """Show the federation's accelerators: free, all, where, TFLOPS."""
    from tradewind.cli import hardware as view

    view.show(ask, by, watch=watch)


@asks(output=True)
def top(
    ask: Ask,
    *,
    watch: WatchFlag = False,
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="Trends without block characters.")
    ] = False,
) -> None:
    """Show how sites are now: load, carbon, price, and their trends."""
    from tradewind.cli import top as view

    view.show(ask, watch=watch, ascii_only=ascii_only)
