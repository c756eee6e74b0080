"""JSON that is no message, and messages that look like others."""

import json

from rules.cases import ACCEPT, CALL, FORBIDDEN, JSON, KINDS, PERMITTED, allowed, call, denied, row, text


def plain():
    for method, key, good, bad, refusal in KINDS:
        for name, expect in ((good, None), (bad, refusal)):
            body = text(f'"{method}"', f'{{"{key}":"{name}"}}')
            row("plain", f"{method} {name}", body, expect, "does what it says", reads=(method, name, 7))
    for method in ("ping", "tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        row("plain", method, text(f'"{method}"', "{}"), None, "does what it says", reads=(method, None, 7))


def ids():
    for id, why in (
        ("null", "takes the message for a notification, or runs the call"),
        ("1.0", "takes it for 1"),
        ("1.5", "refuses or ignores it"),
        ("1e3", "takes it for 1000"),
        ("1E3", "takes it for 1000"),
        ("1e400", "reads infinity"),
        ("-0", "takes it for 0"),
        ("9007199254740992", "is one number with 9007199254740993 (Node)"),
        ("9007199254740993", "rounds it (Node): two ids become one"),
        ("-9007199254740993", "rounds it (Node): two ids become one"),
        ("18446744073709551616", "rounds it, or refuses it"),
        ("1" * 40, "rounds it, or refuses it"),
        ("true", "takes it for 1 (Python)"),
        ("false", "takes it for 0 (Python)"),
        ("{}", "refuses or ignores it"),
        ("[]", "refuses or ignores it"),
        ("[7]", "refuses or ignores it"),
    ):
        row("id", id, call(FORBIDDEN, id), "id_invalid", why)
    for id in ("0", "-1", "7", "9007199254740991", "-9007199254740991", '""', '"7"', '" "', '"null"', '"\u00e9"'):
        allowed("id", id, call(PERMITTED, id), "reads it", (CALL, PERMITTED, json.loads(id)))
    row(
        "id",
        "none",
        b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"forbidden"}}',
        "id_missing",
        "runs the call as a notification",
    )
    row(
        "id",
        "none, permitted",
        b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"permitted"}}',
        "id_missing",
        "runs the call as a notification",
    )
    for method in ("ping", "tools/list", "initialize", "resources/read", "subscriptions/listen"):
        row(
            "id",
            f"none for {method}",
            f'{{"jsonrpc":"2.0","method":"{method}","params":{{"uri":"x:permitted"}}}}'.encode(),
            "id_missing",
            "runs it as a notification",
        )


