"""The fastmcp client: `server/discover` first, stateless."""

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from outcome import HEADERS, URL, http_client, say, visit


async def main():
    transport = StreamableHttpTransport(URL, headers=HEADERS, httpx_client_factory=http_client)
    async with Client(transport) as client:
        return await visit(client, client.session.protocol_version)


say(main)
