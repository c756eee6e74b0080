"""What event streams cost in which nothing happens: memory, and CPU time; and whether memory comes back."""

import select
import subprocess
import sys
import time
from pathlib import Path

from . import machine
from .subjects import Place

HOLD = Path(__file__).with_name("hold.py")
CALLERS = 50  # no caller has more streams than a gateway may allow one


class Held:
    """Connections that another process holds, until `end`."""

    def __init__(self, bench, what, port, count, tokens=None):
        self.bench = bench
        command = [sys.executable, HOLD, what, str(port), str(count), *([tokens] if tokens else [])]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        bench.processes.started.append(self.process)
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        said = self.process.stdout.readline() if ready else "nothing"
        if said.strip() != f"open {count}":
            self.end()
            raise RuntimeError(f"{count} connections ({what}) did not open: {said!r}")

    def end(self):
        self.process.stdin.close()
        self.bench.processes.end(self.process)
        self.process.stdout.close()


def measure(bench, subject, options, counts, say):
    """One row: memory idle, with streams, and after they were closed; CPU time idle and with streams.

    Each number of streams meets a new process, so that none stands on memory that another left behind.
    """
    held = []
    for count in counts:
        say(f"streams, {count:,} of {subject.name}")
        running = subject.start(Place(bench, streams=True))
        try:
            held.append(one_count(bench, running, options, count))
        finally:
            running.end()
    first = held[0]
    return {
        "workload": "streams",
        "subject": subject.name,
        "idle_rss_kib": first["idle_rss_kib"],
        "idle_cpu_percent": first["idle_cpu_percent"],
        "held": held,
    }


def one_count(bench, running, options, count):
    tokens = bench.mint.many(running.subject.algorithm, CALLERS)
    time.sleep(2)
    idle, idle_files = running.rss_kib(), machine.open_files(running.process.pid)
    idle_cpu = busy(running, options.idle_seconds)
    held = Held(bench, "streams", running.port, count, tokens)
    try:
        time.sleep(2)
        most = running.rss_kib()
        cpu = busy(running, options.idle_seconds)
    finally:
        held.end()
    after = decayed(running, options.decay_seconds)
    left = machine.open_files(running.process.pid) - idle_files
    return {
        "streams": count,
        "idle_rss_kib": idle,
        "idle_cpu_percent": idle_cpu,
        "rss_kib": most,
        "kib_per_stream": (most - idle) / count,
        "cpu_percent": cpu,
        "rss_after_kib": after,
        "connections_left": max(left, 0),
        "returned_percent": max(0, 100 * (most - after) / max(most - idle, 1)),
    }


def busy(running, seconds):
    """Percent of one CPU that is used while nothing is asked."""
    before, began = running.cpu_ns(), time.monotonic()
    time.sleep(seconds)
    return (running.cpu_ns() - before) / 1e7 / (time.monotonic() - began)


def decayed(running, seconds):
    """The least memory within `seconds` of the end: allocators give back late."""
    least = running.rss_kib()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        least = min(least, running.rss_kib())
    return least
