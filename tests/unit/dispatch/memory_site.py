"""A site in memory: the few requests that dispatch makes, answered as an API server does."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind.base.errors import ApiError
from tradewind.dispatch.children import Child, child_of
from tradewind.workloads.registry import adapter_for

HUB = "hub-1"


class MemorySite:
    """Objects by path.

    Attributes:
        objects: what is there; a test may put others' objects in.
        log: each write: verb and path.
        reads: each path that was read.
        propagations: of each deletion.
        refuses: errors to answer with, by verb.
        deletes_slowly: a deletion only marks, as with finalizers and foreground propagation.
    """

    def __init__(self, *namespaces: str) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, str]] = []
        self.reads: list[str] = []
        self.propagations: list[str] = []
        self.refuses: dict[str, ApiError] = {}
        self.deletes_slowly = False
        self._uids = itertools.count(1)
        for name in namespaces:
            self.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name}}

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make or replace an object, as anybody may."""
        known = self.objects.get(path, {}).get("metadata", {})
        uid = known.get("uid") or f"site-uid-{next(self._uids)}"
        copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
        copy["metadata"] |= {"uid": uid}
        self.objects[path] = copy
        return copy

    async def get(self, path: str) -> bytes:
        await asyncio.sleep(0)
        self._fail("get")
        self.reads.append(path)
        return msgspec.json.encode(self._at(path))

    async def apply(
        self, path: str, body: Mapping[str, Any], *, field_manager: str, force: bool = False
    ) -> bytes:
        await asyncio.sleep(0)
        self._fail("apply")
        namespace = "/api/v1/namespaces/" + path.partition("/namespaces/")[2].partition("/")[0]
        self._at(namespace)
        self.log.append(("apply", path))
        return msgspec.json.encode(self.put(path, body))

    async def delete(self, path: str, *, uid: str = "", propagation: str = "Background") -> bytes:
        await asyncio.sleep(0)
        self._fail("delete")
        found = self._at(path)
        if uid and found["metadata"]["uid"] != uid:
            raise ApiError(409, "Conflict", "the uid in the precondition is another one")
        self.log.append(("delete", path))
        self.propagations.append(propagation)
        if self.deletes_slowly:
            found["metadata"]["deletionTimestamp"] = "2026-11-24T08:00:00Z"
        else:
            del self.objects[path]
        return b"{}"

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> bytes:
        await asyncio.sleep(0)
        self._fail(method)
        assert method == "POST"
        made = f"{path}/{body['metadata']['name']}"
        if made in self.objects:
            raise ApiError(409, "AlreadyExists", "it exists")
        self.log.append((method, made))
        return msgspec.json.encode(self.put(made, body))

    def child(self, path: str) -> Child:
        """What the site's watch says of an object of this hub's."""
        found = self.objects[path]
        kind = f"{found['apiVersion']}/{found['kind']}"
        adapter = adapter_for(found["apiVersion"], found["kind"])
        made = child_of(kind, _Metadata(found["metadata"]), adapter.observe(found), hub_id=HUB)
        assert made is not None
        return made

    def _at(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise ApiError(404, "NotFound", f"{path} not found")
        return self.objects[path]

    def _fail(self, verb: str) -> None:
        if verb in self.refuses:
            raise self.refuses[verb]


class _Metadata:
    """The fields of metadata that an informer decodes."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.name = raw["name"]
        self.namespace = raw["namespace"]
        self.uid = raw["uid"]
        self.labels = raw.get("labels")
        self.annotations = raw.get("annotations")
        self.deletion_timestamp = raw.get("deletionTimestamp")
