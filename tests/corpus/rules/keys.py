"""Keys that stand twice, keys in disguise, and escapes that hide nothing."""

from rules.cases import CALL, FORBIDDEN, KINDS, PERMITTED, VERSION, allowed, call, denied, escape, row, text


def repeated():
    last = "takes the last of the two (Python, Node, Go) or the first"
    for method, key, good, bad, _ in KINDS:
        for first, second in ((good, bad), (bad, good)):
            for spelled, how in ((key, ""), (escape(key), ", the second escaped")):
                params = f'{{"{key}":"{first}","{spelled}":"{second}"}}'
                row(
                    "repeated",
                    f"{method} {key} {first}, {second}{how}",
                    text(f'"{method}"', params),
                    "key_repeated",
                    last,
                )
            body = f'{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"{key}":"{first}"}},"params":{{"{key}":"{second}"}}}}'
            row("repeated", f"{method} params {first}, {second}", body.encode(), "key_repeated", last)
    for first, second in (("ping", CALL), (CALL, "ping")):
        for spelled in ("method", escape("method"), escape("method", 5)):
            body = (
                f'{{"jsonrpc":"2.0","id":7,"method":"{first}","params":{{"name":"forbidden"}},"{spelled}":"{second}"}}'
            )
            row("repeated", f"{spelled} {first}, {second}", body.encode(), "key_repeated", last)
    for member in ('"id":8', '"jsonrpc":"2.0"', '"i\\u0064":7', '"params":{}', '"x":1,"x":1', '"":1,"":2'):
        row("repeated", f"at the top: {member}", call(PERMITTED)[:-1] + f",{member}}}".encode(), "key_repeated", last)
    for inside in (
        '{"a":1,"a":1}',
        '{"a":{"b":[{"c":1,"c":2}]}}',
        '[{"a":1,"\\u0061":2}]',
        '{"\\ud83d\\ude00":1,"😀":2}',
    ):
        body = text('"tools/call"', f'{{"name":"permitted","arguments":{{"x":{inside}}}}}')
        row(
            "repeated",
            f"in arguments: {inside}",
            body,
            "key_repeated",
            last + "; the tool gets another value than was judged",
        )
    row("repeated", "arguments", call(PERMITTED, more=',"arguments":{"x":1}'), "key_repeated", last)
    row("repeated", "_meta", call(PERMITTED, more=',"_meta":{},"_meta":{"a":1}'), "key_repeated", last)
    meta = f'"_meta":{{"{VERSION}":"2025-06-18","{VERSION}":"2026-07-28"}}'
    row("repeated", "protocolVersion in _meta", call(PERMITTED, more="," + meta), "key_repeated", last)
    body = text(
        '"completion/complete"', '{"ref":{"type":"ref/prompt","name":"permitted","name":"forbidden"},"argument":{}}'
    )
    row("repeated", "name in ref", body, "key_repeated", last)


def disguises(key):
    """(how, the key as JSON source) for each way in which `key` is written and is not it."""
    letter = next(at for at, char in enumerate(key) if char.isalpha())
    wide = chr(ord(key[letter]) + 0xFEE0)
    yield "capital", key[:letter] + key[letter].upper() + key[letter + 1 :]
    yield "upper case", key.upper()
    yield "escaped capital", f"{key[:letter]}\\u{ord(key[letter].upper()):04x}{key[letter + 1 :]}"
    yield "NUL behind", key + "\\u0000"
    yield "two NULs behind", key + "\\u0000\\u0000"
    yield "space behind", key + " "
    yield "tab before", "\\t" + key
    yield "zero-width space inside", key[:1] + "\u200b" + key[1:]
    yield "byte-order mark before", "\ufeff" + key
    yield "soft hyphen inside", key[:1] + "\u00ad" + key[1:]
    yield "full-width letter", key[:letter] + wide + key[letter + 1 :]
    if "s" in key:
        yield "long s", key.replace("s", "\u017f")
    if "k" in key:
        yield "Kelvin sign", key.replace("k", "\u212a")


