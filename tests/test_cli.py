"""The command line, mostly as a process of its own."""

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from handler import __version__
from handler.cli import OAUTH_NOTICE, app
from handler.server import listen
from tests.support.program import CLI, SERVE, Program, environment, running

KEY = "sk-ant-api03-a-key-that-nobody-sees"
INTERRUPTED = (0, 130)
DEMO = (*CLI, "demo")


def ended(program: Program, *codes: int) -> str:
    """The whole output of a process that ended by itself with one of these codes, and without a traceback."""
    code = program.ended()
    assert code in codes, program.output
    assert "Traceback" not in program.output
    return program.output


def plain(text: str) -> str:
    """Without colours, and in one line."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


def test_without_a_command_it_tells_which_there_are():
    result = CliRunner().invoke(app, [])
    assert all(command in result.output for command in ("serve", "demo", "token"))


def test_a_token_is_fresh_and_long_enough_and_nothing_else_is_printed():
    tokens = {CliRunner().invoke(app, ["token"]).stdout for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9]{40,}\n", token) for token in tokens)


@pytest.mark.parametrize("arguments", [SERVE, (*CLI, "serve")], ids=["python -m handler", "claude-proxy serve"])
def test_serve_says_where_it_listens_and_answers_there(tmp_path: Path, arguments: tuple[str, ...]):
    with running(tmp_path, arguments) as program:
        answer = httpx.get(f"{program.url}/health")
        assert answer.json()["version"] == __version__
        assert re.search(r"listens on http://localhost:\d+", program.output)


def test_serve_reads_a_dotenv_file(tmp_path: Path):
    (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={KEY}\n")
    with running(tmp_path) as program:
        output = program.until("listens on")
    assert "No ANTHROPIC_API_KEY" not in output
    assert KEY not in output


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_on_ipv6_the_address_that_is_printed_can_be_called(tmp_path: Path):
    with running(tmp_path, HOST="::1") as program:
        url = re.search(r"listens on (http://\[::1\]:\d+)", program.until("Ctrl-C"))
        assert url is not None
        assert httpx.get(f"{url[1]}/health").status_code == 200


def test_serve_tells_that_it_has_no_key(tmp_path: Path):
    with running(tmp_path) as program:
        assert "No ANTHROPIC_API_KEY is set" in program.until("listens on")


def test_serve_gives_notice_of_a_subscription_credential(tmp_path: Path):
    with running(tmp_path, CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-x") as program:
        assert OAUTH_NOTICE in plain(program.until("listens on"))


class Refusals:
    """A command that must not start, in this process: its exit code and what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def of(self, command: str, **settings: str) -> tuple[int, str]:
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        result = CliRunner().invoke(app, [command])
        assert isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, plain(result.output)


@pytest.fixture
def refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refusals:
    monkeypatch.chdir(tmp_path)
    return Refusals(monkeypatch)


each_command = pytest.mark.parametrize("command", ["serve", "demo"])


@each_command
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "n0nsense"}, "PORT"),
        ({"LOG_LEVEL": "n0nsense"}, "LOG_LEVEL"),
        ({"AUTH_TOKEN": " "}, "AUTH_TOKEN"),
        ({"HOST": "0.0.0.0", "ANTHROPIC_API_KEY": KEY}, "AUTH_TOKEN"),
        ({"UPSTREAM_BASE_URL": "http://n0nsense.example"}, "UPSTREAM_BASE_URL"),
    ],
)
def test_nonsense_refuses_the_start_and_names_the_variable(
    refusals: Refusals, command: str, settings: dict[str, str], named: str
):
    code, output = refusals.of(command, **settings)
    assert code == 2
    assert named in output
    assert "n0nsense" not in output
    assert KEY not in output


@each_command
def test_a_port_in_use_is_told_in_one_sentence(refusals: Refusals, command: str):
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        code, output = refusals.of(command, PORT=str(port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in output
    assert "Set another PORT" in output


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "not a host", "..", "a" * 300])
def test_an_address_that_is_not_here_is_told_in_one_sentence(refusals: Refusals, host: str):
    code, output = refusals.of("serve", HOST=host, PORT="0")
    assert (code, "cannot listen on" in output, "Set another HOST" in output) == (1, True, True)


def test_a_process_that_does_not_start_ends_with_one_sentence(tmp_path: Path):
    with running(tmp_path, PORT="n0nsense") as program:
        assert len(ended(program, 2).splitlines()) == 2


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Program]]:
    """One that ends after the tour, with settings that are none of its business, and one that stays, both at once."""
    settings = {"ANTHROPIC_API_KEY": KEY, "UPSTREAM_BASE_URL": "https://api.invalid", "AUTH_TOKEN": "x" * 40}
    directory = tmp_path_factory.mktemp("demo")
    with running(directory, (*DEMO, "--once"), **settings) as once, running(directory, DEMO) as staying:
        yield once, staying


def test_the_demo_shows_both_formats_and_ends_whatever_is_configured(demos: tuple[Program, Program]):
    output = plain(ended(demos[0], 0))

    _, anthropic, openai = re.split(r"Anthropic Messages POST /v1/messages|OpenAI Chat Completions POST \S+", output)
    for said in (anthropic, openai):
        assert len(re.findall(r"\w+", said)) > 3, output
        assert not re.search(r"\b[45]\d\d:", said)
    assert KEY not in output


def test_the_demo_stays_up_its_lines_to_copy_work_and_ctrl_c_ends_it(demos: tuple[Program, Program]):
    program = demos[1]
    requests = re.findall(
        r"curl -N (\S+) -H 'content-type: application/json' -d '(.*)'", program.until("Ctrl-C ends it")
    )
    for url, body in requests:
        with httpx.stream("POST", url, content=body, headers={"content-type": "application/json"}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert next(answer.iter_raw())
    program.interrupt()
    ended(program, *INTERRUPTED)
    assert [url.removeprefix(program.url) for url, _ in requests] == ["/v1/messages", "/openai/v1/chat/completions"]


@pytest.mark.parametrize(
    ("arguments", "ready", "number", "codes"),
    [
        (SERVE, "listens on", signal.SIGINT, INTERRUPTED),
        (SERVE, "listens on", signal.SIGTERM, (0, 143, -signal.SIGTERM)),
        (DEMO, "POST /v1/messages", signal.SIGINT, INTERRUPTED),
    ],
    ids=["serve, SIGINT", "serve, SIGTERM", "demo in its tour, SIGINT"],
)
def test_it_ends_cleanly_when_told_to(
    tmp_path: Path, arguments: tuple[str, ...], ready: str, number: int, codes: tuple[int, ...]
):
    with running(tmp_path, arguments) as program:
        program.until(ready)
        httpx.get(f"{program.url}/health")  # answered once the signal's handler is in place
        program.signal(number)
        ended(program, *codes)


def test_serve_ends_with_a_client_connected(tmp_path: Path):
    with running(tmp_path) as program:
        host, port = program.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
            assert client.recv(10)
            program.interrupt()
            ended(program, *INTERRUPTED)


def test_a_process_of_its_own_has_nothing_of_this_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert KEY not in environment().values()
