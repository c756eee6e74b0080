"""Has a program that counts what it executes serve every workload for a moment: `driver.train PROGRAM FOLDER`."""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import load, machine, setup, subjects
from .tokens import Mint
from .workloads import check, table

AT_ONCE = 16
# How many requests of each: calls above all, and enough of everything else.
REQUESTS = {
    "call": 12_000,
    "denied": 6_000,
    "list-30": 6_000,
    "list-30-sse": 6_000,
    "list-300": 500,
    "list-300-sse": 300,
    "call-4k": 3_000,
    "call-64k": 300,
    "call-rs256": 3_000,
    "call-es256": 500,
    "tls": 4_000,
}
TOKENS = 2_000
SECONDS_TO_END = 20  # to write the counts down


def main(program, folder):
    os.environ["LLVM_PROFILE_FILE"] = f"{folder}/%p.profraw"
    setup.tools(["h2load", "openssl", "wrk"])
    programs = setup.programs(program, None, True)
    lock = machine.alone(lambda text: print(f"train: {text}", file=sys.stderr))
    machine.settle()
    processes = machine.Processes()
    place = Path(tempfile.mkdtemp(prefix="train-"))
    place.chmod(0o755)
    try:
        bench = subjects.Bench(place, programs, Mint(place, programs["mint"]), processes)
        for name in ("toolgate", "toolgate-unix"):
            for workload in table():
                if name == "toolgate" or workload.name == "call":
                    serve(bench, name, workload)
    finally:
        processes.end_all()
        shutil.rmtree(place, ignore_errors=True)
        lock.close()


def serve(bench, name, workload):
    subject = next(one for one in subjects.known() if one.name == name)
    running = subject.start(subjects.Place(bench, workload.kind, tls=workload.tls))
    headers = {**load.CALL_HEADERS, "Authorization": f"Bearer {bench.mint.one(workload.token)}"}
    check(bench, running, workload, headers)
    if workload.h2:
        load.h2load(running, workload.body, headers, 1, AT_ONCE)
    elif workload.fresh_tokens:
        extra = f'local TOKENS, ONCE = "{bench.mint.many(workload.token, TOKENS)}", true\n' + load.NEXT_TOKEN
        load.wrk(running, workload.body, headers, AT_ONCE, 1, extra)
    elif workload.name in REQUESTS:
        load.warm(running, workload.body, headers, AT_ONCE, REQUESTS[workload.name])
    os.killpg(running.process.pid, signal.SIGTERM)
    running.process.wait(SECONDS_TO_END)
    running.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
