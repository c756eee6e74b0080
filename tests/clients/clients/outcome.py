"""What the Python client programs share: how a call ended, and the one JSON line they print."""

import asyncio
import json


def reason(error):
    """The text a user of the client would see, with the inside of exception groups."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reason(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def call(call_tool, name, text):
    """{"ok": true, "text": document} or {"ok": false, "text": what the client said}."""
    try:
        words, is_error = text(await call_tool(name, {}))
        return {"ok": not is_error, "text": words}
    except Exception as error:
        return {"ok": False, "text": reason(error)}


def say(main):
    try:
        result = asyncio.run(main())
    except Exception as error:
        result = {"error": reason(error)}
    print(json.dumps(result))
