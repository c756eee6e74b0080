"""What is asked of every subject, how answers are checked, and the rounds."""

import statistics
from dataclasses import dataclass

from . import load
from .subjects import Place

KIB = 1024


@dataclass
class Workload:
    name: str
    title: str
    body: bytes
    kind: str = "30"
    token: str = "HS256"
    lists: int = 0  # how many tools the upstream lists
    denied: bool = False
    every_concurrency: bool = False
    tls: bool = False
    h2: bool = False
    fresh_tokens: bool = False
    only: tuple = ()  # subjects it makes sense for; all if empty


def table():
    judging = ("nginx", "toolgate")
    return [
        Workload("call", "call, 300 B", load.call(), every_concurrency=True),
        Workload("list-30", "list of 30 tools, half hidden", load.listing(), lists=30, every_concurrency=True),
        Workload("denied", "denied call", load.call("tool_1"), denied=True),
        Workload("call-4k", "call, 4 KiB of arguments", load.call(size=4 * KIB)),
        Workload("call-64k", "call, 64 KiB of arguments", load.call(size=64 * KIB)),
        Workload("call-1m", "call, 1 MiB of arguments", load.call(size=KIB * KIB)),
        Workload("list-300", "list of 300 tools, half hidden", load.listing(), "300", lists=300),
        Workload("list-30-sse", "list of 30 tools as an event stream", load.listing(), "30-sse", lists=30),
        Workload("list-300-sse", "list of 300 tools as an event stream", load.listing(), "300-sse", lists=300),
        Workload("call-rs256", "call, RS256 token seen before", load.call(), token="RS256", only=judging),
        Workload("call-es256", "call, ES256 token seen before", load.call(), token="ES256", only=judging),
        Workload(
            "cold-rs256", "call, RS256 token never seen", load.call(), token="RS256", fresh_tokens=True, only=judging
        ),
        Workload(
            "cold-es256", "call, ES256 token never seen", load.call(), token="ES256", fresh_tokens=True, only=judging
        ),
        Workload("tls", "call over TLS", load.call(), tls=True),
        Workload("h2", "call over HTTP/2 and TLS", load.call(), tls=True, h2=True),
    ]


COLD_TOKENS = 20_000


class Rounds:
    """Runs workloads: in each round every subject in turn, so that what disturbs the machine disturbs all."""

    def __init__(self, bench, subjects, options, say):
        self.bench, self.subjects, self.options, self.say = bench, subjects, options, say
        self.rows = []

    def run(self, workload):
        subjects = [s for s in self.subjects if fits(s, workload)]
        concurrencies = self.options.concurrency if workload.every_concurrency else [middle(self.options.concurrency)]
        running = {}
        try:
            for subject in subjects:
                place = Place(self.bench, workload.kind, tls=workload.tls)
                running[subject.name] = subject.start(place)
                check(self.bench, running[subject.name], workload, self.headers(subject, workload))
            for concurrency in concurrencies:
                self.say(f"{workload.name}, {concurrency} at once")
                for subject in subjects:
                    if not workload.h2:
                        headers = self.headers(subject, workload)
                        load.warm(running[subject.name], workload.body, headers, concurrency)
                bursts = {subject.name: [] for subject in subjects}
                for turn in range(self.options.rounds):
                    shift = turn % max(len(subjects), 1)
                    for subject in subjects[shift:] + subjects[:shift]:
                        if workload.fresh_tokens:
                            # A new process remembers no token.
                            place = running[subject.name].place
                            running[subject.name].end()
                            running[subject.name] = subject.start(place)
                        burst = self.burst(running[subject.name], workload, concurrency)
                        bursts[subject.name].append(burst)
                for subject in subjects:
                    self.rows.append(row(workload, subject, concurrency, bursts[subject.name]))
        finally:
            for one in running.values():
                one.end()

    def headers(self, subject, workload):
        token = self.bench.mint.one("RS256" if workload.token == "HS256" and is_other(subject) else workload.token)
        return {**load.CALL_HEADERS, "Authorization": f"Bearer {token}", **subject.headers}

    def burst(self, running, workload, concurrency):
        headers = self.headers(running.subject, workload)
        if workload.h2:
            return load.h2load(running, workload.body, headers, self.options.seconds, concurrency)
        if workload.fresh_tokens:
            tokens = self.bench.mint.many(workload.token, COLD_TOKENS)
            extra = f'local TOKENS, ONCE = "{tokens}", true\n' + load.NEXT_TOKEN
            # They last for about a second; wrk waits for its time to be over.
            burst = load.wrk(running, workload.body, headers, concurrency, 3, extra)
            burst["rps"] = None
        else:
            burst = load.wrk(running, workload.body, headers, concurrency, self.options.seconds)
        expected = burst["requests"] if workload.denied and running.subject.judges else 0
        if running.subject.judges and is_other(running.subject) and workload.denied:
            return burst  # how others refuse is theirs to say
        if burst["broken"] or burst["refused"] != expected:
            name = running.subject.name
            raise RuntimeError(f"{workload.name}, {name}: not the answers that were expected: {burst}")
        return burst


def is_other(subject):
    return hasattr(subject, "entry")


def fits(subject, workload):
    if workload.tls and not subject.tls:
        return False
    return not workload.only or subject.name in workload.only or is_other(subject)


def middle(concurrency):
    return 64 if 64 in concurrency else concurrency[-1]


def check(bench, running, workload, headers):
    """Refuses to measure a subject that answers wrongly."""
    name = f"{workload.name}, {running.subject.name}"
    before = load.messages(bench)
    status, fields, body = load.ask(running, workload.body, headers)
    reached = load.messages(bench) - before
    judges = running.subject.judges
    if workload.denied and judges:
        if is_other(running.subject):
            if reached and status == 200 and "result" in load.message_of(fields, body):
                raise RuntimeError(f"{name}: what should be refused was done")
        elif status != 403 or reached:
            raise RuntimeError(f"{name}: answered {status}, and {reached} messages reached the upstream")
        return
    if status != 200 or reached < 1:
        raise RuntimeError(f"{name}: answered {status} {body[:300]!r}, and {reached} messages reached the upstream")
    message = load.message_of(fields, body)
    if not workload.lists:
        if message["result"].get("isError") is not False and not is_other(running.subject):
            raise RuntimeError(f"{name}: {message}")
        return
    listed = [tool["name"] for tool in message["result"]["tools"]]
    step = 2 if judges else 1
    if listed != [f"tool_{number}" for number in range(0, workload.lists, step)]:
        raise RuntimeError(f"{name}: lists {len(listed)} tools, among them {listed[:4]}")


def row(workload, subject, concurrency, bursts):
    def median(key):
        values = [burst[key] for burst in bursts if burst[key] is not None]
        return statistics.median(values) if values else None

    medians = {key: median(key) for key in ("cpu_us", "rps", "p50_us", "p99_us", "foreign_percent")}
    return {
        "workload": workload.name,
        "title": workload.title,
        "subject": subject.name,
        "concurrency": concurrency,
        **medians,
        "rounds": bursts,
    }
