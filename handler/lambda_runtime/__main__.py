"""What `run.sh` starts in place of AWS's own runtime loop: `python -m handler.lambda_runtime`.

Reads the variables by which Lambda speaks to a runtime; those that its owner sets are read in `handler.settings`.
"""

import asyncio
import gc
import io
import os
import signal
import sys


async def serve(authority: str, *, local: bool) -> None:
    """The life of this process. Raises ImportError for an artifact that does not fit this machine."""
    from handler.lambda_runtime.api import RuntimeApi
    from handler.lambda_runtime.application import build
    from handler.lambda_runtime.loop import Sandbox

    sandbox = Sandbox(RuntimeApi(authority), build(), local=local)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, sandbox.stop)
    # What a start leaves lives as long as the process: no collection need look at it again.
    gc.freeze()
    gc.enable()
    await sandbox.serve()


def main() -> int:
    """The exit code: 1 where there is no Runtime API (any more)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A line held back while the sandbox is frozen is a line lost.
        sys.stdout.reconfigure(line_buffering=True)
    authority = os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if ":" not in authority:
        sys.stderr.write("AWS_LAMBDA_RUNTIME_API is not set: this runs inside AWS Lambda or an emulator of it.\n")
        return 1
    try:
        asyncio.run(serve(authority, local=os.environ.get("AWS_SAM_LOCAL") == "true"))
    except ImportError as error:
        sys.stderr.write(f"{error}. Was the artifact built for this architecture and this Python?\n")
        return 1
    except ConnectionError as error:  # the Runtime API is gone
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    # Before the first import of the app: of what imports leave behind, nothing is garbage.
    gc.disable()
    sys.exit(main())
