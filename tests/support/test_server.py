"""The test server itself: it serves, it stops, and it says so when an application does not start."""

import httpx
import pytest

from tests.support.server import living, served, serving


async def echo(scope, receive, send):
    if scope["type"] == "lifespan":
        await living(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def broken(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


async def test_an_application_is_served_in_the_running_loop_and_gone_afterwards():
    async with httpx.AsyncClient() as client:
        async with serving(echo) as url:
            assert (await client.get(f"{url}/here")).text == "/here"
        with pytest.raises(httpx.TransportError):
            await client.get(f"{url}/here")


def test_an_application_is_served_from_a_thread_for_blocking_clients():
    with served(echo) as url:
        assert httpx.get(f"{url}/there").text == "/there"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/there")


async def test_a_failed_start_raises_in_the_running_loop():
    with pytest.raises(RuntimeError, match="did not start"):
        async with serving(broken):
            pass


def test_a_failed_start_raises_from_a_thread():
    with pytest.raises(RuntimeError, match="did not start"), served(broken):
        pass
