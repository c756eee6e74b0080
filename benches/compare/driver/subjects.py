"""What is compared, and how each is started: one worker, one CPU, the same upstream."""

import json
import os
import tempfile
import tomllib
from pathlib import Path

from . import load, machine
from .tokens import AUDIENCE, ISSUERS, KeyServer

KINDS = ["30", "300", "30-sse", "300-sse"]  # what the upstream lists, and how
RULES = 200


class Bench:
    """All that a run shares: its folder, programs, keys, processes and the upstream."""

    def __init__(self, folder, programs, mint, processes):
        self.folder, self.programs, self.mint, self.processes = folder, programs, mint, processes
        self.upstream_ports = {kind: machine.free_port() for kind in KINDS}
        self.upstream_sockets = {kind: folder / f"up-{kind}.sock" for kind in KINDS}
        addresses = [f"127.0.0.1:{port}={kind}" for kind, port in self.upstream_ports.items()]
        addresses += [f"unix:{path}={kind}" for kind, path in self.upstream_sockets.items()]
        self.upstream = processes.start([programs["upstream"], *addresses], machine.LOAD_CPU, folder / "upstream.log")
        for port in self.upstream_ports.values():
            machine.wait_for_port(port, self.upstream)
        self.key_servers = {}

    def keys_url(self, algorithm):
        """Where the keys of an issuer can be fetched, for gateways that take no file."""
        if algorithm not in self.key_servers:
            self.key_servers[algorithm] = KeyServer(self.mint.folder / f"{algorithm}.jwks")
        return f"http://127.0.0.1:{self.key_servers[algorithm].port}/jwks"


class Place:
    """Where one subject runs in one workload, and under which terms."""

    def __init__(self, bench, kind="30", tls=False, streams=False, rules=RULES, issuers=None):
        self.bench, self.kind, self.tls, self.streams = bench, kind, tls, streams
        self.rules, self.issuers = rules, issuers or []
        self.port = machine.free_port()
        self.upstream_port = bench.upstream_ports[kind]
        # A port that is free again may be given out again.
        self.folder = Path(tempfile.mkdtemp(prefix=f"at-{self.port}-", dir=bench.folder))
        self.folder.chmod(0o755)
        self.cert, self.key = bench.mint.folder / "cert.pem", bench.mint.folder / "key.pem"


class Running:
    """A subject that listens. `process` is None where there is nothing between load and upstream."""

    def __init__(self, subject, place, process):
        self.subject, self.place, self.process = subject, place, process
        scheme = "https" if place.tls else "http"
        port = place.port if process else place.upstream_port
        self.port, self.path = port, subject.path
        self.url = f"{scheme}://127.0.0.1:{port}{subject.path}"
        self.headers = dict(subject.headers)

    def cpu_ns(self):
        return machine.cpu_ns(self.process.pid) if self.process else 0

    def rss_kib(self):
        return machine.rss_kib(self.process.pid) if self.process else 0

    def empty_audit(self):
        """What was written so far is not needed, and a long run would fill the disk with it."""
        audit = self.place.folder / "audit.jsonl"
        if audit.exists():
            os.truncate(audit, 0)

    def end(self):
        if self.process:
            self.place.bench.processes.end(self.process)
        self.empty_audit()


