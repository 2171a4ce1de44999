"""The proxy as a process of its own, in an empty directory and with nothing of this environment.

with running(tmp_path, UPSTREAM_BASE_URL=url) as program:    python -m handler, on a free port
    program.url, program.peak_bytes()
    program.interrupt()
program.output                                               all it wrote, whole once it has ended
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 20.0
STOP_SECONDS = 20.0

SERVE = ("-m", "handler")
CLI = ("-c", "from handler.cli import main; main()")

_URL = re.compile(r"http://\S+:\d+")


class Program:
    """A running process; `output` is what it wrote to stdout and stderr, in order."""

    def __init__(self, arguments: Sequence[str], directory: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._written: list[bytes] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """Everything written so far."""
        return b"".join(self._written).decode("utf-8", "backslashreplace")

    @property
    def url(self) -> str:
        """Where it listens; waits until it says so."""
        return _URL.search(self.until(_URL.pattern))[0]

    def until(self, pattern: str, seconds: float = START_SECONDS) -> str:
        """The output, once it matches. Raises AssertionError when it does not in time, or the process ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or re.search(pattern, self.output), seconds)
        assert re.search(pattern, self.output), self.output
        return self.output

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.signal(signal.SIGINT)

    def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Waits for its end; its exit code."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        self._process.kill()
        self.ended()

    def peak_bytes(self) -> int:
        """The most memory it has held so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            while data := os.read(pipe.fileno(), 65536):
                with self._changed:
                    self._written.append(data)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def environment(**settings: str) -> dict[str, str]:
    """A process's whole environment: `settings`, and what Python itself needs."""
    needed = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in needed if name in os.environ} | settings


@contextmanager
def running(directory: Path, arguments: Sequence[str] = SERVE, **settings: str) -> Iterator[Program]:
    """A process with these settings, on a free port unless told; killed at the end, if it still runs."""
    program = Program(arguments, directory, environment(**{"PORT": "0"} | settings))
    try:
        yield program
    finally:
        program.kill()
