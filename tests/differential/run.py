#!/usr/bin/env python3
"""Real MCP servers in four languages behind the gateway: no message makes the forbidden run or shows it.

    tests/differential/run.py                 every server
    tests/differential/run.py rmcp go         only these
    tests/differential/run.py --report FILE   the whole table, row by row, as Markdown

Every case of tests/corpus, and what needs more than one message, goes through the gateway to each server, and then
straight to it, which shows what its parser makes of it. Needs the built programs; `--programs DIR` says where.
"""

import argparse
import secrets
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "clients"), str(HERE.parent / "corpus")]

import sequences  # noqa: E402
import servers  # noqa: E402
import upstreams  # noqa: E402
import wire  # noqa: E402
from tokens import mint  # noqa: E402

AT_ONCE = 2
CONTROL_EVERY = 50
# The first stands in all that the forbidden ones say of themselves.
CANARY, HIDDEN = b"canary-5f0c", b"forbidden"


@dataclass
class Result:
    """What became of one server's part."""

    name: str
    wrong: list = field(default_factory=list)
    direct: dict = field(default_factory=dict)  # of each case: (status, what of the forbidden ran)
    controls: int = 0
    shown: set = field(default_factory=set)  # the sequences that show the forbidden when sent straight
    seconds: float = 0


class Side:
    """One way to a server: through the gateway or straight, with a session and, on the way, a token."""

    def __init__(self, url, upstream, token=None, version="2025-06-18"):
        self.url, self.upstream, self.version = url, upstream, version
        self.extra = [("Authorization", f"Bearer {token}")] if token else []
        self.session = []
        self.renew()

    def renew(self):
        self.session = wire.open_session(self.url, self.extra, self.version)

    def send(self, case, seconds=wire.SECONDS):
        extra = self.extra + (self.session if case["session"] else [])
        return wire.exchange(self.url, wire.request(self.url, case, extra), seconds)

    def ask(self, method, params, id=1, **more):
        """A legacy request in the session."""
        headers = [*self.extra, *self.session, ("MCP-Protocol-Version", self.version)]
        return wire.exchange(self.url, wire.post(self.url, message(method, params, id), headers), **more)


def message(method, params, id=1):
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def shows(received):
    """Whether the forbidden is in it. The TypeScript SDK uses the word of its own accord."""
    return HIDDEN in received.replace(b'"taskSupport":"forbidden"', b"") or CANARY in received


def leaked(case, received):
    """Whether the client learns of the forbidden from what it received; an error may repeat what the client said."""
    body = wire.body_of(case)
    said = HIDDEN in body.lower() or any("forbidden" in value.lower() for _, value in case["headers"])
    # Whoever spells the name in another way has said it, too.
    asked = case.get("reads", {}).get("name")
    said = said or "body_base64" in case or b"\\u" in body or asked not in (None, "permitted", "x:permitted")
    return CANARY in received or (shows(received) and not said)


def controls(side, result):
    """What is permitted works: a call, a prompt, a resource."""
    for method, params, kind in (
        ("tools/call", {"name": "permitted", "arguments": {}}, "tool permitted"),
        ("prompts/get", {"name": "permitted"}, "prompt permitted"),
        ("resources/read", {"uri": "x:permitted"}, "resource x:permitted"),
    ):
        before = side.upstream.ran().count(kind)
        answer = side.ask(method, params)
        said = answer.message()
        ran = side.upstream.ran().count(kind) - before
        if answer.status != 200 or not isinstance(said, dict) or "result" not in said or ran != 1:
            result.wrong.append(f"control {method}: {answer.status} {answer.body[:200]!r}, ran {ran} times")
        result.controls += 1


def through_gateway(side, cases, result):
    for number, case in enumerate(cases):
        answer = side.send(case)
        if side.upstream.ran_forbidden():
            result.wrong.append(f"{case['name']}: ran {side.upstream.ran()[-1]}")
            return
        if leaked(case, answer.raw):
            result.wrong.append(f"{case['name']}: shows the forbidden: {answer.raw[-300:]!r}")
        expect = case["expect"]
        if "status" in expect and answer.status != expect["status"]:
            result.wrong.append(f"{case['name']}: {answer.status}, not {expect['status']}")
        if number % CONTROL_EVERY == 0:
            controls(side, result)


def sequences_through(side, another, is_modern, result):
    def judge(what, answer, permitted):
        if shows(answer.raw):
            result.wrong.append(f"{what}: shows the forbidden: {answer.raw[-300:]!r}")
        if permitted and b"permitted" not in answer.raw:
            result.wrong.append(f"{what}: does not show the permitted: {answer.status} {answer.raw[-300:]!r}")
        if side.upstream.ran_forbidden():
            result.wrong.append(f"{what}: ran the forbidden")

    sequences.play(side, another, is_modern, judge)


def sequences_straight(side, another, is_modern, result):
    def judge(what, answer, _):
        if shows(answer.raw):
            result.shown.add(what)

    sequences.play(side, another, is_modern, judge)


