"""Each thing that a template may not hold is refused at its own field, and honest ones pass."""

import itertools
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.base.errors import TemplateRefusedError
from tradewind.workloads.guard import check_template, check_variant

Path = tuple[str | int, ...]
POD: Path = ("spec", "template", "spec")
MAIN: Path = (*POD, "containers", 0)


def job() -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"labels": {"team": "a"}},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": "default",
                    "securityContext": {"runAsNonRoot": True, "fsGroup": 1000},
                    "tolerations": [{"key": "spot", "operator": "Exists"}],
                    "volumes": [
                        {"name": "v", "emptyDir": {}},
                        {"name": "c", "configMap": {"name": "c"}},
                        {"name": "p", "persistentVolumeClaim": {"claimName": "p"}},
                        {"name": "j", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
                    ],
                    "initContainers": [{"name": "init", "image": "i"}],
                    "containers": [
                        {
                            "name": "main",
                            "image": "i",
                            "ports": [{"containerPort": 80}],
                            "securityContext": {
                                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                                "seccompProfile": {"type": "RuntimeDefault"},
                            },
                            "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
                            "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
                        }
                    ],
                },
            }
        },
    }


def put(template: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    target: Any = template
    for part, after in itertools.pairwise(path):
        if isinstance(target, dict) and target.get(str(part)) is None:
            target[part] = [] if isinstance(after, int) else {}
        target = target[part]
    if isinstance(target, list):
        target[path[-1] :] = [value]  # type: ignore[misc]
    else:
        target[path[-1]] = value
    return template


def test_an_honest_template_passes() -> None:
    template = job()
    check_template(template)
    assert template == job()


FORBIDDEN: list[tuple[Path, Any, str]] = [
    ((*POD, "hostNetwork"), True, "hostNetwork"),
    ((*POD, "hostPID"), True, "hostPID"),
    ((*POD, "hostIPC"), True, "hostIPC"),
    ((*POD, "shareProcessNamespace"), True, "shareProcessNamespace"),
    ((*POD, "nodeName"), "control-plane-1", "nodeName"),
    ((*POD, "hostAliases"), [{"ip": "1.2.3.4", "hostnames": ["a"]}], "hostAliases"),
    ((*POD, "ephemeralContainers"), [{"name": "e"}], "ephemeralContainers"),
    ((*POD, "serviceAccountName"), "admin", "serviceAccountName"),
    ((*POD, "serviceAccount"), "admin", "serviceAccountName"),
    ((*POD, "automountServiceAccountToken"), True, "automountServiceAccountToken"),
    ((*POD, "priorityClassName"), "system-node-critical", "priorityClassName"),
    ((*POD, "priority"), 2_000_000_000, "priority"),
    ((*POD, "tolerations", 0), {"operator": "Exists"}, "tolerations"),
    (
        (*POD, "tolerations", 0),
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
        "tolerations",
    ),
    ((*POD, "volumes", 0), {"name": "h", "hostPath": {"path": "/"}}, "volumes[h].hostPath"),
    ((*POD, "volumes", 0), {"name": "n", "nfs": {"server": "s"}}, "volumes[n].nfs"),
    ((*POD, "volumes", 0), {"name": "c", "csi": {"driver": "d"}}, "volumes[c].csi"),
    (
        (*POD, "volumes", 0),
        {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        "volumes[t].projected",
    ),
    ((*POD, "securityContext", "sysctls"), [{"name": "a", "value": "b"}], "sysctls"),
    ((*POD, "securityContext", "seccompProfile"), {"type": "Unconfined"}, "seccompProfile"),
    ((*POD, "securityContext", "seLinuxOptions"), {"type": "spc_t"}, "seLinuxOptions"),
    (
        (*POD, "securityContext", "windowsOptions"),
        {"hostProcess": True},
        "windowsOptions.hostProcess",
    ),
    ((*MAIN, "securityContext", "privileged"), True, "privileged"),
    ((*MAIN, "securityContext", "allowPrivilegeEscalation"), True, "allowPrivilegeEscalation"),
    ((*MAIN, "securityContext", "procMount"), "Unmasked", "procMount"),
    ((*MAIN, "securityContext", "capabilities"), {"add": ["SYS_ADMIN"]}, "capabilities.add"),
    ((*MAIN, "securityContext", "capabilities"), {"add": ["cap_net_admin"]}, "capabilities.add"),
    ((*MAIN, "securityContext", "capabilities"), {"add": ["ALL"]}, "capabilities.add"),
    ((*MAIN, "securityContext", "appArmorProfile"), {"type": "Unconfined"}, "appArmorProfile"),
    ((*MAIN, "ports"), [{"containerPort": 80, "hostPort": 80}], "ports"),
    ((*MAIN, "livenessProbe"), {"httpGet": {"host": "169.254.169.254"}}, "httpGet.host"),
    ((*MAIN, "readinessProbe"), {"tcpSocket": {"host": "10.0.0.1"}}, "tcpSocket.host"),
    ((*MAIN, "lifecycle", "postStart"), {"httpGet": {"host": "h"}}, "lifecycle.postStart"),
    ((*POD, "initContainers", 0, "securityContext"), {"privileged": True}, "initContainers[init]"),
    (("metadata", "ownerReferences"), [{"uid": "u"}], "metadata.ownerReferences"),
    (("metadata", "finalizers"), ["f"], "metadata.finalizers"),
    (("metadata", "namespace"), "kube-system", "metadata.namespace"),
    (("metadata", "generateName"), "x-", "metadata.generateName"),
    (("metadata", "labels", "tradewind.dev/epoch"), "9", "tradewind.dev/epoch"),
    (
        ("spec", "template", "metadata", "annotations", "tradewind.dev/x"),
        "1",
        "spec.template.metadata.annotations",
    ),
    ((*POD, "containers"), [], "containers"),
    ((*POD, "hostUsers"), True, "hostUsers"),
    ((*POD, "hostnameOverride"), "db.internal", "hostnameOverride"),
    (
        (*POD, "tolerations", 0),
        {"key": "node-role.kubernetes.io/master", "operator": "Exists"},
        "tolerations[0]",
    ),
    (
        ("spec", "template", "metadata", "labels", "accelerator.tradewind.dev/class"),
        "x",
        "spec.template.metadata.labels",
    ),
    ((*MAIN, "startupProbe"), {"httpGet": {"host": "h"}}, "startupProbe.httpGet.host"),
    ((*POD, "resources"), {"limits": {"tradewind.dev/accelerator": 8}}, "spec.resources"),
    (
        (*MAIN, "resources"),
        {
            "limits": {"tradewind.dev/accelerator": 8},
            "requests": {"tradewind.dev/accelerator": 4},
        },
        "containers[main].resources",
    ),
]


@pytest.mark.parametrize(("path", "value", "field"), FORBIDDEN)
def test_what_reaches_beyond_the_work_is_refused_at_its_field(
    path: Path, value: Any, field: str
) -> None:
    with pytest.raises(TemplateRefusedError) as refused:
        check_template(put(job(), path, value))
    assert field in refused.value.message
    assert refused.value.message.startswith("spec.template.")
    assert refused.value.hint


@pytest.mark.parametrize(("path", "value", "field"), FORBIDDEN[:34])
def test_a_deployment_is_held_to_the_same(path: Path, value: Any, field: str) -> None:
    template = put(job(), path, value) | {"apiVersion": "apps/v1", "kind": "Deployment"}
    with pytest.raises(TemplateRefusedError) as refused:
        check_template(template)
    assert field in refused.value.message


def test_a_variant_adds_no_volume_that_a_template_may_not_hold() -> None:
    where = "spec.variants[0]"
    check_variant([{"name": "scratch", "emptyDir": {}}], where)
    with pytest.raises(TemplateRefusedError) as refused:
        check_variant([{"name": "driver", "hostPath": {"path": "/usr/local/Ascend"}}], where)
    assert refused.value.message == (
        "spec.variants[0].volumes[driver].hostPath is a volume of the node"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(place=st.sampled_from([path for path, _, _ in FORBIDDEN]), value=JSON)
def test_nothing_in_any_place_makes_it_crash(place: Path, value: Any) -> None:
    template = put(job(), place, deepcopy(value))
    try:
        check_template(template)
    except TemplateRefusedError as error:
        assert error.message  # noqa: PT017 - either way is fine; a crash is not
