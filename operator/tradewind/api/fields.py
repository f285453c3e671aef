"""The values that all kinds share: quantities, durations, selectors, taints, conditions.

Wrong values raise `QuantityError` that says what was read and what would do; the CRDs' patterns
keep most of them out before.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from tradewind.base.errors import QuantityError


class Model(BaseModel):
    """A part of an object: frozen, camelCase outside, blind to fields it does not know."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )


_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
#: Kubernetes' own bound on a quantity, 2^63 - 1: what is beyond is a slip or an attack.
_GREATEST = Decimal(2**63 - 1)
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([A-Za-z]{0,2})")


def parse_quantity(value: str | float | Decimal) -> Decimal:
    """Read a Kubernetes quantity, exactly.

    Raises:
        QuantityError: it is not a quantity, or greater than Kubernetes has them.

    >>> parse_quantity("1500m"), parse_quantity("2Gi"), parse_quantity(3)
    (Decimal('1.500'), Decimal('2147483648'), Decimal('3'))
    """
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None or match[2] not in _SUFFIXES:
        raise QuantityError(
            f"{str(value)[:64]!r} is not a quantity", hint="write it like 500m, 4, 16Gi or 1e3"
        )
    try:
        number = Decimal(match[1]) * _SUFFIXES[match[2]]
        in_range = abs(number) <= _GREATEST
    except DecimalException:
        in_range = False
    if not in_range:
        raise QuantityError(f"{str(value)[:64]!r} is out of range", hint="stay below 2^63")
    return number


def cpu_millis(value: str | float) -> int:
    """A CPU quantity in thousandths of a core, rounded up as the scheduler does."""
    return _ceil(parse_quantity(value) * 1000)


def memory_bytes(value: str | float) -> int:
    """A memory quantity in bytes, rounded up."""
    return _ceil(parse_quantity(value))


def _ceil(value: Decimal) -> int:
    whole = int(value)
    return whole + 1 if value > whole else whole


_DURATION_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
DURATION_PATTERN = r"^(0|([0-9]+(\.[0-9]+)?(ms|[dhms]))+)$"


def parse_duration(value: Any) -> float:
    """Read a duration such as `90s`, `1h30m` or `7d`, in seconds.

    Raises:
        QuantityError: it is not a duration.

    >>> parse_duration("1h30m"), parse_duration("7d"), parse_duration("0")
    (5400.0, 604800.0, 0.0)
    """
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    if text == "0":
        return 0.0
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise QuantityError(
            f"{text[:64]!r} is not a duration", hint="write it like 90s, 15m, 1h30m or 7d"
        )
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """Write seconds as `parse_duration` reads them.

    >>> format_duration(5400)
    '1h30m'
    """
    if seconds <= 0:
        return "0"
    left, text = round(seconds * 1000), ""
    for unit, scale in _DURATION_UNITS.items():
        count, left = divmod(left, round(scale * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0"


def _read_duration(value: Any) -> float:
    try:
        return parse_duration(value)
    except QuantityError as error:
        raise ValueError(str(error)) from error


#: Seconds inside, text such as `1h30m` outside.
Duration = Annotated[
    float, BeforeValidator(_read_duration), PlainSerializer(format_duration, return_type=str)
]


def _to_utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


#: Whole seconds in UTC outside, as Kubernetes writes its own times.
Timestamp = Annotated[datetime, PlainSerializer(_to_utc_text, return_type=str, when_used="json")]


class ObjectMeta(Model):
    """The part of `metadata` that Tradewind reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class SelectorOperator(StrEnum):
    """How a requirement compares a label."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(Model):
    """One requirement on a label."""

    key: str
    """The label's key."""
    operator: SelectorOperator
    """How the value is compared: In, NotIn, Exists or DoesNotExist."""
    values: tuple[str, ...] = ()
    """What it is compared with; for In and NotIn only."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it; NotIn also holds where the label is missing."""
        match self.operator:
            case SelectorOperator.IN:
                return self.key in labels and labels[self.key] in self.values
            case SelectorOperator.NOT_IN:
                return self.key not in labels or labels[self.key] not in self.values
            case SelectorOperator.EXISTS:
                return self.key in labels
            case SelectorOperator.DOES_NOT_EXIST:
                return self.key not in labels


class LabelSelector(Model):
    """Labels that an object must have; an empty selector takes every object."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    """Labels that must be there with exactly these values."""
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    """Further requirements; all must hold."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil all of it."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


TaintEffect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Taint(Model):
    """Keeps away the work that does not tolerate it."""

    key: str
    """The taint's key."""
    value: str = ""
    """The taint's value."""
    effect: TaintEffect
    """NoSchedule: no new work. PreferNoSchedule: only when no other site will do. NoExecute: no new
    work, and what runs here without tolerating it is moved away."""


class Toleration(Model):
    """Lets work onto sites with a matching taint."""

    key: str = ""
    """The taint's key; empty with operator Exists tolerates every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Equal compares the value, Exists does not."""
    value: str = ""
    """The taint's value, for Equal."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """The effect that is tolerated; empty: every one."""

    def tolerates(self, taint: Taint) -> bool:
        """Whether this toleration lets the taint pass, with Kubernetes' rules."""
        if self.effect and self.effect != taint.effect:
            return False
        if not self.key:
            return self.operator == "Exists"
        return self.key == taint.key and (self.operator == "Exists" or self.value == taint.value)


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(Model):
    """One fact about an object, as `metav1.Condition`."""

    type: str
    """What it is about, in PascalCase."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: int | None = None
    """The generation of the spec that it speaks of."""
    last_transition_time: Timestamp
    """When the status last changed."""
    reason: str
    """Why, in PascalCase, for programs."""
    message: str = ""
    """Why, for people."""


class MonthTotal(Model):
    """What was spent in a calendar month (UTC)."""

    month: str = ""
    """The month, as in 2026-11."""
    cost_usd: float = Field(0.0, alias="costUSD")
    """Money: hardware, electricity and data, USD."""
    carbon_kg: float = Field(0.0, alias="carbonKg")
    """Emissions, kg CO2e."""


#: Kubernetes' own bound on a condition's message.
MESSAGE_LIMIT = 32768


def set_condition(
    conditions: Iterable[Condition],
    *,
    type: str,  # noqa: A002 - the field's own name
    status: ConditionStatus,
    reason: str,
    message: str = "",
    observed_generation: int | None = None,
    now: datetime,
) -> list[Condition]:
    """Set one condition in a list, in place of its predecessor.

    The transition time moves only when the status changes, so that a list that says the same is
    equal to the one before.
    """
    result, changed_at = list(conditions), now
    at = next((i for i, condition in enumerate(result) if condition.type == type), None)
    if at is not None and result[at].status == status:
        changed_at = result[at].last_transition_time
    made = Condition(
        type=type,
        status=status,
        observed_generation=observed_generation,
        last_transition_time=changed_at,
        reason=reason,
        message=message[:MESSAGE_LIMIT],
    )
    if at is None:
        result.append(made)
    elif result[at] != made:
        result[at] = made
    return result


def condition_of(conditions: Sequence[Condition], type: str) -> Condition | None:  # noqa: A002
    """The condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == type), None)
