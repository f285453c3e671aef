"""The operator's own HTTP: is it alive, is it ready, and its metrics.

`/healthz` fails when the event loop stands still or the planning loop has not come round for too
long: then a restart helps. `/readyz` fails until the hub was listed; a standby is ready. Which
sites answer is no matter of readiness: a restart would not bring them back.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tradewind.base.observe import REGISTRY, get_logger

log = get_logger(__name__)


class ProbeServer:
    """Serves the three paths.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        alive: empty while all is well, else what is wrong.
        ready: likewise.
        refresh: brings up to date what metrics are read off the store; in the event loop.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        alive: Callable[[], str],
        ready: Callable[[], str],
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._port = port
        self._app = web.Application()
        self._app.router.add_get("/healthz", _probe(alive))
        self._app.router.add_get("/readyz", _probe(ready))
        self._app.router.add_get("/metrics", _metrics(refresh))

    async def run(self) -> None:
        """Serve until cancelled."""
        runner = web.AppRunner(self._app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            port = runner.addresses[0][1]
            log.info("probes served", host=self._host, port=port)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def _probe(check: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        trouble = check()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    return answer


def _metrics(refresh: Callable[[], None]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        refresh()
        body = await asyncio.to_thread(generate_latest, REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return answer
