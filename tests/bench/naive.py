"""The baseline: what one writes first, a FastAPI route that passes a request on with httpx.

python -m tests.bench.naive UPSTREAM_URL PORT
"""

import sys

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

UPSTREAM, PORT = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else ("", 0)
app = FastAPI()
client = httpx.AsyncClient(base_url=UPSTREAM, timeout=60, limits=httpx.Limits(max_connections=None))


@app.post("/v1/messages")
@app.post("/v1/chat/completions")  # passed on as it is: less than a translation, so the comparison is kind to it
async def messages(request: Request) -> StreamingResponse:
    headers = {"content-type": "application/json", "x-api-key": "sk-ant-api03-bench"}
    upstream = client.build_request("POST", "/v1/messages", content=await request.body(), headers=headers)
    answer = await client.send(upstream, stream=True)
    kind = answer.headers.get("content-type")
    return StreamingResponse(answer.aiter_raw(), answer.status_code, {"content-type": kind}, background=None)


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, log_level="critical", access_log=False)
