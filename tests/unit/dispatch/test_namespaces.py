"""Namespaces at a site: made when missing, never changed, looked at once."""

import asyncio

import pytest
from tests.unit.dispatch.memory_site import HUB, MemorySite

from tradewind.api.names import LABEL_HUB_ID, LABEL_MANAGED_BY
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.dispatch.namespaces import Namespaces

PATH = "/api/v1/namespaces/research"


def namespaces(site: MemorySite) -> Namespaces:
    return Namespaces(
        lambda: site,  # type: ignore[arg-type,return-value]
        hub_id=HUB,
        pod_security="restricted",
    )


async def test_one_that_is_missing_is_made_and_says_whose_it_is() -> None:
    site = MemorySite()
    await namespaces(site).ensure("research")
    labels = site.objects[PATH]["metadata"]["labels"]
    assert labels[LABEL_HUB_ID] == HUB
    assert labels[LABEL_MANAGED_BY] == "tradewind"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["pod-security.kubernetes.io/warn"] == "restricted"


async def test_one_that_is_there_stays_as_it_is() -> None:
    site = MemorySite("research")
    before = dict(site.objects[PATH])
    await namespaces(site).ensure("research")
    assert (site.log, site.objects[PATH]) == ([], before)


async def test_it_is_looked_at_once_until_it_is_forgotten() -> None:
    site = MemorySite("research")
    known = namespaces(site)
    await known.ensure("research")
    await known.ensure("research")
    assert site.reads == [PATH]
    site.objects.clear()
    known.forget("research")
    await known.ensure("research")
    assert site.log == [("POST", PATH)]


async def test_many_at_once_make_it_once() -> None:
    site = MemorySite()
    known = namespaces(site)
    await asyncio.gather(*(known.ensure("research") for _ in range(8)))
    assert site.log == [("POST", PATH)]


async def test_one_that_somebody_made_meanwhile_is_theirs() -> None:
    site = MemorySite()
    site.refuses["POST"] = ApiError(409, "AlreadyExists", "it exists")
    await namespaces(site).ensure("research")
    assert site.log == []


@pytest.mark.parametrize("verb", ["get", "POST"])
@pytest.mark.parametrize(
    "error", [ApiError(403, "Forbidden", "no"), SiteUnreachableError("no answer")]
)
async def test_a_failure_is_told_and_nothing_is_taken_for_known(
    verb: str, error: ApiError | SiteUnreachableError
) -> None:
    site = MemorySite()
    known = namespaces(site)
    site.refuses[verb] = error  # type: ignore[assignment]
    with pytest.raises(type(error)):
        await known.ensure("research")
    site.refuses.clear()
    await known.ensure("research")
    assert site.log == [("POST", PATH)]
