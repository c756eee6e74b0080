#!/usr/bin/env python3
"""What a thousand gateways ask of one identity provider: the figures of docs/src/scaling.md.

    benches/scaling/simulate.py            the tables
    benches/scaling/simulate.py --check    fail where the chapter does not show exactly them

It follows src/remote (schedule.rs, memory.rs): what is fetched when, what is remembered for how long, what is left to
chance. Nothing is measured here; chance is seeded, so that every run says the same.
"""

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

CHAPTER = Path(__file__).resolve().parent.parent.parent / "docs" / "src" / "scaling.md"
SEED = 20260728

PODS = 1000
# The defaults of the configuration, in seconds.
REFRESH_INTERVAL = 600
MIN_REFETCH_INTERVAL = 30
LONGEST_PAUSE = 60
INTROSPECTION_CACHE = 30
EXCHANGE_CACHE = 300
# The callers of the examples: each asks once in ten seconds, with a token that lives for an hour.
RATE = 0.1
TOKEN_LIFE = 3600


def until_refresh(chance):
    """schedule.rs: up to a tenth is left out by chance."""
    return REFRESH_INTERVAL * (1 - int(256 * chance.random()) / 2560)


def until_retry(failures, chance):
    """schedule.rs: 1 s, 2 s, 4 s … 60 s; up to a half is left out by chance."""
    pause = min(2 ** (failures - 1), LONGEST_PAUSE)
    return pause * (1 - int(256 * chance.random()) / 512)


def until_next(chance):
    """schedule.rs: up to a third is added by chance."""
    return MIN_REFETCH_INTERVAL * (1 + int(256 * chance.random()) / 768)


def busiest(times):
    """The most that fell into one second."""
    return max(Counter(int(time) for time in times).values(), default=0)


def fetches_after_start(hours, chance):
    """When keys are fetched by pods that all started within one second."""
    times = []
    for _ in range(PODS):
        at = chance.random()
        while at < hours * 3600:
            times.append(at)
            at += until_refresh(chance)
    return times


def start():
    chance = random.Random(SEED)
    times = fetches_after_start(24, chance)
    between = lambda first, last: [time for time in times if first <= time < last]  # noqa: E731
    yield "key sets, all pods started within one second", "fetches", "busiest second"
    for name, first, last in [
        ("the first second", 0, 1),
        ("the rest of the first ten minutes", 1, 601),
        ("the rest of the first hour", 601, 3600),
        ("each of the 23 hours after it", 3600, 24 * 3600),
    ]:
        found = between(first, last)
        count = len(found) / 23 if last > 3600 else len(found)
        yield name, f"{count:.0f}", busiest(found)


def outage():
    chance = random.Random(SEED)
    times = []
    for _ in range(PODS):
        at, failures = chance.random(), 0
        while at < 600:
            times.append(at)
            failures += 1
            at += until_retry(failures, chance)
    yield "retries, no answer to any pod since they all started", "tries each second", "busiest second"
    for name, first, last in [("seconds 0 to 9", 0, 10), ("seconds 10 to 59", 10, 60), ("from a minute on", 60, 600)]:
        found = [time for time in times if first <= time < last]
        yield name, f"{len(found) / (last - first):.0f}", busiest(found)


def rotation():
    """The provider signs with a key that it publishes only then. Tokens are renewed over their life, so that ever more
    have it; a pod fetches when the first of them comes, or in turn."""
    yield "rotation, not announced: callers", "fetches out of turn", "busiest second", "95 % of pods know after"
    for callers in [2_000, 20_000, 200_000]:
        chance = random.Random(SEED)
        times, known = [], []
        # Requests with a new token by then, at one pod: callers * RATE * t² / (2 * life * pods).
        scale = 2 * TOKEN_LIFE * PODS / (callers * RATE)
        for _ in range(PODS):
            first = (scale * chance.expovariate(1)) ** 0.5
            in_turn = until_refresh(chance) * chance.random()
            known.append(min(first, in_turn))
            if first < in_turn:
                times.append(first)
        yield f"{callers:,}", len(times), busiest(times), f"{sorted(known)[PODS * 95 // 100]:.0f} s"


def forged():
    """Tokens that name keys nobody has: a pod fetches for the first, and for no other for a while."""
    pause = MIN_REFETCH_INTERVAL * 7 / 6
    yield "forged tokens each second", "fetches each second", "by arithmetic", "busiest second", "the same after 5 min"
    for attack in [10, 100, 1_000, 10_000]:
        chance = random.Random(SEED)
        times, lasting = [], 3600
        for _ in range(PODS):
            at = chance.expovariate(attack / PODS)
            while at < lasting:
                times.append(at)
                at += until_next(chance) + chance.expovariate(attack / PODS)
        yield (
            f"{attack:,}",
            f"{len(times) / lasting:.1f}",
            f"{PODS / (pause + PODS / attack):.1f}",
            busiest(times),
            busiest(time for time in times if time >= 300),
        )


def asked(callers, pods, cache, chance):
    """Questions each second, where a pod remembers the answer about a token for so long."""
    lasting = 2 * cache + 300
    until, count = {}, 0
    for caller in range(callers):
        at = chance.expovariate(RATE)
        while at < lasting:
            key = caller * pods + int(pods * chance.random())
            if until.get(key, 0) <= at:
                until[key] = at + cache
                count += at >= lasting - 300
            at += chance.expovariate(RATE)
    return count / 300


def questions(title, cache):
    def rows():
        yield title, "questions each second", "by arithmetic"
        for pods in [1, 10, 100, 1000]:
            callers = 2_000
            by_arithmetic = callers / (cache / pods + 1 / RATE)
            yield (
                f"{pods:,}",
                f"{asked(callers, pods, cache, random.Random(SEED)):.0f}",
                f"{by_arithmetic:.0f}",
            )

    return rows


TABLES = [
    start,
    outage,
    rotation,
    forged,
    questions("introspection, 2,000 callers, cache 30 s: pods", INTROSPECTION_CACHE),
    questions("token exchange, 2,000 callers, cache 5 min: pods", EXCHANGE_CACHE),
]


def rendered(table):
    """The rows as a table of Markdown, each ended by a line end."""
    head, *rows = ([str(cell) for cell in row] for row in table())
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the chapter")
    is_check = arguments.parse_args().check
    tables = [rendered(table) for table in TABLES]
    if not is_check:
        print("\n".join(tables), end="")
        return 0
    chapter = CHAPTER.read_text(encoding="utf-8")
    missing = [table for table in tables if table not in chapter]
    for table in missing:
        print(f"{CHAPTER.name} does not show what the simulation says:\n{table}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
