"""The six workloads of the demo, and what each of them promises."""

from typing import Final

from demo.promises import (
    Promise,
    every_site_says_why,
    is_nowhere,
    is_ready,
    runs_on_class,
    runs_on_vendor,
    stays_in,
)
from tradewind.api.workload import WorkloadPhase

TRAINING: Final = "research/llama-pretrain"
UNPLACEABLE: Final = "research/frontier-512"

PROMISES: Final = (
    Promise(
        "llama-pretrain",
        WorkloadPhase.SUCCEEDED,
        "a training gang of 8 x 8 H100, all or nothing",
        runs_on_class("nvidia-h100-sxm", replicas=8),
    ),
    Promise(
        "cann-finetune",
        WorkloadPhase.SUCCEEDED,
        "a batch that runs on one maker's chips only",
        runs_on_vendor("huawei"),
    ),
    Promise(
        "clinical-notes",
        WorkloadPhase.SUCCEEDED,
        "a batch whose data may not leave France",
        stays_in("FR"),
    ),
    Promise(
        "frontier-512",
        WorkloadPhase.PENDING,
        "a gang of 512 chips, more than any site has",
        every_site_says_why,
    ),
    Promise(
        "chat-assistant",
        WorkloadPhase.RUNNING,
        "a Deployment that answers people in Shanghai and Paris",
        is_ready(4),
    ),
    Promise(
        "next-quarter",
        WorkloadPhase.SUSPENDED,
        "a batch that somebody holds back",
        is_nowhere,
    ),
)
