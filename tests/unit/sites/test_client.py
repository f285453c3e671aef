"""A session with an API server that is slow, silent, endless or plainly lies: a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.sites import client
from tradewind.sites.access import Endpoint
from tradewind.sites.client import ApiSession

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "token-of-a-site"


@asynccontextmanager
async def serving(handler: Handler, **more: Any) -> AsyncIterator[ApiSession]:
    """A session with a server that answers so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    session = ApiSession(
        Endpoint(server=f"http://{host}:{port}", token=TOKEN), name="s", timeout_s=1.0, **more
    )
    try:
        yield session
    finally:
        await session.close()
        await runner.cleanup()


async def lines_of(session: ApiSession, idle_timeout_s: float = 5.0) -> list[bytes]:
    return [line async for line in session.stream("/w", {}, idle_timeout_s=idle_timeout_s)]


async def hang(request: web.Request) -> web.StreamResponse:
    del request
    await asyncio.sleep(60)
    return web.Response()


async def test_a_refusal_has_its_status_reason_and_wait() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        body = {"kind": "Status", "reason": "TooManyRequests", "message": f"no, not to {TOKEN}"}
        return web.json_response(body, status=429, headers={"Retry-After": "3"})

    async with serving(answer) as session:
        with pytest.raises(ApiError) as raised:
            await session.get("/x")
    assert (raised.value.status, raised.value.retry_after_s) == (429, 3.0)
    assert raised.value.throttled
    assert "no, not to" in raised.value.sentence
    assert TOKEN not in raised.value.sentence


async def test_an_answer_that_is_no_status_is_told_in_part() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(text=f"<html>{TOKEN}" + "x" * 5000, status=502)

    async with serving(answer) as session:
        with pytest.raises(ApiError) as raised:
            await session.get("/x")
    assert raised.value.status == 502
    assert len(raised.value.sentence) < 500
    assert TOKEN not in raised.value.sentence


async def test_a_redirect_is_no_answer_and_is_not_followed() -> None:
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with serving(answer) as session:
        with pytest.raises(ApiError) as raised:
            await session.get("/x")
    assert (raised.value.status, seen) == (302, ["/x"])


async def test_no_answer_in_time_is_said_with_the_limit() -> None:
    async with serving(hang) as session:
        with pytest.raises(SiteUnreachableError, match=r"GET /x: no answer within 0\.1 s"):
            await session.get("/x", timeout_s=0.1)


async def test_an_answer_that_drips_is_ended_by_the_same_limit() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(600):
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    async with serving(drip) as session:
        with pytest.raises(SiteUnreachableError):
            await session.get("/x", timeout_s=0.2)


@pytest.mark.parametrize("told", [True, False])
async def test_an_endless_answer_is_cut(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if told:
            response.content_length = 10_000_000
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 100_000)
        return response

    async with serving(endless) as session:
        with pytest.raises(SiteUnreachableError, match="too long"):
            await session.get("/x")


async def test_lines_are_put_together_from_any_pieces() -> None:
    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"a"', b':1}\n{"b":2}', b"\n\n", b'{"c":3}\n{"unfinished'):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    async with serving(pieces) as session:
        assert await lines_of(session) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


async def test_an_endless_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_LINE_BYTES", 100_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 50_000)
        return response

    async with serving(endless) as session:
        with pytest.raises(SiteUnreachableError, match="too long"):
            await lines_of(session)


async def silent(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"{}\n")
    await asyncio.sleep(60)
    return response


async def test_a_silent_stream_is_dead_after_its_idle_time() -> None:
    async with serving(silent) as session:
        with pytest.raises(SiteUnreachableError, match=r"no answer within 0\.2 s"):
            await lines_of(session, idle_timeout_s=0.2)


async def test_whoever_reads_a_stream_learns_at_once_that_the_session_is_closed() -> None:
    async with serving(silent) as session:
        reader = asyncio.create_task(lines_of(session, idle_timeout_s=60))
        await asyncio.sleep(0.1)
        await session.close()
        with pytest.raises(SiteUnreachableError):
            await asyncio.wait_for(reader, 2)


async def test_a_gone_watch_says_so() -> None:
    async def gone(request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response({"reason": "Expired"}, status=410)

    async with serving(gone) as session:
        with pytest.raises(ApiError) as raised:
            await lines_of(session)
    assert raised.value.gone


async def test_a_token_file_is_read_anew(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        return web.json_response({})

    monkeypatch.setattr(client, "TOKEN_AGE_S", 0.0)
    token = tmp_path / "token"
    async with serving(answer) as session:
        rotated = ApiSession(
            Endpoint(server=session.endpoint.server, token_file=str(token)), name="hub"
        )
        for text in ("first\n", "second"):
            token.write_text(text)
            await rotated.get("/x")
        await rotated.close()
    assert seen == ["Bearer first", "Bearer second"]


async def test_deletion_names_the_uid() -> None:
    bodies = []

    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({})

    async with serving(answer) as session:
        await session.delete("/x", uid="u-1")
        await session.delete("/x")
    assert bodies[0]["preconditions"] == {"uid": "u-1"}
    assert "preconditions" not in bodies[1]
