"""The server as it is started: where it listens, whom it believes, how it ends."""

import asyncio
import socket

import pytest

from handler.server import listen, run, server
from tests.support.raw_client import call
from tests.support.server import living

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n\r\n"


async def told(scope, receive, send):
    """Answers with whom it takes the caller for."""
    if scope["type"] == "lifespan":
        await living(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{scope['client'][0]} {scope['scheme']}".encode()})


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("localhost", socket.AF_INET)])
def test_it_listens_on_a_free_port_where_none_is_named(host: str, family: socket.AddressFamily):
    with listen(host, 0) as sock:
        assert sock.family == family
        assert sock.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_it_listens_on_ipv6_however_it_is_written(host: str):
    with listen(host, 0) as sock:
        assert sock.family == socket.AF_INET6
        assert sock.getsockname()[0] == "::1"


def test_a_port_in_use_is_an_error_and_not_shared():
    with listen("127.0.0.1", 0) as sock, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", sock.getsockname()[1])


def test_a_port_is_free_again_at_once():
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = sock.accept()
            accepted.close()
            assert client.recv(1) == b""
    listen("127.0.0.1", port).close()


def served(request: bytes, sock: socket.socket) -> str:
    """One request to the server as `serve` runs it."""

    async def work() -> None:
        running = server(told)
        serving = asyncio.create_task(running.serve(sockets=[sock]))
        host, port = sock.getsockname()[:2]
        try:
            answers.append(await call(f"http://{host}:{port}", request))
        finally:
            running.should_exit = True
            await serving

    answers = []
    run(work())
    assert "server" not in answers[0].headers
    return answers[0].body.decode()


def test_no_forwarded_header_is_believed():
    assert served(GET, listen("127.0.0.1", 0)) == "127.0.0.1 http"


def test_nothing_of_a_request_is_logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    served(GET, listen("127.0.0.1", 0))

    assert "GET" not in caplog.text
    assert capfd.readouterr() == ("", "")


def test_work_runs_on_uvloop_where_there_is_one():
    async def work() -> None:
        loops.append(type(asyncio.get_running_loop()).__module__)

    loops: list[str] = []
    run(work())
    assert loops == ["uvloop"]
