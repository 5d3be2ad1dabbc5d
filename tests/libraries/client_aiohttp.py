"""Sends results with aiohttp and aiohttp-retry, as the manual says."""

import asyncio
import sys

from aiohttp import ClientError, ClientTimeout
from aiohttp_retry import ExponentialRetry, RetryClient

retry = ExponentialRetry(attempts=10, exceptions={ClientError, TimeoutError})
authorization, body, *calls = sys.argv[1:]


async def main():
    """Send one request after another."""
    async with RetryClient(retry_options=retry, timeout=ClientTimeout(10)) as client:
        for call in calls:
            webhook_id, _, url = call.partition("=")
            headers = {"Authorization": authorization, "webhook-id": webhook_id}
            async with client.post(url, data=body, headers=headers) as response:
                response.raise_for_status()
            await asyncio.sleep(0.2)


asyncio.run(main())
