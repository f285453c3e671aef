"""Which hub, as whom: what a person's kubeconfig says reaches the session."""

from pathlib import Path

import pytest
import yaml

from tradewind.base.errors import ConfigurationError
from tradewind.sites.hubaccess import hub_endpoint


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "a",
                "clusters": [
                    {"name": "a", "cluster": {"server": "https://a.example:6443"}},
                    {"name": "b", "cluster": {"server": "https://b.example:6443/"}},
                ],
                "users": [{"name": "me", "user": {"token": "my-own-token"}}],
                "contexts": [
                    {"name": "a", "context": {"cluster": "a", "user": "me"}},
                    {"name": "b", "context": {"cluster": "b", "user": "me"}},
                ],
            }
        )
    )
    return file


def test_the_kubeconfigs_token_is_sent_and_never_shown(kubeconfig: Path) -> None:
    endpoint = hub_endpoint(kubeconfig)
    assert (endpoint.server, endpoint.token) == ("https://a.example:6443", "my-own-token")
    assert "my-own-token" not in repr(endpoint)


def test_a_context_chooses_the_cluster(kubeconfig: Path) -> None:
    assert hub_endpoint(kubeconfig, "b").server == "https://b.example:6443"


def test_a_context_that_is_not_there_is_named(kubeconfig: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere") as refused:
        hub_endpoint(kubeconfig, "nowhere")
    assert "--context" in refused.value.hint
