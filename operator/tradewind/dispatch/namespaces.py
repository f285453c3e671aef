"""Which namespaces at a site exist: made when missing, never taken over or changed.

A namespace that was there before belongs to the site's owners, with whatever Pod Security they
chose. One that Tradewind makes says so and enforces the configured level; it is not deleted with
the workload, since others may have come to use it.
"""

import asyncio
from collections.abc import Callable

from tradewind.api.names import LABEL_HUB_ID, LABEL_MANAGED_BY, MANAGED_BY, MANAGER_DISPATCH
from tradewind.base.errors import ApiError
from tradewind.sites.client import ApiSession


class Namespaces:
    """The namespaces of one site, remembered once seen.

    Args:
        session: gives the site's session in use.
        hub_id: marks those that we make.
        pod_security: the level that they enforce.
    """

    def __init__(
        self, session: Callable[[], ApiSession], *, hub_id: str, pod_security: str
    ) -> None:
        self._session = session
        self._hub_id = hub_id
        self._pod_security = pod_security
        self._known: set[str] = set()
        self._making = asyncio.Lock()

    async def ensure(self, name: str) -> None:
        """Return when the namespace exists.

        Raises:
            ApiError: it may not be read or made.
            SiteUnreachableError: the site gave no answer.
        """
        if name in self._known:
            return
        async with self._making:
            if name in self._known:
                return
            try:
                await self._session().get(f"/api/v1/namespaces/{name}")
            except ApiError as error:
                if not error.not_found:
                    raise
                await self._make(name)
            self._known.add(name)

    def forget(self, name: str) -> None:
        """Look again next time; a create in it was answered with 404."""
        self._known.discard(name)

    async def _make(self, name: str) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    LABEL_MANAGED_BY: MANAGED_BY,
                    LABEL_HUB_ID: self._hub_id,
                    "pod-security.kubernetes.io/enforce": self._pod_security,
                    "pod-security.kubernetes.io/warn": self._pod_security,
                },
            },
        }
        try:
            await self._session().request(
                "POST",
                "/api/v1/namespaces",
                body=body,
                params={"fieldManager": MANAGER_DISPATCH},
            )
        except ApiError as error:
            if not error.conflict:  # somebody made it in between: theirs, and there
                raise
