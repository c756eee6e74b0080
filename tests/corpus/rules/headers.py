"""Headers that contradict the body, and what is around it."""

import base64
import gzip
import zlib

from rules.cases import (
    ACCEPT,
    CALL,
    FORBIDDEN,
    JSON,
    LEGACY,
    MODERN,
    PERMITTED,
    VERSION,
    allowed,
    call,
    denied,
    row,
    text,
)


def content():
    version = ("MCP-Protocol-Version", LEGACY)

    def typed(
        expect, name, types, body=call(FORBIDDEN), lenient="ignores the type, or reads its beginning", more=(), **rest
    ):
        headers = [("Content-Type", type) for type in types] + [ACCEPT, version, *more]
        reads = (CALL, FORBIDDEN, 7) if expect == "tool_unknown" else None
        row("content", name, body, expect, lenient, headers=headers, reads=reads, **rest)

    for type in (
        "text/plain", "application/jsonx", "application/json, text/plain", "application/json,application/json",
        "application/vnd.x+json", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/json; charset=utf-7", "application/json; charset=latin1", "application/json; charset=utf-8; x=y",
        "application/json;", "application/json charset=utf-8", "application/json; charset=utf8", "*/*",
        "application/json-seq", "application/x-ndjson", "application/ json", '"application/json"', "application/json; charset",
        "application/json; Charset=utf-16", "application/json; charset=utf-8, text/plain",
    ):  # fmt: skip
        typed("content_type_wrong", f"type {type}", [type])
    typed("content_type_wrong", "no type", [])
    typed("content_type_wrong", "type twice", ["application/json", "text/plain"])
    typed("content_type_wrong", "type twice, the same", ["application/json", "application/json"])
    for charset in ("utf-16", "utf-16le", "utf-32"):
        body = call(FORBIDDEN).decode().encode(charset)
        typed(
            "content_type_wrong",
            f"charset {charset}, and so the body",
            [f"application/json; charset={charset}"],
            body,
            "decodes it (TypeScript)",
        )
    for type in (
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        " application/json ",
    ):
        typed("tool_unknown", f"type {type!r}", [type], lenient="reads it")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    for coding, body in (
        ("gzip", gzip.compress(call(), mtime=0)),
        ("deflate", zlib.compress(call())),
        ("deflate, raw", deflate.compress(call()) + deflate.flush()),
        ("br", call()),
        ("x-gzip", gzip.compress(call(), mtime=0)),
        ("gzip, identity", gzip.compress(call(), mtime=0)),
        ("identity, gzip", gzip.compress(call(), mtime=0)),
        ("", call()),
        ("aws-chunked", call()),
        ("GZIP", gzip.compress(call(), mtime=0)),
    ):
        header = ("Content-Encoding", coding.split(", raw")[0])
        typed(
            "content_encoded",
            f"coding {coding!r}",
            ["application/json"],
            body,
            "decompresses it (TypeScript)",
            [header],
        )
    typed(
        "content_encoded",
        "coding twice",
        ["application/json"],
        call(),
        "takes one",
        [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")],
    )
    typed(
        "json_invalid",
        "compressed, and not said so",
        ["application/json"],
        gzip.compress(call(), mtime=0),
        "recognizes it",
    )
    typed(
        "tool_unknown",
        "coding identity",
        ["application/json"],
        more=[("Content-Encoding", "identity")],
        lenient="reads it",
    )


META = f'"_meta":{{"{VERSION}":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"c","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}'


def modern_call(method=CALL, key="name", name=FORBIDDEN, meta=META):
    return text(f'"{method}"', f'{{"{key}":"{name}",{meta}}}')


def sentinel(name):
    return f"=?base64?{base64.b64encode(name.encode()).decode()}?="


def mirrors():
    """The headers of 2026-07-28, which must say what the body says."""

    def mirror(
        expect,
        name,
        lenient,
        version=(MODERN,),
        method=(CALL,),
        tool=(FORBIDDEN,),
        body=None,
        reads=(CALL, FORBIDDEN, 7),
        **more,
    ):
        headers = [JSON, ACCEPT]
        for header, values in (("MCP-Protocol-Version", version), ("Mcp-Method", method), ("Mcp-Name", tool)):
            headers += [(header, value) for value in values]
        if expect not in (None, "tool_unknown", "method_unknown", "resource_unknown", "prompt_unknown"):
            reads = None
        row(
            "mirror",
            name,
            body or modern_call(),
            expect,
            lenient,
            reads=reads,
            era=more.pop("era", "modern"),
            headers=headers,
            **more,
        )

    good = modern_call(name=PERMITTED)
    read = (CALL, PERMITTED, 7)
    mirror("tool_unknown", "valid, forbidden", "runs it")
    mirror(None, "valid, permitted", "runs it", tool=(PERMITTED,), body=good, reads=read)
    body_only = "believes the body, or the header"
    mirror("header_mismatch", "no version header", body_only, version=(), era="legacy", session=False)
    mirror(
        "header_mismatch", "no header at all", body_only, version=(), method=(), tool=(), era="legacy", session=False
    )
    mirror("header_mismatch", "version header 2025-06-18", body_only, version=(LEGACY,), era="legacy", session=False)
    mirror(
        "header_mismatch",
        "version header 2025-06-18 in a session",
        "runs it (Python): a modern call in a legacy session",
        version=(LEGACY,),
        era="legacy",
        session=True,
    )
    mirror("tool_unknown", "a session beside it", "ignores the session", session=True)
    mirror(
        None,
        "a session beside it, permitted",
        "ignores the session",
        session=True,
        tool=(PERMITTED,),
        body=good,
        reads=read,
    )
    for version in ("2025-11-25", "2027-01-01", "2026-07-29", "2026-7-28", "DRAFT-2026"):
        mirror(
            "header_mismatch",
            f"_meta {version} under 2026-07-28",
            body_only,
            body=modern_call(meta=META.replace(MODERN, version)),
        )
    mirror("header_mismatch", "version header 2026-07-29", body_only, version=("2026-07-29",))
    mirror("header_mismatch", "version header with a quote", body_only, version=('"2026-07-28"',), era="legacy")
    mirror(
        "header_mismatch",
        "version header twice",
        "takes the first, or the last",
        version=(MODERN, MODERN),
        era="legacy",
    )
    mirror(
        "header_mismatch",
        "version header twice, legacy first",
        "takes the first, or the last",
        version=(LEGACY, MODERN),
        era="legacy",
    )
    mirror(
        "header_mismatch",
        "version headers in one line",
        "takes the first",
        version=(f"{MODERN}, {MODERN}",),
        era="legacy",
    )
    mirror(
        None,
        "a version to come",
        "answers that it does not know it",
        version=("2027-01-01",),
        tool=(PERMITTED,),
        body=good.replace(MODERN.encode(), b"2027-01-01"),
        reads=read,
    )
    first = "takes the first (rmcp): the header said another name than the body"
    mirror(
        "header_mismatch",
        "Mcp-Name permitted, body forbidden",
        "believes the header, and runs the body",
        tool=(PERMITTED,),
    )
    mirror("header_mismatch", "Mcp-Name forbidden, body permitted", "believes the header", body=good)
    mirror("header_mismatch", "Mcp-Name missing", body_only, tool=())
    mirror("header_mismatch", "Mcp-Name empty", body_only, tool=("",))
    for names in ((PERMITTED, FORBIDDEN), (FORBIDDEN, PERMITTED), (FORBIDDEN, FORBIDDEN)):
        mirror("header_mismatch", f"Mcp-Name twice: {names[0]}, {names[1]}", first, tool=names)
    mirror("header_mismatch", "Mcp-Name as a list", body_only, tool=(f"{PERMITTED}, {FORBIDDEN}",))
    mirror("tool_unknown", "Mcp-Name in base64", "runs it", tool=(sentinel(FORBIDDEN),))
    mirror(None, "Mcp-Name in base64, permitted", "runs it", tool=(sentinel(PERMITTED),), body=good, reads=read)
    mirror("tool_unknown", "Mcp-Name with spaces around", "trims them", tool=(f"  {FORBIDDEN}\t",))
    encoded = sentinel(PERMITTED)
    for how, value in (
        ("upper-case sentinel", encoded.replace("base64", "BASE64")),
        ("no padding", sentinel("perm").replace("==?=", "?=")),
        ("sentinel of another name", sentinel(FORBIDDEN)),
        ("not base64", "=?base64?!!?="),
        ("cut sentinel", encoded[:-1]),
        ("nothing in the sentinel", "=?base64??="),
        ("white space in the sentinel", encoded.replace("?c", "? c")),
        ("encoded twice", sentinel(encoded)),
        ("RFC 2047", "=?utf-8?B?cGVybWl0dGVk?="),
        ("percent-encoded", "%70ermitted"),
        ("upper case", PERMITTED.upper()),
        ("quoted", f'"{PERMITTED}"'),
    ):
        body = modern_call(name="perm") if how == "no padding" else good
        mirror("header_mismatch", f"Mcp-Name: {how}", "decodes or compares it less strictly", tool=(value,), body=body)
    for how, value in (
        ("ping", "ping"),
        ("upper case", "TOOLS/CALL"),
        ("tools/list", "tools/list"),
        ("empty", ""),
        ("base64", sentinel(CALL)),
        ("a list", "ping, tools/call"),
    ):
        mirror("header_mismatch", f"Mcp-Method: {how}", body_only, method=(value,))
    mirror("header_mismatch", "Mcp-Method missing", body_only, method=())
    mirror("header_mismatch", "Mcp-Method twice", first, method=(CALL, CALL))
    mirror("header_mismatch", "Mcp-Method twice, ping first", first, method=("ping", CALL))
    mirror("batch_refused", "batch", "refuses it", body=b"[" + modern_call() + b"]")
    mirror("id_missing", "no id", "runs it as a notification", body=modern_call().replace(b'"id":7,', b""))
    both = f'{{"name":"permitted","name":"forbidden",{META}}}'
    for name in (PERMITTED, FORBIDDEN):
        mirror(
            "key_repeated",
            f"name twice, Mcp-Name {name}",
            "takes the last",
            tool=(name,),
            body=text('"tools/call"', both),
        )
    mirror("meta_missing", "no _meta", "takes it for a legacy call", body=call())
    mirror(
        "meta_missing", "_meta without the version", "takes it for a legacy call", body=modern_call(meta='"_meta":{}')
    )
    mirror(
        "message_invalid", "an answer", "accepts it", body=b'{"jsonrpc":"2.0","id":7,"result":{}}', method=(), tool=()
    )
    for method in ("acme/unknown", "TOOLS/CALL", "sampling/createMessage"):
        body = modern_call(method)
        mirror(
            "method_unknown",
            f"unknown method {method}",
            "refuses it",
            method=(method,),
            tool=(),
            body=body,
            reads=(method, None, 7),
        )
    for method, key, name, refusal in (
        ("prompts/get", "name", FORBIDDEN, "prompt_unknown"),
        ("resources/read", "uri", "x:forbidden", "resource_unknown"),
    ):
        mirror(
            refusal,
            f"{method} forbidden",
            "answers it",
            method=(method,),
            tool=(name,),
            body=modern_call(method, key, name),
            reads=(method, name, 7),
        )
        mirror(
            "header_mismatch",
            f"{method} under another name",
            "believes the header",
            method=(method,),
            tool=("permitted",),
            body=modern_call(method, key, name),
        )
    for version in ("banana", "2024-11-05", "2026-07-28x", "1"):
        headers = [JSON, ACCEPT, ("MCP-Protocol-Version", version)]
        allowed(
            "mirror", f"version header {version}, no _meta", call(PERMITTED), "answers 400, or guesses", headers=headers
        )
    legacy = [JSON, ACCEPT, ("MCP-Protocol-Version", LEGACY)]
    row(
        "mirror",
        "legacy call with Mcp-Name of another tool",
        call(),
        "header_mismatch",
        "ignores the header",
        headers=[*legacy, ("Mcp-Name", PERMITTED)],
    )
    row(
        "mirror",
        "legacy call with another Mcp-Method",
        call(),
        "header_mismatch",
        "ignores the header",
        headers=[*legacy, ("Mcp-Method", "ping")],
    )
    denied("mirror", "legacy call without a session", call(), "answers 400", session=False)
    denied("mirror", "legacy call without a version header", call(), "runs it", headers=[JSON, ACCEPT])


def http():
    """What is around the message. `http` has what differs from a POST with a length to the endpoint's path."""

    def over(expect, name, lenient, body=call(), headers=None, status=None, era="legacy", **differs):
        reads = (CALL, FORBIDDEN, 7) if expect == "tool_unknown" else (CALL, PERMITTED, 7) if expect is None else None
        row("http", name, body, expect, lenient, reads=reads, headers=headers, status=status, era=era, http=differs)

    for method in ("PUT", "PATCH", "TRACE", "HEAD", "post", "POSTX"):
        over("http_method_not_allowed", f"method {method}", "runs the body", method=method)
    for target in (
        "/mcp/",
        "//mcp",
        "/mcp/../mcp",
        "/./mcp",
        "/MCP",
        "/mcp;x",
        "/%6dcp",
        "/mcp%2f",
        "/mcp/.",
        "/mcp//",
        "/mcp%00",
        "/mcp%20",
        "/x/../mcp",
        "/mcp/x",
        "/mcp%3fx",
        "/",
        "/admin",
        "/%2e/mcp",
        "/mcp%23",
        "/mcp.json",
    ):
        over("path_unknown", f"path {target}", "reaches the endpoint, or another one", target=target)
    for target in ("/sse", "/messages"):
        over(
            "transport_retired",
            f"path {target}",
            "speaks the old transport there, whose answers come on another way",
            target=target,
        )
    over("path_unknown", "path #/mcp", "drops the fragment", target="#/mcp")
    for target in ("/mcp#f", "/mcp?#"):
        over("http_malformed", f"path {target}", "drops the fragment", target=target)
    over("tool_unknown", "path /mcp?x=1", "reaches the endpoint", target="/mcp?x=1")
    over("tool_unknown", "chunked", "reads it", framing="chunked")
    over(None, "chunked, permitted", "reads it", body=call(PERMITTED), framing="chunked")
    over(
        "http_malformed", "Content-Length and Transfer-Encoding", "takes one of them: request smuggling", framing="both"
    )
    usual = [JSON, ("MCP-Protocol-Version", LEGACY)]
    for accept in ("application/json", "*/*", "text/event-stream", "text/html"):
        over("tool_unknown", f"Accept {accept}", "answers 406, or runs it", headers=[*usual, ("Accept", accept)])
    over("tool_unknown", "no Accept", "answers 406, or runs it", headers=usual)
    over(
        "tool_unknown",
        "X-HTTP-Method-Override DELETE",
        "ends the session",
        headers=[*usual, ACCEPT, ("X-HTTP-Method-Override", "DELETE")],
    )
    over(
        "http_malformed",
        "Connection: Mcp-Name",
        "drops a header that was judged",
        headers=[*usual, ACCEPT, ("Mcp-Name", FORBIDDEN), ("Connection", "mcp-name")],
    )
    over(
        "tool_unknown",
        "Upgrade",
        "changes the protocol, and what follows is not looked at: request smuggling",
        headers=[*usual, ACCEPT, ("Connection", "upgrade"), ("Upgrade", "websocket")],
    )
