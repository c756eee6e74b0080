"""The fastmcp client: list, then call both document tools, then print one JSON line."""

import os

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from outcome import call, say

URL = os.environ["MCP_URL"]
TOKEN = os.environ.get("MCP_TOKEN")


def text(result):
    return "\n".join(part.text for part in result.content), bool(result.is_error)


async def main():
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    async with Client(StreamableHttpTransport(URL, headers=headers)) as client:
        tools = [tool.name for tool in await client.list_tools()]
        return {
            "protocol": client.session.protocol_version,
            "tools": tools,
            "public": await call(client.call_tool, "get_public_info", text),
            "confidential": await call(client.call_tool, "get_confidential_info", text),
        }


say(main)
