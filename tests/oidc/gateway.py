"""`toolgate serve` with a configuration file, and bare requests to it."""

import http.client
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import servers
from servers import Server

MODERN = "2026-07-28"
DOCUMENT = "Acme Corp - Public Company Information"
POLICY = Path(__file__).resolve().parent / "policy.yaml"
SECONDS = 60
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "toolgate-tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Answer:
    """An HTTP answer, read whole."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def challenge(self):
        return self.headers.get("WWW-Authenticate", "")

    @property
    def error(self):
        return self.parameter("error")

    def parameter(self, name):
        found = re.search(rf'\b{name}="([^"]*)"', self.challenge)
        return found and found.group(1)

    @property
    def message(self):
        """The JSON-RPC answer; of a stream, its last event."""
        text = self.text
        if self.headers.get_content_type() == "text/event-stream":
            text = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")][-1]
        return json.loads(text)

    def __str__(self):
        return f"{self.status} {self.challenge or self.text[:200]}"


class Stream:
    """An answer that goes on, read until it ends."""

    def __init__(self, connection):
        self._connection = connection
        self._response = connection.getresponse()
        self.status = self._response.status
        self.first = self._response.readline()
        self._ended = Event()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            while self._response.readline():
                pass
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self._ended.set()

    def has_ended(self, within=0):
        return self._ended.wait(within)

    def close(self):
        """Ends it from our side."""
        if self._connection.sock:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(SECONDS)
        self._connection.close()


class Gateway(Server):
    """A running gateway before an upstream."""

    def __init__(self, parts, directory, issuers, path="/mcp", port=None, ready=True, trust=None, **more):
        self.port, self.admin_port = port or servers.free_port(), servers.free_port()
        self.path = path
        self._trust = trust
        self.resource = f"{'https' if trust else 'http'}://127.0.0.1:{self.port}{path}"
        self.config = directory / f"toolgate-{self.port}.yaml"
        settings = {
            "listen": f"127.0.0.1:{self.port}",
            "admin": f"127.0.0.1:{self.admin_port}",
            "upstream": parts.upstream,
            "public_url": self.resource,
            "policy": str(POLICY),
            "issuers": issuers,
        }
        # JSON is YAML.
        self.config.write_text(json.dumps(settings | more, indent=1))
        super().__init__([parts.toolgate, "serve", "--config", self.config])
        try:
            if ready:
                self.until(self.is_ready, "/readyz answers 200")
            else:
                self.until(lambda: self.readiness() is not None, "/readyz answers")
        except BaseException:
            self.stop()
            raise

    def readiness(self):
        """(status, body) of /readyz; None where nobody answers."""
        try:
            answer = self._request(self.admin_port, "GET", "/readyz", {})
        except OSError:
            return None
        return answer.status, answer.text

    def is_ready(self):
        answer = self.readiness()
        return answer is not None and answer[0] == 200

    def _request(self, port, method, path, headers, body=None, trust=None):
        if port == self.port and self._trust:
            trust = trust or self._trust
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=trust)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def get(self, path):
        return self._request(self.port, "GET", path, {})

    def call(self, token, tool="get_public_info", trust=None, **headers):
        """Calls a tool in the one request of 2026-07-28; `trust` is the context of a particular TLS client."""
        params = {"name": tool, "arguments": {}}
        body, headers = self._message(token, "tools/call", params, {"Mcp-Name": tool} | headers)
        return self._request(self.port, "POST", self.path, headers, body, trust)

    def accepts(self, token):
        """Whether a call with this token brings the document."""
        answer = self.call(token)
        return answer.status == 200 and DOCUMENT in answer.text

    def listen(self, token):
        """A stream of changes, open until somebody ends it."""
        params = {"notifications": {"toolsListChanged": True}}
        body, headers = self._message(token, "subscriptions/listen", params, {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("POST", self.path, body, headers)
        return Stream(connection)

    @staticmethod
    def _message(token, method, params, headers):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": META}}
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        sent |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if token:
            sent["Authorization"] = token if " " in token else f"Bearer {token}"
        return json.dumps(message), sent | {name.replace("_", "-"): value for name, value in headers.items()}
