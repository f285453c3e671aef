"""Where the hub is, and who we are there: in a pod, or by a person's kubeconfig.

The official client finds it, for it alone knows exec plugins and in-cluster files. Members'
kubeconfigs never come near it; see `access`.
"""

import os
from pathlib import Path
from typing import Any, Final

from tradewind.base.errors import ConfigurationError
from tradewind.base.observe import redact
from tradewind.sites.access import Endpoint

_TOKEN_FILE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


def hub_endpoint(kubeconfig: Path | None = None, context: str | None = None) -> Endpoint:
    """Find the cluster that the process or the person means: in-cluster, else by kubeconfig.

    Here, and only here, exec plugins and files may be used: it is the caller's own configuration.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    from kubernetes import client, config  # 35 MB that members' sessions need nothing of

    load: Any = config  # the official client comes without types here
    settings = client.Configuration()
    try:
        if kubeconfig is None and context is None and _in_cluster():
            load.load_incluster_config(client_configuration=settings)
        else:
            load.load_kube_config(
                config_file=str(kubeconfig) if kubeconfig else None,
                context=context,
                client_configuration=settings,
            )
    except (load.ConfigException, OSError, ValueError) as error:
        raise ConfigurationError(
            f"no cluster to talk to: {redact(str(error))}",
            hint="set KUBECONFIG, or give --kubeconfig and --context",
        ) from error
    token = settings.get_api_key_with_prefix("BearerToken", "authorization") or ""
    return Endpoint(
        server=settings.host.rstrip("/"),
        ca_pem=_read_file(settings.ssl_ca_cert),
        token=token.removeprefix("Bearer ").removeprefix("bearer "),
        token_file=_TOKEN_FILE if kubeconfig is None and context is None and _in_cluster() else "",
        cert_pem=_read_file(settings.cert_file),
        key_pem=_read_file(settings.key_file),
        server_name=settings.tls_server_name or "",
    )


def _in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and Path(_TOKEN_FILE).exists()


def _read_file(path: str | None) -> str:
    return Path(path).read_text(encoding="ascii") if path else ""
