"""The OpenID Provider in idp.mjs: started, controlled, and asked for tokens as clients ask."""

import base64
import hashlib
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request

import keys
import servers
from browser import authorize
from servers import Server

REDIRECT = "http://127.0.0.1/callback"
PERSON = "person"
SECONDS = 60


class Provider(Server):
    """A running provider. `issued` is every token it gave through here; `tls` an authority and what it certified."""

    def __init__(self, clients, program, gateway_key, port=None, path="", lifetime=600, tls=None):
        self.port = port or servers.free_port()
        self.path = path
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.issuer = f"{self.origin}{path}"
        self._trust = tls[0].trust() if tls else None
        self.issued = []
        super().__init__(
            [clients.node, program],
            IDP_PORT=str(self.port),
            IDP_PATH=path,
            IDP_TLS=json.dumps(dict(zip(("cert", "key"), tls[1], strict=True))) if tls else "",
            IDP_LIFETIME=str(lifetime),
            IDP_KEY=json.dumps(keys.public_jwk(gateway_key)),
        )
        try:
            self.printed(re.compile(r"^provider (\S+)$"))
        except BaseException:
            self.stop()
            raise

    def _control(self, what):
        with urllib.request.urlopen(f"{self.origin}/_test/{what}", timeout=SECONDS, context=self._trust) as response:
            return json.load(response)

    def hits(self, path):
        return self._control("hits").get(path, 0)

    def rotate(self, drop=False):
        """New signing keys. The old ones stay published, unless they are dropped."""
        self._control("rotate?drop" if drop else "rotate")

    def fail(self, paths, status=503):
        """Answer requests to paths that match with an error from now on."""
        self._control("fail?" + urllib.parse.urlencode({"on": paths, "status": status}))

    def recover(self):
        self._control("fail")

    def _post(self, path, client, form, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if client == PERSON:
            form = {**form, "client_id": PERSON}
        else:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{client}:{client}-secret".encode()).decode()
        request = urllib.request.Request(
            f"{self.issuer}{path}", urllib.parse.urlencode(form).encode(), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=self._trust) as response:
                return response.read()
        except urllib.error.HTTPError as refused:
            with refused:
                raise RuntimeError(f"{path} for {client}: {refused.code} {refused.read().decode()}") from None

    def _tokens(self, client, form, **headers):
        tokens = json.loads(self._post("/token", client, form, **headers))
        self.issued += [token for name, token in tokens.items() if name.endswith("_token")]
        return tokens

    def token(self, resource, scope="public:read", alg="ES256", client=None, **headers):
        """A token for a machine (client_credentials), signed with `alg`."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        return self._tokens(client or alg, form, **headers)["access_token"]

    def bound_token(self, resource, key, **more):
        """A token that only the holder of `key` can use (RFC 9449)."""
        return self.token(resource, DPoP=keys.proof(key, "POST", f"{self.issuer}/token"), **more)

    def person_token(self, *about, **more):
        """A token for a person."""
        return self.person_tokens(*about, **more)["access_token"]

    def person_tokens(self, resource, scope="public:read", who="alice", **more):
        """All tokens for a person (authorization_code with PKCE)."""
        return self._tokens(PERSON, code_flow(f"{self.issuer}/auth", resource, scope, login_hint=who, **more))

    def revoke(self, token, client):
        self._post("/token/revocation", client, {"token": token})


def code_flow(endpoint, resource, scope, **more):
    """What to send to the token endpoint when a person has signed in and consented (with PKCE)."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "client_id": PERSON,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": scope,
        "resource": resource,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    code = authorize(f"{endpoint}?" + urllib.parse.urlencode(asked | more))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "resource": resource}
    return form | {"code_verifier": verifier}
