"""The cases of messages.json, as bytes on a socket, and what comes back."""

import base64
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MESSAGES = Path(__file__).resolve().parent / "messages.json"
SECONDS = 20


def cases():
    return json.loads(MESSAGES.read_text())


def body_of(case):
    return case["body"].encode() if "body" in case else base64.b64decode(case["body_base64"])


def chunks(body, size=10):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def request(url, case, extra=()):
    """A case as a request to `url`; `extra` are further headers (a token, a session)."""
    parts, http, body = urlsplit(url), case.get("http", {}), body_of(case)
    target = http.get("target", "/mcp").replace("/mcp", parts.path, 1)
    lines = [f"{http.get('method', 'POST')} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    own = {name.lower() for name, _ in case["headers"]}
    if "connection" in own:
        lines.pop()
    lines += [f"{name}: {value}" for name, value in [*case["headers"], *extra]]
    framing = http.get("framing")
    if framing is None:
        lines.append(f"Content-Length: {len(body)}")
    else:
        lines.append("Transfer-Encoding: chunked")
        body = chunks(body)
    if framing == "both":
        lines.append("Content-Length: 5")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def post(url, message, extra=()):
    """A usual message."""
    headers = [["Content-Type", "application/json"], ["Accept", "application/json, text/event-stream"]]
    return request(url, {"headers": headers, "body": json.dumps(message)}, extra)


@dataclass
class Answer:
    status: int
    headers: dict  # of lower-case names
    body: bytes
    raw: bytes  # all that was received

    def message(self):
        """The last JSON-RPC message of the answer; none if there is none."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            data = [line[5:] for line in self.body.decode(errors="replace").splitlines() if line.startswith("data:")]
            texts = [text for text in data if text.strip()]
            return json.loads(texts[-1]) if texts else None
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def code(self):
        message = self.message()
        return message.get("error", {}).get("code") if isinstance(message, dict) else None


def exchange(url, data, seconds=SECONDS):
    """Sends `data` and reads until the other side closes, the answer is complete, or the time is over."""
    parts, received, deadline = urlsplit(url), b"", time.monotonic() + seconds
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as stream:
        try:
            stream.sendall(data)
            while not _is_complete(received):
                stream.settimeout(max(0.01, deadline - time.monotonic()))
                piece = stream.recv(65536)
                if not piece:
                    break
                received += piece
        except (TimeoutError, ConnectionError):
            pass
    return _parse(received)


def _split(received):
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return None, {}, b""
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return lines[0], {name.strip().lower(): value.strip() for name, _, value in pairs}, rest


def _is_complete(received):
    line, headers, rest = _split(received)
    if line is None:
        return False
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return rest.endswith(b"0\r\n\r\n")
    return "content-length" in headers and len(rest) >= int(headers["content-length"])


def _parse(received):
    line, headers, rest = _split(received)
    if line is None:
        return Answer(0, {}, b"", received)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        rest = _unchunk(rest)
    words = line.split(" ")
    return Answer(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, headers, rest, received)


def _unchunk(rest):
    body = b""
    while rest:
        size, found, rest = rest.partition(b"\r\n")
        try:
            length = int(size, 16)
        except ValueError:
            break
        body += rest[:length]
        rest = rest[length + 2 :]
        if not found or length == 0:
            break
    return body


def open_session(url, extra=(), version="2025-06-18"):
    """The headers of a new session: none where the server has no sessions."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "corpus", "version": "1"}}
    answer = exchange(url, post(url, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, extra))
    if answer.status != 200:
        raise RuntimeError(f"initialize: {answer.status} {answer.body[:300]!r}")
    session = answer.headers.get("mcp-session-id")
    headers = [("Mcp-Session-Id", session)] if session else []
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    exchange(url, post(url, note, [*extra, *headers, ("MCP-Protocol-Version", version)]))
    return headers
