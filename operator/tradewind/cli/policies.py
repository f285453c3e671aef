"""`tradewind policies`: the prices by which sites are compared."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from tradewind.api.policy import PlacementPolicy
from tradewind.cli import answer, hub
from tradewind.cli.ask import Ask
from tradewind.cli.view import NOTHING, Column, Table, sentence
from tradewind.cli.watching import Page, show_page

_COLUMNS: Final = (
    Column("NAME"),
    Column("USD/TONNE CO2e", right=True),
    Column("USD/H WAITING", right=True),
    Column("USD/MS/H LATENCY", right=True),
    Column("USD/GIB MOVED", right=True),
    Column("USD/ACCELERATOR-H LOST", right=True),
    Column("MOVES AT SAVING", right=True),
    Column("OWN TERMS"),
    Column("JURISDICTIONS", wide=True),
)


def show(ask: Ask) -> None:
    """Run the command."""

    async def page(there: hub.Hub, now: datetime) -> Page:
        del now
        items = await there.list(hub.POLICIES)
        return Page(table(items), answer.object_list(items))

    show_page(ask, page)


def table(items: Sequence[dict[str, Any]]) -> Table:
    """The table of PlacementPolicy objects."""
    shown = Table(_COLUMNS, empty="no policies; `tradewind install` installs the shipped ones")
    for policy in map(PlacementPolicy.model_validate, items):
        spec = policy.spec
        shown.rows.append(
            [
                policy.metadata.name,
                f"{spec.carbon_per_tonne:g}",
                f"{spec.wait_per_hour:g}",
                f"{spec.latency_per_millisecond_hour:g}",
                f"{spec.data_per_gib:g}",
                f"{spec.move_per_accelerator_hour:g}",
                f"{spec.rebalance.min_saving:.0%}" if spec.rebalance else NOTHING,
                sentence([term.name for term in spec.terms]) or NOTHING,
                sentence(spec.defaults.jurisdictions) or "any",
            ]
        )
    return shown
