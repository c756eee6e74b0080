"""One long session of the Python SDK, driven by lines on stdin: `list` or `call NAME`; one JSON line for each."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from outcome import HEADERS, URL, call, http_client, names


async def main():
    async with (
        http_client(headers=HEADERS) as http,
        streamable_http_client(URL, http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            match line.split():
                case ["list"]:
                    answer = {"tools": await names(session)}
                case ["call", name]:
                    answer = await call(session, name)
                case words:
                    raise ValueError(f"unknown command: {words}")
            print(json.dumps(answer), flush=True)


asyncio.run(main())
