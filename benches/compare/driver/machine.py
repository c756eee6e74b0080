"""The machine: which CPU does what, what processes have used, and processes that surely end."""

import ctypes
import fcntl
import os
import platform
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROXY_CPU = 0
LOAD_CPU = 1  # load generator, upstream, and this driver


def describe():
    """Names the machine, so that figures of two machines are not mixed."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    cores = len(os.sched_getaffinity(0))
    return {"cpu": model, "cores": cores, "kernel": platform.release(), "system": system()}


def system():
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME", platform.system())


def settle():
    """Pins this driver, and so all that it starts, to the CPU of the load; raises the bound on open files."""
    import resource

    if not {PROXY_CPU, LOAD_CPU} <= os.sched_getaffinity(0):
        raise SystemExit("compare: two CPUs (0 and 1) are needed: one for the gateway, one for everything else")
    os.sched_setaffinity(0, {LOAD_CPU})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def alone(say):
    """Waits until no other run measures on this machine. The lock is held as long as what is returned is kept."""
    lock = open(Path(tempfile.gettempdir(), f"toolgate-compare-{os.getuid()}.lock"), "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another run measures; waiting for its end")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for_port(port, process, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen on {port}")


class Processes:
    """All that was started and has not ended; each in a group of its own, none outlives the driver."""

    def __init__(self):
        self.started = []

    def start(self, command, cpu, log, environment=None):
        """Starts `command` on one CPU. What it says goes to the file `log`."""
        libc = ctypes.CDLL(None)

        def prepare():
            os.sched_setaffinity(0, {cpu})
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: even if the driver is killed

        with open(log, "ab") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=prepare,
                env={**os.environ, **(environment or {})},
            )
        self.started.append(process)
        return process

    def end(self, process):
        """Ends a process and its group: asked first, killed after two seconds."""
        for number, seconds in ((signal.SIGTERM, 2), (signal.SIGKILL, 5)):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
            try:
                process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        try:  # children that outlived their leader
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if process in self.started:
            self.started.remove(process)

    def end_all(self):
        for process in list(self.started):
            self.end(process)


def tree(pid):
    """A process and all that descend from it."""
    children = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                parent = int(Path(entry.path, "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, open_ends = [], [pid]
    while open_ends:
        one = open_ends.pop()
        found.append(one)
        open_ends.extend(children.get(one, []))
    return found


def cpu_ns(pid):
    """CPU time that all threads of a process tree have used, in nanoseconds."""
    used = 0
    for one in tree(pid):
        try:
            for thread in os.scandir(f"/proc/{one}/task"):
                used += int(Path(thread.path, "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return used


def busy_ns(cpu):
    """What a CPU has worked for anybody so far, in nanoseconds; counted in hundredths of a second."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, kernel, _idle, _iowait, irq, softirq, steal, *_ = map(int, ticks)
            return (user + nice + kernel + irq + softirq + steal) * (10**9 // os.sysconf("SC_CLK_TCK"))
    return 0


def open_files(pid):
    """How many files and connections a process tree has open."""
    return sum(len(os.listdir(f"/proc/{one}/fd")) for one in tree(pid) if os.path.exists(f"/proc/{one}/fd"))


def rss_kib(pid):
    """Resident memory of a process tree, in KiB."""
    total = 0
    for one in tree(pid):
        try:
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total