def disguised():
    fold = "folds case (Go's encoding/json), folds look, or stops at NUL, and takes it for the known key"
    for key, value in (
        ("jsonrpc", '"2.0"'),
        ("id", "8"),
        ("method", '"tools/call"'),
        ("params", '{"name":"forbidden"}'),
        ("result", "{}"),
        ("error", "{}"),
    ):
        for how, spelled in disguises(key):
            body = (
                f'{{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{{"name":"permitted"}},"{spelled}":{value}}}'
            )
            row("disguised", f"{key} at the top, {how}", body.encode(), "key_disguised", fold)
    for method, key, good, bad, _ in KINDS:
        for how, spelled in disguises(key):
            for params, where in (
                (f'{{"{key}":"{good}","{spelled}":"{bad}"}}', "behind"),
                (f'{{"{spelled}":"{bad}","{key}":"{good}"}}', "before"),
            ):
                body = text(f'"{method}"', params)
                row("disguised", f"{method} {key}, {how}, {where} it", body, "key_disguised", fold)
        body = text(f'"{method}"', f'{{"{key.upper()}":"{bad}"}}')
        row("disguised", f"{method} {key} in upper case alone", body, "key_disguised", fold)
    for key in (
        "arguments",
        "_meta",
        "taskId",
        "cursor",
        "ref",
        "task",
        "inputResponses",
        "requestState",
        "notifications",
    ):
        for how, spelled in disguises(key):
            row(
                "disguised",
                f"{key} in params, {how}",
                call(PERMITTED, more=f',"{spelled}":{{}}'),
                "key_disguised",
                fold,
            )
    for how, spelled in disguises("type"):
        params = f'{{"ref":{{"type":"ref/prompt","name":"permitted","{spelled}":"ref/resource"}},"argument":{{}}}}'
        row("disguised", f"type in ref, {how}", text('"completion/complete"', params), "key_disguised", fold)
    for key in ("resourceSubscriptions", "taskIds"):
        for how, spelled in disguises(key):
            params = f'{{"notifications":{{"{spelled}":["x:forbidden"]}}}}'
            row(
                "disguised",
                f"{key} in notifications, {how}",
                text('"subscriptions/listen"', params),
                "key_disguised",
                fold,
            )
    for how, spelled in disguises(VERSION):
        more = f',"_meta":{{"{spelled}":"2026-07-28"}}'
        row("disguised", f"protocolVersion in _meta, {how}", call(PERMITTED, more=more), "key_disguised", fold)
    body = b'{"jsonrpc":"2.0","id":7,"Method":"tools/call","params":{"name":"forbidden"}}'
    row("disguised", "Method alone", body, "key_disguised", fold)
    for more in ('"x-name":1', '"names":1', '"nam":1', '"имя":1', '"na-me":1', '"":1', '"title":"Name"'):
        allowed("disguised", f"a foreign key is none: {more}", call(PERMITTED, more="," + more), "ignores it")
    body = text('"tools/call"', '{"name":"permitted","arguments":{"Name":"forbidden","Method":"x","name\\u0000":1}}')
    allowed("disguised", "keys of arguments are the tool's own", body, "hands them to the tool")


def escaped():
    same = "decodes escapes: the same message"
    for tool, judged in ((PERMITTED, allowed), (FORBIDDEN, denied)):
        judged("escaped", f"value, {tool}", call(escape(tool)), same)
        judged("escaped", f"whole value, {tool}", call("".join(f"\\u{ord(c):04X}" for c in tool)), same)
        judged("escaped", f"key method, {tool}", call(tool).replace(b'"method"', b'"\\u006dethod"'), same)
        judged("escaped", f"key name, {tool}", call(tool).replace(b'"name"', b'"n\\u0061me"'), same)
        judged("escaped", f"key params, {tool}", call(tool).replace(b'"params"', b'"par\\u0061ms"'), same)
        judged("escaped", f"solidus in the method, {tool}", call(tool).replace(b"tools/", b"tools\\/"), same)
        judged(
            "escaped",
            f"method as a whole, {tool}",
            call(tool).replace(b"tools", b"\\u0074\\u006F\\u006f\\u006c\\u0073"),
            same,
        )
    body = text('"resources\\/read"', '{"uri":"x\\u003aforbidden"}')
    row("escaped", "resources/read", body, "resource_unknown", same, reads=("resources/read", "x:forbidden", 7))
    allowed("escaped", "id", call(PERMITTED, id='"\\u0037"'), 'decodes it: the id is "7"', (CALL, PERMITTED, "7"))
    allowed(
        "escaped", "pair of surrogates in arguments", call(PERMITTED).replace(b"{}", b'{"x":"\\ud83d\\ude00"}'), same
    )
    allowed(
        "escaped",
        "lone surrogate in arguments",
        call(PERMITTED).replace(b"{}", b'{"x":"\\ud800"}'),
        "keeps it, or puts U+FFFD in its place: for the tool alone",
    )
    for name, body in (
        ("in the name", call("\\ud800")),
        ("in the name, low", call("permitted\\udc00")),
        ("in the method", text('"tools/call\\udfff"', '{"name":"forbidden"}')),
        ("in the id", call(PERMITTED, id='"\\ud800"')),
        ("in a key of arguments", call(PERMITTED).replace(b"{}", b'{"\\ud800":1}')),
        ("in the wrong order", call("\\ude00\\ud83d")),
    ):
        row(
            "escaped",
            f"lone surrogate {name}",
            body,
            "json_invalid",
            "keeps it (Node, Python) or puts U+FFFD in its place (Go)",
        )
