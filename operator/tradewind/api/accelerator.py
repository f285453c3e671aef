"""AcceleratorClass: one product, in terms that belong to no maker."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from tradewind.api.fields import Model, ObjectMeta


class Sharing(StrEnum):
    """How a unit that pods ask for is cut from a chip."""

    EXCLUSIVE = "Exclusive"
    SHARED = "Shared"
    PARTITION = "Partition"
    ANY = "Any"


class LabelMatch(Model):
    """A node label that tells the product."""

    key: str
    """The label's key."""
    values: tuple[str, ...] = ()
    """Values that mean this product; empty: any value."""


class Throughput(Model):
    """Dense throughput by precision, TFLOPS (TOPS for INT8)."""

    fp32: float | None = Field(None, gt=0)
    """FP32 or TF32."""
    bf16: float | None = Field(None, gt=0)
    """BF16, or FP16 where there is no BF16."""
    fp8: float | None = Field(None, gt=0)
    """FP8."""
    int8: float | None = Field(None, gt=0)
    """INT8."""


class AcceleratorClassSpec(Model):
    """What the product is and what it can do."""

    vendor: str
    """Its maker, lower case: nvidia, amd, huawei."""
    product: str = ""
    """Name for people."""
    resource_names: tuple[str, ...] = ()
    """Extended resources by which pods ask for it."""
    match: tuple[LabelMatch, ...] = ()
    """Node labels that tell it; any of them."""
    memory_gib: float = Field(alias="memoryGiB", gt=0)
    """Memory of one unit, GiB."""
    tflops: Throughput = Throughput()
    """Dense throughput."""
    measured_tflops: Throughput | None = None
    """Best measured matrix multiplication, where known."""
    bandwidth_gbs: float | None = Field(None, alias="bandwidthGBs", gt=0)
    """Memory bandwidth, GB/s."""
    tdp_watts: float | None = Field(None, gt=0)
    """Greatest draw of one unit, watts."""
    idle_watts: float | None = Field(None, ge=0)
    """Draw of one idle unit, watts."""
    interconnect: str = ""
    """Link between units, such as nvlink."""
    price_per_hour: float | None = Field(None, ge=0)
    """Reference price of one unit, USD an hour."""
    source: str = ""
    """Where these figures come from."""
    confidence: Literal["A", "B", "C"] = "C"
    """A: the maker's own sheet. B: a reputable third party. C: press or community."""


class AcceleratorClass(Model):
    """One accelerator product, in terms that belong to no maker."""

    api_version: str = ""
    kind: str = "AcceleratorClass"
    metadata: ObjectMeta
    spec: AcceleratorClassSpec
