"""Keys, tokens, a certificate: made anew for each run."""

import base64
import hashlib
import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ISSUERS = {"HS256": "https://hs.example", "RS256": "https://rs.example", "ES256": "https://es.example"}
AUDIENCE = "compare"
# Half of the tools, and as many other scopes as a provider likes to send.
SCOPE = " ".join(["tools:even", *(f"area_{number}:read" for number in range(12))])


class Mint:
    """Keys of all three algorithms below `folder`, and tokens signed with them."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        self.expires = int(time.time()) + 6 * 3600
        (folder / "HS256").write_bytes(base64.b64encode(os.urandom(48)))
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        kinds = {"RS256": ["RSA", "rsa_keygen_bits:2048"], "ES256": ["EC", "ec_paramgen_curve:P-256"]}
        for name, (kind, option) in {**kinds, "forged": kinds["ES256"]}.items():
            made = ["openssl", "genpkey", "-algorithm", kind, "-pkeyopt", option, "-outform", "DER"]
            subprocess.run([*made, "-out", folder / f"{name}.raw"], **quiet)
            wrapped = ["openssl", "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER"]
            subprocess.run([*wrapped, "-in", folder / f"{name}.raw", "-out", folder / name], **quiet)
        for name in ("RS256", "ES256"):
            jwk = subprocess.run(
                [program, "jwk", name, folder / name, name], check=True, capture_output=True, text=True
            ).stdout
            (folder / f"{name}.jwks").write_text(json.dumps({"keys": [json.loads(jwk)]}))
        certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        certificate += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run([*certificate, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], **quiet)

    def one(self, algorithm="HS256"):
        return self.many(algorithm, 1).read_text().strip()

    def many(self, algorithm, count, key=None, kid=None, issuer=None):
        """A file with `count` tokens of as many subjects, one a line."""
        key, kid, issuer = key or algorithm, kid or algorithm, issuer or ISSUERS[algorithm]
        name = hashlib.sha256(f"{algorithm} {count} {key} {kid} {issuer}".encode()).hexdigest()[:12]
        path = self.folder / f"tokens-{name}"
        if not path.exists():
            command = [self.program, algorithm, self.folder / key, kid, issuer, AUDIENCE, SCOPE]
            with open(path, "wb") as output:
                subprocess.run([*command, str(self.expires), str(count)], check=True, stdout=output, timeout=300)
        return path


class KeyServer:
    """An issuer's keys over HTTP, and how often they were fetched."""

    def __init__(self, jwks):
        self.fetches = 0
        document = jwks.read_bytes()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.fetches += 1
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
