"""The command: what is chosen, in which order it runs, and what is written."""

import argparse
import datetime
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import attack, growth, machine, report, setup, streams, subjects
from .tokens import Mint
from .workloads import Rounds, middle, table

EXTRA = {
    "rules": "10 rules and 10,000",
    "tokens": "1 token and 100,000",
    "streams": "1,000 and 9,900 idle streams",
    "attack": "honest calls beside hostile ones",
}


MOST_ROUNDS, MOST_SECONDS, MOST_AT_ONCE = 50, 20, 1024


def arguments():
    names = [workload.name for workload in table()] + list(EXTRA)
    parser = argparse.ArgumentParser(
        prog="benches/compare/run",
        description="Measures toolgate beside its alternatives, in one run on this machine; needs two CPUs.",
    )
    parser.add_argument("--toolgate", type=Path, metavar="FILE", help="this program instead of a new release build")
    parser.add_argument("--workloads", metavar="A,B", help=f"of {', '.join(names)}")
    parser.add_argument("--subjects", metavar="A,B", help="of direct, nginx, haproxy, pingora, toolgate, toolgate-unix")
    parser.add_argument("--others", type=Path, metavar="FILE", help="further gateways; see others.example.toml")
    parser.add_argument("--concurrency", metavar="N,N", default="1,16,64,256", help="requests at once (%(default)s)")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"interleaved rounds, at most {MOST_ROUNDS} (5)")
    parser.add_argument("--seconds", type=int, metavar="N", help=f"of each burst, at most {MOST_SECONDS} (2)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, 1 and 64 at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw rows there, too")
    parser.add_argument("--results", type=Path, default=setup.HERE / "results", metavar="FOLDER", help="what is kept")
    parser.add_argument("--name", default=None, help="of the result (the time of the run)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="only print the tables of an earlier result")
    parser.add_argument("--target-dir", metavar="FOLDER", help="where the peers are built (peers/target)")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    options.idle_seconds, options.decay_seconds = (10, 15) if options.quick else (15, 30)
    options.concurrency = [int(one) for one in options.concurrency.split(",")]
    if options.quick:
        options.concurrency = [one for one in options.concurrency if one in (1, 64)] or options.concurrency
    bounds = [(options.rounds, MOST_ROUNDS), (options.seconds, MOST_SECONDS)]
    bounds += [(one, MOST_AT_ONCE) for one in options.concurrency]
    if any(not 1 <= value <= most for value, most in bounds):
        parser.error(f"rounds up to {MOST_ROUNDS}, seconds up to {MOST_SECONDS}, {MOST_AT_ONCE} requests at once")
    options.workloads = options.workloads.split(",") if options.workloads else names
    if unknown := set(options.workloads) - set(names):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    return options


def chosen(options):
    every = subjects.known() + (subjects.others(options.others) if options.others else [])
    if not options.subjects:
        return every
    names = options.subjects.split(",")
    if unknown := set(names) - {subject.name for subject in every}:
        raise SystemExit(f"compare: no such subject: {', '.join(sorted(unknown))}")
    return [subject for subject in every if subject.name in names]


def needed(options, subjects_chosen):
    named = {subject.name for subject in subjects_chosen}
    tools = {"wrk", "openssl"} | (named & {"nginx", "haproxy"})
    return tools | ({"h2load"} if "h2" in options.workloads else set())


def main():
    options = arguments()
    if options.markdown:
        print(report.markdown(json.loads(options.markdown.read_text())), end="")
        return
    every = chosen(options)
    setup.tools(sorted(needed(options, every)))
    needs_toolgate = any(isinstance(subject, subjects.Toolgate) for subject in every)
    programs = setup.programs(options.toolgate, options.target_dir, needs_toolgate)
    lock = machine.alone(say)
    described = machine.describe()
    files = machine.settle()
    processes = machine.Processes()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="compare-"))
    folder.chmod(0o755)
    began = datetime.datetime.now(datetime.UTC)
    result = {
        "machine": described,
        "versions": setup.versions(programs),
        "began": began.isoformat(timespec="seconds"),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "rows": [],
    }
    name = options.name or began.strftime("%Y-%m-%dT%H%M%SZ")
    try:
        bench = subjects.Bench(folder, programs, Mint(folder, programs["mint"]), processes)
        measure(bench, every, options, files, result["rows"], lambda: keep(result, options, name))
    finally:
        processes.end_all()
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
    result["took_s"] = round((datetime.datetime.now(datetime.UTC) - began).total_seconds())
    keep(result, options, name)
    print(report.markdown(result), end="")
    say(f"written to {options.results / name}.json and .md")


def keep(result, options, name):
    report.write(result, options.results, name, options.json)


def measure(bench, every, options, files, rows, keep_now):
    """Runs what was chosen; after each workload the rows so far are kept."""
    rounds = Rounds(bench, every, options, say)
    for workload in table():
        if workload.name in options.workloads:
            rounds.run(workload)
            rows += rounds.rows
            rounds.rows = []
            keep_now()
    toolgate = next((subject for subject in every if subject.name == "toolgate"), None)
    concurrency = middle(options.concurrency)
    # nginx remembers no tokens: what it takes more for many is what the load itself takes.
    growing = [subject for subject in every if subject.name in ("nginx", "toolgate")]
    for name, measured in (("rules", growth.rules), ("tokens", growth.tokens)):
        if name in options.workloads and toolgate:
            say(name)
            rows += measured(bench, growing, options, concurrency)
            keep_now()
    if "streams" in options.workloads:
        counts = [count for count in ((9_900,) if options.quick else (1_000, 9_900)) if 2 * count + 100 <= files]
        if not counts:
            say(f"streams are left out: only {files} files may be open")
        for subject in every if counts else []:
            if subject.streams and subject.name not in ("direct", "toolgate-unix"):
                rows.append(streams.measure(bench, subject, options, counts, say))
                keep_now()
    if "attack" in options.workloads and toolgate:
        rows.append(attack.measure(bench, toolgate, options, concurrency, say))
        keep_now()


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(f"compare: {error}")
