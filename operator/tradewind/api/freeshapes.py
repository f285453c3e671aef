"""Free capacity in a ComputeSite's status and back: node shapes for people and the what-if.

A status is bounded, a cluster's variety is not. Where there are too many sorts of nodes, amounts
are rounded down to ever coarser steps until few enough are left: what is told is never more than is
there.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tradewind.api.fields import cpu_millis, memory_bytes
from tradewind.api.inventory import NodeShape
from tradewind.api.site import FreeShape, ShapeAccelerator

#: A status lists so many; the CRD admits no more.
SHAPE_LIMIT: Final = 64
#: The first step of rounding: a quarter of a core, a GiB, a pod. Each next one is twice as coarse.
_CPU_STEP, _MEMORY_STEP, _POD_STEP = 250, 2**30, 1
#: After so many steps, 4,096 cores and 16 TiB, amounts tell nothing apart any more.
_STEPS: Final = 14


def told(shapes: Iterable[NodeShape]) -> tuple[FreeShape, ...]:
    """Node shapes for a status."""
    found = tuple(shapes)
    for step in range(_STEPS):
        if len(found) <= SHAPE_LIMIT:
            break
        found = _coarser(found, 2**step)
    most_first = sorted(found, key=lambda shape: -shape.nodes)[:SHAPE_LIMIT]
    return tuple(_told(shape) for shape in most_first)


def read(shapes: Iterable[FreeShape]) -> tuple[NodeShape, ...]:
    """Node shapes from a status.

    Raises:
        QuantityError: an amount that cannot be read.
    """
    return tuple(
        NodeShape(
            free_cpu_millis=cpu_millis(shape.cpu),
            free_memory_bytes=memory_bytes(shape.memory),
            free_pods=shape.pods,
            accelerators=tuple(
                (part.class_name, part.resource_name, part.free) for part in shape.accelerators
            ),
            taints=shape.taints,
            nodes=shape.nodes,
            other_resources=tuple(sorted(shape.others.items())),
        )
        for shape in shapes
    )


def _told(shape: NodeShape) -> FreeShape:
    return FreeShape(
        nodes=shape.nodes,
        cpu=f"{shape.free_cpu_millis}m",
        memory=str(shape.free_memory_bytes),
        pods=shape.free_pods,
        accelerators=tuple(
            ShapeAccelerator(class_name=class_name, resource_name=resource, free=free)
            for class_name, resource, free in shape.accelerators
        ),
        others=dict(shape.other_resources),
        taints=shape.taints,
    )


def _coarser(shapes: Iterable[NodeShape], factor: int) -> tuple[NodeShape, ...]:
    counted: Counter[NodeShape] = Counter()
    for shape in shapes:
        rounded = replace(
            shape,
            free_cpu_millis=_down(shape.free_cpu_millis, _CPU_STEP * factor),
            free_memory_bytes=_down(shape.free_memory_bytes, _MEMORY_STEP * factor),
            free_pods=_down(shape.free_pods, _POD_STEP * factor),
            nodes=1,
        )
        counted[rounded] += shape.nodes
    return tuple(replace(shape, nodes=nodes) for shape, nodes in counted.items())


def _down(amount: int, step: int) -> int:
    return amount // step * step
