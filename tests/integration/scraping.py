"""A page of signals and the real Prometheus that scrapes it, for the tests of several modules."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.live import Live, wait_for

from federation.lone import LonePrometheus, Page, lone_prometheus


def energy(cluster: str, *, carbon: float = 100, price: float = 50) -> str:
    """What a site's exporters show."""
    return (
        f'tradewind_carbon_intensity_g_per_kwh{{cluster="{cluster}",zone="Z",kind="average"}} '
        f"{carbon}\n"
        f'tradewind_electricity_price_usd_per_mwh{{cluster="{cluster}",zone="Z"}} {price}\n'
        f'tradewind_power_usage_effectiveness{{cluster="{cluster}"}} 1.2\n'
    )


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, LonePrometheus]]:
    """A page and the Prometheus that scrapes it, for all tests here."""
    made = Page(energy("here"))
    folder = tmp_path_factory.mktemp("scraped") / "lone"
    with lone_prometheus(folder, targets=[made.target], scrape_s=0.5) as prometheus:
        yield made, prometheus
    made.close()


@pytest.fixture
def page(scraped: tuple[Page, LonePrometheus], request: pytest.FixtureRequest) -> Page:
    """The page as it is at first, and scraped as such."""
    made, prometheus = scraped
    marked = f'marker{{test="{request.node.name}"}}'.replace("[", "").replace("]", "")
    made.text = energy("here") + f"{marked} 1\n"
    wait_for(lambda: prometheus.ask(marked), "the first scrape")
    return made


@pytest.fixture
def prometheus(scraped: tuple[Page, LonePrometheus], page: Page) -> LonePrometheus:
    return scraped[1]


@pytest.fixture
def moved(live: Live, prometheus: LonePrometheus, page: Page) -> Iterator[Page]:
    """Both members' signals come from the page, for the time of a test."""
    page.text = energy("alpha", carbon=100) + energy("beta", carbon=800)
    before = {name: live.site(name)["spec"]["prometheus"] for name in ("alpha", "beta")}
    try:
        for name in before:
            point(live, name, {"url": prometheus.url, "pollInterval": "1s"})
        yield page
    finally:
        for name, spec in before.items():
            point(live, name, spec)


def point(live: Live, name: str, prometheus: dict[str, Any]) -> None:
    path = f"/apis/tradewind.dev/v1alpha1/computesites/{name}"
    live.hub.api.patch(path, {"spec": {"prometheus": prometheus}})
