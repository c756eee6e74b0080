#!/usr/bin/env python3
"""The corpus of malformed and ambiguous messages, by rule: writes messages.json beside it.

    tests/corpus/make.py            write
    tests/corpus/make.py --check    fail when the file is not what the rules say

What the fields mean is told in docs/src/corpus.md.
"""

import json
import sys
from pathlib import Path

from rules import headers, keys, messages, parameters, syntax
from rules.cases import rows

FILE = Path(__file__).resolve().parent / "messages.json"
GROUPS = (
    messages.plain,
    keys.repeated,
    keys.disguised,
    keys.escaped,
    syntax.syntax,
    syntax.depth,
    messages.ids,
    messages.envelope,
    parameters.params,
    messages.batches,
    headers.content,
    headers.mirrors,
    headers.http,
)


def render():
    for make in GROUPS:
        make()
    names = [case["name"] for case in rows]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise SystemExit(f"the same name twice: {double}")
    return "[\n" + ",\n".join(json.dumps(case, ensure_ascii=True) for case in rows) + "\n]\n"


def main():
    made = render()
    if sys.argv[1:] == ["--check"]:
        if not FILE.exists() or FILE.read_text() != made:
            raise SystemExit(f"{FILE.name} is not what make.py makes")
    else:
        FILE.write_text(made)
    print(f"{len(rows)} cases")


if __name__ == "__main__":
    main()
