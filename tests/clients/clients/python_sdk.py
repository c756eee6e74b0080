"""The official Python SDK: list, then call both document tools, then print one JSON line.

With MCP_MODE=legacy it is `ClientSession` (initialize, a session); with MCP_MODE=auto it is `Client`, which asks
`server/discover` first and is stateless.
"""

import asyncio
import json
import os

import httpx2
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client

from outcome import call, say

URL = os.environ["MCP_URL"]
TOKEN = os.environ.get("MCP_TOKEN")


def text(result):
    return "\n".join(part.text for part in result.content), bool(result.is_error)


async def visit(client, version):
    tools = [tool.name for tool in (await client.list_tools()).tools]
    return {
        "protocol": version,
        "tools": tools,
        "public": await call(client.call_tool, "get_public_info", text),
        "confidential": await call(client.call_tool, "get_confidential_info", text),
    }


async def legacy(http):
    async with streamable_http_client(URL, http_client=http) as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            hello = await session.initialize()
            return await visit(session, hello.protocol_version)


async def auto(http):
    async with Client(streamable_http_client(URL, http_client=http)) as client:
        return await visit(client, client.protocol_version)


async def main():
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        return await {"legacy": legacy, "auto": auto}[os.environ["MCP_MODE"]](http)


say(main)
