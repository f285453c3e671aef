"""What a template may not hold: it runs at sites with Tradewind's credentials, not its author's.

Refused is what reaches for the node, for other tenants, for the member's API, or for the right of
way over other work. Pod Security at the site is a second line, not the first: it looks at pods
only, after their Job has been accepted, and not at service accounts, node names, tolerations or
priorities at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

from tradewind.api.names import ACCELERATOR_LABEL_PREFIX, GROUP, NEUTRAL_ACCELERATOR
from tradewind.base.errors import TemplateRefusedError
from tradewind.workloads.copying import as_mapping
from tradewind.workloads.forms import check_form
from tradewind.workloads.registry import adapter_for

#: Volumes that bring nothing of the node or of other tenants with them.
_VOLUMES: Final = frozenset(
    {
        "configMap",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
#: Capabilities that Pod Security's baseline lets a container add.
_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_CONTROL_PLANE: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_OURS: Final = (f"{GROUP}/", f"{ACCELERATOR_LABEL_PREFIX}/")


def check_template(template: Mapping[str, Any]) -> None:
    """Refuse a template that asks for more than its work needs.

    Raises:
        TemplateRefusedError: names the field and the mend.
    """
    adapter = adapter_for(str(template.get("apiVersion")), str(template.get("kind")))
    check_form(template)
    _check_metadata(as_mapping(template.get("metadata")), "metadata")
    for pod_set in adapter.pod_sets(template):
        where = ".".join(pod_set.template_path)
        _check_metadata(as_mapping(pod_set.template.get("metadata")), f"{where}.metadata")
        spec = as_mapping(pod_set.template.get("spec"))
        if not spec.get("containers"):
            _refuse(f"{where}.spec.containers", "is empty", "name at least one container")
        _check_pod(spec, f"{where}.spec")


def check_variant(volumes: Iterable[Any], where: str) -> None:
    """Refuse a variant that adds volumes which no template may hold.

    Raises:
        TemplateRefusedError: names the field and the mend.
    """
    _check_volumes(volumes, where)


def _refuse(path: str, what: str, mend: str) -> NoReturn:
    whole = path if path.startswith("spec.variants") else f"spec.template.{path}"
    raise TemplateRefusedError(f"{whole} {what}", hint=mend)


def _check_metadata(metadata: Mapping[str, Any], where: str) -> None:
    for field in ("ownerReferences", "finalizers", "generateName", "namespace"):
        if metadata.get(field):
            _refuse(f"{where}.{field}", "may not be set", "leave it out: Tradewind sets its own")
    for field in ("labels", "annotations"):
        for key in as_mapping(metadata.get(field)):
            if str(key).startswith(_OURS):
                _refuse(f"{where}.{field}[{key}]", "is Tradewind's own", "use another prefix")


def _check_pod(spec: Mapping[str, Any], where: str) -> None:
    for field in ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
        if spec.get(field):
            _refuse(f"{where}.{field}", "may not be true", "leave it out")
    for field in ("nodeName", "hostAliases", "hostnameOverride", "ephemeralContainers"):
        if spec.get(field):
            _refuse(f"{where}.{field}", "may not be set", "leave it out")
    whole = as_mapping(spec.get("resources"))
    if any(NEUTRAL_ACCELERATOR in as_mapping(whole.get(name)) for name in ("requests", "limits")):
        _refuse(
            f"{where}.resources",
            f"asks for {NEUTRAL_ACCELERATOR} for the pod as a whole",
            "ask for it in the container that uses it",
        )
    _check_identity(spec, where)
    _check_tolerations(spec.get("tolerations") or (), where)
    _check_volumes(spec.get("volumes") or (), where)
    _check_security(as_mapping(spec.get("securityContext")), f"{where}.securityContext")
    for field, container in _containers(spec):
        _check_container(container, f"{where}.{field}[{container.get('name', '')}]")


def _check_identity(spec: Mapping[str, Any], where: str) -> None:
    """Whose rights the pods would have, and whose place they could take."""
    if spec.get("serviceAccountName", "default") != "default" or spec.get("serviceAccount"):
        _refuse(
            f"{where}.serviceAccountName",
            "may only be default",
            "other accounts may hold rights at the site that the workload's author does not",
        )
    if spec.get("automountServiceAccountToken"):
        _refuse(f"{where}.automountServiceAccountToken", "may not be true", "leave it out")
    if str(spec.get("priorityClassName", "")).startswith("system-"):
        _refuse(f"{where}.priorityClassName", "may not be a system class", "use spec.priority")
    if spec.get("priority") is not None:
        _refuse(f"{where}.priority", "may not be set", "use spec.priority of the workload")


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            if isinstance(container, Mapping):
                yield field, container


def _check_tolerations(tolerations: Iterable[Any], where: str) -> None:
    for number, item in enumerate(tolerations):
        toleration, path = as_mapping(item), f"{where}.tolerations[{number}]"
        if not toleration.get("key"):
            _refuse(path, "tolerates every taint", "name the key")
        if str(toleration["key"]) in _CONTROL_PLANE:
            _refuse(path, "tolerates the control plane's taint", "leave it out")


def _check_volumes(volumes: Iterable[Any], where: str) -> None:
    for item in volumes:
        volume = as_mapping(item)
        path = f"{where}.volumes[{volume.get('name', '')}]"
        for source in volume.keys() - {"name"} - _VOLUMES:
            _refuse(f"{path}.{source}", "is a volume of the node", "use a claim or an emptyDir")
        for part in as_mapping(volume.get("projected")).get("sources") or ():
            if "serviceAccountToken" in as_mapping(part):
                _refuse(f"{path}.projected", "carries a service account token", "leave it out")


def _check_request(resources: Any, path: str) -> None:
    """A neutral request has one number: accelerators cannot be overcommitted."""
    amounts = {
        str(section[NEUTRAL_ACCELERATOR])
        for name in ("requests", "limits")
        if NEUTRAL_ACCELERATOR in (section := as_mapping(as_mapping(resources).get(name)))
    }
    if len(amounts) > 1:
        _refuse(
            f"{path}.resources",
            f"asks for {' and for '.join(sorted(amounts))} {NEUTRAL_ACCELERATOR}",
            "requests and limits of accelerators are equal: state one of them",
        )


def _check_container(container: Mapping[str, Any], path: str) -> None:
    _check_request(container.get("resources"), path)
    security = as_mapping(container.get("securityContext"))
    for field in ("privileged", "allowPrivilegeEscalation"):
        if security.get(field):
            _refuse(f"{path}.securityContext.{field}", "may not be true", "leave it out")
    _check_security(security, f"{path}.securityContext")
    added = as_mapping(security.get("capabilities")).get("add") or ()
    for capability in added:
        if str(capability).upper().removeprefix("CAP_") not in _CAPABILITIES:
            _refuse(
                f"{path}.securityContext.capabilities.add",
                f"may not add {capability}",
                "Pod Security's baseline lists those that may be added",
            )
    for port in container.get("ports") or ():
        if as_mapping(port).get("hostPort"):
            _refuse(f"{path}.ports", "may not take a hostPort", "use containerPort")
    for hook, handler in _handlers(container):
        for sort in ("httpGet", "tcpSocket"):
            if as_mapping(as_mapping(handler).get(sort)).get("host"):
                _refuse(f"{path}.{hook}.{sort}.host", "may not be set", "probe the pod itself")


def _handlers(container: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        yield probe, container.get(probe)
    lifecycle = as_mapping(container.get("lifecycle"))
    for hook in ("postStart", "preStop"):
        yield f"lifecycle.{hook}", lifecycle.get(hook)


def _check_security(security: Mapping[str, Any], path: str) -> None:
    if security.get("sysctls"):
        _refuse(f"{path}.sysctls", "may not be set", "leave it out")
    if security.get("procMount", "Default") != "Default":
        _refuse(f"{path}.procMount", "may only be Default", "leave it out")
    for field in ("seccompProfile", "appArmorProfile"):
        if as_mapping(security.get(field)).get("type") == "Unconfined":
            _refuse(f"{path}.{field}", "may not be Unconfined", "use RuntimeDefault")
    if as_mapping(security.get("windowsOptions")).get("hostProcess"):
        _refuse(f"{path}.windowsOptions.hostProcess", "may not be true", "leave it out")
    if security.get("seLinuxOptions"):
        _refuse(f"{path}.seLinuxOptions", "may not be set", "leave it out")
