"""Which extended resources count accelerators, whose they are, and what one unit of each is.

By table and pattern, case-sensitively, and never by `gpu` alone. Names that count the same silicon
again (neuroncore), or that are no capacity at all (monitoring, vcore, gpumem), are left out on
purpose. Names and units: the makers' device plugins, as in docs/hardware.md.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: The name by which a DeviceClass's devices can be asked for (KEP-5004); here it names the pool of
#: a node's devices that are served by DRA alone.
DEVICE_CLASS_PREFIX: Final = "deviceclass.resource.kubernetes.io/"

#: The whole chip's resource, then patterns of what is cut from it. A group is what one unit is.
_NAMES: Final = (
    ("nvidia", "nvidia.com/gpu", r"nvidia\.com/gpu(?P<shared>\.shared)?"),
    (
        "nvidia",
        "nvidia.com/gpu",
        r"nvidia\.com/(?P<part>mig-\d+g\.\d+gb(\.me(\.all)?)?)(?P<shared>\.shared)?",
    ),
    ("amd", "amd.com/gpu", r"amd\.com/(gpu|(?P<part>[a-z]+px_nps\d))"),
    ("intel", "habana.ai/gaudi", r"habana\.ai/gaudi"),
    ("intel", "gpu.intel.com/i915", r"gpu\.intel\.com/(i915|xe)"),
    ("google", "google.com/tpu", r"google\.com/tpu"),
    ("aws", "aws.amazon.com/neuron", r"aws\.amazon\.com/neuron"),
    ("huawei", "huawei.com/npu", r"huawei\.com/npu"),
    (
        "huawei",
        "huawei.com/Ascend310P",
        r"huawei\.com/Ascend310P(-(V|VPro|IPro|(?P<vnpu>\d+c\S*)))?",
    ),
    ("huawei", "huawei.com/Ascend310", r"huawei\.com/(Ascend310|ascend-310)"),
    ("huawei", "huawei.com/Ascend910", r"huawei\.com/(Ascend910(-(?P<vnpu>\d+c\S*))?|ascend-1980)"),
    # HAMi's names: as many units as a chip is split into.
    ("huawei", "huawei.com/Ascend910", r"huawei\.com/Ascend(?P<hami>910(A|B\d(-1)?|C))"),
    (
        "cambricon",
        "cambricon.com/mlu",
        r"cambricon\.com/mlu(\d+)?((?P<shared>\.share)|\.(?P<part>mim-\d+m\.\d+gb))?",
    ),
    (
        "hygon",
        "hygon.com/dcu",
        r"hygon\.com/dcu(-share-(?P<vdcu>\d+c-\d+g)|-mig-(?P<vmig>\d+g-\d+gb))?",
    ),
    # What HAMi and Volcano share out: several units to a card, and no name tells how many.
    ("nvidia", "nvidia.com/gpu", r"volcano\.sh/(?P<slots>vgpu-number)"),
    ("hygon", "hygon.com/dcu", r"hygon\.com/(?P<slots>dcunum)"),
    ("cambricon", "cambricon.com/mlu", r"cambricon\.com/(?P<slots>vmlu)"),
    ("mthreads", "mthreads.com/gpu", r"mthreads\.com/(?P<slots>vgpu)"),
    ("metax", "metax-tech.com/gpu", r"metax-tech\.com/(?P<slots>sgpu)"),
    ("iluvatar", "iluvatar.com/gpu", r"iluvatar\.ai/(?P<slots>[A-Z0-9-]+-vgpu)"),
    ("enflame", "enflame.com/gcu", r"enflame\.com/(?P<slots>drs-gcu|vgcu|shared-gcu)"),
    ("kunlunxin", "kunlunxin.com/xpu", r"kunlunxin\.com/(?P<slots>vxpu)"),
    ("biren", "birentech.com/gpu", r"birentech\.com/(?P<slots>1-[24]-gpu)"),
    ("mthreads", "mthreads.com/gpu", r"mthreads\.com/gpu"),
    ("metax", "metax-tech.com/gpu", r"metax-tech\.com/gpu"),
    ("iluvatar", "iluvatar.com/gpu", r"iluvatar\.com/gpu"),
    ("enflame", "enflame.com/gcu", r"enflame\.com/gcu"),
    ("kunlunxin", "kunlunxin.com/xpu", r"kunlunxin\.com/xpu"),
    ("biren", "birentech.com/gpu", r"birentech\.com/gpu"),
    ("vastai", "vastaitech.com/va", r"vastaitech\.com/va"),
    ("thead", "alibabacloud.com/ppu", r"alibabacloud\.com/ppu"),
    ("furiosa", "furiosa.ai/rngd", r"furiosa\.ai/(rngd|npu)"),
    ("rebellions", "rebellions.ai/npu", r"rebellions\.ai/(ATOM|REBEL|npu)"),
    ("qualcomm", "qualcomm.com/qaic", r"qualcomm\.com/qaic"),
)
#: Names that are known to count something else: the same silicon again, memory and shares of cores,
#: network and other devices, what virtual machines need.
_OTHERS: Final = re.compile(
    r"(aws\.amazon\.com/neuron\w+|gpu\.intel\.com/.*|npu\.intel\.com/.*|cambricon\.com/.*"
    r"|vpc\.amazonaws\.com/.*|rdma/.*|openshift\.io/.*|devices\.kubevirt\.io/.*|smarter-devices/.*"
    r"|.*(sriov|fuse|tun|kvm|nic|hca)(\W.*)?|.*(cores?|mem|memory|percentage))",
    re.IGNORECASE,
)
_PATTERNS: Final = tuple((vendor, whole, re.compile(pattern)) for vendor, whole, pattern in _NAMES)


@dataclass(frozen=True, slots=True)
class Unit:
    """What a resource counts.

    Attributes:
        vendor: lower case.
        whole: the resource that counts whole chips of that sort; the name of a DeviceClass's
            resource counts as its maker's.
        part: how a unit is cut, as in `hardware.parts`; empty: the name does not tell.
        shared: a unit is a share of a chip.
        model: chip that the name tells; empty: none.
    """

    vendor: str
    whole: str
    part: str = ""
    shared: bool = False
    model: str = ""


@lru_cache(maxsize=1024)
def unit_of(resource_name: str) -> Unit | None:
    """What a resource counts; None if it counts no accelerators."""
    for vendor, whole, pattern in _PATTERNS:
        match = pattern.fullmatch(resource_name)
        if match is not None:
            groups = match.groupdict()
            hami = groups.get("hami") or ""
            return Unit(
                vendor,
                whole,
                part=_part(groups),
                shared=bool(groups.get("shared") or groups.get("slots") or hami),
                model=hami,
            )
    return None


def _part(groups: dict[str, str | None]) -> str:
    if vnpu := groups.get("vnpu"):
        return f"vnpu-{vnpu}"
    if vdcu := groups.get("vdcu") or groups.get("vmig"):
        return f"vdcu-{vdcu}"
    part = (groups.get("part") or "").replace("_", "-")
    return "" if part.startswith("spx-") else part  # one partition is the whole chip


def vendor_of(resource_name: str) -> str:
    """The maker of what a resource counts; empty if it counts no accelerators."""
    unit = unit_of(resource_name)
    return unit.vendor if unit is not None else ""


def may_be_an_accelerator(resource_name: str) -> bool:
    """Whether a name that nobody knows may count accelerators, as far as a name can tell.

    >>> names = ("acme.example/chip", "rdma/hca", "cpu", "iluvatar.ai/BI-V150.vMem")
    >>> [may_be_an_accelerator(name) for name in names]
    [True, False, False, False]
    """
    domain = resource_name.partition("/")[0]
    known = "/" not in resource_name or domain.endswith("kubernetes.io")
    return not known and unit_of(resource_name) is None and not _OTHERS.fullmatch(resource_name)


def device_class_of(resource_name: str) -> str:
    """The DeviceClass whose devices a resource name stands for; empty if it is a plugin's.

    >>> device_class_of("deviceclass.resource.kubernetes.io/gpu.nvidia.com")
    'gpu.nvidia.com'
    """
    if not resource_name.startswith(DEVICE_CLASS_PREFIX):
        return ""
    return resource_name.removeprefix(DEVICE_CLASS_PREFIX)


#: DeviceClass to the resource that counts whole chips, for the drivers that there are.
_DEVICE_CLASSES: Final = {
    "gpu.nvidia.com": "nvidia.com/gpu",
    "mig.nvidia.com": "nvidia.com/gpu",
    "gpu.amd.com": "amd.com/gpu",
    "gpu.intel.com": "gpu.intel.com/i915",
    "gaudi.intel.com": "habana.ai/gaudi",
    "tpu.google.com": "google.com/tpu",
    "neuron.aws.com": "aws.amazon.com/neuron",
    "npu.huawei.com": "huawei.com/Ascend910",
}


@lru_cache(maxsize=1024)
def own_taints(resource_name: str) -> frozenset[str]:
    """Keys of taints that keep those away who do not ask for the resource.

    Nodes are tainted by the name of what they have: the whole chip's, also where it is cut.

    >>> sorted(own_taints("nvidia.com/mig-1g.10gb"))
    ['nvidia.com/gpu', 'nvidia.com/mig-1g.10gb']
    """
    if not resource_name:
        return frozenset()
    if resource_name.startswith(DEVICE_CLASS_PREFIX):
        device_class = resource_name.removeprefix(DEVICE_CLASS_PREFIX)
        return frozenset({_DEVICE_CLASSES.get(device_class, device_class)})
    unit = unit_of(resource_name)
    return frozenset({resource_name, unit.whole} if unit else {resource_name})