def straight(side, cases, result):
    for case in cases:
        before = len(side.upstream.ran())
        answer = side.send(case, seconds=5)
        ran = [line for line in side.upstream.ran()[before:] if "forbidden" in line]
        result.direct[case["name"]] = answer.status, len(ran)
        if answer.status == 404:
            side.renew()


def biting(result):
    """The forbidden runs where nobody is in the way, or counting executions would show nothing."""
    for method in ("tools/call", "prompts/get"):
        if result.direct[f"plain: {method} forbidden"][1] != 1:
            result.wrong.append(f"plain {method} of the forbidden did not run, sent straight")
    if result.direct["plain: resources/read x:forbidden"][1] != 1:
        result.wrong.append("plain resources/read of the forbidden did not run, sent straight")
    if "tools/list" not in result.shown:
        result.wrong.append("a list did not show the forbidden, sent straight")


def play(name, command, toolgate, cases):
    result, began, is_modern = Result(name), time.monotonic(), name in upstreams.MODERN
    with tempfile.TemporaryDirectory(prefix="toolgate-differential-") as folder:
        work = Path(folder)
        secret = secrets.token_hex(32)
        (work / "secret").write_text(secret)
        try:
            upstream = upstreams.Upstream(command, work / "calls")
            policy = REPOSITORY / "tests" / "corpus" / "policy.yaml"
            with upstream.server:
                gateway, url = servers.serve(toolgate, upstream.url, policy, work / "secret")
                with gateway:
                    token = mint(secret, [])
                    side = Side(url, upstream, token)
                    controls(side, result)
                    through_gateway(side, cases, result)
                    sequences_through(side, lambda *version: Side(url, upstream, token, *version), is_modern, result)
                    controls(side, result)
                if upstream.ran_forbidden():
                    result.wrong.append(f"ran through the gateway: {upstream.ran()}")
                side = Side(upstream.url, upstream)
                sequences_straight(side, lambda *more: Side(upstream.url, upstream, None, *more), is_modern, result)
                straight(side, cases, result)
                biting(result)
        except Exception:
            result.wrong.append(traceback.format_exc())
    result.seconds = time.monotonic() - began
    return result


def report(results, cases, file):
    """Every case and what each server does with it when it is asked straight."""
    lines = ["# What each parser does", "", "Status, and whether the forbidden ran, sent straight to the server."]
    lines += ["", "| case | gateway | " + " | ".join(result.name for result in results) + " |"]
    lines += ["| --- " * (len(results) + 2) + "|"]
    for case in cases:
        cells = []
        for result in results:
            status, ran = result.direct.get(case["name"], ("-", 0))
            cells.append(f"{status}{' **runs it**' if ran else ''}")
        expect = case["expect"].get("refusal", "forwarded")
        name = case["name"].replace("|", "\\|")
        lines.append(f"| {name} | {expect} | " + " | ".join(cells) + " |")
    Path(file).write_text("\n".join(lines) + "\n")


def table(results, cases):
    groups = list(dict.fromkeys(case["name"].partition(":")[0] for case in cases))
    print("\nCases that make the forbidden run when sent straight to the server (through the gateway: none)\n")
    print(f"{'':10} {'cases':>6}  " + "  ".join(f"{result.name:>9}" for result in results))
    for group in groups:
        names = [case["name"] for case in cases if case["name"].partition(":")[0] == group]
        cells = [sum(bool(result.direct.get(name, (0, 0))[1]) for name in names) for result in results]
        print(f"{group:10} {len(names):6}  " + "  ".join(f"{cell:9}" for cell in cells))
    counts = {
        "lists": lambda result: len(result.shown) - sum(what.startswith("replay") for what in result.shown),
        "replays": lambda result: sum(what.startswith("replay") for what in result.shown),
        "controls": lambda result: result.controls,
        "wrong": lambda result: len(result.wrong),
        "seconds": lambda result: int(result.seconds),
    }
    print("\nAnswers that show the forbidden when asked straight (through the gateway: none), and the rest\n")
    for word, of in counts.items():
        print(f"{word:10} {'':6}  " + "  ".join(f"{of(result):9}" for result in results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*")
    parser.add_argument("--programs", default=REPOSITORY / "target" / "debug", type=Path)
    parser.add_argument("--report", metavar="FILE")
    arguments = parser.parse_args()
    node = upstreams.install()
    commands = upstreams.all_of(node, arguments.programs.resolve() / "upstream-mcp")
    chosen = arguments.servers or list(commands)
    if unknown := set(chosen) - set(commands):
        parser.error(f"no server {sorted(unknown)}; there are {sorted(commands)}")
    if "go" not in commands:
        print("note: there is no Go here, so its server was left out")
    cases, toolgate = wire.cases(), arguments.programs.resolve() / "toolgate"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda name: play(name, commands[name], toolgate, cases), chosen))
    table(results, cases)
    if arguments.report:
        report(results, cases, arguments.report)
    for result in results:
        for wrong in result.wrong[:20]:
            print(f"WRONG {result.name}: {wrong}")
    raise SystemExit(1 if any(result.wrong for result in results) else 0)


if __name__ == "__main__":
    main()
