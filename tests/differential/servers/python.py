"""The Python SDK, of the first line or the second, whichever is installed."""

import socket
import sys

import uvicorn
from mcp.server.streamable_http import EventMessage, EventStore

try:
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

LOG = sys.argv[1]
# In all that the forbidden ones say of themselves.
CANARY = "canary-5f0c"


def text(name):
    return f"{name} {CANARY} ran" if "forbidden" in name else f"{name} ran"


def ran(kind, name):
    with open(LOG, "a") as log:
        log.write(f"{kind} {name}\n")
    return text(name)


class Events(EventStore):
    """Keeps every event, and replays those of the same stream."""

    def __init__(self):
        self.events = []

    async def store_event(self, stream_id, message):
        self.events.append((stream_id, message))
        return str(len(self.events) - 1)

    async def replay_events_after(self, last_event_id, send_callback):
        at = int(last_event_id) if last_event_id.isdigit() else len(self.events)
        if at >= len(self.events):
            return None
        stream = self.events[at][0]
        for number, (other, message) in enumerate(self.events):
            if number > at and other == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def running(kind, name):
    def run() -> str:
        return ran(kind, name)

    return run


def furnish(server):
    for name in ("permitted", "forbidden"):
        uri, description = f"x:{name}", text(name)
        server.tool(name=name, description=description)(running("tool", name))
        server.prompt(name=name, description=description)(running("prompt", name))
        server.resource(uri, name=f"the {name} one", description=description)(running("resource", uri))


def application():
    try:
        server = MCPServer("differential")
        app = server.streamable_http_app(event_store=Events())
    except TypeError:  # the first line takes it here
        server = MCPServer("differential", event_store=Events())
        app = server.streamable_http_app()
    furnish(server)
    return app


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    app = application()
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on")).run(sockets=[listener])


if __name__ == "__main__":
    main()
