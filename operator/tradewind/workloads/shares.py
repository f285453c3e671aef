"""May a template's pods be shared out over several sites, and what does one site's part look like?

Only where pods do not know each other: replicas of a Deployment, pods of a Job without indexes. An
Indexed Job's pods carry numbers from 0 up, and two sites would count from 0 both.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tradewind.workloads.copying import as_count, as_mapping

_JOB: Final = "batch/v1/Job"
_DEPLOYMENT: Final = "apps/v1/Deployment"


def may_split(template: Mapping[str, Any]) -> bool:
    """Whether parts of it may run at different sites."""
    kind = _kind(template)
    if kind == _JOB:
        return as_mapping(template.get("spec")).get("completionMode") != "Indexed"
    return kind == _DEPLOYMENT


def completions_of(template: Mapping[str, Any]) -> int | None:
    """How many pods of a Job are to succeed; None where the template does not say."""
    spec = as_mapping(template.get("spec"))
    if _kind(template) != _JOB or spec.get("completions") is None:
        return None
    return as_count(spec.get("completions"), 1)


def take_share(body: dict[str, Any], replicas: int, completions: int | None) -> None:
    """Make a rendered object a part of the whole.

    Args:
        body: changed in place.
        replicas: pods of this part.
        completions: for a Job whose template has them.
    """
    spec = body["spec"]
    if _kind(body) == _DEPLOYMENT:
        spec["replicas"] = replicas
        return
    spec["parallelism"] = replicas
    if completions is not None and "completions" in spec:
        spec["completions"] = completions


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """Share a number out in proportion to weights, exactly: largest remainders first.

    >>> share_out(10, [1, 1, 1]), share_out(7, [4, 2]), share_out(0, [3])
    ([4, 3, 3], [5, 2], [0])
    """
    whole = sum(weights)
    if whole <= 0:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    for at in _by_remainder(total, weights, whole)[:left]:
        shares[at] += 1
    return shares


def _by_remainder(total: int, weights: Iterable[int], whole: int) -> list[int]:
    remainders = [total * weight % whole for weight in weights]
    return sorted(range(len(remainders)), key=lambda at: (-remainders[at], at))


def _kind(template: Mapping[str, Any]) -> str:
    return f"{template.get('apiVersion')}/{template.get('kind')}"
