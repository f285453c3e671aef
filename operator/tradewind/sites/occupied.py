"""On which nodes do Tradewind's own pods stand, and what would each workload leave there?

Preemption plans with this: what is free tells nothing of what would be free.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from tradewind.api.inventory import HeldPods, NodeShape, Occupied

#: Stands between a DeviceClass's resource and the class of its devices, in names of accounts.
ACCOUNT_MARK: Final = "#"


def held_by(
    pods: Iterable[tuple[str, Mapping[str, int]]],
    claims: Iterable[tuple[str, Mapping[str, int]]] = (),
) -> tuple[HeldPods, ...]:
    """What each workload's pods hold on one node, by uid.

    Args:
        pods: (uid of the AIWorkload, what the pod requests); an empty uid is not Tradewind's.
        claims: (uid of the AIWorkload, devices that its claim holds, by account).
    """
    counts: Counter[str] = Counter()
    amounts: dict[str, Counter[str]] = {}
    for uid, requests in pods:
        if uid:
            counts[uid] += 1
            amounts.setdefault(uid, Counter()).update(requests)
    for uid, devices in claims:
        for account, count in devices.items() if uid in counts else ():
            amounts[uid][account.partition(ACCOUNT_MARK)[0]] += count
    return tuple(
        HeldPods(
            uid=uid,
            pods=count,
            cpu_millis=amounts[uid]["cpu"],
            memory_bytes=amounts[uid]["memory"],
            resources=tuple(sorted((n, k) for n, k in amounts[uid].items() if "/" in n and k)),
        )
        for uid, count in sorted(counts.items())
    )


def occupied(
    nodes: Iterable[tuple[NodeShape | None, tuple[HeldPods, ...]]],
) -> tuple[Occupied, ...]:
    """Nodes that hold something of ours, those alike counted together.

    Args:
        nodes: (what is left of one node, who holds what there); None: nothing can be put there.
    """
    counts = Counter((shape, held) for shape, held in nodes if shape is not None and held)
    found = [Occupied(replace(shape, nodes=count), held) for (shape, held), count in counts.items()]
    return tuple(sorted(found, key=_by_holder))


def _by_holder(here: Occupied) -> tuple[tuple[tuple[str, int], ...], int, int, int]:
    node = here.node
    holders = tuple((held.uid, held.pods) for held in here.held)
    return (holders, node.free_cpu_millis, node.free_memory_bytes, node.nodes)
