#!/usr/bin/env python3
"""The official MCP conformance suite, against reference servers directly and through the gateway.

    tests/conformance/run.py                  everything
    tests/conformance/run.py ts_v2            only this reference server
    tests/conformance/run.py --install        only make the environment

The two reports must be the same, scenario by scenario and check by check, and no shorter than floor.json says.
Needs the built programs (`cargo build -p toolgate -p upstream-mcp`); `--programs DIR` says where they are.
"""

import argparse
import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import traceback
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import environment  # noqa: E402
import reports  # noqa: E402
import servers  # noqa: E402
from tokens import mint  # noqa: E402

REPOSITORY = HERE.parent.parent
PACKAGES = environment.CACHE.parent / "conformance"
SUITE = PACKAGES / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
FLOOR = HERE / "floor.json"
FIXTURES = REPOSITORY / "upstream-mcp/src/conformance/fixtures.json"
SECONDS = 240
# Where the suite is not told a revision it runs everything, the scenarios of extensions included.
ANY = "any"
LINES = 6  # how many differences of one scenario are shown


@dataclass
class Parts:
    """What is installed and built."""

    node: Path
    toolgate: Path
    upstream_mcp: Path


def started(argv, **more):
    """(server, endpoint) of a program that says where it listens."""
    server = servers.Server(argv, **more)
    try:
        (endpoint,) = server.printed(servers.LISTENING)
    except BaseException:
        server.stop()
        raise
    return server, endpoint


# The reference servers.
REFERENCES = {
    "ts_v1": lambda parts: started([parts.node, PACKAGES / "ts_v1.mjs"], FIXTURES=str(FIXTURES)),
    "ts_v2": lambda parts: started([parts.node, PACKAGES / "ts_v2.mjs"], FIXTURES=str(FIXTURES)),
    "upstream_mcp": lambda parts: started([parts.upstream_mcp, "--listen", "127.0.0.1:0", "--conformance"]),
}


def install():
    node = environment.node()
    environment.install_packages(HERE, PACKAGES)
    for program in [*HERE.glob("servers/*.mjs"), HERE / "token.mjs"]:
        shutil.copy(program, PACKAGES)
    return node


