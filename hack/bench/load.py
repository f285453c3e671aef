"""The load: post AIWorkloads to the hub, and note when each child is ADDED at a member.

Runs as a process of its own, so that its CPU time is not the operator's, and does as little as can
be: bodies are made beforehand, connections are kept, and of a watch line only the name is read.

A workload's latency is from the moment before its POST is sent to the moment its child's ADDED
event is read. Creation time is from the first POST sent to the last POST answered; makespan is from
the first POST sent to the last ADDED event.
"""

import argparse
import asyncio
import base64
import json
import math
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

WORKLOADS = "/apis/tradewind.dev/v1alpha1/namespaces/{namespace}/aiworkloads"
OURS = "app.kubernetes.io/managed-by=tradewind"


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Event(msgspec.Struct):
    type: str
    object: _Object


@dataclass(slots=True)
class Cluster:
    """One API server, with its admin's credentials."""

    server: str
    token: str
    context: ssl.SSLContext
    http: aiohttp.ClientSession = field(init=False)

    @classmethod
    def read(cls, path: Path) -> "Cluster":
        """From a kubeconfig with inline CA and token."""
        config = yaml.safe_load(path.read_text())
        cluster = config["clusters"][0]["cluster"]
        ca_pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
        token = config["users"][0]["user"]["token"]
        return cls(cluster["server"], token, ssl.create_default_context(cadata=ca_pem))

    async def open(self) -> None:
        """Connect."""
        self.http = aiohttp.ClientSession(
            base_url=self.server,
            connector=aiohttp.TCPConnector(ssl=self.context, limit=32),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=aiohttp.ClientTimeout(total=None),
        )


@dataclass(slots=True)
class Run:
    """Times of one run, seconds of the monotonic clock, by workload name."""

    sent: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    added: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """The run in figures; raises if a workload was lost."""
        missing = self.sent.keys() - self.added.keys()
        if missing:
            raise RuntimeError(f"{len(missing)} workloads never arrived: {sorted(missing)[:5]}")
        first = min(self.sent.values())
        creation_s = max(self.answered.values()) - first
        makespan_s = max(self.added.values()) - first
        latencies = sorted((self.added[name] - at) * 1000 for name, at in self.sent.items())
        return {
            "workloads": len(self.sent),
            "per_second": round(len(self.sent) / makespan_s, 1),
            "p50_ms": round(quantile(latencies, 0.50), 1),
            "p99_ms": round(quantile(latencies, 0.99), 1),
            "creation_s": round(creation_s, 3),
            "makespan_s": round(makespan_s, 3),
            "makespan_ratio": round(makespan_s / creation_s, 3),
        }


def quantile(ordered: list[float], share: float) -> float:
    """The value that `share` of the sorted values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def workload(name: str, namespace: str, number: int) -> bytes:
    """One of four shapes of small work, as JSON."""
    cpu, chips = ((1, 0), (2, 1), (4, 1), (2, 2))[number % 4]
    resources = {"cpu": str(cpu), "memory": "1Gi"}
    if chips:
        resources["tradewind.dev/accelerator"] = str(chips)
    return msgspec.json.encode(
        {
            "apiVersion": "tradewind.dev/v1alpha1",
            "kind": "AIWorkload",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "class": "Batch",
                "runtime": {"duration": "1h"},
                "template": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {
                        "template": {
                            "spec": {
                                "restartPolicy": "Never",
                                "containers": [
                                    {
                                        "name": "main",
                                        "image": "registry.example/work:1",
                                        "resources": {"requests": resources},
                                    }
                                ],
                            }
                        }
                    },
                },
            },
        }
    )


async def watch(member: Cluster, added: dict[str, float], ready: asyncio.Event) -> None:
    """Note the time of each ADDED event of a child, from now on."""
    path = "/apis/batch/v1/jobs"
    async with member.http.get(path, params={"labelSelector": OURS, "limit": "1"}) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    params = {"labelSelector": OURS, "watch": "true", "resourceVersion": version}
    decode = msgspec.json.Decoder(_Event).decode
    async with member.http.get(path, params=params) as answer:
        answer.raise_for_status()
        ready.set()
        rest = b""
        async for chunk in answer.content.iter_any():
            now = time.monotonic()
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                event = decode(line)
                if event.type == "ADDED":
                    added.setdefault(event.object.metadata.name, now)


async def post(hub: Cluster, run: Run, namespace: str, name: str, body: bytes) -> None:
    """Post one workload."""
    run.sent[name] = time.monotonic()
    async with hub.http.post(
        WORKLOADS.format(namespace=namespace),
        data=body,
        headers={"Content-Type": "application/json"},
    ) as answer:
        if answer.status >= 300:  # noqa: PLR2004 - HTTP
            raise RuntimeError(f"POST {name}: {answer.status} {await answer.text()}")
        await answer.read()
    run.answered[name] = time.monotonic()


async def burst(
    hub: Cluster, run: Run, namespace: str, bodies: dict[str, bytes], *, clients: int
) -> None:
    """Post everything, as fast as `clients` posters at a time can."""
    waiting = iter(bodies.items())

    async def poster() -> None:
        for name, body in waiting:
            await post(hub, run, namespace, name, body)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(poster())


async def steady(
    hub: Cluster, run: Run, namespace: str, bodies: dict[str, bytes], *, rate: float
) -> None:
    """Post at a fixed rate, whether earlier posts were answered or not."""
    start = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number, (name, body) in enumerate(bodies.items()):
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            tasks.create_task(post(hub, run, namespace, name, body))


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Run the load that was asked for."""
    hub = Cluster.read(given.hub)
    members = [Cluster.read(path) for path in given.member]
    for cluster in (hub, *members):
        await cluster.open()
    run = Run()
    try:
        async with asyncio.TaskGroup() as tasks:
            watches, ready = [], []
            for member in members:
                event = asyncio.Event()
                ready.append(event)
                watches.append(tasks.create_task(watch(member, run.added, event)))
            for event in ready:
                await asyncio.wait_for(event.wait(), 30)
            names = [f"{given.prefix}-{number:05d}" for number in range(given.count)]
            bodies = {
                name: workload(name, given.namespace, number) for number, name in enumerate(names)
            }
            if given.rate:
                await steady(hub, run, given.namespace, bodies, rate=given.rate)
            else:
                await burst(hub, run, given.namespace, bodies, clients=given.clients)
            await _until(lambda: run.sent.keys() <= run.added.keys(), given.timeout)
            for task in watches:
                task.cancel()
    finally:
        for cluster in (hub, *members):
            await cluster.http.close()
    return run.figures()


async def _until(done: Any, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not done() and time.monotonic() < end:  # noqa: ASYNC110 - coarse on purpose
        await asyncio.sleep(0.02)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hub", type=Path, required=True)
    parser.add_argument("--member", type=Path, action="append", required=True)
    parser.add_argument("--namespace", default="bench")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.0, help="a second; 0: a burst")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=120.0)
    json.dump(asyncio.run(measure(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
