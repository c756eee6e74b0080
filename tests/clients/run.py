#!/usr/bin/env python3
"""Real MCP clients against the running gateway: who sees and may call what, for every client and every token.

    tests/clients/run.py                     everything
    tests/clients/run.py ts_v2 claude_code   only these clients
    tests/clients/run.py --install           only make the environments

Needs the built programs (`cargo build -p toolgate -p upstream-mcp`); `--programs DIR` says where they are.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import drive
import servers
from drive import CONFIDENTIAL, LEGACY, MODERN, PUBLIC
from environment import PROGRAMS, clean_environment, install
from tokens import mint

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = {
    PUBLIC: "Acme Corp - Public Company Information",
    CONFIDENTIAL: "Acme Corp - Confidential Strategy Document",
}
NEEDS = {PUBLIC: "public:read", CONFIDENTIAL: "confidential:read"}
AT_ONCE = 2
RELOAD_SECONDS = 60


# The access matrix: for each token the document tools its bearer sees and may call; None where it is no token at all.
MATRIX = {
    "public": {PUBLIC},
    "issued": {PUBLIC},
    "full": {PUBLIC, CONFIDENTIAL},
    "empty": set(),
    "expired": None,
    "forged": None,
    "none": None,
}


def make_tokens(toolgate, secret):
    """One token for each row of the matrix; `issued` comes from the gateway's own command."""
    issued = subprocess.run(
        [toolgate, "token", "--secret", secret, "--sub", "alice", "--scope", "public:read", "--exp-hours", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if issued.returncode != 0 or not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", issued.stdout):
        raise RuntimeError(f"toolgate token: {issued}")
    return {
        "public": mint(secret, ["public:read"]),
        "issued": issued.stdout.strip(),
        "full": mint(secret, ["public:read", "confidential:read"]),
        "empty": mint(secret, []),
        "expired": mint(secret, ["public:read"], hours=-1),
        "forged": mint(secrets.token_hex(32), ["public:read", "confidential:read"]),
        "none": None,
    }


@dataclass
class Client:
    """A client, and how it speaks of refusals. `{scope}` stands for the scope that the refused call needs."""

    visit: callable
    turned_away: str  # what it shows when its token is refused
    turned_away_without: str | None = None  # the same when it has none, if different
    denied: str | None = None  # what it shows of a call that the caller may not make
    protocol: str | None = None
    executes: bool = True  # it calls tools


CLIENTS = {
    "python_sdk": Client(
        drive.python_sdk,
        turned_away=r"MCPError: ",
        denied=r"MCPError: .*{scope}",
        protocol=LEGACY,
    ),
    "python_sdk_auto": Client(
        drive.python_sdk_auto,
        turned_away=r"MCPError: ",
        denied=r"MCPError: .*{scope}",
        protocol=MODERN,
    ),
    "fastmcp": Client(
        drive.fastmcp,
        turned_away=r"MCPError: ",
        denied=r"MCPError: .*{scope}",
        protocol=MODERN,
    ),
    "ts_v1": Client(
        drive.ts_v1,
        turned_away=r"StreamableHTTPError: .*Error POSTing to endpoint",
        denied=r"StreamableHTTPError: .*\"error\".*{scope}",
        protocol=LEGACY,
    ),
    "ts_v2": Client(
        drive.ts_v2,
        turned_away=r"SdkHttpError: .*HTTP 401",
        denied=r"InsufficientScopeError: Insufficient scope: required \"[^\"]*{scope}",
        protocol=MODERN,
    ),
    "inspector": Client(
        drive.inspector,
        turned_away=r"exit 3: .*\"auth_required\"",
        denied=r"\"tool_not_found\"",
    ),
    "claude_code": Client(
        drive.claude_code,
        turned_away=r"✘ Failed to connect — Server rejected the configured Authorization header \(HTTP 401\)",
        turned_away_without=r"! Needs authentication|✘ Failed to connect",
        executes=False,
    ),
}


def differences(client, token, seen):
    """Where what a client did differs from the matrix."""
    allowed = MATRIX[token]
    wrong = [
        f"shows the document of {tool}"
        for tool, heading in DOCUMENTS.items()
        if tool not in (allowed or ()) and heading in seen.shown
    ]
    if allowed is None:
        words = (token == "none" and client.turned_away_without) or client.turned_away
        if seen.connected:
            wrong.append("connected")
        if not re.search(words, seen.shown, re.DOTALL):
            wrong.append(f"does not show /{words}/")
        if seen.refusals is not None and set(seen.refusals) != {401}:
            wrong.append(f"was refused with {seen.refusals}, not 401")
        return wrong
    if not seen.connected:
        return [*wrong, "did not connect"]
    if not client.executes:
        return wrong
    tools = set(seen.tools)
    if tools & set(DOCUMENTS) != allowed or (not allowed and tools):
        wrong.append(f"sees {sorted(tools)}")
    for tool, heading in DOCUMENTS.items():
        succeeded, text = seen.calls[tool]
        if tool in allowed:
            if not succeeded or heading not in text:
                wrong.append(f"cannot call {tool}")
        else:
            words = client.denied.format(scope=NEEDS[tool])
            if succeeded:
                wrong.append(f"could call {tool}")
            if not re.search(words, text, re.DOTALL):
                wrong.append(f"does not show /{words}/ for {tool}")
    if client.protocol and seen.protocol != client.protocol:
        wrong.append(f"speaks {seen.protocol}, not {client.protocol}")
    if seen.refusals is not None and seen.refusals != [403] * (len(DOCUMENTS) - len(allowed)):
        wrong.append(f"was refused with {seen.refusals}")
    return wrong


def visit_all(clients, chosen, url, tokens):
    """{(client, token): (differences, shown, seconds)}: clients side by side, the tokens of one after the other."""

    def visits(name):
        results = {}
        for token, bearer in tokens.items():
            began = time.monotonic()
            try:
                seen = CLIENTS[name].visit(clients, url, bearer)
                wrong, shown = differences(CLIENTS[name], token, seen), seen.shown
            except Exception as error:
                wrong, shown = [f"{type(error).__name__}: {error}"], traceback.format_exc()
            results[name, token] = wrong, shown, time.monotonic() - began
        return results

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {cell: result for results in pool.map(visits, chosen) for cell, result in results.items()}


def post(url, token, body, **headers):
    """(status, WWW-Authenticate, parsed body) of a bare POST."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers.get("WWW-Authenticate", ""), None
    except urllib.error.HTTPError as refused:
        with refused:
            text = refused.read()
        return refused.code, refused.headers.get("WWW-Authenticate", ""), json.loads(text) if text else None


def check_challenges(url, tokens):
    """The refusals on the wire, which clients turn into words of their own."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "toolgate-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": "wire-1", "method": "tools/call"}
    body["params"] = {"name": CONFIDENTIAL, "arguments": {}, "_meta": meta}
    headers = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/call", "Mcp_Name": CONFIDENTIAL}
    wrong = []
    for token, bearer in tokens.items():
        if CONFIDENTIAL in (MATRIX[token] or ()):
            continue
        status, challenge, answer = post(url, bearer, body, **headers)
        if MATRIX[token] is None:
            wanted = 401, None if token == "none" else "invalid_token"
        else:
            wanted = 403, "insufficient_scope"
            if not re.search(r'scope="[^"]*\bconfidential:read\b', challenge):
                wrong.append(f"{token}: the challenge names no scope: {challenge}")
            if not answer or answer.get("id") != "wire-1" or "error" not in answer:
                wrong.append(f"{token}: not a JSON-RPC error with the request's id: {answer}")
        error = re.search(r'\berror="(\w+)"', challenge)
        if (status, error and error.group(1)) != wanted:
            wrong.append(f"{token}: {status} {challenge!r}, not {wanted}")
        if not challenge.startswith("Bearer ") or 'resource_metadata="http' not in challenge:
            wrong.append(f"{token}: not a Bearer challenge with resource_metadata: {challenge!r}")
    return wrong


def check_executions(calls_log, chosen):
    """The upstream ran what was allowed, and nothing else."""
    callers = [name for name in chosen if CLIENTS[name].executes]
    expected = Counter(f"tool {tool}" for allowed in MATRIX.values() for tool in allowed or () for _ in callers)
    actual = Counter(calls_log.read_text().splitlines() if calls_log.exists() else [])
    ran = Counter({line: count for line, count in actual.items() if line.startswith("tool ")})
    return [] if ran == expected else [f"the upstream ran {dict(ran)}, not {dict(expected)}"]


def check_pasted(clients, lines):
    """The lines that the demo prints for Claude Code work as they are: one for each of its two tokens."""
    wrong = [] if len(lines) == 2 else [f"the demo printed {len(lines)} `claude mcp add` lines, not 2"]
    for words in lines:
        connected, shown = drive.claude_pasted(clients, words)
        if not connected:
            wrong.append(f"did not connect: {shown}")
    return wrong


class Session:
    """One long session of the Python SDK."""

    def __init__(self, clients, home, url, token):
        self._process = subprocess.Popen(
            [clients.python, PROGRAMS / "live_session.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(home, MCP_URL=url, MCP_TOKEN=token),
        )
        self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(drive.CELL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process.stdout.close()

    def _answer(self):
        with ThreadPoolExecutor(1) as reader:
            try:
                line = reader.submit(self._process.stdout.readline).result(drive.CELL_SECONDS)
            except TimeoutError:
                self._process.kill()
                raise
        if not line:
            raise RuntimeError("the session ended")
        return json.loads(line)

    def _ask(self, command):
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer()

    def sees(self, tool):
        return tool in self._ask("list")["tools"]

    def call(self, tool):
        """(succeeded, what the client showed)"""
        answer = self._ask(f"call {tool}")
        return answer["ok"], answer["text"]


def replace_policy(policy, text):
    """As an editor or a volume does it: a new file takes the old one's name."""
    fresh = policy.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, policy)


def check_new_tool(clients, toolgate, upstream_mcp, work):
    """A tool that the policy does not know does not exist; a policy that knows it takes effect in an open session."""
    tool, secret, calls_log = "new_tool", secrets.token_hex(32), work / "new-tool-calls"
    secret_file, policy = work / "secret", work / "policy" / "policy.yaml"
    secret_file.write_text(secret)
    policy.parent.mkdir()
    without = (REPOSITORY / "policy" / "sample.yaml").read_text()
    rule = f"tools:\n  {tool}: {{scopes: [public:read]}}\n"
    within, replaced = re.subn(r"^tools:[ \t]*\n", rule, without, count=1, flags=re.MULTILINE)
    if not replaced:
        raise RuntimeError("policy/sample.yaml has no `tools:`")
    policy.write_text(without)
    wrong = []

    def expect(what, holds):
        if not holds:
            wrong.append(f"not so: {what}")

    upstream, upstream_url = servers.sample_upstream(upstream_mcp, calls_log, "--extra-tool", tool)
    with upstream:
        gateway, url = servers.serve(toolgate, upstream_url, policy, secret_file)
        with gateway, Session(clients, work, url, mint(secret, ["public:read"])) as session:
            expect("a known tool is visible", session.sees(PUBLIC))
            expect("a tool outside the policy is invisible", not session.sees(tool))
            succeeded, text = session.call(tool)
            expect(f"a tool outside the policy is unknown: {text}", not succeeded and f"Unknown tool: {tool}" in text)
            expect(
                "a tool outside the policy is not run",
                not calls_log.exists() or f"tool {tool}" not in calls_log.read_text(),
            )

            replace_policy(policy, within)
            gateway.until(
                lambda: session.sees(tool), "the new policy shows the tool in the open session", RELOAD_SECONDS
            )
            succeeded, text = session.call(tool)
            expect(f"the tool can be called now: {text}", succeeded)
            expect("the tool ran once", calls_log.read_text().splitlines().count(f"tool {tool}") == 1)

            replace_policy(policy, without)
            gateway.until(lambda: not session.sees(tool), "the old policy hides the tool again", RELOAD_SECONDS)
            succeeded, _ = session.call(tool)
            expect("the tool can no longer be called", not succeeded)
        expect("the gateway ends with 0 on SIGTERM", gateway.stop() == 0)
    expect("the tool ran once in all", calls_log.read_text().splitlines().count(f"tool {tool}") == 1)
    return wrong


def table(results, tokens):
    names = list(dict.fromkeys(name for name, _ in results))
    width = max(map(len, names))
    print(f"\n{'':{width}}  " + "  ".join(f"{token:>8}" for token in tokens))
    for name in names:
        cells = ("ok" if not results[name, token][0] else "WRONG" for token in tokens)
        print(f"{name:{width}}  " + "  ".join(f"{cell:>8}" for cell in cells))
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=f"of {', '.join(CLIENTS)}; all if none is named")
    parser.add_argument("--programs", type=Path, default=REPOSITORY / "target" / "debug")
    parser.add_argument("--install", action="store_true", help="only make the environments")
    parser.add_argument("--show", action="store_true", help="print what every client showed")
    asked = parser.parse_args()
    if unknown := set(asked.clients) - set(CLIENTS):
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    chosen = asked.clients or list(CLIENTS)

    clients = install()
    if asked.install:
        return 0
    toolgate, upstream_mcp = (asked.programs.resolve() / name for name in ("toolgate", "upstream-mcp"))
    failures = []

    def report(title, wrong):
        print(f"{'ok' if not wrong else 'WRONG':5} {title}", flush=True)
        failures.extend(f"{title}: {line}" for line in wrong)

    with tempfile.TemporaryDirectory(prefix="toolgate-clients-") as work:
        work = Path(work)
        secret, calls_log = secrets.token_hex(32), work / "calls"
        tokens = make_tokens(toolgate, secret)
        demo, url = servers.demo(toolgate, secret, calls_log)
        with demo:
            results = visit_all(clients, chosen, url, tokens)
            table(results, tokens)
            for (name, token), (wrong, shown, seconds) in results.items():
                if asked.show or wrong:
                    print(f"--- {name}, {token} ({seconds:.1f} s)\n{shown.rstrip()}")
                failures.extend(f"{name}, {token}: {line}" for line in wrong)
            report("the upstream ran what was allowed and nothing else", check_executions(calls_log, chosen))
            report("refusals on the wire carry their challenge", check_challenges(url, tokens))
            report("nothing ran for the refused calls on the wire", check_executions(calls_log, chosen))
            report("the demo's own lines connect Claude Code", check_pasted(clients, servers.to_paste(demo)))
            code = demo.stop()
            report("the demo ends with 0 on SIGTERM", [] if code == 0 else [f"it ended with {code}"])
        try:
            wrong = check_new_tool(clients, toolgate, upstream_mcp, work)
        except Exception as error:
            traceback.print_exc()
            wrong = [f"{type(error).__name__}: {error}"]
        report("a new tool is unknown until the policy names it, without a restart", wrong)

    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
