"""Which accelerators does a node have, told from its resources and its makers' labels?

A resource's name says whose chip it is; labels say which product, by the rules of `evidence.py`:
the first that names one product decides, and all that follow must agree. Where they do not, nobody
is believed: the node's units are of class `unknown`, with vendor and count, and the message says
what contradicts what. An operator's own word goes before all of it: the node's annotation, or an
AcceleratorClass with a label of its own. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tradewind.hardware.catalog import Catalog, HardwareClass
from tradewind.hardware.cuts import HAMI, NONE, Cut, cut_of, number
from tradewind.hardware.evidence import (
    OVERRIDE_RULE,
    OWN_RULE,
    TELLING,
    VENDOR_RULE,
    Evidence,
    amd_device_keys,
    evidence_for,
    memory_gib,
)
from tradewind.hardware.hami import Register
from tradewind.hardware.instances import INSTANCE_TYPE
from tradewind.hardware.parts import base_class, part_name
from tradewind.hardware.resources import Unit, device_class_of, unit_of, vendor_of

__all__ = ["UNKNOWN", "NodeAccelerators", "Recognition", "identify", "told_resource", "vendor_of"]

UNKNOWN: Final = "unknown"

NO_REGISTERS: Final[Mapping[str, Register]] = {}

#: Drivers keep some memory to themselves: a whole device reports up to a tenth less than its sheet.
_MEMORY_TOLERANCE: Final = 0.1


class Recognition(StrEnum):
    """How sure it is which product a node has."""

    CLASSIFIED = "Classified"
    UNCLASSIFIED = "Unclassified"
    CONFLICT = "Conflict"
    MIXED = "Mixed"


@dataclass(frozen=True, slots=True)
class NodeAccelerators:
    """Accelerators of one resource on a node.

    Attributes:
        resource_name: by which pods ask for them.
        class_name: of the catalogue, or `unknown`; of a part where one unit is less than a chip.
        vendor: lower case.
        count: allocatable units.
        memory_gib: of one unit; None when nobody tells.
        selector: node labels that single out nodes of this class; empty when none does.
        state: how sure that is.
        rule: number of the rule that decided.
        way: how units come from chips: none, mig, time-slicing, …
        devices: physical devices; None when no label tells.
        told: label that names the product, for a class that is not known; empty when none does.
        message: what is wrong, for people.
    """

    resource_name: str
    class_name: str
    vendor: str
    count: int
    memory_gib: float | None
    selector: tuple[tuple[str, str], ...] = ()
    state: Recognition = Recognition.CLASSIFIED
    rule: str = VENDOR_RULE
    way: str = NONE
    devices: int | None = None
    told: tuple[str, str] = ("", "")
    message: str = ""


def told_resource(class_name: str | None, resource_name: str | None) -> str | None:
    """The resource, where a class does not tell by itself how its chips are asked for.

    Chips of several makers may be unknown at one site, and a class may be there by DRA beside a
    plugin.
    """
    if not class_name or not resource_name:
        return None
    unclear = base_class(class_name) == UNKNOWN or bool(device_class_of(resource_name))
    return resource_name if unclear else None


def identify(
    labels: Mapping[str, str],
    allocatable: Mapping[str, int],
    catalog: Catalog,
    override: str = "",
    registers: Mapping[str, Register] = NO_REGISTERS,
) -> tuple[NodeAccelerators, ...]:
    """The accelerators of a node.

    Args:
        labels: the node's.
        allocatable: units by resource name.
        catalog: the products.
        override: class that the node's operator names; counts for resources of its vendor.
        registers: cards that HAMi shares out, by maker.

    Returns:
        One entry for each resource that counts accelerators, zero units included, by name.
    """
    found = []
    for resource_name in sorted(allocatable):
        unit = unit_of(resource_name) or _unit_by_class(resource_name, catalog)
        if unit is not None:
            units = allocatable[resource_name]
            node = _Node(labels, catalog, override, registers.get(unit.vendor))
            found.append(_one(unit, resource_name, units, node))
    return tuple(found)


def _unit_by_class(resource_name: str, catalog: Catalog) -> Unit | None:
    """A resource that only an AcceleratorClass object knows."""
    if "/" not in resource_name:
        return None
    vendors = (made.vendor for made in catalog if resource_name in made.resource_names)
    vendor = next(vendors, None)
    return Unit(vendor, resource_name) if vendor is not None else None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The product, or why there is none."""

    found: HardwareClass | None
    state: Recognition
    rule: str = VENDOR_RULE
    selector: tuple[tuple[str, str], ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Node:
    """What is known of a node beside the resource in question; see `identify`."""

    labels: Mapping[str, str]
    catalog: Catalog
    override: str
    register: Register | None


def _one(unit: Unit, resource_name: str, units: int, node: _Node) -> NodeAccelerators:
    labels, catalog = node.labels, node.catalog
    cut = cut_of(unit, resource_name, units, labels, node.register)
    verdict = _by_override(unit, node.override, catalog)
    if verdict is None:
        verdict = _check(_decide(unit, resource_name, node), unit, units, cut, node)
    class_name = part_name(verdict.found.name if verdict.found else UNKNOWN, cut.profile)
    known = catalog.get(class_name)
    memory = known.memory_gib if known else _memory_of_unknown(unit, cut, labels)
    slots = cut.way == HAMI and cut.devices is not None
    return NodeAccelerators(
        resource_name=resource_name,
        class_name=class_name,
        vendor=unit.vendor,
        count=min(units, cut.devices or 0) if slots else units,
        memory_gib=memory if memory is not None and memory == memory else None,  # noqa: PLR0124
        selector=(*verdict.selector, *cut.selector) if verdict.selector else (),
        state=verdict.state,
        rule=verdict.rule,
        way=cut.way,
        devices=cut.devices,
        told=("", "") if verdict.found else _told(unit, labels),
        message=verdict.message,
    )


def _by_override(unit: Unit, override: str, catalog: Catalog) -> _Verdict | None:
    named = catalog.get(override) if override else None
    if named is None or named.vendor != unit.vendor:
        return None
    return _Verdict(named, Recognition.CLASSIFIED, OVERRIDE_RULE)


def _decide(unit: Unit, resource_name: str, node: _Node) -> _Verdict:
    """The first evidence for one product decides; the others must allow it."""
    evidence = evidence_for(unit, resource_name, node.labels, node.catalog, node.register)
    reported = memory_gib(unit.vendor, node.labels)
    first = next((e for e in evidence if len(_narrowed(e, reported)) == 1), None)
    if first is None:
        return _Verdict(None, Recognition.UNCLASSIFIED, message=_undecided(evidence))
    (found,) = _narrowed(first, reported)
    against = next((e for e in evidence if found not in e.classes), None)
    if against is not None and first.rule != OWN_RULE:
        return _Verdict(None, Recognition.CONFLICT, message=_contradiction(first, against))
    return _Verdict(found, Recognition.CLASSIFIED, first.rule, first.selector)


def _narrowed(evidence: Evidence, reported_gib: float | None) -> tuple[HardwareClass, ...]:
    """Of several products that share a label, those whose memory the node reports."""
    if len(evidence.classes) == 1 or reported_gib is None:
        return evidence.classes
    return tuple(made for made in evidence.classes if _memory_fits(made, reported_gib))


def _memory_fits(made: HardwareClass, reported_gib: float) -> bool:
    return abs(made.memory_gib - reported_gib) <= _MEMORY_TOLERANCE * made.memory_gib


def _check(verdict: _Verdict, unit: Unit, units: int, cut: Cut, node: _Node) -> _Verdict:
    """Refuse a product that the node's other figures contradict."""
    if cut.broken:
        return _Verdict(None, Recognition.CONFLICT, message=cut.broken)
    mixed = _mixture(unit, units, cut, node)
    if mixed:
        return _Verdict(None, Recognition.MIXED, message=mixed)
    found = verdict.found
    if found is None or verdict.rule == OWN_RULE or cut.way in {"mig", "partition", "vnpu"}:
        return verdict
    reported = memory_gib(unit.vendor, node.labels)
    if reported is not None and not _memory_fits(found, reported):
        message = (
            f"labels tell {found.name} with {found.memory_gib:g} GiB and a memory of "
            f"{reported:.1f} GiB"
        )
        return _Verdict(None, Recognition.CONFLICT, message=message)
    return verdict


def _mixture(unit: Unit, units: int, cut: Cut, node: _Node) -> str:
    """What tells that a node's chips of one resource are not all of one product."""
    labels = node.labels
    if node.register is not None and not unit.part:
        types = node.register.types
        return f"its cards differ: {', '.join(sorted(types))}" if len(types) > 1 else ""
    if unit.vendor == "amd":
        kinds = {key.rpartition(".")[2] for key in amd_device_keys(labels)}
        return f"its devices differ: {', '.join(sorted(kinds))}" if len(kinds) > 1 else ""
    if unit.vendor != "nvidia" or unit.part or cut.way == "mig" or cut.devices is None:
        return ""
    times = number(labels, "nvidia.com/gpu.replicas") or 1
    if cut.profile.startswith("shared-"):
        times = max(times, int(cut.profile.removeprefix("shared-")))
    if units <= cut.devices * times:
        return ""
    return (
        f"nvidia.com/gpu.count tells {cut.devices} device(s) of one product, and the node offers "
        f"{units}: GPUs of several products, or a layer that shares them without a label"
    )


def _memory_of_unknown(unit: Unit, cut: Cut, labels: Mapping[str, str]) -> float | None:
    if cut.profile.startswith("mig-") and cut.way == "mig":
        return float(cut.profile.partition("g.")[2].partition("gb")[0])
    return None if cut.profile else memory_gib(unit.vendor, labels)


def _told(unit: Unit, labels: Mapping[str, str]) -> tuple[str, str]:
    """The label that an AcceleratorClass could go by."""
    for key in (*TELLING.get(unit.vendor, ()), INSTANCE_TYPE):
        if labels.get(key):
            return key, labels[key]
    return "", ""


def _undecided(evidence: Sequence[Evidence]) -> str:
    if not evidence:
        return ""
    first = evidence[0]
    names = ", ".join(made.name for made in first.classes)
    return f"{first.words} may be any of {names}, and no memory label tells which"


def _contradiction(first: Evidence, against: Evidence) -> str:
    def says(item: Evidence) -> str:
        return f"{item.words} tells {' or '.join(made.name for made in item.classes)}"

    return f"{says(first)}, but {says(against)}"
