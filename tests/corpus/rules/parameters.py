"""Parameters that name nothing, and names that look like another."""

import json
from functools import partial

from rules.cases import CALL, FORBIDDEN, KINDS, VERSION, call, row, text


def refused(method, name, params, lenient="refuses it"):
    row("params", f"{method} {name}", text(f'"{method}"', params), "params_invalid", lenient)


def params():
    """Names that are no names, and names that look like another."""
    for method, key, good, bad, refusal in KINDS:
        reject = partial(refused, method)
        reject("without any", "{}")
        for value in (f'["{bad}"]', "7", "null", "true", f'{{"{key}":"{bad}"}}', '""'):
            reject(f"{key} {value}", f'{{"{key}":{value}}}', "makes a string of it: forbidden")
        reject(
            "__proto__", f'{{"__proto__":{{"{key}":"{bad}"}}}}', "sets the prototype: the call has a name (JavaScript)"
        )
        body = text(f'"{method}"', "{}").replace(b',"params":{}', b"")
        row("params", f"{method} without params", body, "params_invalid", "refuses it")
        body = f'{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{}},"{key}":"{bad}"}}'.encode()
        row("params", f"{method} with {key} at the top", body, "params_invalid", "refuses it")
        for how, spelled in (
            ("space behind", good + " "),
            ("space before", " " + good),
            ("newline behind", good + "\\n"),
            ("NUL behind", good + "\\u0000"),
            ("upper case", good.upper()),
            ("full-width letter", good.replace("p", "\uff50")),
            ("Cyrillic letter", good.replace("e", "\u0435")),
            ("zero-width space inside", good[:3] + "\u200b" + good[3:]),
            ("combining accent behind", good + "\u0301"),
            ("slash behind", good + "/"),
            ("percent-encoded letter", good.replace("p", "%70")),
            ("forbidden, space behind", bad + " "),
            ("forbidden, NUL behind", bad + "\\u0000"),
            ("forbidden, upper case", bad.upper()),
            ("forbidden, full-width", bad.replace("f", "\uff46")),
            ("constructor", "constructor"),
            ("__proto__", "__proto__"),
        ):
            name = json.loads(f'"{spelled}"')
            row(
                "params",
                f"{method} {key}: {how}",
                text(f'"{method}"', f'{{"{key}":"{spelled}"}}'),
                refusal,
                "trims, folds or normalizes it",
                reads=(method, name, 7),
            )
    row(
        "params",
        "tools/call with uri and name",
        call(FORBIDDEN, more=',"uri":"x:permitted"'),
        "tool_unknown",
        "takes the name",
        reads=(CALL, FORBIDDEN, 7),
    )
    complete = lambda ref: text('"completion/complete"', f'{{"ref":{ref},"argument":{{"name":"a","value":""}}}}')  # noqa: E731
    for ref in (
        '"forbidden"',
        "[]",
        '{"type":"ref/prompt"}',
        '{"name":"forbidden"}',
        '{"type":"ref/tool","name":"forbidden"}',
        '{"type":"ref/prompt","name":"permitted","uri":"x:forbidden"}',
        '{"type":"REF/PROMPT","name":"forbidden"}',
        '{"type":["ref/prompt"],"name":"forbidden"}',
        '{"type":"ref/resource","name":"permitted"}',
    ):
        row("params", f"completion/complete {ref}", complete(ref), "params_invalid", "takes what it finds")
    row(
        "params",
        "completion/complete for a forbidden prompt",
        complete('{"type":"ref/prompt","name":"forbidden"}'),
        "prompt_unknown",
        "completes it",
        reads=("completion/complete", "forbidden", 7),
    )
    row(
        "params",
        "completion/complete for a forbidden resource",
        complete('{"type":"ref/resource","uri":"x:forbidden"}'),
        "resource_unknown",
        "completes it",
        reads=("completion/complete", "x:forbidden", 7),
    )
    for method in ("resources/subscribe", "resources/unsubscribe"):
        row(
            "params",
            f"{method} forbidden",
            text(f'"{method}"', '{"uri":"x:forbidden"}'),
            "resource_unknown",
            "subscribes",
            reads=(method, "x:forbidden", 7),
        )
        row(
            "params",
            f"{method} with an array",
            text(f'"{method}"', '{"uri":["x:forbidden"]}'),
            "params_invalid",
            "makes a string of it",
        )
    for meta in (
        "1",
        '"x"',
        "[]",
        "null",
        f'{{"{VERSION}":20260728}}',
        f'{{"{VERSION}":null}}',
        f'{{"{VERSION}":["2026-07-28"]}}',
        f'{{"{VERSION}":""}}',
    ):
        row("params", f"_meta {meta}", call(FORBIDDEN, more=f',"_meta":{meta}'), "params_invalid", "ignores it")
