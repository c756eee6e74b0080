"""The servers under test, started as a user starts them, and stopped with SIGTERM."""

import os
import queue
import re
import shlex
import socket
import subprocess
import threading
import time
import urllib.request

START_SECONDS = 60
STOP_SECONDS = 40
# One place to adapt when the wording of the programs changes.
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+/mcp)$")
TO_PASTE = re.compile(r"\bclaude (mcp add --transport http .*)$")
ENDPOINT = re.compile(r"\bclaude mcp add --transport http .*(http://127\.0\.0\.1:\d+/mcp)\b")
ADMIN = re.compile(r"(http://127\.0\.0\.1:\d+)/(?:metrics|explain|readyz)\b")


class Server:
    """A running program; `output` is all it has printed."""

    def __init__(self, argv, **environment):
        self.argv = [str(word) for word in argv]
        self.output = []
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={name: value for name, value in os.environ.items() if not name.startswith("TOOLGATE_")} | environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def printed(self, *patterns):
        """The first match of each pattern in what the program prints, waiting for the last of them."""
        found = [None] * len(patterns)
        deadline = time.monotonic() + START_SECONDS
        while None in found:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                missing = [pattern.pattern for pattern, match in zip(patterns, found, strict=True) if match is None]
                self.fail(f"never printed {missing}")
            for at, pattern in enumerate(patterns):
                if found[at] is None and (match := pattern.search(line)):
                    found[at] = match.group(1)
        return found

    def until(self, condition, what, seconds=START_SECONDS):
        """Ask again and again until the condition holds; fail when the program ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"not within {seconds} s: {what}")
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            self.fail(f"ended with {self._process.returncode} before: {what}")

    def stop(self):
        """SIGTERM; the exit code. A program that does not end is killed, and that is an error."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self.fail(f"did not end within {STOP_SECONDS} s of SIGTERM")
        self._reader.join(STOP_SECONDS)
        return self._process.returncode

    def fail(self, why):
        raise RuntimeError(f"{' '.join(self.argv)}: {why}\n{''.join(self.output[-40:])}")


def answers(url):
    """Whether a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


_given = set()


def free_port():
    """A port that nobody listens on, and that was not given before: the system may choose the same one twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def demo(toolgate, secret, calls_log):
    """(server, endpoint) of `toolgate demo`, ready. The endpoint is the one it tells users to paste."""
    argv = [toolgate, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--secret", secret]
    server = Server(argv, MCP_CALLS_LOG=str(calls_log))
    try:
        endpoint, admin = server.printed(ENDPOINT, ADMIN)
        server.until(lambda: answers(f"{admin}/readyz"), "/readyz answers 200")
    except BaseException:
        server.stop()
        raise
    return server, endpoint


def to_paste(server):
    """The arguments of the `claude mcp add` lines that the demo has printed."""
    found = (TO_PASTE.search(line.strip()) for line in server.output)
    return [shlex.split(match.group(1)) for match in found if match]


def sample_upstream(upstream_mcp, calls_log, *more):
    """(server, endpoint) of the sample server alone."""
    server = Server([upstream_mcp, "--listen", "127.0.0.1:0", *more], MCP_CALLS_LOG=str(calls_log))
    try:
        (endpoint,) = server.printed(LISTENING)
    except BaseException:
        server.stop()
        raise
    return server, endpoint


def serve(toolgate, upstream, policy, secret_file):
    """(server, endpoint) of `toolgate serve`, ready."""
    port, admin = free_port(), free_port()
    server = Server(
        [toolgate, "serve", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--upstream", upstream]
        + ["--policy", policy, "--secret-file", secret_file, "--audience", "none"]
    )
    try:
        server.until(lambda: answers(f"http://127.0.0.1:{admin}/readyz"), "/readyz answers 200")
    except BaseException:
        server.stop()
        raise
    return server, f"http://127.0.0.1:{port}/mcp"
