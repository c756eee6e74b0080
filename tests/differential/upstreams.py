"""MCP servers in four languages, each with one permitted and one forbidden tool, prompt and resource.

Each appends a line to a log of its own for everything that it runs: that is how executions are counted.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "clients"))

import environment  # noqa: E402
import servers  # noqa: E402

CACHE = environment.CACHE.parent / "differential"
NODE, VENV_V1, GO = CACHE / "node", CACHE / "venv-v1", CACHE / "go"
SERVERS = HERE / "servers"
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+/mcp)$")
# What each answers of 2026-07-28.
MODERN = {"rmcp", "ts_v2", "python_v2", "go"}


def install():
    """What the servers need; the Node to run them with, from the venv of tests/clients (it has the second SDK, too)."""
    node = environment.node()
    CACHE.mkdir(parents=True, exist_ok=True)
    environment.install_packages(HERE, NODE)
    for program in SERVERS.glob("*.mjs"):
        shutil.copy(program, NODE)
    environment.install_venv(HERE, VENV_V1)
    return node


def build_go(source, name):
    """The built Go program; none where there is no Go."""
    go = shutil.which("go")
    if go is None:
        return None
    GO.mkdir(parents=True, exist_ok=True)
    program = GO / name
    settings = {"GO111MODULE": "off", "GOCACHE": str(GO / "cache"), "GOFLAGS": "", "CGO_ENABLED": "0"}
    subprocess.run([go, "build", "-o", program, source], check=True, env=os.environ | settings, timeout=300)
    return program


def all_of(node, upstream_mcp):
    """{name: the command up to its log}, without Go where there is none."""
    extras = [word for name in ("permitted", "forbidden") for word in ("--extra-tool", name, "--extra-prompt", name)]
    extras += ["--extra-resource", "x:permitted", "--extra-resource", "x:forbidden", "--listen", "127.0.0.1:0"]
    commands = {
        "rmcp": [upstream_mcp, *extras, "--calls-log"],
        "ts_v1": [node, NODE / "ts_v1.mjs"],
        "ts_v2": [node, NODE / "ts_v2.mjs"],
        "python_v1": [VENV_V1 / "bin" / "python", SERVERS / "python.py"],
        "python_v2": [environment.VENV / "bin" / "python", SERVERS / "python.py"],
    }
    if go := build_go(SERVERS / "go" / "main.go", "server"):
        commands["go"] = [go]
    return commands


class Upstream:
    """A running server, and what it ran."""

    def __init__(self, command, log):
        self.log = log
        self.server = servers.Server([*command, log])
        try:
            (self.url,) = self.server.printed(LISTENING)
        except BaseException:
            self.server.stop()
            raise

    def ran(self):
        """One line for each execution."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def ran_forbidden(self):
        return sum("forbidden" in line for line in self.ran())
