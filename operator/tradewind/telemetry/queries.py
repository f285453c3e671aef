"""What is asked of a site's Prometheus: one query for all signals, each with its source.

Each signal has candidates in order; the first that answers wins and names itself in the label
`source`. A query gives no series where nothing is known: nothing here ever turns an absence into a
zero. `$M` stands for the site's matchers. Round trips are measured from the consumers' side, where
the site's matchers do not hold; `$SITE` stands for the site's name.

Metric names and units: docs/signals.md.
"""

import re
from collections.abc import Mapping
from typing import Final

#: By signal, in the order in which they are tried: (source, PromQL).
CANDIDATES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "load": (
        (
            "node_exporter",
            (
                "max(label_replace(1 -"
                ' sum(rate(node_cpu_seconds_total{mode=~"idle|iowait",$M}[5m]))'
                ' / sum(rate(node_cpu_seconds_total{$M}[5m])), "of", "cpu", "", "")'
                " or label_replace(1 - sum(node_memory_MemAvailable_bytes{$M})"
                ' / sum(node_memory_MemTotal_bytes{$M}), "of", "memory", "", ""))'
            ),
        ),
    ),
    "acceleratorUtilisation": (
        (
            "dcgm-exporter",
            (
                "avg(max by (UUID, GPU_I_ID) (DCGM_FI_PROF_GR_ENGINE_ACTIVE{$M} <= 1)"
                " or max by (UUID, GPU_I_ID) (DCGM_FI_DEV_GPU_UTIL{$M} <= 100) / 100)"
            ),
        ),
        (
            "device-metrics-exporter",
            (
                'avg(max by (serial_number, gpu_id) ({__name__=~"(amd_)?gpu_gfx_activity",'
                'gpu_partition_id=~"0?",$M} <= 100) / 100)'
            ),
        ),
        ("npu-exporter", "avg(max by (instance, id) (npu_chip_info_utilization{$M} >= 0) / 100)"),
        ("mlu-exporter", "avg(max by (uuid) (mlu_utilization{$M}) / 100)"),
        ("neuron-monitor", "avg(neuroncore_utilization_ratio{$M})"),
    ),
    "carbonIntensity": (
        ("tradewind", 'avg(tradewind_carbon_intensity_g_per_kwh{kind="average",$M})'),
        (
            "grid-intensity-exporter",
            (
                'avg(last_over_time(grid_intensity_carbon_average{units=~"gCO2e? per kWh",$M}[2h])'
                " > 0)"
            ),
        ),
        ("carbon-aware-sdk", "avg(carbon_aware_intensity{$M} > 0)"),
        ("carbon-intensity-exporter", "avg(carbon_intensity{$M})"),
    ),
    "pricePerMWh": (("tradewind", "avg(tradewind_electricity_price_usd_per_mwh{$M})"),),
    "powerKW": (
        ("ipmi-exporter", "sum(ipmi_dcmi_power_consumption_watts{$M} > 0) / 1000"),
        ("dcgm-exporter", "sum(max by (UUID) (DCGM_FI_DEV_POWER_USAGE{$M} < 5000)) / 1000"),
    ),
    "pue": (("tradewind", "avg(tradewind_power_usage_effectiveness{$M})"),),
    "queueDepth": (
        (
            "kueue",
            (
                "sum(max by (cluster_queue, status)"
                ' (kueue_pending_workloads{replica_role!="follower",$M}))'
            ),
        ),
    ),
    "tokensPerSecond": (
        ("vllm", "sum(rate(vllm:generation_tokens_total{$M}[5m]))"),
        ("sglang", "sum(rate(sglang:generation_tokens_total{$M}[5m]))"),
    ),
}

#: Round trips in milliseconds, one series for each consumer region.
LATENCY: Final = (
    (
        "blackbox-exporter",
        (
            "quantile by (region) (0.5, quantile_over_time(0.5,"
            ' (probe_icmp_duration_seconds{phase="rtt",site="$SITE"}'
            ' and on (instance, region) (probe_success{site="$SITE"} == 1))[10m:30s])) * 1000'
        ),
    ),
)


def combined_query(matchers: Mapping[str, str], site: str, *, without: frozenset[str]) -> str:
    """One query for every signal but those that the site overrides.

    Args:
        matchers: the site's, added to each selector.
        site: the ComputeSite's name, as probers call it.
        without: signals that have a query of their own.

    Returns:
        PromQL whose series carry the labels `signal` and `source`, and `region` for latencies.
    """
    parts = [
        "(" + " or on () ".join(_tagged(expr, signal, source) for source, expr in candidates) + ")"
        for signal, candidates in CANDIDATES.items()
        if signal not in without
    ]
    if "latencyMs" not in without:
        parts += [_tagged(expr, "latencyMs", source) for source, expr in LATENCY]
    return fill(" or ".join(parts), matchers, site)


def fill(query: str, matchers: Mapping[str, str], site: str) -> str:
    r"""Put a site's matchers and name into a query.

    >>> fill('avg(x{$M})', {"cluster": 'a"b'}, "s")
    'avg(x{cluster="a\\"b"})'
    """
    text = ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(matchers.items()))
    values = {"$M": text, "$SITE": _escape(site)}
    # In one go: what a matcher's value holds is no place to fill.
    return re.sub(r"\$(?:M|SITE)", lambda found: values[found[0]], query)


def _tagged(expression: str, signal: str, source: str) -> str:
    named = f'label_replace({expression}, "signal", "{signal}", "", "")'
    return f'label_replace({named}, "source", "{source}", "", "")'


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
