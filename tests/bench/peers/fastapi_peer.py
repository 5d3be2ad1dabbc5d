"""A typical receiver in Python: FastAPI on uvicorn, counters in memory, nothing verified."""

import sys

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import Counter, make_asgi_app
from pydantic import BaseModel

RESULTS = Counter("push_results", "Push results.", ["channel", "code", "severity"])
SEVERITIES = {"2": "info"}

app = FastAPI()
app.mount("/metrics", make_asgi_app())


class Callback(BaseModel):
    """The callback of MPS."""

    statusCode: str  # noqa: N815 - as on the wire
    channel: str = "mps"


class Result(BaseModel):
    """A generic result."""

    channel: str
    code: int | str
    message: str | None = None
    id: str | None = None
    count: int = 1


@app.post("/webhooks/mps")
async def receive_callback(callback: Callback) -> Response:
    """Count one result."""
    severity = SEVERITIES.get(callback.statusCode, "error")
    RESULTS.labels(callback.channel, callback.statusCode, severity).inc()
    return Response(status_code=200)


@app.post("/webhooks/results")
async def receive_results(results: list[Result]) -> Response:
    """Count a batch."""
    for result in results:
        code = str(result.code)
        severity = SEVERITIES.get(code, "error")
        RESULTS.labels(result.channel, code, severity).inc(result.count)
    return Response(status_code=200)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
