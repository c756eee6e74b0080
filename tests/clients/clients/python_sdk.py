"""The official Python SDK.

With MCP_MODE=legacy it is `ClientSession`: initialize, and a session. With MCP_MODE=auto it is `Client`, which asks
`server/discover` first and is stateless.
"""

import os

from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from outcome import HEADERS, URL, http_client, say, visit


async def legacy(transport):
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        hello = await session.initialize()
        return await visit(session, hello.protocol_version)


async def auto(transport):
    async with Client(transport) as client:
        return await visit(client, client.protocol_version)


async def main():
    mode = {"legacy": legacy, "auto": auto}[os.environ["MCP_MODE"]]
    async with http_client(headers=HEADERS) as http:
        return await mode(streamable_http_client(URL, http_client=http))


say(main)
