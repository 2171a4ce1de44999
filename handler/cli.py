"""The command line: serve, demo, token. The only user of the console libraries."""

import errno
import secrets
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console

from handler.app import create_app
from handler.credentials.oauth import CredentialsFile
from handler.server import listen, run, server
from handler.settings import Settings, SettingsError, load

OAUTH_NOTICE = (
    "Notice: a Claude subscription credential is in use. Anthropic's terms reserve it for Claude Code and its own "
    "applications; it may stop working and may cost the account."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help="One URL in front of the Claude API.")
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


@app.command()
def serve() -> None:
    """Serve the proxy on HOST:PORT (localhost:8000), settings from the environment and .env."""
    settings = _settings()
    if settings.holds_oauth:
        _err.print(OAUTH_NOTICE, style="yellow", soft_wrap=True)
    if settings.claude_credentials_file and CredentialsFile(settings.claude_credentials_file).readable_by_others():
        _err.print("CLAUDE_CREDENTIALS_FILE can be read by others on this machine: chmod 600 it.", style="yellow")
    if not settings.holds_credential:
        _err.print("No ANTHROPIC_API_KEY is set: every caller has to bring an Anthropic API key.", style="yellow")
    with _listening(settings) as sock:
        _err.print(f"claude-proxy listens on {_url(sock)}  (Ctrl-C ends it)", soft_wrap=True)
        _until_interrupted(server(create_app(settings)).serve(sockets=[sock]))


@app.command()
def demo(once: Annotated[bool, typer.Option("--once", help="End after the tour.")] = False) -> None:
    """Show the proxy at work on a built-in simulator: no key, no network."""
    from handler import demo as tour  # the simulator and its parts are needed by nothing else

    settings = _settings()
    with _listening(settings) as sock:
        _until_interrupted(tour.run(sock, _url(sock), _out, once=once))


@app.command()
def token() -> None:
    """Print a fresh AUTH_TOKEN."""
    _out.print(secrets.token_hex(24), soft_wrap=True)  # nothing that a shell or an option parser reads otherwise


def main() -> None:
    """The `claude-proxy` script."""
    app()


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as error:
        _err.print(f"claude-proxy cannot start:\n{error}", style="red", markup=False, soft_wrap=True)
        raise SystemExit(2) from None


def _listening(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        name = "PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "HOST"
        where = f"{settings.host}:{settings.port}"
        reason = f"claude-proxy cannot listen on {where} ({error.strerror}). Set another {name}."
        _err.print(reason, style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from None


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    name = "localhost" if host == "127.0.0.1" else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    with suppress(KeyboardInterrupt):
        run(work)
