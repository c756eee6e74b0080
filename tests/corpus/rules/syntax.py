"""Texts that are no JSON, or are JSON to some."""

from rules.cases import FORBIDDEN, PERMITTED, allowed, call, denied, row


def syntax():
    good = call(FORBIDDEN)
    bad = lambda name, body, lenient="refuses it": row("syntax", name, body, "json_invalid", lenient)  # noqa: E731
    bad("empty", b"")
    bad("white space alone", b" \r\n\t")
    bad("byte-order mark", b"\xef\xbb\xbf" + good, "skips it (TypeScript, older Python SDK)")
    bad("byte-order mark behind", good + b"\xef\xbb\xbf")
    for codec in ("utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32-be", "utf-32"):
        bad(codec, good.decode().encode(codec), "guesses the encoding (Python's json.loads)")
    bad("trailing garbage", good + b" x")
    bad("trailing bracket", good + b"}")
    bad("trailing comma behind the document", good + b",")
    bad("two documents", call(PERMITTED) + call(FORBIDDEN), "reads the first, or both (streams of documents)")
    bad("two documents on two lines", call(PERMITTED) + b"\n" + call(FORBIDDEN), "reads the first, or both")
    bad("NUL behind", good + b"\0", "stops at NUL (C)")
    bad("NUL and another document behind", call(PERMITTED) + b"\0" + good, "stops at NUL (C)")
    bad("NUL before", b"\0" + good)
    for name, space in (
        ("vertical tab", b"\x0b"),
        ("form feed", b"\x0c"),
        ("no-break space", b"\xc2\xa0"),
        ("line separator", b"\xe2\x80\xa8"),
    ):
        bad(f"{name} before", space + good, "takes it for white space")
    bad("trailing comma in an object", good.replace(b"{}}}", b"{},}}"), "allows it (JSON5, YAML)")
    bad("trailing comma in an array", call(PERMITTED).replace(b"{}", b'{"x":[1,]}'), "allows it (JSON5, YAML)")
    bad("line comment", b"// x\n" + good, "skips it (JSON5)")
    bad("comment", good.replace(b'"id"', b'/*"id":8,*/"id"'), "skips it (JSON5)")
    bad("hash comment", b"# x\n" + good, "skips it (YAML)")
    bad("single quotes", good.replace(b'"', b"'"), "allows them (JSON5, YAML)")
    bad("keys without quotes", good.replace(b'"method"', b"method"), "allows them (JSON5, YAML)")
    for number in (
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "0x10",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "-",
        "1_000",
        "--1",
        "0b1",
        "１",
    ):
        bad(
            f"number {number}",
            call(PERMITTED).replace(b"{}", f'{{"x":{number}}}'.encode()),
            "reads NaN and Infinity (Python), others (JSON5)",
        )
    for literal in ("True", "TRUE", "None", "undefined", "nul", "nulll"):
        bad(f"literal {literal}", call(PERMITTED).replace(b"{}", f'{{"x":{literal}}}'.encode()))
    for name, byte in (("newline", b"\n"), ("tab", b"\t"), ("NUL", b"\0"), ("unit separator", b"\x1f")):
        bad(
            f"raw {name} in a string",
            call(PERMITTED).replace(b"{}", b'{"x":"a' + byte + b'b"}'),
            "allows it (strict=False in Python)",
        )
    for sequence in ("\\x41", "\\u12", "\\u12g4", "\\'", "\\0", "\\U00000041", "\\u{41}", "\\"):
        bad(
            f"escape {sequence}",
            call(PERMITTED).replace(b"{}", f'{{"x":"{sequence}"}}'.encode()),
            "allows some (JSON5)",
        )
    for name, octets in (
        ("0xff", b"\xff"),
        ("continuation alone", b"\x80"),
        ("cut short", b"\xe2\x82"),
        ("overlong slash", b"\xc0\xaf"),
        ("overlong NUL", b"\xc0\x80"),
        ("surrogate", b"\xed\xa0\x80"),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("Latin-1", "é".encode("latin-1")),
    ):
        bad(
            f"not UTF-8 in arguments: {name}",
            call(PERMITTED).replace(b"{}", b'{"x":"' + octets + b'"}'),
            "puts U+FFFD in its place (Node, Go)",
        )
    bad("not UTF-8 in the name: overlong o", good.replace(b"forbidden", b"f\xc1\xafrbidden"), "decodes it: forbidden")
    bad("not UTF-8 in a key", good.replace(b'"arguments"', b'"argument\xff"'), "puts U+FFFD in its place")
    for cut in (1, 20, len(good) - 1):
        bad(f"cut after {cut} bytes", good[:cut])
    bad("colon missing", good.replace(b'"id":', b'"id" '))
    bad("comma missing", good.replace(b",", b" ", 1))
    bad("brackets that do not match", good[:-1] + b"]")
    for space, name in ((b" ", "spaces"), (b"\n", "newlines"), (b"\t\r\n ", "all white space")):
        denied("syntax", f"{name} before", space * 3 + good, "the same message")
        allowed("syntax", f"{name} around", space * 3 + call(PERMITTED) + space * 3, "the same message")
    spaced = b' { "params" : { "name" :\t"permitted" , "arguments" : { } } ,\r\n"method" : "tools/call" , "id" : 7 , "jsonrpc" : "2.0" } '
    allowed("syntax", "spaces inside and another order", spaced, "the same message")
    for value in (
        "1e400",
        "-0",
        "1.0",
        "0.1e+2",
        "9007199254740993",
        "123456789012345678901234567890",
        "1E-999",
        "-1.5e3",
    ):
        allowed(
            "syntax",
            f"number {value} in arguments",
            call(PERMITTED).replace(b"{}", f'{{"x":{value}}}'.encode()),
            "may round it: the bytes must stay",
        )
    for value in (
        '"\u007f\u2028\u2029"',
        '"\ue000\U0010ffff"',
        '"\\u0000"',
        '"\\/\\b\\f\\n\\r\\t\\"\\\\"',
        '"\ufeff"',
        '""',
    ):
        allowed(
            "syntax",
            f"string {value.encode('unicode_escape').decode()} in arguments",
            call(PERMITTED).replace(b"{}", f'{{"x":{value}}}'.encode()),
            "the same message",
        )


def depth():
    nested = lambda levels: call(PERMITTED).replace(b"{}", b'{"x":' + b"[" * levels + b"]" * levels + b"}")  # noqa: E731
    objects = lambda levels: call(PERMITTED).replace(b"{}", b'{"x":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}")  # noqa: E731
    for levels in (50, 100):
        allowed("depth", f"{levels} arrays", nested(levels), "reads it")
    for levels in (200, 1000, 5000):
        row("depth", f"{levels} arrays", nested(levels), "nesting_too_deep", "reads it, or runs out of stack")
    row("depth", "200 objects", objects(200), "nesting_too_deep", "reads it, or runs out of stack")
    row("depth", "3000 brackets that never close", b"[" * 3000, "nesting_too_deep", "runs out of stack")
