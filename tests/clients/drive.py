"""One function for each client: run it with a token against an endpoint, and say what it did as a `Seen`."""

import json
import os
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field

from environment import PROGRAMS, clean_environment

CELL_SECONDS = 120
PUBLIC, CONFIDENTIAL = "get_public_info", "get_confidential_info"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
CONNECTED = "✔ Connected"


@dataclass
class Seen:
    """What a client showed. `connected` is false when it could not even list."""

    connected: bool
    shown: str
    tools: list = field(default_factory=list)
    calls: dict = field(default_factory=dict)  # tool → (succeeded, what the client showed)
    protocol: str | None = None
    refusals: list | None = None  # HTTP statuses of refused POSTs, where the client lets us see them


def run(argv, environment, cwd=None):
    """(exit code, stdout, stderr) of a client; all it started ends with it."""
    process = subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        cwd=cwd,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=CELL_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise RuntimeError(f"not done within {CELL_SECONDS} s: {out}{err}") from None
    return process.returncode, out, err


def program(argv, url, token, **more):
    """A client program of ours, which prints one JSON line."""
    with tempfile.TemporaryDirectory() as home:
        environment = clean_environment(home, MCP_URL=url, **({"MCP_TOKEN": token} if token else {}), **more)
        code, out, err = run(argv, environment)
    if code != 0 or not out.strip():
        raise RuntimeError(f"client ended with {code}: {out}{err}")
    line = json.loads(out.splitlines()[-1])
    if "error" in line:
        return Seen(connected=False, shown=line["error"], refusals=line["refusals"])
    return Seen(
        connected=True,
        shown=out + err,
        tools=line["tools"],
        calls={
            tool: (line[key]["ok"], line[key]["text"])
            for tool, key in ((PUBLIC, "public"), (CONFIDENTIAL, "confidential"))
        },
        protocol=line["protocol"],
        refusals=line["refusals"],
    )


def python_sdk(clients, url, token):
    return program([clients.python, PROGRAMS / "python_sdk.py"], url, token, MCP_MODE="legacy")


def python_sdk_auto(clients, url, token):
    return program([clients.python, PROGRAMS / "python_sdk.py"], url, token, MCP_MODE="auto")


def fastmcp(clients, url, token):
    return program([clients.python, PROGRAMS / "fastmcp_client.py"], url, token)


def ts_v1(clients, url, token):
    return program([clients.node, clients.script("ts_v1.mjs")], url, token)


def ts_v2(clients, url, token):
    return program([clients.node, clients.script("ts_v2.mjs")], url, token)


def inspector(clients, url, token):
    """The MCP Inspector's command line, once to list and once for each call. It lists before it calls."""
    header = ["--header", f"Authorization: Bearer {token}"] if token else []
    base = [clients.node, clients.inspector, "--cli", url, "--transport", "http"]
    ways = ["--format", "json", "--stored-auth-only"]
    with tempfile.TemporaryDirectory() as home:
        environment = clean_environment(home, MCP_CATALOG_PATH=f"{home}/catalog.json")

        def ask(*method):
            code, out, err = run([*base, "--method", *method, *ways, *header], environment)
            return code, out + err

        code, listed = ask("tools/list")
        if code != 0:
            return Seen(connected=False, shown=f"exit {code}: {listed}")
        seen = Seen(
            connected=True, shown=listed, tools=[tool["name"] for tool in json.loads(listed)["result"]["tools"]]
        )
        for tool in (PUBLIC, CONFIDENTIAL):
            code, answer = ask("tools/call", "--tool-name", tool)
            seen.calls[tool] = (code == 0, answer)
            seen.shown += answer
    return seen


@contextmanager
def claude_home(clients):
    """Claude Code with a home of its own: a function that runs `claude WORDS…` there and gives what it prints."""
    with tempfile.TemporaryDirectory() as home:
        environment = clean_environment(
            home,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
            DISABLE_ERROR_REPORTING="1",
            DISABLE_TELEMETRY="1",
        )

        def claude(*words):
            code, out, err = run([clients.claude, *words], environment, cwd=home)
            if code != 0:
                raise RuntimeError(f"claude {' '.join(words[:2])} ended with {code}: {out}{err}")
            return out + err

        yield claude


def claude_code(clients, url, token):
    """Claude Code's health check: `claude mcp add`, then `mcp list` and `mcp get`. It calls no tool."""
    header = ["--header", f"Authorization: Bearer {token}"] if token else []
    with claude_home(clients) as claude:
        claude("mcp", "add", "--transport", "http", "gw", url, *header)
        listed = next((line for line in claude("mcp", "list").splitlines() if line.startswith("gw:")), "")
        got = [line.strip() for line in claude("mcp", "get", "gw").splitlines()]
    status = next((line for line in got if line.startswith("Status:")), "")
    issue = next((line for line in got if line.startswith("Issue:")), "")
    connected = listed.endswith(CONNECTED) and status == f"Status: {CONNECTED}" and not issue
    return Seen(connected=connected, shown="\n".join((listed, status, issue)))


def claude_pasted(clients, words):
    """Whether Claude Code connects after a `claude mcp add …` line was pasted, and what it shows."""
    with claude_home(clients) as claude:
        claude(*words)
        listed = [line for line in claude("mcp", "list").splitlines() if "/mcp (HTTP)" in line]
    return len(listed) == 1 and listed[0].endswith(CONNECTED), "\n".join(listed)