def run_suite(parts, work, name, url, revision, token=None, scenario=None):
    """(exit code, {scenario: checks}, what it printed) of one run."""
    results = work / name
    argv = [parts.node, *(["--import", PACKAGES / "token.mjs"] if token else []), SUITE, "server", "--url", url]
    argv += ["--scenario", scenario] if scenario else ["--suite", "all"]
    argv += ["--spec-version", revision] if revision != ANY else []
    origin = re.match(r"\w+://[^/]+", url).group()
    more = {"CONFORMANCE_ORIGIN": origin, "CONFORMANCE_TOKEN": token} if token else {}
    done = subprocess.run(
        [str(word) for word in [*argv, "-o", results]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        env=environment.clean_environment(work, **more),
        cwd=work,
    )
    return done.returncode, reports.read(results), done.stdout


def compare(direct, through):
    """Lines that say where two runs, {scenario: comparable checks}, differ."""
    lines = [f"{scenario}: only directly" for scenario in sorted(direct.keys() - through.keys())]
    lines += [f"{scenario}: only through the gateway" for scenario in sorted(through.keys() - direct.keys())]
    for scenario in sorted(direct.keys() & through.keys()):
        found = reports.differences(direct[scenario], through[scenario])
        lines += [f"{scenario}: {line}" for line in found[:LINES]]
        if len(found) > LINES:
            lines.append(f"{scenario}: and {len(found) - LINES} more differences")
    return lines


@dataclass
class Leg:
    """One reference server in one revision."""

    reference: str
    revision: str
    scenarios: int
    passed: int
    failed: int
    failing: list
    wrong: list


def run_leg(parts, work, reference, revision, endpoint, url, token, floor):
    runs = []
    for name, to, bearer in (("directly", endpoint, None), ("through", url, token)):
        code, found, shown = run_suite(parts, work, f"{reference}-{revision}-{name}", to, revision, bearer)
        if not found:
            raise RuntimeError(f"{reference}, {revision}: the suite ran nothing and ended with {code}\n{shown}")
        runs.append({scenario: reports.comparable(scenario, checks, to) for scenario, checks in found.items()})
    direct, through = runs
    wrong = compare(direct, through)
    each = {scenario: reports.counts(checks) for scenario, checks in direct.items()}
    passed, failed = sum(ok for ok, _ in each.values()), sum(no for _, no in each.values())
    failing = sorted(scenario for scenario, (_, no) in each.items() if no)
    wrong += [
        f"only {are} {what}, not {least}"
        for what, are, least in (
            ("scenarios", len(direct), floor["scenarios"]),
            ("checks passed", passed, floor["passed"]),
        )
        if are < least
    ]
    expected = floor.get("failing", {})
    wrong += [f"{scenario} fails, and floor.json gives no reason" for scenario in failing if scenario not in expected]
    wrong += [f"{scenario} is said to fail and does not" for scenario in expected if scenario not in failing]
    return Leg(reference, revision, len(direct), passed, failed, failing, wrong)


def unauthenticated(admin):
    """How many requests the gateway has refused for want of a good token."""
    with urllib.request.urlopen(f"{admin}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r'^toolgate_requests_total\{[^}]*outcome="token_\w+"\} (\d+)$', text, re.MULTILINE)
    return sum(map(int, found))


def run_reference(parts, work, reference, floors):
    """The legs of one reference server; the direct run and the one through the gateway meet the same server."""
    secret, secret_file = secrets.token_hex(32), work / f"secret-{reference}"
    secret_file.write_text(secret)
    server, endpoint = REFERENCES[reference](parts)
    with server:
        gateway, url = servers.serve(parts.toolgate, endpoint, HERE / "policy.yaml", secret_file)
        with gateway:
            (admin,) = gateway.printed(servers.ADMIN)
            token = mint(secret, [], subject="conformance")
            legs = [
                run_leg(parts, work, reference, revision, endpoint, url, token, floor)
                for revision, floor in floors.items()
            ]
            wrong = []
            if refused := unauthenticated(admin):
                wrong.append(f"{refused} requests of the suite had no good token")
            # The control: what passes above passes because of the token.
            code, _, _ = run_suite(parts, work, f"{reference}-bare", url, "2025-11-25", scenario="tools-list")
            if code == 0 or not unauthenticated(admin):
                wrong.append("without a token the gateway does not stand in the way")
    return legs, wrong


def table(legs):
    print(f"\n{'server':14} {'revision':12} {'scenarios':>9} {'passed':>7} {'failed':>7}  through the gateway")
    for leg in legs:
        same = "the same" if not leg.wrong else "WRONG"
        print(f"{leg.reference:14} {leg.revision:12} {leg.scenarios:9} {leg.passed:7} {leg.failed:7}  {same}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(REFERENCES)
    parser.add_argument("references", nargs="*", metavar="SERVER", help=f"of {names}; all if none is named")
    parser.add_argument("--programs", type=Path, default=REPOSITORY / "target" / "debug")
    parser.add_argument("--install", action="store_true", help="only make the environment")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the suite's own reports here")
    asked = parser.parse_args()
    if unknown := set(asked.references) - set(REFERENCES):
        parser.error(f"no such reference server: {', '.join(sorted(unknown))}")
    node = install()
    if asked.install:
        return 0
    programs = asked.programs.resolve()
    parts = Parts(node, programs / "toolgate", programs / "upstream-mcp")
    floors = json.loads(FLOOR.read_text())
    chosen = asked.references or list(REFERENCES)

    legs, failures = [], []
    with tempfile.TemporaryDirectory(prefix="toolgate-conformance-") as work:
        work = Path(work)

        def run(reference):
            try:
                return run_reference(parts, work, reference, floors[reference])
            except Exception as error:
                return [], [f"{type(error).__name__}: {error}", traceback.format_exc()]

        with ThreadPoolExecutor(2) as pool:
            for reference, (found, wrong) in zip(chosen, pool.map(run, chosen), strict=True):
                legs += found
                failures += [f"{reference}: {line}" for line in wrong]
        if asked.keep:
            shutil.copytree(work, asked.keep, dirs_exist_ok=True)
    table(legs)
    failures += [f"{leg.reference}, {leg.revision}: {line}" for leg in legs for line in leg.wrong]
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures or not legs else 0


if __name__ == "__main__":
    sys.exit(main())
