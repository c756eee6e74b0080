"""What all rules are written with: a case, and the usual messages."""

import base64

LEGACY, MODERN = "2025-06-18", "2026-07-28"
JSON = ("Content-Type", "application/json")
ACCEPT = ("Accept", "application/json, text/event-stream")
VERSION = "io.modelcontextprotocol/protocolVersion"

# Refusal → (status, JSON-RPC code), of the era if they differ.
ANSWERS = {
    "http_malformed": (400, -32600),
    "path_unknown": (404, 40400),
    "transport_retired": (404, 40401),
    "http_method_not_allowed": (405, 40500),
    "content_type_wrong": (415, 41500),
    "content_encoded": (415, 41500),
    "json_invalid": (400, -32700),
    "key_repeated": (400, -32600),
    "key_disguised": (400, -32600),
    "nesting_too_deep": (400, -32600),
    "batch_refused": (400, -32600),
    "message_invalid": (400, -32600),
    "id_invalid": (400, -32600),
    "id_missing": (400, -32600),
    "params_invalid": (400, -32602),
    "meta_missing": (400, -32602),
    "header_mismatch": (400, -32020),
    "method_unknown": {"legacy": (200, -32601), "modern": (404, -32601)},
    "tool_unknown": (200, -32602),
    "prompt_unknown": (200, -32602),
    "resource_unknown": {"legacy": (200, -32002), "modern": (200, -32602)},
    "task_unknown": (200, -32602),
}

rows = []


def row(group, name, body, expect, lenient, *, reads=None, era="legacy", headers=None, status=None, **more):
    """One case. `expect` is a word of ANSWERS or None for what is forwarded; `reads` is (method, name, id)."""
    if headers is None:
        headers = [JSON, ACCEPT, ("MCP-Protocol-Version", LEGACY)]
    case = {"name": f"{group}: {name}", "era": era, "session": era == "legacy"} | more
    case["headers"] = [list(header) for header in headers]
    try:
        case["body"] = body.decode()
    except UnicodeDecodeError:
        case["body_base64"] = base64.b64encode(body).decode()
    if reads:
        case["reads"] = dict(zip(("method", "name", "id"), reads, strict=True))
    case["lenient"] = lenient
    if expect is None:
        case["expect"] = {"forwarded": True}
    else:
        answer = ANSWERS[expect]
        answer = answer[era] if isinstance(answer, dict) else answer
        case["expect"] = {"refusal": expect, "status": status or answer[0], "code": answer[1]}
    rows.append(case)


def text(method, params, id="7", jsonrpc='"2.0"'):
    return f'{{"jsonrpc":{jsonrpc},"id":{id},"method":{method},"params":{params}}}'.encode()


# What a method names: (method, key, permitted, forbidden, refusal of the forbidden one).
KINDS = [
    ("tools/call", "name", "permitted", "forbidden", "tool_unknown"),
    ("prompts/get", "name", "permitted", "forbidden", "prompt_unknown"),
    ("resources/read", "uri", "x:permitted", "x:forbidden", "resource_unknown"),
]
CALL, PERMITTED, FORBIDDEN = "tools/call", "permitted", "forbidden"


def call(name=FORBIDDEN, id="7", more=""):
    return text('"tools/call"', f'{{"name":"{name}","arguments":{{}}{more}}}', id)


def denied(group, name, body, lenient, tool=FORBIDDEN, id=7, **more):
    """A message that is understood, and whose call nobody permitted."""
    row(group, name, body, "tool_unknown", lenient, reads=(CALL, tool, id), **more)


def allowed(group, name, body, lenient, reads=(CALL, PERMITTED, 7), **more):
    row(group, name, body, None, lenient, reads=reads, **more)


def escape(word, at=1):
    return f"{word[:at]}\\u{ord(word[at]):04x}{word[at + 1 :]}"
