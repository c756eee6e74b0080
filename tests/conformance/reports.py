"""What the suite reported, read and compared."""

import json
import re

# What names something of one run, by its key: whether it is there is compared, what it says is not.
NAMES = {
    *("timestamp", "date", "sessionId", "sessionIdSent", "mcp-session-id", "requestState"),
    *("eventId", "lastEventId", "lastEventIdUsed", "last-event-id"),
    *("subscriptionId", "io.modelcontextprotocol/subscriptionId", "taskId", "createdAt", "lastUpdatedAt"),
}
# How bytes are framed is each hop's own affair (RFC 9112 §6).
FRAMING = {"content-length", "transfer-encoding", "connection", "keep-alive"}
NAMED_IN_TEXT = re.compile(r"\(id: [^)]*\)")

# The gateway refuses some requests in the server's place. Status and code are then the same; the sentence is its own.
SENTENCES = {
    (-32020, "a mirrored header is missing or does not match the body"),
    (-32601, "Method not found"),
    (-32602, "`_meta` lacks `io.modelcontextprotocol/protocolVersion`"),
}
# Here not even a code is specified: refusing is all that is asked for.
NO_CODE = {"localhost-host-rebinding-rejected"}

ABSENT = "(absent)"

# What a caller is shown is his alone, and kept no longer than the policy's decisions hold.
LONGEST_TTL_MS = 60_000


def read(directory):
    """{scenario: its checks} of one run of the suite."""
    reports = {}
    for file in directory.glob("server-*/checks.json"):
        scenario = re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT[\d-]+Z$", r"\1", file.parent.name)
        if scenario in reports:
            raise RuntimeError(f"{directory}: two reports of {scenario}")
        reports[scenario] = json.loads(file.read_text())
    return reports


def counts(checks):
    """(passed, failed)"""
    statuses = [check["status"] for check in checks]
    return statuses.count("SUCCESS"), statuses.count("FAILURE")


def comparable(scenario, checks, url):
    """The same checks without what differs from run to run."""
    authority = re.sub(r"^\w+://|/.*", "", url)
    # How often a client has to ask before a task is done is a matter of time.
    names = NAMES | {"messagesValidated"} if scenario.startswith("tasks-") else NAMES

    def plain(value, key=None):
        if key in names and value:
            return "…"
        if isinstance(value, str):
            return NAMED_IN_TEXT.sub("(id: …)", value.replace(authority, "SERVER"))
        if isinstance(value, list):
            return [plain(element) for element in value]
        if not isinstance(value, dict):
            return value
        # An event's `id` is the stream's; a message's is the request's.
        of_event = {"id"} if "data" in value and "jsonrpc" not in value else set()
        return {
            name: "…" if name in of_event and member else plain(member, name)
            for name, member in value.items()
            if name not in FRAMING
        }

    return [plain(check) for check in checks]


def differences(direct, through):
    """What one scenario's comparable checks say differently, as lines."""
    if len(direct) != len(through):
        return [f"{len(direct)} checks directly, {len(through)} through the gateway"]
    lines = []
    for one, other in zip(direct, through, strict=True):
        _compare(one, other, f"{one['id']}", lines, one["id"] in NO_CODE)
    return lines


def _compare(one, other, place, lines, codes_may_differ):
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            mine, its = one.get(key, ABSENT), other.get(key, ABSENT)
            if key == "error" and _is_refused_alike(mine, its):
                continue
            if key in ("ttlMs", "cacheScope") and _is_lowered(key, mine, its):
                continue
            if codes_may_differ and key == "body":
                continue
            _compare(mine, its, f"{place}.{key}", lines, codes_may_differ)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (mine, its) in enumerate(zip(one, other, strict=True)):
            _compare(mine, its, f"{place}[{at}]", lines, codes_may_differ)
    else:
        lines.append(f"{place}: {_shown(one)} directly, {_shown(other)} through the gateway")


def _is_refused_alike(one, other):
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    return one.get("code") == other.get("code") and (other.get("code"), other.get("message")) in SENTENCES


def _is_lowered(key, one, other):
    """MCP 2026-07-28, server/utilities/caching: hints that every client of the server's own obeys, too."""
    if key == "cacheScope":
        return (one, other) == ("public", "private")
    return isinstance(one, int) and one > LONGEST_TTL_MS and other == LONGEST_TTL_MS


def _shown(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"
