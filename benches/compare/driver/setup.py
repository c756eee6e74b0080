"""Everything that must be there before anything is measured."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
PACKAGES = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "openssl": "openssl",
}


def tools(wanted):
    """Installs the Debian packages of missing programs if this user may, and says which are missing otherwise."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [PACKAGES[name] for name in wanted if not shutil.which(name)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"compare: install {' '.join(missing)}, or leave out what needs it (--subjects, --workloads)")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"compare: installing {' '.join(missing)}", flush=True)
    subprocess.run(["apt-get", "update", "-qq"], env=environment, **quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=environment, **quiet)
    for service in ("nginx", "haproxy"):  # the packages start them
        if service in missing or f"{service}-light" in missing:
            subprocess.run(["service", service, "stop"], env=environment, **{**quiet, "check": False})


def programs(toolgate, target, needs_toolgate):
    """Paths of toolgate and of the peers; builds what is not given."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{ROOT / '.cache/tools/bin'}"}
    target = Path(target or HERE / "peers/target").resolve()
    build = ["cargo", "build", "--release", "--locked"]
    subprocess.run(
        [*build, "--manifest-path", HERE / "peers/Cargo.toml", "--target-dir", target], check=True, env=environment
    )
    found = {name: target / "release" / name for name in ("upstream", "passthrough", "mint")}
    if toolgate is None and needs_toolgate:
        built = subprocess.run([ROOT / "packaging/build"], cwd=ROOT, check=True, env=environment, stdout=subprocess.PIPE)
        toolgate = ROOT / built.stdout.decode().strip()
    found["toolgate"] = Path(toolgate).resolve() if toolgate else None
    return found


def versions(programs):
    """Of all programs that can tell."""
    asked = {
        "toolgate": [programs["toolgate"], "--version"],
        "nginx": ["nginx", "-v"],
        "haproxy": ["haproxy", "-v"],
        "wrk": ["wrk", "-v"],
    }
    found = {}
    for name, command in asked.items():
        if command[0] is None or not shutil.which(command[0]):
            continue
        said = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        words = (said.stdout + said.stderr).split()
        found[name] = next((word.split("/")[-1] for word in words if any(c.isdigit() for c in word)), "?")
    found["pingora"] = locked_version("pingora-proxy")
    return found


def locked_version(crate):
    lines = (HERE / "peers/Cargo.lock").read_text().splitlines()
    at = lines.index(f'name = "{crate}"')
    return lines[at + 1].split('"')[1]
