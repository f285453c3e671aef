"""A ComputeSite from flags and files, and which namespace is meant."""

from pathlib import Path

import pytest
import yaml

from tradewind.base.errors import ConfigurationError
from tradewind.cli.kubeconfig import default_namespace
from tradewind.cli.sitespec import SiteFlags, site_object


def test_only_what_was_said_stands_in_the_object() -> None:
    assert site_object("paris", SiteFlags(jurisdiction="FR", pue=1.2)) == {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "ComputeSite",
        "metadata": {"name": "paris"},
        "spec": {"location": {"jurisdiction": "FR"}, "energy": {"pue": 1.2}},
    }


def test_a_zero_is_something_that_was_said() -> None:
    spec = site_object("oslo", SiteFlags(carbon_intensity=0.0))["spec"]
    assert spec == {"energy": {"carbonIntensity": 0.0}}


def test_repeated_flags_become_maps_and_lists() -> None:
    flags = SiteFlags(
        prometheus_url="https://p.example",
        prometheus_matcher=["cluster=paris", "replica=a=b"],
        accelerator_price=["nvidia-h100-sxm=2.1"],
        label=["tier=green"],
        taint=["dedicated=research:NoSchedule", "edge:PreferNoSchedule"],
    )
    site = site_object("paris", flags)
    assert site["metadata"]["labels"] == {"tier": "green"}
    assert site["spec"] == {
        "prometheus": {
            "url": "https://p.example",
            "matchers": {"cluster": "paris", "replica": "a=b"},
        },
        "pricing": {"acceleratorHour": {"nvidia-h100-sxm": 2.1}},
        "taints": [
            {"key": "dedicated", "value": "research", "effect": "NoSchedule"},
            {"key": "edge", "effect": "PreferNoSchedule"},
        ],
    }


def test_flags_win_over_the_file_field_by_field(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "kind": "ComputeSite",
                "metadata": {"labels": {"tier": "green", "owner": "lab"}},
                "spec": {"location": {"region": "fr-idf", "jurisdiction": "FR"}},
            }
        )
    )
    site = site_object("paris", SiteFlags(region="fr-ara", label=["tier=grey"]), file)
    assert site["spec"]["location"] == {"region": "fr-ara", "jurisdiction": "FR"}
    assert site["metadata"] == {"name": "paris", "labels": {"tier": "grey", "owner": "lab"}}


REFUSED = {
    "a matcher without a value": (SiteFlags(prometheus_matcher=["cluster"]), "KEY=VALUE"),
    "a matcher without a server": (SiteFlags(prometheus_matcher=["a=b"]), "--prometheus-url"),
    "a price that is no number": (SiteFlags(accelerator_price=["a=cheap"]), "not a number"),
    "a taint without an effect": (SiteFlags(taint=["edge"]), "EFFECT"),
}


@pytest.mark.parametrize(("flags", "message"), REFUSED.values(), ids=REFUSED)
def test_a_flag_that_cannot_be_read_is_named(flags: SiteFlags, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        site_object("paris", flags)


FILES = {
    "another name": "{kind: ComputeSite, metadata: {name: lyon}}",
    "another kind": "{kind: Secret}",
    "no object": "[1, 2]",
    "no YAML": "{",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"site\.yaml"):
        site_object("paris", SiteFlags(), file)


@pytest.fixture
def kubeconfigs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two kubeconfigs on KUBECONFIG, the first without a context of its own."""
    (tmp_path / "current").write_text("current-context: b")
    (tmp_path / "contexts").write_text(
        yaml.safe_dump(
            {
                "current-context": "a",
                "contexts": [
                    {"name": "a", "context": {"namespace": "ns-a"}},
                    {"name": "b", "context": {"namespace": "ns-b"}},
                    {"name": "bare", "context": {}},
                ],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/current:{tmp_path}/none:{tmp_path}/contexts")
    return tmp_path


def test_the_namespace_is_that_of_the_context(kubeconfigs: Path) -> None:
    assert default_namespace(None, None) == "ns-b"  # the first file to name a context wins
    assert default_namespace(None, "a") == "ns-a"
    assert default_namespace(kubeconfigs / "contexts", None) == "ns-a"
    assert default_namespace(None, "bare") == "default"
    assert default_namespace(None, "missing") == "default"


def test_a_kubeconfig_that_cannot_be_read_leaves_the_default(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{")
    assert default_namespace(broken, None) == "default"
