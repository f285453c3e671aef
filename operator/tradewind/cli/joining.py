"""`tradewind join` and `tradewind leave`: flags to `sites.join`, its progress to the reader."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli.ask import Ask, asks

if TYPE_CHECKING:
    from tradewind.cli.membership import Member

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the ComputeSite.")]
MemberKubeconfigFlag = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Kubeconfig of the member; unset: the hub's kubeconfig."),
]
MemberContextFlag = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context of the member in that kubeconfig.")
]
DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
]


def _text(help_text: str, metavar: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help_text)
    return option


@asks()
def join(  # noqa: PLR0913 - each is a flag
    ask: Ask,
    name: NameArgument,
    *,
    member_kubeconfig: MemberKubeconfigFlag = None,
    member_context: MemberContextFlag = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="A ComputeSite; the flags win over it."),
    ] = None,
    display_name: Annotated[str | None, _text("Name for people.", "TEXT")] = None,
    region: Annotated[str | None, _text("Region; latencies speak of regions.", "ID")] = None,
    jurisdiction: Annotated[str | None, _text("ISO 3166-1, or -2: FR, US-CA.", "CODE")] = None,
    grid_zone: Annotated[str | None, _text("Electricity zone.", "ID")] = None,
    latitude: Annotated[float | None, _text("Degrees north.", "DEGREES")] = None,
    longitude: Annotated[float | None, _text("Degrees east.", "DEGREES")] = None,
    pue: Annotated[float | None, _text("Facility over IT energy, if unmeasured.", "RATIO")] = None,
    carbon_intensity: Annotated[
        float | None, _text("gCO2e/kWh while none is measured.", "NUMBER")
    ] = None,
    price_per_mwh: Annotated[
        float | None,
        typer.Option("--price-per-mwh", metavar="USD", help="USD/MWh while none is measured."),
    ] = None,
    accelerator_price: Annotated[
        list[str] | None, _text("USD an hour for one chip of a class; repeat.", "CLASS=USD")
    ] = None,
    prometheus_url: Annotated[str | None, _text("Prometheus that knows the site.", "URL")] = None,
    prometheus_matcher: Annotated[
        list[str] | None, _text("Label matcher of every query; repeat.", "KEY=VALUE")
    ] = None,
    prometheus_interval: Annotated[
        str | None, _text("Time between two polls, such as 30s.", "DURATION")
    ] = None,
    label: Annotated[
        list[str] | None, _text("Label of the ComputeSite, for selectors; repeat.", "KEY=VALUE")
    ] = None,
    taint: Annotated[
        list[str] | None, _text("Taint of the site; repeat.", "KEY[=VALUE]:EFFECT")
    ] = None,
    dry_run: DryRunFlag = False,
) -> None:
    """Make a cluster a site of this hub.

    Makes an account with its rights at the member, and its credentials and the ComputeSite on the
    hub. Run again, it mends what is missing and takes over what changed.
    """
    from tradewind.cli import membership
    from tradewind.cli.sitespec import SiteFlags, site_object

    flags = SiteFlags(
        display_name=display_name,
        region=region,
        jurisdiction=jurisdiction,
        grid_zone=grid_zone,
        latitude=latitude,
        longitude=longitude,
        pue=pue,
        carbon_intensity=carbon_intensity,
        price_per_mwh=price_per_mwh,
        prometheus_url=prometheus_url,
        prometheus_matcher=prometheus_matcher or (),
        prometheus_interval=prometheus_interval,
        accelerator_price=accelerator_price or (),
        label=label or (),
        taint=taint or (),
    )
    member = _member(ask, member_kubeconfig, member_context)
    membership.join(ask, site_object(name, flags, file), member, dry_run=dry_run)


@asks()
def leave(
    ask: Ask,
    name: NameArgument,
    *,
    member_kubeconfig: MemberKubeconfigFlag = None,
    member_context: MemberContextFlag = None,
    hub_only: Annotated[
        bool, typer.Option("--hub-only", help="Leave the member's side as it is.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even with work there, which is then taken away.")
    ] = False,
    dry_run: DryRunFlag = False,
) -> None:
    """Undo a join.

    Removes the ComputeSite and its credentials from the hub, and the account from the member.
    """
    from tradewind.cli import membership

    member = None if hub_only else _member(ask, member_kubeconfig, member_context)
    membership.leave(ask, name, member, force=force, dry_run=dry_run)


def _member(ask: Ask, kubeconfig: Path | None, context: str | None) -> "Member":
    """Which cluster is meant: a context alone is one of the hub's own kubeconfig."""
    from tradewind.cli.membership import Member

    return Member(kubeconfig or (ask.kubeconfig if context else None), context)
