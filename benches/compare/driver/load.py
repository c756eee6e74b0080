"""The load: wrk for HTTP/1.1, h2load for HTTP/2, and single requests that check what is answered."""

import http.client
import json
import re
import ssl
import subprocess
import time
from contextlib import contextmanager

from . import machine

CALL_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2025-11-25",
}
BURST_LIMIT = 60  # seconds after which a load generator that does not end is killed


def call(tool="tool_0", size=300):
    """A `tools/call` whose body has `size` bytes."""
    head = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"%s","arguments":{"key":"' % tool
    tail = '","limit":10}}}'
    words = "what the weather was like in all the towns of the coast "
    room = size - len(head) - len(tail)
    return (head + (words * (room // len(words) + 1))[:room] + tail).encode()


def listing():
    return b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}'


def quote(text):
    """A string as Lua writes it."""

    def one(letter):
        plain = letter.isprintable() and letter.isascii() and letter not in '"\\'
        return letter if plain else f"\\{ord(letter):03d}"

    return '"' + "".join(one(letter) for letter in text) + '"'


DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests":%d,"duration_us":%d,"p50":%d,"p99":%d,"p99_1":%d,"status":%d,"broken":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.1),
    e.status, e.connect + e.read + e.write + e.timeout))
end
"""

# Each request has the next token of a file, and none is used twice: the thread stops when they are used up.
NEXT_TOKEN = """
local made, at = {}, FIRST or 0
function init(args)
  for token in io.lines(TOKENS) do
    wrk.headers["Authorization"] = "Bearer " .. token
    made[#made + 1] = wrk.format()
  end
end
function request()
  at = at + 1
  if at > #made then
    if ONCE then wrk.thread:stop() end
    at = 1
  end
  return made[at]
end
"""

# Of a hundred requests five are no JSON, and five have a token whose key nobody knows.
ATTACK = """
local honest, malformed, forged, at, used = nil, nil, {}, 0, FIRST
function init(args)
  honest = wrk.format()
  malformed = wrk.format(nil, nil, nil, wrk.body:sub(1, -3))
  for token in io.lines(TOKENS) do
    wrk.headers["Authorization"] = "Bearer " .. token
    forged[#forged + 1] = wrk.format()
  end
end
function request()
  at = at + 1
  if not HOSTILE then return honest end
  if at % 20 == 7 then return malformed end
  if at % 20 == 13 then
    used = used % #forged + 1
    return forged[used]
  end
  return honest
end
"""

FEW = """
local answered = 0
function response() answered = answered + 1; if answered >= %d then wrk.thread:stop() end end
"""


def script(body, headers, extra=""):
    lines = ['wrk.method = "POST"', f"wrk.body = {quote(body.decode())}"]
    lines += [f"wrk.headers[{quote(name)}] = {quote(value)}" for name, value in headers.items()]
    return "\n".join(lines) + "\n" + extra + DONE


class Used:
    """What a burst took: CPU time of the subject, and of others on its CPU."""

    cpu_ns = 0
    foreign_percent = 0.0


@contextmanager
def watched(running):
    """Fills a `Used` when the burst is over; then empties the audit file, which would fill the disk."""
    used = Used()
    began, own, all_of_it = time.monotonic(), running.cpu_ns(), machine.busy_ns(machine.PROXY_CPU)
    yield used
    used.cpu_ns = running.cpu_ns() - own
    foreign = machine.busy_ns(machine.PROXY_CPU) - all_of_it - used.cpu_ns
    used.foreign_percent = max(0.0, foreign / 1e7 / (time.monotonic() - began))
    running.empty_audit()


def wrk(running, body, headers, concurrency, seconds, extra=""):
    """One burst; what it did, and what CPU time the subject took for it."""
    path = running.place.folder / "load.lua"
    path.write_text(script(body, headers, extra))
    command = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "10s", "-s", path, running.url]
    with watched(running) as used:
        ended = run(command)
    found = re.search(r"^RESULT (.*)$", ended.stdout, re.MULTILINE)
    if ended.returncode or not found:
        raise RuntimeError(f"wrk: {ended.stdout}{ended.stderr}")
    result = json.loads(found.group(1))
    requests = max(result["requests"], 1)
    return {
        "requests": result["requests"],
        "rps": requests / (result["duration_us"] / 1e6),
        "cpu_us": used.cpu_ns / 1000 / requests if running.process else None,
        "p50_us": result["p50"],
        "p99_us": result["p99"],
        "p99_1_us": result["p99_1"],
        "refused": result["status"],
        "broken": result["broken"],
        "foreign_percent": used.foreign_percent,
    }


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=BURST_LIMIT, stdin=subprocess.DEVNULL)


def warm(running, body, headers, concurrency, requests=3000):
    """So that connections to the upstream, caches and pages are there before anything is measured."""
    wrk(running, body, headers, concurrency, 1, FEW % requests)


def h2load(running, body, headers, seconds, streams=64):
    """One burst over a single connection of HTTP/2 with many streams."""
    path, log = running.place.folder / "body", running.place.folder / "h2load.log"
    path.write_bytes(body)
    log.unlink(missing_ok=True)
    command = ["h2load", "-c1", f"-m{streams}", "-t1", "-D", str(seconds), "-d", path, f"--log-file={log}"]
    for name, value in headers.items():
        command += ["-H", f"{name.lower()}: {value}"]
    with watched(running) as used:
        ended = run([*command, running.url])
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", ended.stdout)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", ended.stdout)
    if ended.returncode or not done or not codes:
        raise RuntimeError(f"h2load: {ended.stdout}{ended.stderr}")
    requests, failed = int(done.group(1)), int(done.group(3))
    refused = sum(int(codes.group(group)) for group in (2, 3, 4))
    # A line for each request: when it began, its status, and how long it took.
    took = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    return {
        "requests": requests,
        "rps": requests / seconds,
        "cpu_us": used.cpu_ns / 1000 / max(requests, 1) if running.process else None,
        "p50_us": took[len(took) // 2] if took else None,
        "p99_us": took[len(took) * 99 // 100] if took else None,
        "refused": refused,
        # The streams that are open when the time is over count as failed.
        "broken": max(0, failed - refused - streams),
        "foreign_percent": used.foreign_percent,
    }


def ask(running, body, headers, method="POST"):
    """One request: status, headers and body of its answer."""
    if running.place.tls and running.process:
        trust = ssl.create_default_context(cafile=running.place.cert)
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=10, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    try:
        connection.request(method, running.path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def begin_session(running, token):
    """The identifier of a new session, for gateways that answer nothing without one."""
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "compare", "version": "0.1.0"},
            },
        }
    ).encode()
    headers = {**CALL_HEADERS, "Authorization": f"Bearer {token}", **running.headers}
    status, fields, said = ask(running, body, headers)
    session = next((value for name, value in fields.items() if name.lower() == "mcp-session-id"), None)
    if status != 200 or session is None:
        raise RuntimeError(f"{running.subject.name} begins no session: {status} {said[:300]!r}")
    headers["Mcp-Session-Id"] = session
    ask(running, b'{"jsonrpc":"2.0","method":"notifications/initialized"}', headers)
    return session


def messages(bench):
    """How many messages have come to the upstream so far."""
    port = bench.upstream_ports["30"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/count")
        return int(connection.getresponse().read())
    finally:
        connection.close()


def message_of(headers, body):
    """The JSON-RPC message of an answer, be it JSON or an event stream."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if kind.startswith("text/event-stream"):
        data = [line[5:] for line in body.decode().splitlines() if line.startswith("data:") and line[5:].strip()]
        return json.loads(data[-1])
    return json.loads(body)
