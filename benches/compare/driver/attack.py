"""What the honest see while others misbehave."""

import statistics
import time

from . import load
from .streams import Held, decayed
from .subjects import Place
from .tokens import AUDIENCE, KeyServer

SLOW, HALF_OPEN = 100, 1_000
FORGED = 20_000
SETTLE_SECONDS = 2  # until all of them stand: their coming costs the load's CPU, too
ISSUER = "https://rotating.example"
REFETCH_SECONDS = 30  # `min_refetch_interval`, as it is by default


def measure(bench, subject, options, concurrency, say):
    """One row: p99 of honest calls without and with an attack, in turn; memory and fetches of keys."""
    keys = KeyServer(bench.mint.folder / "ES256.jwks")
    forged = bench.mint.many("ES256", FORGED, key="forged", kid="unknown-*", issuer=ISSUER)
    issuer = {"issuer": ISSUER, "jwks_uri": f"http://127.0.0.1:{keys.port}/jwks", "audience": AUDIENCE}
    running = subject.start(Place(bench, issuers=[{**issuer, "allow_http": True}]))
    headers = {**load.CALL_HEADERS, "Authorization": f"Bearer {bench.mint.one()}"}
    calm, hostile = [], []
    try:
        load.warm(running, load.call(), headers, concurrency)
        rss_before = rss_most = running.rss_kib()
        fetched_before, began = keys.fetches, time.monotonic()
        for turn in range(options.rounds):
            say(f"attack, round {turn + 1}")
            # No round shows a key's name that another showed.
            first = turn * FORGED // options.rounds
            calm.append(burst(running, headers, (forged, first), concurrency, options.seconds, False))
            held = []
            try:
                held.append(Held(bench, "slow", running.port, SLOW, bench.mint.many("HS256", 50)))
                held.append(Held(bench, "half", running.port, HALF_OPEN))
                time.sleep(SETTLE_SECONDS)
                hostile.append(burst(running, headers, (forged, first), concurrency, options.seconds, True))
                rss_most = max(rss_most, running.rss_kib())
            finally:
                for one in held:
                    one.end()
        took, fetches = time.monotonic() - began, keys.fetches - fetched_before
        return {
            "workload": "attack",
            "subject": subject.name,
            "concurrency": concurrency,
            "p99_calm_us": statistics.median(one["p99_us"] for one in calm),
            "p99_attack_us": statistics.median(one["p99_1_us"] for one in hostile),
            "rps_calm": statistics.median(one["rps"] for one in calm),
            "rps_attack": statistics.median(one["rps"] for one in hostile),
            "rss_before_kib": rss_before,
            "rss_most_kib": rss_most,
            "rss_after_kib": decayed(running, options.decay_seconds),
            "key_fetches": fetches,
            "key_fetches_allowed": 1 + int(took / REFETCH_SECONDS),
            "rounds": {"calm": calm, "hostile": hostile},
        }
    finally:
        running.end()
        keys.end()


def burst(running, headers, forged, concurrency, seconds, hostile):
    file, first = forged
    extra = f'local TOKENS, FIRST, HOSTILE = "{file}", {first}, {str(hostile).lower()}\n' + load.ATTACK
    found = load.wrk(running, load.call(), headers, concurrency, seconds, extra)
    share = found["refused"] / found["requests"]
    if not (0.09 < share < 0.11 if hostile else share == 0):
        raise RuntimeError(f"attack: {share:.1%} of the requests were refused: {found}")
    return found
