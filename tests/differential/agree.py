#!/usr/bin/env python3
"""Python, Node and Go read every message that was accepted as the gateway did: same method, same names, same id.

    tests/differential/agree.py target/tmp/accepted.jsonl

The file is written by `cargo test --test corpus`.
"""

import json
import subprocess
import sys
from pathlib import Path

import upstreams

DECODERS = upstreams.REPOSITORY / "tests" / "corpus" / "decoders"


def decoders():
    yield "python", [sys.executable, DECODERS / "decode.py"]
    yield "node", [upstreams.environment.node(), DECODERS / "decode.mjs"]
    if program := upstreams.build_go(DECODERS / "decode.go", "decode"):
        yield "go", [program]
    else:
        print("note: there is no Go here, so its decoder was left out")


def main():
    accepted = Path(sys.argv[1]).read_text().splitlines()
    expected = [{key: value for key, value in json.loads(line).items() if key != "body"} for line in accepted]
    wrong = 0 if len(accepted) > 4000 else 1
    for name, command in decoders():
        text = "\n".join(accepted) + "\n"
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=120)
        seen = [json.loads(line) for line in done.stdout.splitlines()]
        if len(seen) != len(expected):
            raise SystemExit(f"{name}: {len(seen)} answers to {len(expected)} messages")
        others = [(line, want, got) for line, want, got in zip(accepted, expected, seen, strict=True) if want != got]
        wrong += len(others)
        print(f"{name:7} {len(seen)} messages, {len(others)} read otherwise")
        for line, want, got in others[:10]:
            print(f"  {got}, not {want}\n    {line[:300]}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
