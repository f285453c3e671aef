"""Which accelerator a cloud's instance type has, where no label says more.

The types are those that AWS, Azure and Google list for whole devices. Types with a part of one
(Azure's smaller NVads_A10_v5) are left out, and so are those with a choice of accelerators (n1-*).
"""

import re
from functools import lru_cache
from typing import Final

INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"

_TYPES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"p3dn\.\w+", "nvidia-v100-sxm-32gb"),
        (r"p3\.\w+", "nvidia-v100-sxm-16gb"),
        (r"p4d\.\w+", "nvidia-a100-sxm-40gb"),
        (r"p4de\.\w+", "nvidia-a100-sxm-80gb"),
        (r"p5\.\w+", "nvidia-h100-sxm"),
        (r"p5en?\.\w+", "nvidia-h200-sxm"),
        (r"p6-b200\.\w+", "nvidia-b200"),
        (r"p6-b300\.\w+", "nvidia-b300"),
        (r"p6e-gb200\.\w+", "nvidia-gb200"),
        (r"g4dn\.\w+", "nvidia-t4"),
        (r"g5\.\w+", "nvidia-a10g"),
        (r"gr?6\.\w+", "nvidia-l4"),
        (r"g6e\.\w+", "nvidia-l40s"),
        (r"g7e\.\w+", "nvidia-rtx-pro-6000"),
        (r"trn1n?\.\w+", "aws-trainium1"),
        (r"trn2u?\.\w+", "aws-trainium2"),
        (r"trn3\w*\.\w+", "aws-trainium3"),
        (r"inf2\.\w+", "aws-inferentia2"),
        (r"standard_nd96asr_v4", "nvidia-a100-sxm-40gb"),
        (r"standard_nd96amsr_a100_v4", "nvidia-a100-sxm-80gb"),
        (r"standard_nd96is\w*_h100_v5", "nvidia-h100-sxm"),
        (r"standard_nd96is\w*_h200_v5", "nvidia-h200-sxm"),
        (r"standard_nd96is\w*_mi300x_v5", "amd-mi300x"),
        (r"standard_nd128is\w*_ndr_gb200_v6", "nvidia-gb200"),
        (r"standard_nc\d+ads_a100_v4", "nvidia-a100-pcie-80gb"),
        (r"standard_ncc?\d+ad\w*_h100_v5", "nvidia-h100-nvl"),
        (r"standard_nc\d+as_t4_v3", "nvidia-t4"),
        (r"a2-(highgpu|megagpu)-\w+", "nvidia-a100-sxm-40gb"),
        (r"a2-ultragpu-\w+", "nvidia-a100-sxm-80gb"),
        (r"a3-(highgpu|megagpu|edgegpu)-\w+", "nvidia-h100-sxm"),
        (r"a3-ultragpu-\w+", "nvidia-h200-sxm"),
        (r"a4-highgpu-\w+", "nvidia-b200"),
        (r"a4x-highgpu-\w+", "nvidia-gb200"),
        (r"g2-standard-\w+", "nvidia-l4"),
        (r"ct4p-hightpu-\w+", "google-tpu-v4"),
        (r"ct5lp?-hightpu-\w+", "google-tpu-v5e"),
        (r"ct5p-hightpu-\w+", "google-tpu-v5p"),
        (r"ct6e-standard-\w+", "google-tpu-v6e"),
        (r"tpu7x-standard-\w+", "google-tpu-v7"),
    )
)


@lru_cache(maxsize=1024)
def class_of_instance(instance_type: str) -> str:
    """The class of the accelerators of an instance type; empty if it is not on the list.

    >>> class_of_instance("p5en.48xlarge"), class_of_instance("m7i.large")
    ('nvidia-h200-sxm', '')
    """
    return next((name for pattern, name in _TYPES if pattern.fullmatch(instance_type)), "")
