"""An issuer made for one test: any keys, any tokens, and counts of what it was asked."""

import base64
import hashlib
import json
import secrets
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SIGNERS = jwt.algorithms.get_default_algorithms()
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
ALGORITHMS = [*(f"{family}{bits}" for family in ("RS", "PS") for bits in (256, 384, 512)), *CURVES, "EdDSA"]
SECRET = "a-shared-secret-of-more-than-64-bytes-for-the-longest-of-the-three-digests"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A key pair for one algorithm."""

    def __init__(self, alg, kid=None):
        self.alg, self.kid = alg, kid or secrets.token_hex(8)
        if alg in CURVES:
            self.private = ec.generate_private_key(CURVES[alg]())
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(65537, 2048)

    def jwk(self):
        jwk = type(SIGNERS[self.alg]).to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "use": "sig", "alg": self.alg, "kid": self.kid, "key_ops": ["verify"]}

    def sign(self, payload, **header):
        """A token with this payload, as claims or as text; a header parameter that is None is left out."""
        header = {"alg": self.alg, "kid": self.kid, "typ": "at+jwt"} | header
        return signed(self.alg, self.private, {name: value for name, value in header.items() if value}, payload)


def signed(alg, key, header, payload):
    header, payload = (part if isinstance(part, str) else json.dumps(part) for part in (header, payload))
    text = f"{encoded(header.encode())}.{encoded(payload.encode())}"
    signer = SIGNERS[alg]
    return f"{text}.{encoded(signer.sign(text.encode(), signer.prepare_key(key)))}"


class Issuer(ThreadingHTTPServer):
    """Serves metadata, keys and, if it is told what is active, introspection and a verifier's verdicts."""

    daemon_threads = True

    def __init__(self, *keys):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.keys = list(keys) or [Key("ES256")]
        self.others = []  # what else stands in the key set
        self.active = {}  # claims of opaque tokens
        self.hits = Counter()
        Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *failure):
        self.shutdown()
        super().__exit__(*failure)

    def claims(self, audience, **changes):
        """The claims of a good token; those that are changed to None are left out."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": audience, "sub": "alice", "client_id": "a-client", "scope": "public:read"}
        claims |= {"iat": now - 600, "exp": now + 600, "jti": secrets.token_urlsafe(16)} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, audience, **changes):
        return self.keys[0].sign(self.claims(audience, **changes))

    def document(self, path, asked):
        if path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
            return {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "introspection_endpoint": f"{self.url}/introspect",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "code_challenge_methods_supported": ["S256"],
            }
        if path == "/jwks":
            return {"keys": [*self.others, *(key.jwk() for key in self.keys)]}
        if path == "/introspect":
            return self.said_of(parse_qs(asked)["token"][0])
        if path == "/verify":
            return self.said_of(json.loads(asked)["token"])
        return None

    def said_of(self, token):
        claims = self.active.get(token)
        return {"active": True, **claims} if claims else {"active": False}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.hits[self.path] += 1
        document = self.server.document(self.path, asked)
        body = json.dumps(document).encode()
        self.send_response(404 if document is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def thumbprint(jwk):
    """RFC 7638, of an elliptic curve's key."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    return encoded(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())
