"""The processes of a benchmark: the proxies on one core, everything else on the other."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROXY_CORE, OTHER_CORE = 0, max(os.sched_getaffinity(0))
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Process:
    """A running server: its name, port and pid."""

    name: str
    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """Resident megabytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE / 1e6


@contextmanager
def started(name: str, module: str, *arguments: object, core: int, **environment: str) -> Iterator[Process]:
    """`python -m module PORT-FREE arguments`, until it takes connections. `{port}` stands for its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, *(str(each).format(port=port) for each in arguments)]
    env = {**os.environ, **{key: value.format(port=port) for key, value in environment.items()}}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {core})
    try:
        _wait(port, process)
        yield Process(name, port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")
