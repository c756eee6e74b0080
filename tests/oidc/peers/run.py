#!/usr/bin/env python3
"""What mcp-auth accepts and refuses, by the questions that toolgate is asked (table.py), beside what the book says.

    tests/oidc/peers/run.py     prints its column; 1 if the book says otherwise

Not among the tests: what others do is not ours to keep. Run it when the table is looked at again.
"""

import http.client
import json
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "clients"), str(HERE.parent)]

import environment  # noqa: E402
import servers  # noqa: E402

PACKAGES = environment.CACHE.parent / "peers"
SCOPES = ["public:read"]
SECONDS = 60


def install():
    clients = environment.install()
    environment.install_packages(HERE, PACKAGES)
    shutil.copy(HERE / "mcp_auth.mjs", PACKAGES)
    if Path(sys.prefix) != environment.VENV:
        os.execv(clients.python, [clients.python, *sys.argv])
    return clients


class Peer(servers.Server):
    """mcp-auth, running."""

    def __init__(self, node, issuers, audience=None, leeway=None):
        self.port = servers.free_port()
        self.resource = f"http://127.0.0.1:{self.port}/mcp"
        terms = {"port": self.port, "resource": self.resource, "issuers": [issuer.url for issuer in issuers]}
        terms |= {"audience": self.resource if audience is None else "", "scopes": SCOPES, "leeway": leeway}
        super().__init__([node, PACKAGES / "mcp_auth.mjs"], PEER=json.dumps(terms))
        try:
            self.printed(re.compile(r"^listening on (\S+)$"))
        except BaseException:
            self.stop()
            raise

    def call(self, token, _tool=None, **headers):
        if token:
            headers["Authorization"] = token if " " in token else f"Bearer {token}"
        return self._request("POST", "/mcp", {"Content-Type": "application/json", **headers})

    def get(self, path):
        return self._request("GET", path, {})

    def _request(self, method, path, headers):
        from gateway import Answer

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, "{}" if method == "POST" else None, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def accepts(self, token):
        return self.call(token).status == 200


class McpAuth:
    """The subject of table.py; what it has no setting for is None."""

    def __init__(self, node, stack):
        self.node, self.stack = node, stack

    def issuer(self, *keys):
        from issuer import Issuer

        return self.stack.enter_context(Issuer(*keys))

    def start(self, *issuers, **terms):
        return self.stack.enter_context(Peer(self.node, issuers, **terms))

    def any_audience(self, issuer):
        return self.start(issuer, audience="")

    said_nothing_of_audience = any_audience

    def with_leeway(self, issuer, seconds):
        return self.start(issuer, leeway=seconds)

    def none(self, *_):
        return None

    secret = introspecting = asking = reading = strictly = for_old_clients = none


def main():
    clients = install()
    from table import ROWS, book

    said, differs = book("mcp-auth"), False
    for label, measure in ROWS.items():
        with ExitStack() as stack:
            cell = measure(McpAuth(clients.node, stack))
        note = "" if cell in (None, said[label]) else f"   the book says: {said[label]}"
        differs |= bool(note)
        print(f"{label}: {'not measured' if cell is None else cell}{note}", flush=True)
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
