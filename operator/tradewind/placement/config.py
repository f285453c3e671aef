"""Which figures does the engine use where nobody gave one? Stated here, each with its source.

An input that is missing, not a number, infinite or out of range is unknown. It is priced at the
fallback below or at the worst figure known of any site, whichever is dearer, so that not knowing
never wins; and it is named in `CostTerms.assumed_inputs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """Figures for what is unknown.

    Args:
        carbon_intensity: gCO2e/kWh; the world's mean in 2023 (Ember, Global Electricity Review
            2024).
        price_per_mwh: USD; a round figure above most day-ahead means of 2022 outside of Europe.
        load: share of a site in use; a busy site.
        pue: the mean of the Uptime Institute's Global Data Center Survey 2024.
        latency_ms: round trip, about half around the world in fibre.
        accelerator_hour: USD per unit; order of the dearest on-demand hour of an 80 GB chip.
        cpu_hour: USD per core; order of general-purpose cloud instances on demand.
        memory_gib_hour: USD per GiB; likewise.
        speed_tflops: effective dense BF16; below the slowest class of the catalogue.
        draw_watts: of one unit at work; an H100's rated power.
    """

    carbon_intensity: float = 480.0
    price_per_mwh: float = 100.0
    load: float = 0.8
    pue: float = 1.56
    latency_ms: float = 200.0
    accelerator_hour: float = 12.0
    cpu_hour: float = 0.04
    memory_gib_hour: float = 0.005
    speed_tflops: float = 30.0
    draw_watts: float = 700.0


def _durations() -> Mapping[str, float]:
    # The choice between sites depends on how these compare with the terms that do not grow with
    # time (data), not on the figures themselves.
    return {"Training": 6 * 3600.0, "Inference": 24 * 3600.0, "Batch": 3600.0}


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How the engine plans; the same for all workloads.

    Args:
        fallbacks: for unknown inputs.
        duration_s: by workload class, for want of `runtime.duration`; for Inference, which has no
            end, the horizon it is priced for.
        reference_class: on which durations are given when the workload names none.
        utilisation: of accelerators at work, as a share of the way from idle to rated power.
            Nodes of eight H100 trained at 76% of their rated power (arXiv:2506.14551).
        idle_share: idle over rated power where a class does not tell; idle printouts of twenty
            models lie between 6% and 18%.
        cpu_watts: per requested core. Half of the way from the least to the most of an AWS vCPU,
            0.74 and 3.5 W (Cloud Carbon Footprint, methodology, average watts).
        memory_watts: per GiB; 0.392 W per GB (same source).
        load_cap: queueing is priced as if the load were never above this, so that it stays
            finite.
        transfer_gbit_per_s: at which input moves between sites.
        slot_s: length of a start slot, seconds. Day-ahead prices and carbon come by the hour.
        max_slots: at most so many start slots, the present one included: two days of hours.
        step_s: grid on which forecasts are looked at, seconds.
        error_per_root_hour: standard error of a forecast that does not tell its own, as a share of
            the value after an hour; it grows with the root of the lead. A tenth after a day, as
            day-ahead carbon forecasts have (CarbonCast, ACM BuildSys 2022: 3 to 10%).
        risk_price: what a standard deviation of a forecast counts, in its own unit: a quarter.
        keep_plan: how much of its energy's cost another start must save before a deferred
            workload's planned start is given up: forecasts change a little every time.
        large_round: groups times rows from which a round is planned by matrices.
        restart_s: from the start of an interrupted workload's pods until it makes progress again:
            images, reading the checkpoint, warming up. Five minutes is a round figure.
    """

    fallbacks: Fallbacks = Fallbacks()
    duration_s: Mapping[str, float] = field(default_factory=_durations)
    reference_class: str = "nvidia-a100-sxm-80gb"
    utilisation: float = 0.76
    idle_share: float = 0.10
    cpu_watts: float = 2.12
    memory_watts: float = 0.42
    load_cap: float = 0.98
    transfer_gbit_per_s: float = 10.0
    slot_s: float = 3600.0
    max_slots: int = 49
    step_s: float = 3600.0
    error_per_root_hour: float = 0.02
    risk_price: float = 0.25
    keep_plan: float = 0.05
    restart_s: float = 300.0
    large_round: int = 40_000

    def duration_of(self, workload_class: str) -> float:
        """How long work of a class runs when nobody says, seconds; else the longest of all."""
        return self.duration_s.get(workload_class, max(self.duration_s.values(), default=86400.0))
