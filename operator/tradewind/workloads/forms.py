"""Which parts of a template have a form that others count on: objects, lists, text.

Templates are free-form on the hub: nothing there keeps a number from standing where containers
should. Guard, demand, translation and rendering all read the parts below and rely on what is
checked here once. What stands in them beyond that is for the site's API server to judge. Null is
the same as absent, as it is for Kubernetes.
"""

from collections.abc import Mapping
from typing import Any, Final

from tradewind.base.errors import TemplateRefusedError

#: `str`: text; a mapping: an object, whose parts are checked too; a list of one form: a list of it.
Form = type[str] | Mapping[str, Any] | list[Any]

_OBJECT: Final[Form] = {}
_METADATA: Final[Form] = {"labels": _OBJECT, "annotations": _OBJECT}
_RESOURCES: Final[Form] = {"requests": _OBJECT, "limits": _OBJECT}
_SECURITY: Final[Form] = {
    "seccompProfile": _OBJECT,
    "appArmorProfile": _OBJECT,
    "windowsOptions": _OBJECT,
    "capabilities": {"add": [str]},
}
_HANDLER: Final[Form] = {"httpGet": _OBJECT, "tcpSocket": _OBJECT}
_CONTAINER: Final[Form] = {
    "name": str,
    "resources": _RESOURCES,
    "env": [{"name": str}],
    "ports": [_OBJECT],
    "securityContext": _SECURITY,
    "livenessProbe": _HANDLER,
    "readinessProbe": _HANDLER,
    "startupProbe": _HANDLER,
    "lifecycle": {"postStart": _HANDLER, "preStop": _HANDLER},
}
_TERMS: Final[Form] = {"nodeSelectorTerms": [{"matchExpressions": [_OBJECT]}]}
_POD: Final[Form] = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "tolerations": [_OBJECT],
    "volumes": [{"projected": {"sources": [_OBJECT]}}],
    "securityContext": _SECURITY,
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _TERMS}},
    "overhead": _OBJECT,
    "resources": _RESOURCES,
}
_TEMPLATE: Final[Form] = {
    "metadata": _METADATA,
    "spec": {"selector": _OBJECT, "template": {"metadata": _METADATA, "spec": _POD}},
}


def check_form(template: Mapping[str, Any]) -> None:
    """Refuse a template in which something else stands where a part is read.

    Raises:
        TemplateRefusedError: names the field and what should stand there.
    """
    _check(template, _TEMPLATE, "spec.template")


def _check(value: Any, form: Form, path: str) -> None:
    if value is None:
        return
    if isinstance(form, list):
        _expect(value, list, path, "a list")
        for number, item in enumerate(value):
            if item is None:
                raise TemplateRefusedError(f"{path}[{number}] is null", hint="leave it out")
            _check(item, form[0], f"{path}[{number}]")
    elif isinstance(form, Mapping):
        _expect(value, Mapping, path, "an object")
        for name, inner in form.items():
            _check(value.get(name), inner, f"{path}.{name}")
    else:
        _expect(value, form, path, "text")


def _expect(value: Any, sort: type[Any], path: str, what: str) -> None:
    if not isinstance(value, sort):
        raise TemplateRefusedError(
            f"{path} is not {what}", hint="kubectl explain tells the form of each field"
        )
