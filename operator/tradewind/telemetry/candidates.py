"""Which exporters know each signal, in the order in which they are asked. Data alone.

`$M` stands for the site's matchers and is on every selector of a site's own series; `$SITE` for its
name, where a series speaks of the site from elsewhere. A query gives no series where nothing is
known: nothing here ever turns an absence into a zero. Names and units: docs/signals.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Candidate = tuple[str, str]
"""The source that is named in the status, and its PromQL."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a signal is asked for.

    Attributes:
        candidates: in the order of preference.
        key: label that tells the values of a signal apart which has several; empty: it has one.
        together: every candidate counts (makers and servers stand beside each other at a site);
            else the first that answers is the only one.
    """

    candidates: tuple[Candidate, ...]
    key: str = ""
    together: bool = False


_BUSY_CPU: Final = (
    '1 - sum(rate(node_cpu_seconds_total{mode=~"idle|iowait",$M}[5m]))'
    " / sum(rate(node_cpu_seconds_total{$M}[5m]))"
)
_BUSY_MEMORY: Final = (
    "1 - sum(node_memory_MemAvailable_bytes{$M}) / sum(node_memory_MemTotal_bytes{$M})"
)


def _of_allocatable(used: str, resource: str) -> str:
    return f'{used} / sum(kube_node_status_allocatable{{resource="{resource}",$M}})'


def _requested(resource: str) -> str:
    """Requests of pods that are not finished, over what schedulable nodes have."""
    off = "unless on (node) (kube_node_spec_unschedulable{$M} == 1)"
    return (
        "sum(max by (namespace, pod, uid, container, node)"
        f' (kube_pod_container_resource_requests{{resource="{resource}",node!="",$M}} {off})'
        " * on (namespace, pod, uid) group_left () (max by (namespace, pod, uid)"
        ' (kube_pod_status_phase{phase=~"Pending|Running",$M}) == 1))'
        f' / sum(kube_node_status_allocatable{{resource="{resource}",$M}} {off})'
    )


_CPU: Final = (
    ("node_exporter", _BUSY_CPU),
    (
        "cadvisor",
        _of_allocatable(
            'sum(rate(container_cpu_usage_seconds_total{container!="",$M}[5m]))', "cpu"
        ),
    ),
    ("kube-state-metrics", _requested("cpu")),
)
_MEMORY: Final = (
    ("node_exporter", _BUSY_MEMORY),
    (
        "cadvisor",
        _of_allocatable('sum(container_memory_working_set_bytes{container!="",$M})', "memory"),
    ),
    ("kube-state-metrics", _requested("memory")),
)

#: Each device once, 0 to 1, with its product in a label: (source, PromQL of devices, that label).
_BUSY: Final = (
    (
        "dcgm-exporter",
        (
            "max by (UUID, GPU_I_ID, modelName) (DCGM_FI_PROF_GR_ENGINE_ACTIVE{$M} <= 1)"
            " or max by (UUID, GPU_I_ID, modelName) (DCGM_FI_DEV_GPU_UTIL{$M} <= 100) / 100"
        ),
        "modelName",
    ),
    (
        "device-metrics-exporter",
        (
            'max by (serial_number, gpu_id, card_model) ({__name__=~"(amd_)?gpu_gfx_activity",'
            'gpu_partition_id=~"0?",$M} <= 100) / 100'
        ),
        "card_model",
    ),
    (
        "npu-exporter",
        "max by (instance, id, model_name) (npu_chip_info_utilization{$M} >= 0) / 100",
        "model_name",
    ),
    (
        "xpumd",
        (
            "max by (node, pci_bdf) (hw_gpu_utilization_ratio{$M})"
            " or max by (node, pci_bdf) (xpum_engine_ratio{$M})"
        ),
        "",
    ),
    ("gaudi-exporter", "max by (instance, UUID) (habanalabs_utilization{$M}) / 100", ""),
    ("neuron-monitor", "neuroncore_utilization_ratio{$M}", "instance_type"),
    (
        "gke-tpu",
        (
            'max by (node, accelerator_id, model) (tensorcore_utilization{make="cloud-tpu",$M})'
            " / 100"
        ),
        "model",
    ),
    ("mlu-exporter", "max by (uuid, model) (mlu_utilization{$M}) / 100", "model"),
    ("dcu-exporter", "max by (instance, device_id) (dcu_utilizationrate{$M}) / 100", ""),
    ("mx-exporter", "max by (uuid) (mx_gpu_usage{$M}) / 100", ""),
    ("mtgpu-exporter", "mtgpu_gpu_utilization{$M} / 100", ""),
    ("ix-exporter", "max by (uuid, name) (ix_gpu_utilization{$M}) / 100", "name"),
    ("gcu-exporter", "max by (uuid) (enflame_gcu_usage{$M} >= 0) / 100", ""),
    ("xpu-exporter", "node_xpu_utilization{$M} / 100", ""),
    # Its ratio is 0 to 100 despite its name; last, since it sees only what it shares.
    ("hami", "max by (device_uuid) (hami_host_gpu_utilization_ratio{$M}) / 100", ""),
)

#: Watts, each device once. MIG instances repeat their board's power; blanks read near 9.2e18.
_WATTS: Final = (
    ("dcgm-exporter", "sum(max by (UUID) (DCGM_FI_DEV_POWER_USAGE{$M} < 5000))"),
    (
        "device-metrics-exporter",
        (
            'sum(max by (serial_number, gpu_id) ({__name__=~"(amd_)?gpu_(package_power'
            '|average_package_power|power_usage)",gpu_partition_id=~"0?",$M}))'
        ),
    ),
    ("npu-exporter", "sum(max by (instance, id) (npu_chip_info_power{$M} > 0))"),
    (
        "xpumd",
        (
            "sum(max by (node, pci_bdf) (hw_power_watts{$M})"
            " or max by (node, pci_bdf) (xpum_power_watts{$M}))"
        ),
    ),
    ("gaudi-exporter", "sum(max by (instance, UUID) (habanalabs_power_mW{$M})) / 1000"),
    ("mlu-exporter", "sum(max by (uuid) (mlu_power_usage{$M}))"),
    ("dcu-exporter", "sum(max by (instance, device_id) (dcu_power_usage{$M}))"),
    ("mx-exporter", "sum(max by (uuid) (mx_board_power{$M})) / 1000"),
    ("mtgpu-exporter", "sum(mtgpu_power_usage_milliwatts{$M}) / 1000"),
    ("ix-exporter", "sum(max by (uuid) (ix_power_usage{$M}))"),
    ("gcu-exporter", "sum(max by (uuid) (enflame_gcu_power_consumption{$M} >= 0))"),
    ("xpu-exporter", "sum(node_xpu_powerUsage{$M})"),
)
#: psys holds package, package holds core: one level a node, never the sum of zones.
_KEPLER: Final = (
    'sum(max by (node_name) (kepler_node_cpu_watts{zone="psys",$M})'
    ' or sum by (node_name) (kepler_node_cpu_watts{zone=~"package|dram",$M})) / 1000'
)
#: The source of powerKW that is not whole: the hosts without their accelerators.
KEPLER_HOSTS: Final = "kepler-hosts"
_KEPLER_GPUS: Final = "sum(max by (node_name, gpu_uuid, gpu) (kepler_node_gpu_watts{$M})) / 1000"


def _by_product(devices: str, label: str) -> str:
    """The mean of the devices of each product; without a label for it, of all."""
    if not label:
        return f'label_replace(avg({devices}), "product", "", "", "")'
    return f'avg by (product) (label_replace({devices}, "product", "$1", "{label}", "(.*)"))'


#: Extended resources as kube-state-metrics spells them.
_CHIPS: Final = (
    "nvidia_com_(gpu(_shared)?|mig_.+)|amd_com_.+|huawei_com_(Ascend.+|npu)|google_com_tpu"
    "|aws_amazon_com_neuron|habana_ai_gaudi|gpu_intel_com_.+|cambricon_com_mlu.*|hygon_com_dcu"
    "|metax_tech_com_gpu|mthreads_com_gpu|iluvatar_com_gpu|enflame_com_gcu|kunlunxin_com_xpu"
)
#: Nodes and their class, where kube-state-metrics is told to show the label.
_CLASS_OF_NODE: Final = (
    'max by (node, class) (label_replace(kube_node_labels{label_accelerator_tradewind_dev_class!="'
    '",$M}, "class", "$1", "label_accelerator_tradewind_dev_class", "(.+)"))'
)
_ASKED_CHIPS: Final = (
    "max by (namespace, pod, uid, container, node, resource)"
    f' (kube_pod_container_resource_requests{{resource=~"{_CHIPS}",node!="",$M}})'
    " * on (namespace, pod, uid) group_left () (max by (namespace, pod, uid)"
    ' (kube_pod_status_phase{phase=~"Pending|Running",$M}) == 1)'
)
_ALL_CHIPS: Final = f'(kube_node_status_allocatable{{resource=~"{_CHIPS}",$M}} > 0)'


_HAS_CHIPS: Final = f"sum({_ALL_CHIPS})"
_HAS_NODES: Final = "count(kube_node_status_allocatable{$M}) > 0"


def _allocated(by: str, joined: str) -> str:
    """Asked over all, by a label; what is asked of nothing is 0 where pods are known of."""
    asked = f"sum by ({by}) ({_ASKED_CHIPS}{joined})"
    there = f"sum by ({by}) ({_ALL_CHIPS}{joined})"
    # No pod asks for these: 0 of them, but only where kube-state-metrics tells of pods at all.
    none = f"{there} * 0 and on () (count(kube_pod_status_phase{{$M}}) > 0)"
    return f"({asked} or {none}) / on ({by}) {there}"


_RTT: Final = (
    "quantile by (region) (0.5, quantile_over_time(0.5, ({metric} and on (instance, region)"
    ' (probe_success{{site="$SITE"}} == 1))[10m:30s])) * 1000'
)

#: By signal. What is not `together` joins its candidates by `or on ()`: the first that answers.
ASKED: Final[Mapping[str, Asked]] = {
    "cpuLoad": Asked(_CPU),
    "memoryLoad": Asked(_MEMORY),
    "acceleratorUtilisation": Asked(
        tuple((source, f"avg({devices})") for source, devices, _ in _BUSY)
    ),
    "acceleratorUtilisationByClass": Asked(
        tuple((source, _by_product(devices, label)) for source, devices, label in _BUSY if label),
        key="product",
        together=True,
    ),
    "acceleratorAllocation": Asked(
        (
            (
                "kube-state-metrics",
                _allocated("class", f" * on (node) group_left (class) ({_CLASS_OF_NODE})"),
            ),
            (
                "kube-state-metrics",
                f'label_replace({_allocated("resource", "")}, "class", "$1", "resource", "(.+)")',
            ),
        ),
        key="class",
    ),
    "acceleratorPowerKW": Asked(
        tuple((source, f"{watts} / 1000") for source, watts in _WATTS), together=True
    ),
    "carbonIntensity": Asked(
        (
            ("tradewind", 'avg(tradewind_carbon_intensity_g_per_kwh{kind="average",$M})'),
            (
                "grid-intensity-exporter",
                (
                    "avg(last_over_time(grid_intensity_carbon_average"
                    '{units=~"gCO2e? per kWh|kgCO2e? per MWh",$M}[2h]) > 0)'
                ),
            ),
            (
                "grid-intensity-exporter",
                (
                    "avg(last_over_time(grid_intensity_carbon_average"
                    '{units=~"lbCO2e? per MWh",$M}[2h]) > 0) * 0.45359237'
                ),
            ),
            # It shows 0 when it failed.
            ("carbon-aware-sdk", "avg(carbon_aware_intensity{$M} > 0)"),
            ("carbon-intensity-exporter", "avg(carbon_intensity{$M})"),
        )
    ),
    "pricePerMWh": Asked((("tradewind", "avg(tradewind_electricity_price_usd_per_mwh{$M})"),)),
    "acceleratorHour": Asked(
        (("opencost", "avg by (instance_type) (node_gpu_hourly_cost{$M} > 0)"),),
        key="instance_type",
    ),
    "cpuHour": Asked((("opencost", "avg(node_cpu_hourly_cost{$M} > 0)"),)),
    "memoryGiBHour": Asked((("opencost", "avg(node_ram_hourly_cost{$M} > 0)"),)),
    "powerKW": Asked(
        (
            # The whole chassis at the wall; nothing is added to it.
            ("ipmi-exporter", "sum(ipmi_dcmi_power_consumption_watts{$M} > 0) / 1000"),
            ("kepler", f"{_KEPLER} + {_KEPLER_GPUS}"),
            ("kepler", f"{_KEPLER} unless on () ({_HAS_CHIPS}) and on () ({_HAS_NODES})"),
            # What the cards take is told by their makers' exporters: `signals.derived` adds it.
            (KEPLER_HOSTS, _KEPLER),
        )
    ),
    "pue": Asked((("tradewind", "avg(tradewind_power_usage_effectiveness{$M})"),)),
    "queueDepth": Asked(
        (
            (
                "kueue",
                (
                    "sum(max by (cluster_queue, status)"
                    ' (kueue_pending_workloads{replica_role!="follower",$M}))'
                ),
            ),
            (
                "kube-scheduler",
                'sum(max by (queue) (scheduler_pending_pods{queue=~"unschedulable|backoff",$M}))',
            ),
        )
    ),
    "requestsWaiting": Asked(
        (
            (
                "vllm",
                (
                    "sum(max by (namespace, pod, instance, model_name, engine)"
                    " (vllm:num_requests_waiting{$M}))"
                ),
            ),
            (
                "sglang",
                ("sum(max by (namespace, pod, instance, model_name) (sglang:num_queue_reqs{$M}))"),
            ),
            ("tgi", "sum(tgi_queue_size{$M})"),
            ("triton", "sum(nv_inference_pending_request_count{$M})"),
        ),
        together=True,
    ),
    "tokensPerSecond": Asked(
        (
            ("vllm", "sum(rate(vllm:generation_tokens_total{$M}[5m]))"),
            ("sglang", "sum(rate(sglang:generation_tokens_total{$M}[5m]))"),
            ("tgi", "sum(rate(tgi_request_generated_tokens_sum{$M}[5m]))"),
        ),
        together=True,
    ),
    # Probers stand in the consumers' regions and aim at the site: its matchers do not hold there.
    "latencyMs": Asked(
        (
            (
                "blackbox-exporter",
                _RTT.format(metric='probe_icmp_duration_seconds{phase="rtt",site="$SITE"}'),
            ),
            (
                "smokeping_prober",
                (
                    "histogram_quantile(0.5, sum by (region, le)"
                    ' (rate(smokeping_response_duration_seconds_bucket{site="$SITE"}[10m]))) * 1000'
                ),
            ),
            (
                "blackbox-exporter",
                _RTT.format(metric='probe_http_duration_seconds{phase="connect",site="$SITE"}'),
            ),
        ),
        key="region",
    ),
}

#: The fuller of CPU and memory, for a history; a poll takes it from the two signals.
LOAD: Final = (
    f'max(label_replace({_BUSY_CPU}, "of", "cpu", "", "")'
    f' or label_replace({_BUSY_MEMORY}, "of", "memory", "", ""))'
)
