"""What the commands that show the whole may be asked for; apart, so that help comes up quickly."""

from enum import StrEnum


class UsageBy(StrEnum):
    """What usage is summed by."""

    QUEUE = "queue"
    NAMESPACE = "namespace"
    SITE = "site"
    POLICY = "policy"
    WORKLOAD = "workload"


class HardwareBy(StrEnum):
    """What accelerators are summed by."""

    CLASS = "class"
    VENDOR = "vendor"
    SITE = "site"


class Form(StrEnum):
    """Forms of an answer that may be CSV, too."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


class Measure(StrEnum):
    """What a forecast's error is a percentage of: of each value, or of the mean size of all."""

    MAPE = "mape"
    WAPE = "wape"
