#!/usr/bin/env python3
"""Real OpenID Providers before the running gateway: keys, tokens, outages, and clients that authorize by themselves.

Most scenarios are with oidc-provider (JavaScript, certified); those of interop.py with idpy-oidc (Python).

    tests/oidc/run.py                   every scenario
    tests/oidc/run.py audience dpop     only these
    tests/oidc/run.py --list            their names
    tests/oidc/run.py --install         only make the environments

Needs the built programs (`cargo build -p toolgate -p upstream-mcp`); `--programs DIR` says where they are.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "clients"))

import environment  # noqa: E402
import servers  # noqa: E402

PACKAGES = environment.CACHE.parent / "oidc"
ANOTHER = environment.CACHE.parent / "oidc-another"
AT_ONCE = 2


def install():
    """The clients of tests/clients, and the providers. The rest runs in their venv: it has the libraries for keys."""
    clients = environment.install()
    environment.install_packages(HERE, PACKAGES)
    environment.install_venv(HERE, ANOTHER)
    shutil.copy(HERE / "idp.mjs", PACKAGES)
    for program in (HERE / "flows").glob("*.mjs"):
        shutil.copy(program, clients.script(program.name))
    if Path(sys.prefix) != environment.VENV:
        os.execv(clients.python, [clients.python, *sys.argv])
    return clients


def play(parts, name):
    """(name, differences, notes, seconds, traceback) of one scenario."""
    from stage import SCENARIOS, Stage, Unmet

    began = time.monotonic()
    stage = Stage(parts)
    trouble = ""
    try:
        with stage:
            SCENARIOS[name][1](stage)
    except Unmet:
        pass
    except Exception as error:
        trouble = traceback.format_exc()
        stage.wrong.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    return name, stage.wrong, stage.notes, time.monotonic() - began, trouble


def play_all(parts, names):
    """Whether all went well; one line for each."""
    from stage import SCENARIOS

    went_well = True
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, wrong, notes, seconds, trouble in pool.map(lambda name: play(parts, name), names):
            said = f" ({'; '.join(notes)})" if notes else ""
            print(f"{'FAIL' if wrong else 'ok':4} {seconds:5.1f} s  {SCENARIOS[name][0]}{said}", flush=True)
            for line in wrong:
                print(f"       {name}: {line}", flush=True)
            if trouble:
                print(trouble, file=sys.stderr, flush=True)
            went_well = went_well and not wrong
    return went_well


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all if none is named")
    parser.add_argument("--programs", type=Path, default=REPOSITORY / "target" / "debug")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--install", action="store_true", help="only make the environments")
    asked = parser.parse_args()
    clients = install()
    if asked.install:
        return 0

    import flows  # noqa: F401
    import interop  # noqa: F401
    import scenarios  # noqa: F401
    import table  # noqa: F401
    from stage import SCENARIOS, Parts

    if asked.list:
        for name, (title, _) in SCENARIOS.items():
            print(f"{name:26} {title}")
        return 0
    if unknown := set(asked.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    toolgate, upstream_mcp = (asked.programs.resolve() / name for name in ("toolgate", "upstream-mcp"))
    with tempfile.TemporaryDirectory(prefix="toolgate-oidc-") as work:
        upstream, endpoint = servers.sample_upstream(upstream_mcp, Path(work) / "calls")
        with upstream:
            parts = Parts(clients, PACKAGES, ANOTHER / "bin" / "python", toolgate, endpoint)
            return 0 if play_all(parts, asked.scenarios or list(SCENARIOS)) else 1


if __name__ == "__main__":
    sys.exit(main())
