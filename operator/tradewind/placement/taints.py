"""Which taint stands in the way? For sites and for nodes alike, by Kubernetes' rules."""

from collections.abc import Iterable

from tradewind.api.fields import Taint, Toleration


def untolerated(
    taints: Iterable[Taint], tolerations: Iterable[Toleration], *, soft: bool = False
) -> Taint | None:
    """The first taint that is not tolerated; None if there is none.

    Args:
        taints: in the order given.
        tolerations: of the pod or the workload.
        soft: look at PreferNoSchedule taints instead of the hard ones.
    """
    for taint in taints:
        if (taint.effect == "PreferNoSchedule") is soft and not any(
            toleration.tolerates(taint) for toleration in tolerations
        ):
            return taint
    return None


def show(taint: Taint) -> str:
    """A taint as kubectl writes it.

    >>> show(Taint(key="dedicated", value="research", effect="NoSchedule"))
    'dedicated=research:NoSchedule'
    """
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{taint.effect}"
