"""Sites on real servers: joining, hostile credentials, rotation, signals, leaving."""

import base64
import json
from typing import Any

import pytest
import yaml
from tests.live import API, HUB_NAMESPACE, Live, Operator, condition, job, path_of, wait_for

CANARY = "canary-7f3a9c-must-never-be-seen"


@pytest.fixture(scope="module", autouse=True)
def operator(live: Live) -> Any:
    with live.operator() as operator:
        live.wait_sites("alpha", "beta")
        yield operator


def _all_of(signals: Any) -> bool:
    wanted = {"carbonIntensity": 90, "pricePerMWh": 40}
    exact = all(signals.get(name, {}).get("value") == value for name, value in wanted.items())
    return exact and "load" in signals and "paris" in signals.get("latencyMs", {})


def _kubeconfig(live: Live) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(live.members["alpha"].kubeconfig_text(CANARY))
    return config


def _user(live: Live, **fields: Any) -> dict[str, Any]:
    config = _kubeconfig(live)
    config["users"][0]["user"] = {"token": CANARY, **fields}
    return config


def _cluster(live: Live, **fields: Any) -> dict[str, Any]:
    config = _kubeconfig(live)
    config["clusters"][0]["cluster"] |= fields
    return config


HOSTILE = {
    "exec": (lambda live: _user(live, exec={"command": "/bin/sh", "args": [CANARY]}),
             "ExecRefused"),
    "auth-provider": (lambda live: _user(live, **{"auth-provider": {"name": CANARY}}),
                      "AuthProviderRefused"),
    "token-file": (lambda live: _user(live, tokenFile=f"/etc/{CANARY}"), "FilePathRefused"),
    "cert-file": (lambda live: _user(live, **{"client-certificate": f"/etc/{CANARY}"}),
                  "FilePathRefused"),
    "key-file": (lambda live: _user(live, **{"client-key": f"/etc/{CANARY}"}), "FilePathRefused"),
    "ca-file": (lambda live: _cluster(live, **{"certificate-authority": f"/etc/{CANARY}"}),
                "FilePathRefused"),
    "insecure": (lambda live: _cluster(live, **{"insecure-skip-tls-verify": True}), "InsecureTLS"),
    "impersonation": (lambda live: _user(live, **{"as": CANARY}), "ImpersonationRefused"),
    "password": (lambda live: _user(live, username="root", password=CANARY), "BasicAuthRefused"),
    "proxy": (lambda live: _cluster(live, **{"proxy-url": f"http://{CANARY}"}), "ProxyRefused"),
    "http": (lambda live: _cluster(live, server=f"http://127.0.0.1/{CANARY}"), None),
    "metadata": (lambda live: _cluster(live, server="https://169.254.169.254"), None),
    "not-yaml": (lambda live: f"{CANARY}: [", "MalformedKubeconfig"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_kubeconfig_is_refused_by_name(live: Live, operator: Operator, kind: str) -> None:
    make, reason = HOSTILE[kind]
    config = make(live)
    text = config if isinstance(config, str) else yaml.safe_dump(config)
    name = f"hostile-{kind}"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": HUB_NAMESPACE},
        "data": {"kubeconfig": base64.b64encode(text.encode()).decode()},
    }
    live.hub.api.post(f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets", secret)
    site = {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "ComputeSite",
        "metadata": {"name": name},
        "spec": {"access": {"kubeconfigSecretRef": {"namespace": HUB_NAMESPACE, "name": name}}},
    }
    live.hub.api.post(f"{API}/computesites", site)
    try:
        live.wait_sites(name, status="False")
        # A site that has just come is not ready either, while the first answer is waited for.
        ready = wait_for(
            lambda: (now := condition(live.site(name), "Ready"))["reason"] != "Connecting" and now,
            "a verdict on the kubeconfig",
        )
        if reason is not None:
            assert ready["reason"] == reason
        assert ready["message"]
        assert CANARY not in json.dumps(live.site(name).get("status"))
        assert CANARY not in operator.text()
        _, metrics = operator.get("/metrics")
        assert CANARY not in metrics
    finally:
        live.hub.api.delete(f"{API}/computesites/{name}")
        live.hub.api.delete(f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets/{name}")
    wait_for(lambda: not live.hub.api.exists(f"{API}/computesites/{name}"), "the site to be gone")


def test_no_credential_is_in_any_log_status_or_event(live: Live, operator: Operator) -> None:
    secrets = live.hub.api.get(f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets")["items"]
    tokens = {live.hub.token}
    for secret in secrets:
        for value in secret.get("data", {}).values():
            config = yaml.safe_load(base64.b64decode(value))
            if isinstance(config, dict):
                tokens |= {user["user"].get("token") for user in config.get("users", [])} - {None}
    assert len(tokens) >= 3, "the test found no credentials to look for"
    seen = {operator.log.name: operator.text() for operator in live.operators}
    for path in ("computesites", "aiworkloads"):
        items = live.hub.api.get(f"{API}/{path}")["items"]
        seen[path] = json.dumps([item.get("status") for item in items])
    seen["events"] = json.dumps(live.hub.api.get("/api/v1/events"))
    leaks = [(name, token[:6]) for name, text in seen.items() for token in tokens if token in text]
    assert not leaks


def test_signals_come_from_a_real_prometheus(live: Live) -> None:
    def current() -> Any:
        signals = live.site("alpha")["status"].get("signals", {})
        return signals if _all_of(signals) else None

    # Round trips are medians of samples 30 s apart: the first comes that late.
    signals = wait_for(current, "alpha's signals", limit_s=90)
    assert signals["carbonIntensity"]["state"] == "Current"
    assert signals["carbonIntensity"]["source"] == "tradewind"
    assert signals["load"]["value"] == pytest.approx(0.3, abs=0.02)
    assert signals["latencyMs"]["paris"]["value"] == pytest.approx(12)
    assert condition(live.site("alpha"), "TelemetryCurrent")["status"] == "True"


def test_inventory_is_told_by_class_and_by_what_nodes_have_free(live: Live) -> None:
    def counted() -> Any:
        classes = {c["class"]: c for c in live.site("beta")["status"].get("accelerators", [])}
        return classes if len(classes) == 3 else None

    classes = wait_for(counted, "beta's inventory")
    assert classes["amd-mi300x"]["allocatable"] == 208
    assert classes["google-tpu-v5e"]["resourceName"] == "google.com/tpu"
    assert condition(live.site("beta"), "InventoryCurrent")["status"] == "True"


def test_a_member_that_left_can_join_again(live: Live, namespace: str) -> None:
    live.cli("leave", "beta", "--member-kubeconfig", str(live.members["beta"].kubeconfig))
    wait_for(lambda: not live.hub.api.exists(f"{API}/computesites/beta"), "beta to be gone")
    secrets = live.hub.api.get(f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets")["items"]
    assert not [s for s in secrets if "beta" in s["metadata"]["name"]]
    accounts = live.members["beta"].api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles")
    assert not [r for r in accounts["items"] if r["metadata"]["name"].startswith("tradewind")]
    live.join("beta")
    live.wait_sites("beta")
    workload = live.create(job("again", namespace, site="beta"))
    live.wait_phase(workload, "Succeeded")


def test_rotated_credentials_are_taken_up(live: Live, namespace: str) -> None:
    name = live.site("alpha")["spec"]["access"]["kubeconfigSecretRef"]["name"]
    path = f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets/{name}"
    good = live.hub.api.get(path)["data"]
    bad = yaml.safe_dump(_kubeconfig(live))
    key = next(iter(good))
    live.hub.api.patch(path, {"data": {key: base64.b64encode(bad.encode()).decode()}})
    live.wait_sites("alpha", status="False")
    live.hub.api.patch(path, {"data": good})
    live.wait_sites("alpha")
    workload = live.create(job("after", namespace, site="alpha"))
    live.wait_phase(workload, "Succeeded")


def test_a_cordoned_site_gets_nothing_new(live: Live, namespace: str) -> None:
    live.hub.api.patch(f"{API}/computesites/alpha", {"spec": {"unschedulable": True}})
    try:
        workload = live.create(job("elsewhere", namespace, site="alpha"))
        wait_for(lambda: "alpha" in live.cli("explain", f"{namespace}/elsewhere"), "the reason")
        assert live.get(workload)["status"]["phase"] == "Pending"
        assert not live.children("alpha", workload)
    finally:
        live.hub.api.patch(f"{API}/computesites/alpha", {"spec": {"unschedulable": False}})
    live.wait_phase(workload, "Succeeded")
    live.hub.api.delete(path_of(workload))


def test_the_hub_can_be_a_site(live: Live) -> None:
    site = {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "ComputeSite",
        "metadata": {"name": "hub-itself"},
        "spec": {"access": {"hub": {}}},
    }
    live.hub.api.post(f"{API}/computesites", site)
    try:
        live.wait_sites("hub-itself", kind="Reachable")
    finally:
        live.hub.api.delete(f"{API}/computesites/hub-itself")
    path = f"{API}/computesites/hub-itself"
    wait_for(lambda: not live.hub.api.exists(path), "the site to be gone")
