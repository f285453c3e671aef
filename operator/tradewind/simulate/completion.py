"""Where is a job at home, and what does it get that its trace does not say? By stated rules.

A rule that speaks of a share of the jobs, and the choice of a home, go by a hash of the job's name:
the same job gets the same in every run, whatever the seed, and nothing depends on its neighbours.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tradewind.simulate.jobs import Job
from tradewind.simulate.scenario import Rule, Scenario

_BYTES = 8


def complete(jobs: Sequence[Job], scenario: Scenario) -> list[Job]:
    """Jobs with a home, and with what the scenario's rules add."""
    sites = [site.name for site in scenario.sites]
    jurisdiction = {site.name: site.location.jurisdiction for site in scenario.sites}
    return [
        _complete(
            job if job.home else replace(job, home=sites[int(draw(job.name, "home") * len(sites))]),
            scenario,
            jurisdiction,
        )
        for job in jobs
    ]


def draw(name: str, what: str) -> float:
    """A number in [0, 1) that belongs to a name; for different purposes different ones.

    >>> 0 <= draw("openb-pod-0001", "home") < 1
    True
    """
    digest = hashlib.blake2b(f"{what}/{name}".encode(), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big") / (1 << 8 * _BYTES)


def _complete(job: Job, scenario: Scenario, jurisdiction: dict[str, str]) -> Job:
    found: dict[str, Any] = {}
    for number, rule in enumerate(scenario.jobs.rules):
        if _matches(job, rule, number, jurisdiction):
            for name, value in _given(job, rule).items():
                found.setdefault(name, value)
    if not job.reference_class:
        found["reference_class"] = scenario.jobs.reference_class
    return replace(job, **found)


def _matches(job: Job, rule: Rule, number: int, jurisdiction: dict[str, str]) -> bool:
    if any(job.labels.get(key) != value for key, value in rule.match.items()):
        return False
    if rule.home_in and jurisdiction.get(job.home) not in rule.home_in:
        return False
    return rule.share >= 1 or draw(job.name, f"rule-{number}") < rule.share


def _given(job: Job, rule: Rule) -> dict[str, Any]:
    """What a rule says of a job and the job does not."""
    said: dict[str, Any] = {}
    if rule.max_delay is not None and not job.max_delay_s:
        said["max_delay_s"] = rule.max_delay
    if rule.deadline is not None and job.deadline_s is None:
        # Counted from the arrival, on top of the run time that is stated.
        said["deadline_s"] = job.arrival_s + job.known_s + rule.deadline
    if rule.checkpoint is not None and job.checkpoint_s is None:
        said["checkpoint_s"] = rule.checkpoint
    if rule.max_latency_ms is not None and job.max_latency_ms is None:
        said["max_latency_ms"] = rule.max_latency_ms
    if rule.jurisdictions and not job.jurisdictions:
        said["jurisdictions"] = rule.jurisdictions
    if rule.expected is not None and job.expected_s is None:
        said["expected_s"] = rule.expected
    return said
