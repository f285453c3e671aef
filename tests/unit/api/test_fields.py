"""What the shared values read, what they refuse, and that a refusal names what was read."""

import re
import string
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tradewind.api.fields import (
    DURATION_PATTERN,
    MESSAGE_LIMIT,
    Condition,
    Duration,
    LabelSelector,
    LabelSelectorRequirement,
    SelectorOperator,
    Taint,
    Timestamp,
    Toleration,
    condition_of,
    cpu_millis,
    format_duration,
    memory_bytes,
    parse_duration,
    parse_quantity,
    set_condition,
)
from tradewind.base.errors import QuantityError

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

# --- quantities

QUANTITIES = {
    "0": "0",
    "3": "3",
    "500m": "0.5",
    "1.5": "1.5",
    ".5": "0.5",
    "5.": "5",
    "-2": "-2",
    "+2": "2",
    "1e3": "1000",
    "1E3": "1000",
    "1E": "1000000000000000000",
    "2k": "2000",
    "2Ki": "2048",
    "1Gi": "1073741824",
    "7n": "0.000000007",
    " 4 ": "4",
}


@pytest.mark.parametrize(("text", "value"), QUANTITIES.items())
def test_quantities_are_read_exactly(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("number", [3, 2.5, Decimal("0.25")])
def test_plain_numbers_are_quantities(number: float | Decimal) -> None:
    assert parse_quantity(number) == Decimal(str(number))


WRONG = [
    "",
    "x",
    "1 Gi",
    "1gi",
    "1KI",
    "1iK",
    "1e",
    "--1",
    "1.2.3",
    "NaN",
    "Infinity",
    "1_000",
    "0x1",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_quantity_is_named(text: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_quantity(text)
    assert repr(text) in caught.value.message
    assert "16Gi" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "1e9999999",
        "9E9999999",
        "1e99999999999999999999",
        "1e400Ei",
        "10E",
        "1e-9999999999999999999",
    ],
)
def test_a_quantity_beyond_all_bounds_is_refused(text: str) -> None:
    """A template may ask for anything: what no machine has must not end a worker."""
    with pytest.raises(QuantityError, match="out of range"):
        parse_quantity(text)


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(QuantityError) as caught:
        parse_quantity("x" * 10_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("text", "millis"), [("1", 1000), ("0.5", 500), ("250m", 250), ("1u", 1), ("1n", 1), ("0", 0)]
)
def test_cores_are_rounded_up_to_thousandths(text: str, millis: int) -> None:
    assert cpu_millis(text) == millis


def test_bytes_are_rounded_up() -> None:
    assert [memory_bytes(text) for text in ("1", "1.2", "1500m", "1Ki")] == [1, 2, 2, 1024]


@given(st.decimals(0, 10**12, places=3), st.sampled_from(["", "m", "k", "Mi", "n"]))
def test_rounding_never_loses_anything(number: Decimal, suffix: str) -> None:
    text = f"{number}{suffix}"
    exact = parse_quantity(text)
    assert exact <= memory_bytes(text) < exact + 1
    assert exact * 1000 <= cpu_millis(text) < exact * 1000 + 1


@given(st.text(string.digits + "eE+-. kMGinmu", max_size=12))
def test_any_text_is_a_quantity_or_is_refused(text: str) -> None:
    try:
        value = parse_quantity(text)
    except QuantityError:
        return
    assert abs(value) < 2**63


# --- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("7d", 604800),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("1m5ms", 60.005),
        (30, 30),
    ],
)
def test_durations_are_read_in_seconds(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "1h 30m", "-5s", "1y", "1H", "five", "1hx", None])
def test_what_is_no_duration_is_named(text: str | None) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_duration(text)
    assert repr(str(text)) in caught.value.message


@given(st.integers(0, 10**12).map(lambda millis: millis / 1000))
def test_a_written_duration_reads_the_same(seconds: float) -> None:
    text = format_duration(seconds)
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-6, rel=0)
    assert re.search(DURATION_PATTERN, text)


@given(st.text("0123456789.dhms", max_size=10))
def test_the_crds_pattern_lets_in_what_can_be_read_and_nothing_else(text: str) -> None:
    try:
        parse_duration(text)
    except QuantityError:
        assert not re.search(DURATION_PATTERN, text)
    else:
        assert re.search(DURATION_PATTERN, text)


def test_a_duration_in_a_model_names_the_fault() -> None:
    durations = TypeAdapter(Duration)
    assert durations.dump_python(durations.validate_python("1h30m")) == "1h30m"
    with pytest.raises(ValidationError, match="'soon' is not a duration"):
        durations.validate_python("soon")


def test_a_time_is_written_in_utc_and_whole_seconds() -> None:
    shanghai = datetime(2026, 11, 24, 16, 0, 1, 999, timezone(timedelta(hours=8)))
    assert TypeAdapter(Timestamp).dump_python(shanghai, mode="json") == "2026-11-24T08:00:01Z"


