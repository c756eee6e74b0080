"""What takes more than one message: lists in every form, replays, one id twice, methods that carry no message."""

import re
import threading

import wire

LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "differential", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
# From here on a stream begins with an event that has an id and nothing else: whoever has it can ask for all the rest.
PRIMING = "2025-11-25"


def modern(side, method, params, id=1, session=()):
    """A request of 2026-07-28."""
    name = params.get("name") or params.get("uri")
    headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)] + ([("Mcp-Name", name)] if name else [])
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params | {"_meta": META}}
    return wire.exchange(side.url, wire.post(side.url, body, [*side.extra, *session, *headers]))


def stream(side, last=None, method="GET", body="", seconds=0.5, **more):
    """A GET or DELETE in the session; what comes within the time."""
    headers = [["Accept", "text/event-stream"], ["MCP-Protocol-Version", side.version]] + [
        ["Last-Event-ID", last]
    ] * bool(last)
    case = {"headers": headers + more.get("headers", []), "body": body, "http": {"method": method}}
    return wire.exchange(side.url, wire.request(side.url, case, side.extra + side.session), seconds)


def play(side, another, is_modern, judge):
    """Plays all; `judge(what, answer, permitted)` gets each answer, and whether it must show what is permitted."""
    lists(side, is_modern, judge)
    replays(another, judge)
    one_id_twice(side, judge)
    streams(side, another, judge)


def lists(side, is_modern, judge):
    for method in LISTS:
        # Templates: only the Go program has any, and the policy permits none of them.
        has_some = method != "resources/templates/list"
        judge(method, side.ask(method, {}), has_some)
        judge(f"{method} with a cursor", side.ask(method, {"cursor": ""}), False)
        judge(f"{method}, an id like a name", side.ask(method, {}, id="tools"), has_some)
        if is_modern:
            judge(f"{method}, modern", modern(side, method, {}), has_some)
            judge(f"{method}, modern in a session", modern(side, method, {}, session=side.session), has_some)
    judge(
        "initialize",
        wire.exchange(
            side.url,
            wire.post(
                side.url,
                {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "initialize",
                    "params": {
                        "protocolVersion": "2025-06-18",
                        "capabilities": {},
                        "clientInfo": {"name": "d", "version": "1"},
                    },
                },
                side.extra,
            ),
        ),
        False,
    )
    judge("a tool that nobody has", side.ask("tools/call", {"name": "absent"}), False)
    judge("a prompt that nobody has", side.ask("prompts/get", {"name": "absent"}), False)
    judge("a resource that nobody has", side.ask("resources/read", {"uri": "x:absent"}), False)
    judge(
        "completion",
        side.ask(
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "permitted"}, "argument": {"name": "name", "value": "f"}},
        ),
        False,
    )
    if is_modern:
        judge("discover", modern(side, "server/discover", {}), False)
        judge("a tool that nobody has, modern", modern(side, "tools/call", {"name": "absent"}), False)


def event_ids(answer):
    return [line.decode() for line in re.findall(rb"^id: ?([^\r\n]+)", answer.body, re.MULTILINE)]


def replays(another, judge):
    """A list that was answered once is asked for again by the ids of its events, and by those around them."""
    side, other = another(PRIMING), another(PRIMING)
    for method in LISTS:
        answer = side.ask(method, {})
        for id in event_ids(answer):
            number = re.search(r"\d+$", id)
            before = id[: number.start()] + str(int(number.group()) - 1) if number else id
            for last in (id, before, "0", ""):
                judge(f"replay of {method} from {last}", stream(side, last), False)
            for last in (id, before):
                judge(f"replay of {method} in another session from {last}", stream(other, last), False)


def one_id_twice(side, judge):
    """A list and a call under one id, at once: some servers answer the one on the other's stream."""
    answers = {}
    asks = [("tools/list", {}), ("tools/call", {"name": "permitted", "arguments": {}})]
    for first, second in (asks, asks[::-1]):
        threads = [
            threading.Thread(
                target=lambda method=method, params=params: answers.update(
                    {method: side.ask(method, params, id=77, seconds=3)}
                )
            )
            for method, params in (first, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for method, answer in answers.items():
            judge(f"one id twice: {method}", answer, False)


def streams(side, another, judge):
    call = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"forbidden"}}'
    judge("GET", stream(side), False)
    judge("GET with a call in its body", stream(side, body=call), False)
    override = [["X-HTTP-Method-Override", "POST"], ["Content-Type", "application/json"]]
    judge("GET that would be POST", stream(side, body=call, headers=override), False)
    judge("DELETE that would be POST", stream(another(), method="DELETE", body=call, headers=override), False)