def envelope():
    bad = lambda name, body, lenient="refuses or ignores it": row("envelope", name, body, "message_invalid", lenient)  # noqa: E731
    for document in ("1", "-1.5", '"x"', "null", "true", "{}", '{"id":7}', '{"method":"tools/call"}'):
        bad(document, document.encode())
    bad("no jsonrpc", call().replace(b'"jsonrpc":"2.0",', b""), "takes it for JSON-RPC 1")
    for version in ('"1.0"', "2.0", "2", '"2"', '"2.00"', '" 2.0"', "null", '["2.0"]', '""'):
        bad(f"jsonrpc {version}", text('"tools/call"', '{"name":"forbidden"}', jsonrpc=version))
    for method in ('["tools/call"]', "7", "null", "true", '{"name":"tools/call"}'):
        bad(f"method {method}", text(method, '{"name":"forbidden"}'))
    bad("no method", b'{"jsonrpc":"2.0","id":7,"params":{"name":"forbidden"}}')
    for params in ('["forbidden"]', '"forbidden"', "null", "7", "true", "[]"):
        bad(f"params {params}", text('"tools/call"', params))
    for member in ('"result":{}', '"error":{"code":1,"message":""}', '"result":null', '"error":null'):
        bad(
            f"method and {member}",
            call()[:-1] + f",{member}}}".encode(),
            "runs the call (has a method), or takes it for an answer",
        )
    bad("result and error", b'{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}')
    bad("result without id", b'{"jsonrpc":"2.0","result":{}}')
    bad("error without id", b'{"jsonrpc":"2.0","error":{"code":1,"message":""}}')
    for note in ("initialized", "cancelled", "progress", "roots/list_changed"):
        bad(
            f"notifications/{note} with an id",
            text(f'"notifications/{note}"', "{}"),
            "runs it as a request, or as a notification",
        )
    row("envelope", "result with id null", b'{"jsonrpc":"2.0","id":null,"result":{}}', "id_invalid", "ignores it")
    for method in (
        "tools/call ",
        " tools/call",
        "TOOLS/CALL",
        "Tools/Call",
        "tools/call\\u0000",
        "tools/call/",
        "/tools/call",
        "tools//call",
        "tools.call",
        "tools\\\\call",
        "tools/call\\n",
        "tools/cal\\u217c",
        "ｔools/call",
        "tools\u2215call",
        "",
        "x",
        "rpc.discover",
        "sampling/createMessage",
        "roots/list",
        "elicitation/create",
    ):
        decoded = json.loads(f'"{method}"')
        row(
            "envelope",
            f"method {method.encode('unicode_escape').decode()!r}",
            text(f'"{method}"', '{"name":"forbidden"}'),
            "method_unknown",
            "trims or folds it: tools/call",
            reads=(decoded, None, 7),
        )
    for key, value in (("x", "1"), ("_meta", "{}"), ("jsonrpc2", '"1.0"'), ("__proto__", '{"method":"ping"}')):
        allowed(
            "envelope",
            f"foreign member {key}",
            call(PERMITTED)[:-1] + f',"{key}":{value}}}'.encode(),
            "ignores it, or refuses it (TypeScript)",
        )
        denied(
            "envelope",
            f"foreign member {key}, forbidden",
            call(FORBIDDEN)[:-1] + f',"{key}":{value}}}'.encode(),
            "ignores it and runs the call",
        )
    for note in ("initialized", "roots/list_changed"):
        allowed(
            "envelope",
            f"notifications/{note}",
            f'{{"jsonrpc":"2.0","method":"notifications/{note}"}}'.encode(),
            "takes note",
            (f"notifications/{note}", None, None),
        )
    row(
        "envelope",
        "an unknown notification",
        b'{"jsonrpc":"2.0","method":"notifications/acme"}',
        "method_unknown",
        "ignores it, or does something",
        reads=("notifications/acme", None, None),
        status=400,
    )
    row("envelope", "a result", b'{"jsonrpc":"2.0","id":7,"result":{}}', None, "ignores it", reads=("", None, 7))


def batches():
    bad = lambda name, body, lenient, **more: row("batch", name, body, "batch_refused", lenient, **more)  # noqa: E731
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    runs = "runs each element, in revisions that have no batches too (TypeScript)"
    bad("forbidden", b"[" + call() + b"]", runs)
    bad("permitted", b"[" + call(PERMITTED) + b"]", runs)
    bad("ping, forbidden", b"[" + ping + b"," + call() + b"]", runs)
    bad("permitted, forbidden", b"[" + call(PERMITTED, "8") + b"," + call() + b"]", runs)
    bad("nested", b"[[" + call() + b"]]", "refuses it")
    bad("empty", b"[]", "accepts it")
    bad("numbers", b"[1,2]", "refuses it")
    bad("an array in place of an object", b'["2.0","tools/call",7,{"name":"forbidden"}]', "reads members by position")
    bad("white space before", b" \n[" + call() + b"]", runs)
    bad("notifications", b'[{"jsonrpc":"2.0","method":"notifications/initialized"}]', "accepts it")
    bad("answers", b'[{"jsonrpc":"2.0","id":1,"result":{}}]', "accepts it")
    bad("initialize inside", b'[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]', "opens a session")
    old = [JSON, ACCEPT, ("MCP-Protocol-Version", "2025-03-26")]
    bad("2025-03-26, forbidden", b"[" + call() + b"]", runs, headers=old)
    bad("no version, forbidden", b"[" + call() + b"]", runs, headers=[JSON, ACCEPT])
    row("batch", "two elements without a comma", b"[" + ping + call() + b"]", "json_invalid", "refuses it")
    row(
        "batch",
        "repeated key inside",
        b'[{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}]',
        "key_repeated",
        "takes the last",
    )
