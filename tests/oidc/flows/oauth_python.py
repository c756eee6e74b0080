"""The official Python SDK, which finds out by itself where to get a token. Prints the line that visit.mjs describes.

The person declines one scope at first, and consents to all when asked again.
"""

import asyncio
import json
import os
import time
from urllib.parse import urlencode

import httpx2
from browser import authorize
from mcp import Client, ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

URL = os.environ["MCP_URL"]
REDIRECT = "http://127.0.0.1:3118/callback"
LONG_SECONDS = 60
TOOLS = ["get_public_info", "get_confidential_info"]


class Wallet:
    """Everything in memory."""

    def __init__(self):
        self.authorizations = self.renewals = 0
        self._tokens = self._client = self._brought = None

    async def get_tokens(self):
        return self._tokens

    async def set_tokens(self, tokens):
        self._tokens = tokens
        self.renewals += 1

    async def get_client_info(self):
        return self._client

    async def set_client_info(self, client_info):
        self._client = client_info

    async def go(self, url):
        self.authorizations += 1
        if self.authorizations == 1:
            url += "&" + urlencode({"decline": "confidential:read"})
        self._brought = await asyncio.to_thread(authorize, url)

    async def come_back(self):
        brought = self._brought
        return AuthorizationCodeResult(code=brought["code"], state=brought.get("state"), iss=brought.get("iss"))


def reason(error):
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reason(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def visit(client, wallet, line):
    line["tools"] = [tool.name for tool in (await client.list_tools()).tools]
    if os.environ.get("MCP_VISIT") == "long":
        deadline = time.monotonic() + LONG_SECONDS
        while wallet.renewals < 2 and time.monotonic() < deadline:
            await client.list_tools()
            await asyncio.sleep(0.1)
        return
    for tool in TOOLS:
        try:
            result = await client.call_tool(tool, {})
            text = "\n".join(part.text for part in result.content)
            line["calls"].append({"tool": tool, "ok": not result.is_error, "text": text})
        except Exception as error:
            line["calls"].append({"tool": tool, "ok": False, "text": reason(error)})


async def main(line):
    wallet = Wallet()
    metadata = OAuthClientMetadata(
        client_name="toolgate-tests", redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
    )
    auth = OAuthClientProvider(URL, metadata, wallet, wallet.go, wallet.come_back)
    try:
        async with httpx2.AsyncClient(auth=auth, timeout=60) as http:
            transport = streamable_http_client(URL, http_client=http)
            if os.environ["MCP_MODE"] == "auto":
                async with Client(transport) as client:
                    await visit(client, wallet, line)
            else:
                async with transport as streams, ClientSession(streams[0], streams[1]) as session:
                    await session.initialize()
                    await visit(session, wallet, line)
    except Exception as error:
        line["error"] = reason(error)
    line |= {"authorizations": wallet.authorizations, "tokens": wallet.renewals}


line = {"calls": [], "tools": []}
asyncio.run(main(line))
print(json.dumps(line))
