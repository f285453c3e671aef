"""Which namespace is meant when none is named: that of the kubeconfig's context, as with kubectl.

Only names are read here; credentials are `sites.client`'s affair. Of several files the first that
says something wins, which is kubectl's own rule.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_DEFAULT: Final = "default"


def default_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """The namespace of a context; `default` where none is set or no file can be read.

    Args:
        kubeconfig: the file; None takes KUBECONFIG's, else ~/.kube/config.
        context: the context; None takes the current one.
    """
    documents = list(_documents(kubeconfig))
    wanted = context or next(
        (d["current-context"] for d in documents if d.get("current-context")), ""
    )
    for found in documents:
        for entry in found.get("contexts") or ():
            if entry.get("name") == wanted:
                return str((entry.get("context") or {}).get("namespace") or _DEFAULT)
    return _DEFAULT


def _documents(kubeconfig: Path | None) -> Iterator[dict[str, Any]]:
    import yaml  # kept off the path of --help

    if kubeconfig is not None:
        files = [kubeconfig]
    elif os.environ.get("KUBECONFIG"):
        files = [Path(part) for part in os.environ["KUBECONFIG"].split(os.pathsep) if part]
    else:
        files = [Path.home() / ".kube" / "config"]
    for file in files:
        try:
            document = yaml.safe_load(file.read_text())
        except (OSError, yaml.YAMLError):
            continue  # the session that follows reads it too, and says what is wrong with it
        if isinstance(document, dict):
            yield document
