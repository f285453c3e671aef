"""What a ComputeSite's conditions say of its hardware: is it known, are its nodes labelled?

A message tells what to do: the AcceleratorClass to create, the right to give, the label to mend.
"""

from collections.abc import Sequence

from tradewind.api.fields import ConditionStatus
from tradewind.hardware.labels import Recognition
from tradewind.sites.labeller import LabellerState
from tradewind.sites.runtime import SiteRuntime
from tradewind.sites.totals import Doubt, InventoryView

Told = tuple[ConditionStatus, str, str]

#: So many things are told at once.
_TOLD = 3
_REASONS = (
    (Recognition.CONFLICT, "ConflictingLabels"),
    (Recognition.MIXED, "MixedDevices"),
    (Recognition.UNCLASSIFIED, "UnknownAccelerators"),
)


def hardware_conditions(
    runtime: SiteRuntime | None, inventory: InventoryView, labels: LabellerState | None
) -> dict[str, Told]:
    """The conditions that speak of hardware; none before the site's nodes have been listed."""
    if runtime is None or not runtime.state.inventory_synced:
        return {}
    return {"HardwareRecognised": recognised(inventory), "NodesLabelled": labelled(labels)}


def recognised(inventory: InventoryView) -> Told:
    """Whether every accelerator's product is known."""
    doubts = inventory.doubts
    texts = [_explain(doubt) for doubt in doubts[:_TOLD]]
    if len(doubts) > _TOLD:
        texts.append(f"and {len(doubts) - _TOLD} more")
    texts += [
        f"{nodes} node(s) have a PCI device by {vendor} that no device plugin or driver offers: "
        "it is no capacity"
        for vendor, nodes in inventory.without_plugin
    ]
    texts += [_name(inventory.unnamed)] if inventory.unnamed else []
    states = {doubt.part.state for doubt in doubts}
    for state, reason in _REASONS:
        if state in states:
            return "False", reason, "; ".join(texts)
    if inventory.without_plugin:
        return "False", "NoDevicePlugin", "; ".join(texts)
    # A resource that nobody knows may be anything, so it is no fault; but its owner may wonder.
    return "True", "Recognised", "; ".join(texts)


def labelled(state: LabellerState | None) -> Told:
    """Whether the site's nodes bear the standard labels."""
    if state is None:
        return "Unknown", "NotListed", "nodes have not been listed yet"
    if not state.wanted:
        return "False", "NotWanted", "spec.nodeLabels is false, or the site leaves"
    if state.forbidden:
        message = (
            f"the site does not let nodes be labelled ({state.forbidden}): pods are drawn to nodes "
            "by their makers' labels; `tradewind join` gives the right to patch nodes, "
            "spec.nodeLabels: false goes without"
        )
        return "False", "Forbidden", message
    if state.conflicts:
        names = ", ".join(state.conflicts[:_TOLD])
        message = (
            f"{len(state.conflicts)} node(s), such as {names}, bear a label under "
            "accelerator.tradewind.dev/ that somebody else manages: remove it there, or set "
            "spec.nodeLabels: false"
        )
        return "False", "ForeignLabels", message
    if state.owed:
        return "Unknown", "Writing", "labels are being written"
    return "True", "Applied", ""


def _name(unnamed: Sequence[tuple[str, int]]) -> str:
    told = ", ".join(f"{name} on {nodes} node(s)" for name, nodes in unnamed[:_TOLD])
    more = f" and {len(unnamed) - _TOLD} more" if len(unnamed) > _TOLD else ""
    return (
        f"{told}{more}: no class names that resource; if it counts accelerators, create an "
        "AcceleratorClass that lists it in resourceNames"
    )


def _explain(doubt: Doubt) -> str:
    part = doubt.part
    where = f"{doubt.nodes} node(s), such as {', '.join(doubt.examples)}"
    if part.state is not Recognition.UNCLASSIFIED:
        return (
            f"{where}: {part.resource_name} is of no class, because {part.message}; mend the "
            "labels, or annotate the node with accelerator.tradewind.dev/override: CLASS"
        )
    key, value = part.told
    if not key:
        return (
            f"{where}: no label tells the product behind {part.resource_name} by {part.vendor}; "
            "label the nodes, and create an AcceleratorClass whose match names your label"
        )
    why = f" ({part.message})" if part.message else ""
    return (
        f"{where}: {key}={value} is no product of the catalogue{why}; create an AcceleratorClass "
        f"with spec.vendor: {part.vendor}, resourceNames: [{part.resource_name}], "
        f"match: [{{key: {key}, values: [{value}]}}], and memoryGiB"
    )
