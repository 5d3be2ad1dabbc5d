"""The ceiling of the framework: reads the body, and responds with the same JSON as the exporter."""

import sys

import uvloop
from aiohttp import web

_ACCEPTED = {"accepted": 1, "duplicates": 0, "rejected": []}


async def receive(request: web.Request) -> web.Response:
    """Read and forget."""
    await request.read()
    return web.json_response(_ACCEPTED)


def main() -> None:
    """Listen on the port that is given, with asyncio's own loop or with uvloop."""
    app = web.Application()
    app.router.add_post("/webhooks/mps", receive)
    app.router.add_post("/webhooks/results", receive)
    loop = uvloop.new_event_loop() if "uvloop" in sys.argv else None
    web.run_app(
        app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, loop=loop, print=None
    )


if __name__ == "__main__":
    main()
