"""What each exporter shows, as its makers document it, and what the signals must read from it.

A scenario is a cluster of its own in one Prometheus. `{c}` is the cluster label, `@` stands for a
counter that has grown by the number after it each second. Names, labels and units are those of
docs/signals.md and the exporters' own documentation.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scenario:
    """One cluster's exporters.

    Attributes:
        lines: series and value; the value `@2` is a counter that grows by 2 a second.
        reads: value and source by signal, or by (signal, key).
    """

    lines: tuple[str, ...]
    reads: dict[str | tuple[str, str], tuple[float, str]] = field(default_factory=dict)


def _ksm() -> tuple[str, ...]:
    """Two nodes with 8 chips each: 4 asked for by a running pod; a finished one counts no more."""
    return (
        'kube_node_status_allocatable{c,node="a",resource="cpu",unit="core"} 64',
        'kube_node_status_allocatable{c,node="b",resource="cpu",unit="core"} 64',
        'kube_node_status_allocatable{c,node="a",resource="memory",unit="byte"} 1000',
        'kube_node_status_allocatable{c,node="b",resource="memory",unit="byte"} 1000',
        'kube_node_status_allocatable{c,node="a",resource="nvidia_com_gpu",unit="integer"} 8',
        'kube_node_status_allocatable{c,node="b",resource="nvidia_com_gpu",unit="integer"} 8',
        'kube_pod_status_phase{c,namespace="n",pod="p",uid="1",phase="Running"} 1',
        'kube_pod_status_phase{c,namespace="n",pod="q",uid="2",phase="Running"} 0',
        'kube_pod_status_phase{c,namespace="n",pod="q",uid="2",phase="Succeeded"} 1',
        _asks("p", "1", "cpu", 32),
        _asks("p", "1", "memory", 500),
        _asks("p", "1", "nvidia_com_gpu", 4),
        _asks("q", "2", "nvidia_com_gpu", 8),
    )


def _asks(pod: str, uid: str, resource: str, amount: float) -> str:
    return (
        f'kube_pod_container_resource_requests{{c,namespace="n",pod="{pod}",uid="{uid}",'
        f'container="m",node="a",resource="{resource}",unit="x"}} {amount}'
    )


SCENARIOS: dict[str, Scenario] = {
    "node-exporter": Scenario(
        (
            'node_cpu_seconds_total{c,instance="a",cpu="0",mode="user"} @0.25',
            'node_cpu_seconds_total{c,instance="a",cpu="0",mode="idle"} @0.65',
            'node_cpu_seconds_total{c,instance="a",cpu="0",mode="iowait"} @0.1',
            'node_memory_MemAvailable_bytes{c,instance="a"} 600',
            'node_memory_MemTotal_bytes{c,instance="a"} 1000',
        ),
        {
            "cpuLoad": (0.25, "node_exporter"),
            "memoryLoad": (0.4, "node_exporter"),
            "load": (0.4, "node_exporter"),
        },
    ),
    "cadvisor": Scenario(
        (
            'container_cpu_usage_seconds_total{c,namespace="n",pod="p",container="m"} @16',
            'container_cpu_usage_seconds_total{c,namespace="n",pod="p",container=""} @16',
            'container_memory_working_set_bytes{c,namespace="n",pod="p",container="m"} 250',
            'kube_node_status_allocatable{c,node="a",resource="cpu",unit="core"} 64',
            'kube_node_status_allocatable{c,node="a",resource="memory",unit="byte"} 1000',
        ),
        {"cpuLoad": (0.25, "cadvisor"), "memoryLoad": (0.25, "cadvisor")},
    ),
    "kube-state-metrics": Scenario(
        _ksm(),
        {
            "cpuLoad": (0.25, "kube-state-metrics"),
            "memoryLoad": (0.25, "kube-state-metrics"),
            ("acceleratorAllocation", "nvidia_com_gpu"): (0.25, "kube-state-metrics"),
        },
    ),
    "kube-state-metrics with our node labels": Scenario(
        (
            *_ksm(),
            *(
                f'kube_node_labels{{c,node="{node}",'
                f'label_accelerator_tradewind_dev_class="nvidia-{name}"}} 1'
                for node, name in (("a", "h100-sxm"), ("b", "l4"))
            ),
        ),
        {
            ("acceleratorAllocation", "nvidia-h100-sxm"): (0.5, "kube-state-metrics"),
            ("acceleratorAllocation", "nvidia-l4"): (0.0, "kube-state-metrics"),
        },
    ),
    "dcgm": Scenario(
        (
            (
                'DCGM_FI_PROF_GR_ENGINE_ACTIVE{c,UUID="1",gpu="0",modelName="NVIDIA A100-SXM4-80GB"'
                ',namespace="n",pod="p"} 0.5'
            ),
            (
                'DCGM_FI_PROF_GR_ENGINE_ACTIVE{c,UUID="1",gpu="0",modelName="NVIDIA A100-SXM4-80GB"'
                ',namespace="n",pod="q"} 0.5'
            ),
            'DCGM_FI_DEV_GPU_UTIL{c,UUID="1",gpu="0",modelName="NVIDIA A100-SXM4-80GB"} 99',
            'DCGM_FI_DEV_GPU_UTIL{c,UUID="2",gpu="1",modelName="NVIDIA L4"} 30',
            'DCGM_FI_DEV_POWER_USAGE{c,UUID="1",gpu="0"} 400',
            'DCGM_FI_DEV_POWER_USAGE{c,UUID="1",gpu="0",GPU_I_ID="3"} 400',
            'DCGM_FI_DEV_POWER_USAGE{c,UUID="2",gpu="1"} 100',
            'DCGM_FI_DEV_POWER_USAGE{c,UUID="3",gpu="2"} 9223372036854775794',
        ),
        {
            "acceleratorUtilisation": (0.4, "dcgm-exporter"),
            ("acceleratorUtilisationByClass", "nvidia-a100-sxm-80gb"): (0.5, "dcgm-exporter"),
            ("acceleratorUtilisationByClass", "nvidia-l4"): (0.3, "dcgm-exporter"),
            "acceleratorPowerKW": (0.5, "dcgm-exporter"),
        },
    ),
    "amd": Scenario(
        (
            (
                'gpu_gfx_activity{c,serial_number="1",gpu_id="0",gpu_partition_id="0",'
                'card_model="AMD Instinct MI300X"} 80'
            ),
            (
                'gpu_gfx_activity{c,serial_number="1",gpu_id="0",gpu_partition_id="1",'
                'card_model="AMD Instinct MI300X"} 0'
            ),
            (
                'amd_gpu_gfx_activity{c,serial_number="2",gpu_id="1",'
                'card_model="AMD Instinct MI300X"} 40'
            ),
            'gpu_package_power{c,serial_number="1",gpu_id="0",gpu_partition_id="0"} 700',
            'amd_gpu_average_package_power{c,serial_number="2",gpu_id="1"} 300',
        ),
        {
            "acceleratorUtilisation": (0.6, "device-metrics-exporter"),
            ("acceleratorUtilisationByClass", "amd-mi300x"): (0.6, "device-metrics-exporter"),
            "acceleratorPowerKW": (1.0, "device-metrics-exporter"),
        },
    ),
    "ascend": Scenario(
        (
            'npu_chip_info_utilization{c,instance="a",id="0",model_name="Ascend910B3"} 70',
            'npu_chip_info_utilization{c,instance="b",id="0",model_name="Ascend910B3"} 30',
            'npu_chip_info_utilization{c,instance="b",id="1",model_name="Ascend910B3"} -1',
            'npu_chip_info_power{c,instance="a",id="0"} 350.5',
            'npu_chip_info_power{c,instance="b",id="0"} 149.5',
        ),
        {
            "acceleratorUtilisation": (0.5, "npu-exporter"),
            ("acceleratorUtilisationByClass", "huawei-ascend-910b3"): (0.5, "npu-exporter"),
            "acceleratorPowerKW": (0.5, "npu-exporter"),
        },
    ),
    "intel, old and new": Scenario(
        (
            'hw_gpu_utilization_ratio{c,node="a",pci_bdf="1",hw_gpu_task="general"} 0.6',
            'hw_gpu_utilization_ratio{c,node="a",pci_bdf="1",hw_gpu_task="decoder"} 0.1',
            'xpum_engine_ratio{c,node="b",pci_bdf="2"} 0.2',
            'hw_power_watts{c,node="a",pci_bdf="1"} 300',
            'xpum_power_watts{c,node="b",pci_bdf="2"} 200',
        ),
        {"acceleratorUtilisation": (0.4, "xpumd"), "acceleratorPowerKW": (0.5, "xpumd")},
    ),
    "gaudi": Scenario(
        (
            'habanalabs_utilization{c,instance="a",UUID="1"} 55',
            'habanalabs_power_mW{c,instance="a",UUID="1"} 450000',
        ),
        {
            "acceleratorUtilisation": (0.55, "gaudi-exporter"),
            "acceleratorPowerKW": (0.45, "gaudi-exporter"),
        },
    ),
    "neuron": Scenario(
        (
            'neuroncore_utilization_ratio{c,neuroncore="0",instance_type="trn1.32xlarge"} 0.2',
            'neuroncore_utilization_ratio{c,neuroncore="1",instance_type="trn1.32xlarge"} 0.4',
        ),
        {
            "acceleratorUtilisation": (0.3, "neuron-monitor"),
            ("acceleratorUtilisationByClass", "trn1.32xlarge"): (0.3, "neuron-monitor"),
        },
    ),
    "tpu": Scenario(
        (
            'tensorcore_utilization{c,make="cloud-tpu",accelerator_id="0",model="tpu-v5e"} 60',
            'tensorcore_utilization{c,make="nvidia",accelerator_id="1",model="x"} 99',
        ),
        {"acceleratorUtilisation": (0.6, "gke-tpu")},
    ),
    "other makers": Scenario(
        (
            'mlu_utilization{c,uuid="1",model="MLU370-X8"} 50',
            'mlu_power_usage{c,uuid="1"} 200',
            'dcu_power_usage{c,instance="a",device_id="1"} 250',
            'mx_board_power{c,uuid="1"} 300000',
            "mtgpu_power_usage_milliwatts{c} 100000",
            'ix_power_usage{c,uuid="1"} 50',
            'enflame_gcu_power_consumption{c,uuid="1"} 60',
            'enflame_gcu_power_consumption{c,uuid="2"} -1',
            "node_xpu_powerUsage{c} 40",
        ),
        {
            "acceleratorUtilisation": (0.5, "mlu-exporter"),
            "acceleratorPowerKW": (
                1.0,
                (
                    "mlu-exporter+dcu-exporter+mx-exporter+mtgpu-exporter+ix-exporter+gcu-exporter"
                    "+xpu-exporter"
                ),
            ),
        },
    ),
    "hami alone": Scenario(
        ('hami_host_gpu_utilization_ratio{c,device_uuid="1"} 40',),
        {"acceleratorUtilisation": (0.4, "hami")},
    ),
    "ipmi before kepler": Scenario(
        (
            'ipmi_dcmi_power_consumption_watts{c,instance="a"} 5000',
            'kepler_node_cpu_watts{c,node_name="a",zone="package"} 400',
        ),
        {"powerKW": (5.0, "ipmi-exporter")},
    ),
    "kepler and dcgm": Scenario(
        (
            'kepler_node_cpu_watts{c,node_name="a",zone="package",path="0"} 300',
            'kepler_node_cpu_watts{c,node_name="a",zone="core",path="0"} 200',
            'kepler_node_cpu_watts{c,node_name="a",zone="dram",path="0"} 100',
            'kepler_node_cpu_watts{c,node_name="b",zone="psys"} 600',
            'kepler_node_cpu_watts{c,node_name="b",zone="package"} 400',
            'DCGM_FI_DEV_POWER_USAGE{c,UUID="1",gpu="0"} 1000',
        ),
        {"powerKW": (2.0, "kepler+dcgm-exporter")},
    ),
    "kepler that sees the cards": Scenario(
        (
            'kepler_node_cpu_watts{c,node_name="a",zone="package"} 300',
            'kepler_node_gpu_watts{c,node_name="a",gpu="0",gpu_uuid="1"} 700',
        ),
        {"powerKW": (1.0, "kepler")},
    ),
    "kepler where there are no cards": Scenario(
        (
            'kepler_node_cpu_watts{c,node_name="a",zone="package"} 300',
            'kube_node_status_allocatable{c,node="a",resource="cpu",unit="core"} 64',
        ),
        {"powerKW": (0.3, "kepler")},
    ),
    "kepler where nobody tells of the cards": Scenario(
        (
            'kepler_node_cpu_watts{c,node_name="a",zone="package"} 300',
            'kube_node_status_allocatable{c,node="a",resource="nvidia_com_gpu",unit="x"} 8',
            'kube_pod_status_phase{c,namespace="n",pod="p",uid="1",phase="Running"} 1',
        ),
        {("acceleratorAllocation", "nvidia_com_gpu"): (0.0, "kube-state-metrics")},
    ),
    "our own names": Scenario(
        (
            'tradewind_carbon_intensity_g_per_kwh{c,zone="FR",kind="average"} 56',
            'tradewind_carbon_intensity_g_per_kwh{c,zone="FR",kind="marginal"} 400',
            'tradewind_electricity_price_usd_per_mwh{c,zone="FR"} -12.5',
            "tradewind_power_usage_effectiveness{c} 1.2",
            'grid_intensity_carbon_average{c,units="gCO2e per kWh"} 99',
        ),
        {
            "carbonIntensity": (56, "tradewind"),
            "pricePerMWh": (-12.5, "tradewind"),
            "pue": (1.2, "tradewind"),
        },
    ),
    "grid-intensity in grams": Scenario(
        (
            'grid_intensity_carbon_average{c,location="GB",units="gCO2e per kWh"} 180',
            'grid_intensity_carbon_relative{c,location="GB",units="percent"} 40',
        ),
        {"carbonIntensity": (180, "grid-intensity-exporter")},
    ),
    "grid-intensity in pounds": Scenario(
        ('grid_intensity_carbon_average{c,location="X",units="lbCO2e per MWh"} 1000',),
        {"carbonIntensity": (453.59237, "grid-intensity-exporter")},
    ),
    "grid-intensity in a unit of nobody's": Scenario(
        ('grid_intensity_carbon_average{c,location="X",units="percent"} 40',)
    ),
    "carbon-aware sdk that failed": Scenario(('carbon_aware_intensity{c,location="x"} 0',)),
    "carbon-aware sdk": Scenario(
        ('carbon_aware_intensity{c,location="x"} 210',),
        {"carbonIntensity": (210, "carbon-aware-sdk")},
    ),
    "the British exporter": Scenario(
        ('carbon_intensity{c,location="LONDON"} 150',),
        {"carbonIntensity": (150, "carbon-intensity-exporter")},
    ),
    "opencost": Scenario(
        (
            'node_gpu_hourly_cost{c,node="a",instance_type="p4d.24xlarge"} 2.5',
            'node_gpu_hourly_cost{c,node="b",instance_type="m5.large"} 0',
            'node_cpu_hourly_cost{c,node="a"} 0.0316',
            'node_ram_hourly_cost{c,node="a"} 0.00424',
        ),
        {
            ("acceleratorHour", "p4d.24xlarge"): (2.5, "opencost"),
            "cpuHour": (0.0316, "opencost"),
            "memoryGiBHour": (0.00424, "opencost"),
        },
    ),
    "kueue": Scenario(
        (
            'kueue_pending_workloads{c,cluster_queue="q",status="active",replica_role="leader"} 3',
            (
                'kueue_pending_workloads{c,cluster_queue="q",status="active",replica_role="follower"}'
                " 3"
            ),
            'kueue_pending_workloads{c,cluster_queue="q",status="inadmissible"} 2',
        ),
        {"queueDepth": (5, "kueue")},
    ),
    "the scheduler's own queue": Scenario(
        (
            'scheduler_pending_pods{c,queue="unschedulable"} 4',
            'scheduler_pending_pods{c,queue="active"} 9',
        ),
        {"queueDepth": (4, "kube-scheduler")},
    ),
    "inference servers": Scenario(
        (
            'vllm:num_requests_waiting{c,pod="a",model_name="m",engine="0"} 7',
            'sglang:num_queue_reqs{c,pod="b",model_name="m",tp_rank="0"} 2',
            'sglang:num_queue_reqs{c,pod="b",model_name="m",tp_rank="1"} 2',
            'tgi_queue_size{c,pod="c"} 1',
            'nv_inference_pending_request_count{c,pod="d",model="m"} 5',
            'vllm:generation_tokens_total{c,pod="a",model_name="m",engine="0"} @500',
            'sglang:generation_tokens_total{c,pod="b",model_name="m"} @250',
            'tgi_request_generated_tokens_sum{c,pod="c"} @50',
        ),
        {
            "requestsWaiting": (15, "vllm+sglang+tgi+triton"),
            "tokensPerSecond": (800, "vllm+sglang+tgi"),
        },
    ),
}
