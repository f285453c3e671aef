"""A real Prometheus behind TLS and a password: let in by Secrets, and again when they are changed.

What Prometheus cannot do itself, a bearer token, is in `tests/unit/telemetry/test_registry.py`.
"""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.scraping import energy, point
from tests.live import HUB_NAMESPACE, Live, condition, wait_for

from federation.lone import Guard, LonePrometheus, Page, lone_prometheus
from federation.pki import make_pki

pytestmark = pytest.mark.integration

#: By bcrypt, as `htpasswd -nbB reader PASSWORD` writes it.
HASHED = {
    "first-pass-9c1": "$2b$05$abcdefghijklmnopqrstuu1WD4U0v6gC039NFekHjR0WZRJ5RSUTW",
    "second-pass-4e7": "$2b$05$abcdefghijklmnopqrstuu235azMjihTsTaIcuFYP77Oyc4H0P3ma",
}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Guard, LonePrometheus]]:
    page = Page(energy("alpha", carbon=77) + energy("elsewhere", carbon=999))
    guard = Guard(make_pki(tmp_path / "pki"), "reader", "first-pass-9c1", HASHED["first-pass-9c1"])
    folder = tmp_path / "guarded"
    with lone_prometheus(folder, targets=[page.target], scrape_s=0.5, guard=guard) as prometheus:
        yield guard, prometheus
    page.close()


def put_secret(live: Live, name: str, **data: str) -> dict[str, str]:
    """Make or change a Secret; returns the reference to it."""
    path = f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets"
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": HUB_NAMESPACE},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
    if live.hub.api.exists(f"{path}/{name}"):
        live.hub.api.patch(f"{path}/{name}", {"data": body["data"]})
    else:
        live.hub.api.post(path, body)
    return {"namespace": HUB_NAMESPACE, "name": name}


def told(live: Live) -> dict[str, Any]:
    return condition(live.site("alpha"), "TelemetryCurrent")


def carbon(live: Live) -> Any:
    signals = live.site("alpha").get("status", {}).get("signals", {})
    return signals.get("carbonIntensity", {}).get("value")


def test_a_guarded_prometheus_is_read_and_rotated_credentials_are_taken_up(
    live: Live, guarded: tuple[Guard, LonePrometheus], tmp_path: Path
) -> None:
    guard, prometheus = guarded
    user = put_secret(live, "prometheus-user", username=guard.user, password=guard.password)
    trusted = put_secret(live, "prometheus-ca", **{"ca.crt": guard.pki.ca.read_text()})
    before = live.site("alpha")["spec"]["prometheus"]
    with live.operator() as operator:
        try:
            # Its matchers keep what the same server tells of others out.
            point(live, "alpha", {"url": prometheus.url, "pollInterval": "1s",
                                  "matchers": {"cluster": "alpha"},
                                  "auth": {"basicAuthSecretRef": user}})  # fmt: skip
            wait_for(lambda: told(live).get("reason") == "Unreachable", "TLS to be refused")
            assert "certificate" in told(live)["message"].lower()
            point(live, "alpha", {"caBundleSecretRef": {**trusted, "key": "ca.crt"}})
            wait_for(lambda: told(live).get("reason") == "Polled", "the first poll")
            wait_for(lambda: carbon(live) == 77, "the site's own signal")

            fresh = "second-pass-4e7"
            prometheus.guard_by(replace(guard, password=fresh, hashed=HASHED[fresh]))
            wait_for(lambda: told(live).get("reason") == "QueryFailed", "the old password's end")
            assert "401" in told(live)["message"]
            put_secret(live, "prometheus-user", username=guard.user, password=fresh)
            wait_for(lambda: told(live).get("reason") == "Polled", "the new password")

            other = replace(guard, pki=make_pki(tmp_path / "other"), password=fresh,
                            hashed=HASHED[fresh])  # fmt: skip
            put_secret(live, "prometheus-ca", **{"ca.crt": other.pki.ca.read_text()})
            wait_for(lambda: told(live).get("reason") == "Unreachable", "the old CA's end")
            prometheus.guard_by(other)
            wait_for(lambda: told(live).get("reason") == "Polled", "the new certificate")
        finally:
            point(live, "alpha", {**before, "auth": None, "caBundleSecretRef": None})
        seen = operator.text() + str(live.site("alpha")) + operator.get("/metrics")[1]
        assert not [password for password in HASHED if password in seen]
