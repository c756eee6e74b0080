#!/usr/bin/env python3
"""Counts the instructions of the judge's hot functions and compares them with expected.json. Nothing is timed.

    tests/instructions/run.py             count and compare
    tests/instructions/run.py --write     write expected.json anew, after a change that is meant

Fails where a function takes more than the tolerance above what is expected, and where it takes that much less: then the
expectation would hide the next regression. Needs valgrind. The figures belong to one compiler and one kind of processor;
elsewhere they are told, and nothing fails.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
EXPECTED = HERE / "expected.json"
PROFILE = "instructions"
COUNTED = "instructions::counted*"
TOLERANCE = 8  # percent
NOT_THERE = 77  # as in tests/run: skipped


def build():
    command = ["cargo", "build", "--locked", "--package", "instructions", "--profile", PROFILE]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / PROFILE / "instructions"


def run(command):
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"{ran.stdout}{ran.stderr}\n{command[-1]} failed")
    return ran.stdout


def count_case(program, name):
    """The instructions of all calls of one case: callgrind collects while `counted` runs, and at no other time."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no"]
        run([*callgrind, f"--toggle-collect={COUNTED}", program, name])
        total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(encoding="utf-8"), re.MULTILINE)
        return int(total[1]) if total else 0


def count(program):
    """Instructions per call by the name of the case."""
    cases = [line.split(" ", 1) for line in run([program]).splitlines()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        totals = list(pool.map(lambda case: count_case(program, case[1]), cases))
    for total, (_, name) in zip(totals, cases):
        if total == 0:
            sys.exit(f"{name}: callgrind counted nothing")
    return {name: round(total / int(times)) for total, (times, name) in zip(totals, cases)}


def circumstances():
    """What the figures depend on besides the code."""
    rustc = subprocess.run(["rustc", "--version"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    cpuinfo = Path("/proc/cpuinfo")
    has_avx2 = cpuinfo.exists() and " avx2 " in f"{cpuinfo.read_text().replace(chr(10), ' ')} "
    machine = platform.machine() + (" with AVX2" if has_avx2 else "")
    return {"rustc": rustc.stdout.strip(), "machine": machine, "profile": PROFILE}


def differences(expected, found, tolerance):
    """What is wrong, a sentence each."""
    wrong = []
    for name in expected.keys() | found.keys():
        if name not in found:
            wrong.append(f"{name}: expected, and not counted")
        elif name not in expected:
            wrong.append(f"{name}: counted, and not expected")
        else:
            percent = 100 * (found[name] - expected[name]) / expected[name]
            if abs(percent) > tolerance:
                wrong.append(f"{name}: {percent:+.1f} %")
    return sorted(wrong)


def show(expected, found):
    width = max(map(len, found))
    print(f"{'instructions per call':{width}}  {'expected':>10}  {'counted':>10}")
    for name, now in found.items():
        before = expected.get(name)
        change = f"{100 * (now - before) / before:+7.1f} %" if before else ""
        print(f"{name:{width}}  {before or '':>10}  {now:>10}  {change}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="write expected.json anew")
    is_write = arguments.parse_args().write
    if not shutil.which("valgrind"):
        print("==> skipped: valgrind is not installed")
        return NOT_THERE
    found = count(build())
    here = circumstances()
    if is_write:
        written = {"figures_of": here, "tolerance_percent": TOLERANCE, "instructions_per_call": found}
        EXPECTED.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        show({}, found)
        return 0
    expectation = json.loads(EXPECTED.read_text(encoding="utf-8"))
    expected = expectation["instructions_per_call"]
    show(expected, found)
    wrong = differences(expected, found, expectation["tolerance_percent"])
    if not wrong:
        return 0
    print("\n" + "\n".join(wrong))
    if here != expectation["figures_of"]:
        print(f"Nothing fails: the figures are of {expectation['figures_of']}, and this is {here}.")
        return 0
    print("If this is meant: tests/instructions/run.py --write, and say why in the commit.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
