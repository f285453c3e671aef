"""Nodes of many makers for the live federation, there for as long as a test needs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from federation.cluster import Cluster
from federation.nodes import TEMPLATES

Object = dict[str, Any]
DRIVER = "gpu.nvidia.com"


def node(name: str, resources: dict[str, int], **labels: str) -> Object:
    """A node with these resources; labels may hold dots and slashes: give them as a mapping."""
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    amounts |= {resource: str(count) for resource, count in resources.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "type": "kwok", **labels},
        },
        "status": {"allocatable": amounts, "capacity": amounts},
    }


def of_template(name: str, template: str) -> Object:
    """A node of the federation's own templates."""
    group = TEMPLATES[template]
    return node(name, group.resources, **group.labels)


@contextmanager
def nodes(member: Cluster, *bodies: Object) -> Iterator[list[str]]:
    """Nodes that are there for a while."""
    names = [body["metadata"]["name"] for body in bodies]
    try:
        for body in bodies:
            member.api.post("/api/v1/nodes", body)
            path = f"/api/v1/nodes/{body['metadata']['name']}/status"
            member.api.patch(path, {"status": body["status"]})
        yield names
    finally:
        for name in names:
            if member.api.exists(f"/api/v1/nodes/{name}"):
                member.api.delete(f"/api/v1/nodes/{name}")


def device_class(name: str = DRIVER) -> Object:
    """The DeviceClass of a driver's GPUs."""
    expression = f'device.driver == "{name}"'
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": [{"cel": {"expression": expression}}]},
    }


def resource_slice(node_name: str, product: str, count: int, memory: str = "81559Mi") -> Object:
    """The devices of one node, as a DRA driver announces them."""
    device = {
        "attributes": {"type": {"string": "gpu"}, "productName": {"string": product}},
        "capacity": {"memory": {"value": memory}},
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"{node_name}-gpus"},
        "spec": {
            "driver": DRIVER,
            "nodeName": node_name,
            "pool": {"name": node_name, "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": f"gpu-{index}", **device} for index in range(count)],
        },
    }