class Subject:
    """One thing that is measured. `judges` says that it is a gateway that decides, not a plain proxy."""

    judges = False
    other = False
    tls = True
    streams = True
    algorithm = "HS256"
    path = "/mcp"
    headers = {}

    def __init__(self, name):
        self.name = name

    def start(self, place):
        command, environment = self.command(place)
        process = place.bench.processes.start(command, machine.PROXY_CPU, place.folder / "log", environment)
        try:
            machine.wait_for_port(place.port, process)
        except RuntimeError as error:
            place.bench.processes.end(process)
            said = (place.folder / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{error}\n{said}") from None
        return Running(self, place, process)


class Direct(Subject):
    tls = False

    def start(self, place):
        return Running(self, place, None)


class Nginx(Subject):
    def command(self, place):
        listen = f"127.0.0.1:{place.port}" + (" ssl http2" if place.tls else "")
        tls = f"ssl_certificate {place.cert}; ssl_certificate_key {place.key};" if place.tls else ""
        # A stream in which nothing happens stays in a buffer otherwise, its head included.
        buffering = "proxy_buffering off;" if place.streams else ""
        kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        folders = " ".join(f"{kind}_temp_path {place.folder}/{kind};" for kind in kinds)
        (place.folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {place.folder}/pid; error_log stderr crit; user {user()};
# With fewer it begins to close connections long before there are that many.
events {{ worker_connections 24000; }}
http {{
  access_log off; client_max_body_size 8m; keepalive_requests 100000000; {folders}
  upstream server {{ server 127.0.0.1:{place.upstream_port}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen {listen} backlog=4096; {tls} {buffering}
    location / {{
      proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 900s;
    }}
  }}
}}
""")
        return ["nginx", "-c", place.folder / "nginx.conf", "-p", place.folder], None


def user():
    import getpass

    return getpass.getuser()


class Haproxy(Subject):
    def command(self, place):
        bind = f"127.0.0.1:{place.port}"
        if place.tls:
            both = place.folder / "both.pem"
            both.write_text(place.cert.read_text() + place.key.read_text())
            bind += f" ssl crt {both} alpn h2,http/1.1"
        (place.folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 9950
defaults
  mode http
  timeout connect 5s
  timeout client 900s
  timeout client-fin 2s
  option abortonclose
  timeout server 900s
  http-reuse always
listen all
  bind {bind}
  server server 127.0.0.1:{place.upstream_port}
""")
        return ["haproxy", "-db", "-f", place.folder / "haproxy.cfg"], None


class Pingora(Subject):
    def command(self, place):
        tls = [place.cert, place.key] if place.tls else []
        listen, upstream = f"127.0.0.1:{place.port}", f"127.0.0.1:{place.upstream_port}"
        return [place.bench.programs["passthrough"], listen, upstream, *tls], None


class Toolgate(Subject):
    judges = True

    def __init__(self, name, unix=False):
        super().__init__(name)
        self.unix = unix

    def command(self, place):
        bench, keys = place.bench, place.bench.mint.folder
        upstream = f"http://127.0.0.1:{place.upstream_port}/mcp"
        if self.unix:
            upstream = f"unix:{bench.upstream_sockets[place.kind]}#/mcp"
        issuers = [{"issuer": ISSUERS["HS256"], "secret_file": str(keys / "HS256"), "audience": AUDIENCE}]
        for name in ("RS256", "ES256"):
            file = str(keys / f"{name}.jwks")
            issuers.append({"issuer": ISSUERS[name], "jwks_file": file, "audience": AUDIENCE})
        settings = {
            "upstream": upstream,
            "policy": str(place.folder / "policy.yaml"),
            "listen": f"127.0.0.1:{place.port}",
            "admin": f"127.0.0.1:{machine.free_port()}",
            "threads": 1,
            "audit": {"file": str(place.folder / "audit.jsonl")},
            "issuers": issuers + place.issuers,
        }
        if place.tls:
            settings["tls"] = {"cert": str(place.cert), "key": str(place.key)}
        # JSON is YAML.
        (place.folder / "policy.yaml").write_text(json.dumps(policy(place.rules)))
        (place.folder / "toolgate.yaml").write_text(json.dumps(settings))
        return [bench.programs["toolgate"], "serve", "--config", place.folder / "toolgate.yaml"], None


def policy(rules):
    """Even tools are the caller's, odd ones are not; the rest of the rules is about tools that nobody lists."""
    tools = {}
    for number in range(0, min(300, 2 * rules - 4), 2):
        tools[f"tool_{number}"] = {"scopes": ["tools:even"]}
    tools["tool_1"] = {"scopes": ["tools:odd"]}
    for number in range(rules):
        if len(tools) >= rules:
            break
        if number % 2:
            tools[f"report_{number}_*"] = {"any_of": [["reports:read"], ["area_1:read", "reports:all"]]}
        else:
            tools[f"job_{number}"] = {"scopes": ["jobs:run"]}
    return {"version": 1, "tools": tools}


class Other(Subject):
    """A gateway that the user describes; see `others.example.toml`."""

    other = True
    tls = False
    algorithm = "RS256"

    def __init__(self, entry):
        super().__init__(entry["name"])
        self.entry = entry
        self.judges = entry.get("judges", True)
        self.streams = entry.get("streams", False)
        self.path = entry.get("path", "/mcp")
        self.headers = entry.get("headers", {})

    def start(self, place):
        running = super().start(place)
        if self.entry.get("session", False):
            try:
                running.headers["Mcp-Session-Id"] = load.begin_session(running, place.bench.mint.one(self.algorithm))
            except BaseException:
                running.end()
                raise
        return running

    def command(self, place):
        names = {
            "port": place.port,
            "upstream": f"http://127.0.0.1:{place.upstream_port}/mcp",
            "upstream_port": place.upstream_port,
            "folder": place.folder,
            "jwks_file": place.bench.mint.folder / f"{self.algorithm}.jwks",
            "jwks_url": place.bench.keys_url(self.algorithm),
            "issuer": ISSUERS[self.algorithm],
            "audience": AUDIENCE,
            **{f"free_port_{number}": machine.free_port() for number in (1, 2, 3)},
        }

        def fill(text):
            for name, value in names.items():
                text = text.replace(f"@{name}@", str(value))
            return text

        for name, text in self.entry.get("files", {}).items():
            (place.folder / name).write_text(fill(text))
        environment = {name: fill(value) for name, value in self.entry.get("environment", {}).items()}
        return [fill(part) for part in self.entry["command"]], environment


def known():
    every = [Direct("direct"), Nginx("nginx"), Haproxy("haproxy"), Pingora("pingora"), Toolgate("toolgate")]
    return every + [Toolgate("toolgate-unix", unix=True)]


def others(path):
    entries = tomllib.loads(path.read_text())["gateway"]
    return [Other(entry) for entry in entries]
