"""What does a gang draw at the meter? One formula prices work before it runs and meters it then.

Work's part of a site is what it asks for: its accelerators at work, its cores and its memory, and
its share of cooling and losses by the PUE.
"""

from typing import TypeVar

from tradewind.placement.config import EngineConfig
from tradewind.placement.table import F64

#: One row, or (R',) rows at once.
Figures = TypeVar("Figures", float, F64)


def kilowatts(
    units: Figures,
    draw_watts: Figures,
    pue: Figures,
    *,
    cores: float,
    memory_gib: float,
    config: EngineConfig,
) -> Figures:
    """Power of a gang at the meter, kW.

    Args:
        units: accelerators of the gang.
        draw_watts: of one unit at work, see `chips.draw_watts`.
        pue: facility energy over IT energy.
        cores: requested, of the gang.
        memory_gib: likewise.
        config: watts of a core and of a GiB.

    >>> kilowatts(8.0, 500.0, 1.25, cores=0, memory_gib=0, config=EngineConfig())
    5.0
    """
    host_watts = cores * config.cpu_watts + memory_gib * config.memory_watts
    return (units * draw_watts + host_watts) / 1000 * pue
