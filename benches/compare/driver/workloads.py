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
        concurrencies = self.options.concurrency if workload.every_concurrency else [middle(self.options.concurrency)]
        running = {}
        try:
            for subject in self.subjects:
                if fits(subject, workload):
                    self.begin(subject, workload, running)
            for concurrency in concurrencies:
                self.say(f"{workload.name}, {concurrency} at once")
                self.rows += self.rounds(workload, running, concurrency)
        finally:
            for one in running.values():
                one.end()

    def begin(self, subject, workload, running):
        """Starts a subject and looks at an answer of it. Only a gateway that the user described may be left out."""
        try:
            running[subject.name] = subject.start(Place(self.bench, workload.kind, tls=workload.tls))
            check(self.bench, running[subject.name], workload, self.headers(running[subject.name], workload))
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            if not subject.other:
                raise
            self.say(f"{subject.name} is left out of {workload.name}: {error}")
            if subject.name in running:
                running.pop(subject.name).end()

    def rounds(self, workload, running, concurrency):
        if not workload.h2:
            for one in running.values():
                load.warm(one, workload.body, self.headers(one, workload), concurrency)
        names = list(running)
        bursts = {name: [] for name in names}
        for turn in range(self.options.rounds):
            shift = turn % max(len(names), 1)
            for name in names[shift:] + names[:shift]:
                if workload.fresh_tokens:
                    # A new process remembers no token.
                    place = running[name].place
                    running[name].end()
                    running[name] = running[name].subject.start(place)
                bursts[name].append(self.burst(running[name], workload, concurrency))
        return [row(workload, running[name].subject, concurrency, bursts[name]) for name in names]

    def headers(self, running, workload):
        token = self.bench.mint.one(running.subject.algorithm if workload.token == "HS256" else workload.token)
        return {**load.CALL_HEADERS, "Authorization": f"Bearer {token}", **running.headers}

    def burst(self, running, workload, concurrency):
        headers = self.headers(running, workload)
        if workload.h2:
            burst = load.h2load(running, workload.body, headers, self.options.seconds, concurrency)
        elif workload.fresh_tokens:
            tokens = self.bench.mint.many(workload.token, COLD_TOKENS)
            extra = f'local TOKENS, ONCE = "{tokens}", true\n' + load.NEXT_TOKEN
            # They last for about a second; wrk waits for its time to be over.
            burst = load.wrk(running, workload.body, headers, concurrency, 3, extra)
            burst["rps"] = None
        else:
            burst = load.wrk(running, workload.body, headers, concurrency, self.options.seconds)
        subject = running.subject
        refuses = workload.denied and subject.judges
        # How others refuse is theirs to say.
        as_expected = (refuses and subject.other) or burst["refused"] == (burst["requests"] if refuses else 0)
        if burst["broken"] or not as_expected:
            raise RuntimeError(f"{workload.name}, {subject.name}: not the answers that were expected: {burst}")
        return burst


def fits(subject, workload):
    if workload.tls and not subject.tls:
        return False
    if subject.other and workload.token not in ("HS256", subject.algorithm):
        return False
    return not workload.only or subject.name in workload.only or subject.other


def middle(concurrency):
    return 64 if 64 in concurrency else concurrency[-1]


def check(bench, running, workload, headers):
    """Refuses to measure a subject that answers wrongly."""
    subject = running.subject
    name = f"{workload.name}, {subject.name}"
    before = load.messages(bench)
    status, fields, body = load.ask(running, workload.body, headers)
    reached = load.messages(bench) - before
    if workload.denied and subject.judges:
        if subject.other:
            if status == 200 and not refused(load.message_of(fields, body)):
                raise RuntimeError(f"{name}: what should be refused was done")
        elif status != 403 or reached:
            raise RuntimeError(f"{name}: answered {status}, and {reached} messages reached the upstream")
        return
    if status != 200 or reached < 1:
        raise RuntimeError(f"{name}: answered {status} {body[:300]!r}, and {reached} messages reached the upstream")
    message = load.message_of(fields, body)
    if not workload.lists:
        if refused(message):
            raise RuntimeError(f"{name}: {message}")
        return
    listed = [tool["name"] for tool in message["result"]["tools"]]
    step = 2 if subject.judges else 1
    if listed != [f"tool_{number}" for number in range(0, workload.lists, step)]:
        raise RuntimeError(f"{name}: lists {len(listed)} tools, among them {listed[:4]}")


def refused(message):
    return "result" not in message or message["result"].get("isError", False)


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