# --- selectors

LABELS = {"tier": "edge", "empty": ""}
REQUIREMENTS = {
    "in": ("tier", "In", ("edge", "core"), True),
    "in, another value": ("tier", "In", ("core",), False),
    "in, no label": ("zone", "In", ("",), False),
    "in, the empty value": ("empty", "In", ("",), True),
    "not in": ("tier", "NotIn", ("core",), True),
    "not in, the value": ("tier", "NotIn", ("edge",), False),
    "not in, no label": ("zone", "NotIn", ("edge",), True),
    "exists": ("empty", "Exists", (), True),
    "exists, no label": ("zone", "Exists", (), False),
    "does not exist": ("zone", "DoesNotExist", (), True),
    "does not exist, but does": ("tier", "DoesNotExist", (), False),
}


@pytest.mark.parametrize(
    ("key", "operator", "values", "want"), REQUIREMENTS.values(), ids=REQUIREMENTS.keys()
)
def test_a_requirement_matches_as_kubernetes_does(
    key: str, operator: str, values: tuple[str, ...], want: bool
) -> None:
    requirement = LabelSelectorRequirement(
        key=key, operator=SelectorOperator(operator), values=values
    )
    assert requirement.matches(LABELS) is want


def test_an_empty_selector_takes_everything() -> None:
    assert LabelSelector().matches({})


def test_all_parts_of_a_selector_must_hold() -> None:
    selector = LabelSelector.model_validate(
        {
            "matchLabels": {"tier": "edge"},
            "matchExpressions": [{"key": "zone", "operator": "Exists"}],
        }
    )
    assert not selector.matches({"tier": "edge"})
    assert not selector.matches({"zone": "a"})
    assert selector.matches({"tier": "edge", "zone": "a"})


# --- taints

TAINT = Taint(key="dedicated", value="research", effect="NoSchedule")
TOLERATIONS = {
    "the same value": (Toleration(key="dedicated", value="research"), True),
    "another value": (Toleration(key="dedicated", value="sales"), False),
    "no value": (Toleration(key="dedicated"), False),
    "any value": (Toleration(key="dedicated", operator="Exists"), True),
    "another key": (Toleration(key="spot", operator="Exists"), False),
    "every taint": (Toleration(operator="Exists"), True),
    "no key, a value": (Toleration(value="research"), False),
    "the effect": (Toleration(key="dedicated", operator="Exists", effect="NoSchedule"), True),
    "another effect": (Toleration(key="dedicated", operator="Exists", effect="NoExecute"), False),
    "every taint of another effect": (Toleration(operator="Exists", effect="NoExecute"), False),
}


@pytest.mark.parametrize(("toleration", "want"), TOLERATIONS.values(), ids=TOLERATIONS.keys())
def test_a_toleration_lets_pass_as_kubernetes_does(toleration: Toleration, want: bool) -> None:
    assert toleration.tolerates(TAINT) is want


# --- conditions


def ready(
    status: str, *, now: datetime, reason: str = "Fine", message: str = ""
) -> list[Condition]:
    return set_condition(
        BEFORE,
        type="Ready",
        status=status,
        reason=reason,
        message=message,
        now=now,  # type: ignore[arg-type]
    )


BEFORE = [
    Condition(type="Placed", status="True", last_transition_time=NOW, reason="Placed"),
    Condition(type="Ready", status="True", last_transition_time=NOW, reason="Fine"),
]


def test_a_condition_that_says_the_same_changes_nothing() -> None:
    assert ready("True", now=LATER) == BEFORE


def test_a_new_reason_alone_keeps_the_transition_time() -> None:
    made = condition_of(ready("True", now=LATER, reason="Better"), "Ready")
    assert made is not None
    assert (made.reason, made.last_transition_time) == ("Better", NOW)


def test_a_new_status_moves_the_transition_time_and_stays_in_its_place() -> None:
    after = ready("False", now=LATER)
    assert [one.type for one in after] == ["Placed", "Ready"]
    assert (after[1].status, after[1].last_transition_time) == ("False", LATER)
    assert after[0] is BEFORE[0]


def test_a_first_condition_is_added() -> None:
    after = set_condition(BEFORE, type="Stalled", status="True", reason="Unplaceable", now=LATER)
    assert [one.type for one in after] == ["Placed", "Ready", "Stalled"]
    assert condition_of(BEFORE, "Stalled") is None


def test_a_message_is_cut_at_kubernetes_bound() -> None:
    made = condition_of(ready("False", now=NOW, message="x" * (MESSAGE_LIMIT + 1)), "Ready")
    assert made is not None
    assert len(made.message) == MESSAGE_LIMIT
