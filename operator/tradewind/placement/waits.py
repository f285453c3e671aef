"""How long does work wait at a site that is busy?"""

import numpy as np

from tradewind.placement.table import F64


def queue_hours(run_h: F64, load: F64, servers: F64) -> F64:
    """How long work waits at a site that is this busy, hours.

    Sakasegawa's approximation for M/M/c queues, run * rho^(sqrt(2(c+1)) - 1) / (c (1 - rho)): "An
    approximation formula L_q ~ a rho^b / (1 - rho)", Annals of the Institute of Statistical
    Mathematics 29 (1977). Exact for one server; grows with the load, falls with the servers.

    Args:
        run_h: (R',) run time of one gang.
        load: (R',) 0 to the cap, below 1.
        servers: (R',) gangs that run at the same time, at least 1.

    >>> one = np.ones(1)
    >>> queue_hours(2 * one, 0.5 * one, one).item()  # M/M/1: run * rho / (1 - rho)
    2.0
    """
    waits: F64 = run_h * load ** (np.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - load))
    return waits
