"""PlacementPolicy: what each preference is worth, in US dollars."""

from pydantic import Field

from tradewind.api.fields import Duration, LabelSelector, Model, ObjectMeta


class PolicyTerm(Model):
    """A preference of the user's own: a PromQL value with a price."""

    name: str
    """Name of the term in explanations."""
    query: str
    """PromQL that gives one value a site, by the label site, or one for all with $SITE in it."""
    price_per_unit: float
    """USD for one unit of the value and one hour of running."""


class Rebalance(Model):
    """When running work is moved to a better site."""

    min_saving: float = Field(0.2, ge=0, le=1)
    """Least saving, as a share of the cost that is left, price of the move included."""
    cooldown: Duration = 3600.0
    """Least time between two moves of one workload."""
    max_concurrent_moves: int = Field(2, ge=0)
    """The most moves under way at once."""


class PolicyDefaults(Model):
    """What workloads get that do not say it themselves."""

    site_selector: LabelSelector | None = None
    """Labels of the sites that may have the work."""
    jurisdictions: tuple[str, ...] = ()
    """Where the work's data may be."""


class PolicySpec(Model):
    """The prices, USD."""

    carbon_per_tonne: float = Field(0.0, ge=0)
    """A tonne of CO2e."""
    wait_per_hour: float = Field(0.0, ge=0)
    """An hour of a workload's waiting."""
    latency_per_millisecond_hour: float = Field(0.0, ge=0)
    """A millisecond of round trip, for an hour of running."""
    data_per_gib: float = Field(0.0, alias="dataPerGiB", ge=0)
    """A GiB moved between sites."""
    move_per_accelerator_hour: float = Field(0.0, ge=0)
    """An accelerator hour lost by moving."""
    terms: tuple[PolicyTerm, ...] = ()
    """Preferences of the user's own."""
    rebalance: Rebalance | None = None
    """When running work is moved; absent: never."""
    defaults: PolicyDefaults = PolicyDefaults()
    """What workloads get that do not say it themselves."""


class PlacementPolicy(Model):
    """What each preference is worth, in US dollars."""

    api_version: str = ""
    kind: str = "PlacementPolicy"
    metadata: ObjectMeta
    spec: PolicySpec
