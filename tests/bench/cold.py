"""A cold start on Lambda, and what AWS's SDK would add to it: `uv run python -m tests.bench.cold [--quick]`.

Milliseconds from the start of the process to its first `/next`, wall and CPU; rounds are interleaved and medians given,
everything compiled before. The naive function is FastAPI, Mangum and httpx with one route, in a loop of ten lines.
"""

import os
import socket
import subprocess
import sys
import time
from statistics import median

from tests.bench.processes import OTHER_CORE, PROXY_CORE

ROUNDS = 15
NAIVE = """
import http.client, os
import fastapi, httpx, mangum
app = fastapi.FastAPI()
@app.post("/v1/messages")
async def messages(request: fastapi.Request) -> dict:
    return {}
handler, client = mangum.Mangum(app), httpx.AsyncClient()
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
api.request("GET", "/2018-06-01/runtime/invocation/next")
api.getresponse()
"""
OURS = "import runpy; runpy.run_module('handler.lambda_runtime', run_name='__main__', alter_sys=True)"
SIGNER = "import botocore.auth, botocore.awsrequest, botocore.credentials; botocore.credentials.Credentials('a', 'b')"
CLIENTS = "import boto3; boto3.client('dynamodb'); boto3.client('secretsmanager')"
SHARED = {"RATE_LIMIT_TABLE": "limits", "ANTHROPIC_API_KEY_SECRET": "key", "AUTH_TOKEN_SECRET": "token"}
KEPT = {"ANTHROPIC_API_KEY": "sk-ant-api03-bench", "AUTH_TOKEN": "a-token-that-is-long-enough-for-a-public-url"}
ACCOUNT = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"}
STARTS: dict[str, tuple[str, dict[str, str]]] = {
    "naive": (NAIVE, {}),
    "naive, two boto3 clients": (f"{CLIENTS}\n{NAIVE}", {}),
    "ours, nothing on AWS": (OURS, KEPT),
    "ours, table and secrets, own signature": (OURS, SHARED),
    "ours, table and secrets, botocore's signer": (f"{SIGNER}\n{OURS}", SHARED),
    "ours, table and secrets, two boto3 clients": (f"{CLIENTS}\n{OURS}", SHARED),
}


def begun(code: str, settings: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU milliseconds of one start."""
    with socket.create_server(("127.0.0.1", 0)) as api:
        env = {
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.getsockname()[1]}",
            **ACCOUNT,
            **settings,
        }
        before = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, {PROXY_CORE})
        api.settimeout(30)
        connection, _ = api.accept()
        with connection:
            asked = connection.recv(4096)
            wall = time.perf_counter() - before
            process.kill()
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = -9
    if b"/invocation/next " not in asked:
        raise RuntimeError(f"asked for {asked[:80]!r}")
    return wall * 1000, (used.ru_utime + used.ru_stime) * 1000


def main() -> None:
    """Prints the table."""
    os.sched_setaffinity(0, {OTHER_CORE})
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for number in range(4 if "--quick" in sys.argv else ROUNDS + 1):
        for name, (code, settings) in STARTS.items():
            figures = begun(code, settings)
            if number:  # the first only compiles
                taken[name].append(figures)
    base = median(cpu for _, cpu in taken["naive"])
    print(f"{'to the first /next':44} {'wall ms':>8} {'CPU ms':>8} {'of naive':>9}")
    for name, figures in taken.items():
        wall, cpu = (median(column) for column in zip(*figures, strict=True))
        print(f"{name:44} {wall:8.0f} {cpu:8.0f} {cpu / base:9.2f}")


if __name__ == "__main__":
    main()
