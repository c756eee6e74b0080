#!/usr/bin/env python3
"""The corpus against any gateway: what is to be refused is refused and reaches nobody, the rest arrives as it was.

    tests/corpus/run.py --upstream 127.0.0.1:9000 --gateway http://127.0.0.1:8080/mcp --token TOKEN [--exact]

It is the upstream itself: point the gateway at http://127.0.0.1:9000/mcp, with the policy of policy.yaml, and
let it accept the token. --exact asks for toolgate's statuses and JSON-RPC codes, too. Told in docs/src/corpus.md.
"""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wire


class Upstream(BaseHTTPRequestHandler):
    """Says yes to everything, and keeps what it was told."""

    protocol_version = "HTTP/1.1"
    arrived = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        message = message if isinstance(message, dict) else {}
        if message.get("method") != "initialize":
            self.arrived.append(body)
        answer = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": {}}).encode()
        is_request = "method" in message and "id" in message
        self.send_response(200 if is_request else 202)
        if message.get("method") == "initialize":
            self.send_header("Mcp-Session-Id", "corpus")
        if is_request:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer) if is_request else 0))
        self.end_headers()
        if is_request:
            self.wfile.write(answer)

    def do_GET(self):
        self.arrived.append(self.command.encode())
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_DELETE = do_PUT = do_PATCH = do_HEAD = do_TRACE = do_GET

    def log_message(self, *_):
        pass


def differences(case, answer, arrived, exact):
    """What is wrong with what became of a case."""
    expect = case["expect"]
    if "forwarded" in expect:
        if arrived != [wire.body_of(case)]:
            yield f"arrived {len(arrived)} times, or with other bytes (answer {answer.status})"
        return
    if arrived:
        yield "reached the upstream"
    if exact:
        is_head = case.get("http", {}).get("method") == "HEAD"
        code = expect["code"] if is_head else answer.code()
        if (answer.status, code) != (expect["status"], expect["code"]):
            yield f"{answer.status} {code}, not {expect['status']} {expect['code']} ({expect['refusal']})"
    elif answer.status < 400 and answer.code() is None:
        yield f"was not refused: {answer.status}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--gateway", required=True, metavar="URL")
    parser.add_argument("--token", help="sent as a bearer token")
    parser.add_argument("--exact", action="store_true", help="toolgate's statuses and codes")
    arguments = parser.parse_args()
    host, _, port = arguments.upstream.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = arguments.gateway
    token = [("Authorization", f"Bearer {arguments.token}")] if arguments.token else []
    session = wire.open_session(url, token)
    failed, cases = 0, wire.cases()
    for case in cases:
        Upstream.arrived.clear()
        extra = token + (session if case["session"] else [])
        answer = wire.exchange(url, wire.request(url, case, extra))
        for difference in differences(case, answer, list(Upstream.arrived), arguments.exact):
            failed += 1
            print(f"{case['name']}: {difference}\n    a lenient parser: {case['lenient']}")
    print(f"{len(cases)} cases, {failed} wrong")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
