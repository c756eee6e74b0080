"""What the Python client programs share: the HTTP client, how a visit goes, and the one JSON line they print.

The line is {"protocol", "tools", "public", "confidential", "refusals"} or {"error", "refusals"}; "refusals" holds
the HTTP status of every POST that was answered with an error.
"""

import asyncio
import json
import os

import httpx2

URL = os.environ["MCP_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"} if os.environ.get("MCP_TOKEN") else {}

refusals = []


async def note(response):
    if response.request.method == "POST" and response.status_code >= 400:
        refusals.append(response.status_code)


def http_client(**options):
    options.setdefault("timeout", 60)
    return httpx2.AsyncClient(**options, event_hooks={"response": [note]})


def reason(error):
    """The text a user of the client would see, with the inside of exception groups."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reason(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def call(client, name):
    """{"ok": true, "text": document} or {"ok": false, "text": what the client said}."""
    try:
        result = await client.call_tool(name, {})
    except Exception as error:
        return {"ok": False, "text": reason(error)}
    return {"ok": not result.is_error, "text": "\n".join(part.text for part in result.content)}


async def names(client):
    """The names of all tools; the SDK gives a result that holds them, fastmcp gives them."""
    listed = await client.list_tools()
    return [tool.name for tool in getattr(listed, "tools", listed)]


async def visit(client, protocol):
    """List, then call both document tools."""
    return {
        "protocol": protocol,
        "tools": await names(client),
        "public": await call(client, "get_public_info"),
        "confidential": await call(client, "get_confidential_info"),
    }


def say(main):
    try:
        line = asyncio.run(main())
    except Exception as error:
        line = {"error": reason(error)}
    print(json.dumps(line | {"refusals": refusals}))
