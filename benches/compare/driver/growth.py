"""Does a call cost more when there are more rules, or more callers?"""

from . import load
from .subjects import Place
from .workloads import row

RULES = (10, 10_000)
TOKENS = (1, 100_000)
PASSES = 40  # bursts in which all tokens have to be sent once


class Measured:
    """Stands for the workload of a row."""

    def __init__(self, name, title):
        self.name, self.title = name, title


def rules(bench, subjects, options, concurrency):
    variants = [(f"rules-{count}", f"call, {count:,} rules", count, None) for count in RULES]
    # The others have no rules.
    return alternate(bench, [subject for subject in subjects if subject.name == "toolgate"], options, concurrency, variants)


def tokens(bench, subjects, options, concurrency):
    variants = []
    for count in TOKENS:
        # Of a kind that costs much to verify, so that one that was forgotten is seen.
        file = bench.mint.many("ES256", count)
        variants.append((f"tokens-{count}", f"call, {count:,} tokens in turn", 200, (file, count)))
    return alternate(bench, subjects, options, concurrency, variants)


def alternate(bench, subjects, options, concurrency, variants):
    """Several instances of each subject, all measured in turn."""
    body = load.call()
    headers = {**load.CALL_HEADERS, "Authorization": f"Bearer {bench.mint.one()}"}
    running, bursts, extras = {}, {}, {}
    # Of one variant all subjects, as everywhere.
    pairs = [(subject, variant) for variant in variants for subject in subjects]
    try:
        for subject, (name, _, count, used) in pairs:
            one = subject.name, name
            running[one] = subject.start(Place(bench, rules=count))
            bursts[one] = []
            extras[one] = ""
            if used:
                file, most = used
                # One token is given out by the same means, so that the load costs the same.
                extras[one] = f'local TOKENS, ONCE = "{file}", false\n' + load.NEXT_TOKEN
                send_each_once(running[one], body, headers, concurrency, extras[one], most)
            else:
                load.warm(running[one], body, headers, concurrency)
        for turn in range(options.rounds):
            order = list(running) if turn % 2 == 0 else list(running)[::-1]
            for one in order:
                burst = load.wrk(running[one], body, headers, concurrency, options.seconds, extras[one])
                if burst["refused"] or burst["broken"]:
                    raise RuntimeError(f"{one}: {burst}")
                bursts[one].append(burst)
    finally:
        for one in running.values():
            one.end()
    return [
        row(Measured(name, title), subject, concurrency, bursts[subject.name, name])
        for subject, (name, title, *_) in pairs
    ]


def send_each_once(running, body, headers, concurrency, extra, count):
    """Sends every token, so that a memory that is large enough has them all."""
    sent = 0
    for _ in range(PASSES):
        if sent >= count:
            return
        left = count - sent
        part = f"local FIRST = {sent}\n" + extra + load.FEW % left
        found = load.wrk(running, body, headers, concurrency, min(10, left // 20_000 + 1), part)
        if found["refused"] or found["broken"]:
            raise RuntimeError(f"not every token was accepted: {found}")
        sent += found["requests"]
    if sent < count:
        raise RuntimeError(f"only {sent:,} of {count:,} tokens were sent in time")
