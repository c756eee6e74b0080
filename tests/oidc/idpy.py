"""Another OpenID Provider on loopback: idpy-oidc, of the family behind SATOSA. Nobody has to click.

    IDPY_PORT=9400 IDPY_FORMAT=jwt|opaque IDPY_LIFETIME=600 IDPY_RESOURCES='["https://…"]' python idpy.py

This file is its configuration and the HTTP around it. What it issues, signs, publishes, exchanges and introspects is
the library's own doing. Its clients: `person`; `gateway`, which introspects and exchanges; `machine.N`, whose tokens
are of nobody and for nobody, and `machineR.N`, whose tokens are for the resource R of the list. Each of the machines
is good for one token: the library stumbles over a second.
Its keys are new whenever it starts.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qsl, urlsplit

from idpyoidc.server import Server
from idpyoidc.server.configure import OPConfiguration
from idpyoidc.server.exception import OidcEndpointError
from idpyoidc.server.token.jwt_token import JWTToken

PORT = int(os.environ["IDPY_PORT"])
ISSUER = f"http://127.0.0.1:{PORT}"
LIFETIME = int(os.environ.get("IDPY_LIFETIME", "600"))
RESOURCES = json.loads(os.environ.get("IDPY_RESOURCES", "[]"))
SCOPES = ["openid", "public:read", "confidential:read", "demo:tools"]
# The library takes Basic credentials as they come, without decoding them (RFC 6749 §2.3.1 has them encoded).
SECRET = "a-secret-of-this-test-and-no-other"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
HELPERS = "idpyoidc.server.oauth2.token_helper"
KEYS = [
    {"type": "RSA", "use": ["sig"]},
    {"type": "EC", "crv": "P-256", "use": ["sig"]},
]
AUDIENCES = {"machine": [], **{f"machine{at}": [resource] for at, resource in enumerate(RESOURCES)}}
MACHINES = {f"{name}.{at}": audience for name, audience in AUDIENCES.items() for at in range(20)}


class Token(JWTToken):
    """The library's place for claims of one's own: `sub` and `client_id`, which machines' tokens lack (RFC 9068)."""

    def load_custom_claims(self, payload=None):
        sessions = self.upstream_get("context").session_manager
        client_id = sessions.decrypt_branch_id(payload["sid"])[1]
        return {"sub": client_id, "client_id": client_id, **payload} if MACHINES.get(client_id) else payload


FORMATS = {
    "jwt": {"class": f"{__name__}.Token", "kwargs": {"lifetime": LIFETIME, "alg": "ES256"}},
    "opaque": {"kwargs": {"lifetime": LIFETIME}},
}


def client(*grants, **more):
    return {
        "client_secret": SECRET,
        "client_salt": "salt",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types_supported": list(grants),
        "allowed_scopes": SCOPES,
        "response_types_supported": ["code"],
        "redirect_uris": [("http://127.0.0.1/callback", {})],
    } | more


def configuration():
    mints = {"supports_minting": ["access_token"]}
    return {
        "issuer": ISSUER,
        "httpc_params": {"verify": False},
        "key_conf": {"uri_path": "jwks.json", "key_defs": KEYS},
        "preference": {"scopes_supported": SCOPES, "response_types_supported": ["code"]},
        "endpoint": {
            "provider_config": {
                "path": ".well-known/openid-configuration",
                "class": "idpyoidc.server.oidc.provider_config.ProviderConfiguration",
                "kwargs": {},
            },
            "authorization": {
                "path": "authorization",
                "class": "idpyoidc.server.oidc.authorization.Authorization",
                "kwargs": {"response_types_supported": ["code"], "response_modes_supported": ["query"]},
            },
            "token": {
                "path": "token",
                "class": "idpyoidc.server.oauth2.token.Token",
                "kwargs": {
                    "client_authn_method": ["client_secret_basic", "client_secret_post"],
                    "grant_types_helpers": {
                        "authorization_code": {"class": f"{HELPERS}.access_token.AccessTokenHelper"},
                        "client_credentials": {"class": f"{HELPERS}.client_credentials.ClientCredentials"},
                        EXCHANGE: {
                            "class": f"{HELPERS}.token_exchange.TokenExchangeHelper",
                            "kwargs": {
                                "requested_token_types_supported": [ACCESS_TOKEN],
                                "policy": {
                                    "": {
                                        "function": f"{HELPERS}.validate_token_exchange_policy",
                                        "kwargs": {"resource": RESOURCES, "audience": RESOURCES},
                                    }
                                },
                            },
                        },
                    },
                },
            },
            "introspection": {
                "path": "introspection",
                "class": "idpyoidc.server.oauth2.introspection.Introspection",
                "kwargs": {
                    "client_authn_method": ["client_secret_basic", "client_secret_post"],
                    "enforce_audience_restriction": False,
                },
            },
        },
        "authentication": {
            "anon": {
                "acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",
                "class": "idpyoidc.server.user_authn.user.NoAuthn",
                "kwargs": {"user": "diana"},
            }
        },
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": {"diana": {}}}},
        "authz": {
            "class": "idpyoidc.server.authz.AuthzHandling",
            "kwargs": {
                "grant_config": {
                    "usage_rules": {
                        "authorization_code": mints | {"max_usage": 1},
                        "access_token": mints | {"expires_in": LIFETIME},
                    }
                }
            },
        },
        "token_handler_args": {
            "jwks_def": {"read_only": True, "key_defs": [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": "code"}]},
            "code": {"lifetime": 60},
            "token": FORMATS[os.environ.get("IDPY_FORMAT", "jwt")],
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {}},
        },
        "add_on": {
            "pkce": {
                "function": "idpyoidc.server.oauth2.add_on.pkce.add_support",
                "kwargs": {"essential": True, "code_challenge_methods": {"S256": None}},
            }
        },
    }


def meant_for(_context, client_id, arguments):
    """The library's place to say whom the tokens of a machine are for: it ignores `resource` for these."""
    audience = MACHINES.get(client_id)
    return {**arguments, "resources": audience} if audience else arguments


class Provider:
    """The library's server with its clients."""

    def __init__(self):
        self.server = Server(OPConfiguration(conf=configuration(), base_path="/nowhere"), cwd="/nowhere")
        self.context = self.server.context
        self.context.token_args_methods.append(meant_for)
        machines = {name: client("client_credentials") for name in MACHINES}
        people = {"person": client("authorization_code"), "gateway": client(EXCHANGE)}
        for name, terms in {**machines, **people}.items():
            self.context.cdb[name] = terms
            self.server.keyjar.add_symmetric(name, terms["client_secret"])

    def answer(self, path, form, authorization):
        """(status, headers, body)"""
        if path == "/jwks.json":
            return told(self.server.keyjar.export_jwks(issuer_id=ISSUER))
        endpoint = next((e for e in self.server.endpoint.values() if urlsplit(e.full_path).path == path), None)
        if endpoint is None:
            return told({"error": "not_found"}, 404)
        http = {"headers": {"authorization": authorization} if authorization else {}}
        try:
            asked = endpoint.parse_request(form, http)
            arguments = asked if "error" in asked else endpoint.process_request(asked, http_info=http)
        except OidcEndpointError as refused:
            return told({"error": "invalid_client", "error_description": str(refused)}, 401)
        if "error" in arguments:
            return told({name: arguments[name] for name in arguments.keys()}, 400)
        said = endpoint.do_response(request=asked, **arguments)
        if path == "/authorization":
            return 302, {"Location": said["response"]}, b""
        return 200, dict(said["http_headers"]), said["response"].encode()


def told(document, status=200):
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


class Handler(BaseHTTPRequestHandler):
    provider = Provider()
    one_at_a_time = Lock()

    def do_GET(self):
        asked = urlsplit(self.path)
        self.put(asked.path, asked.query)

    def do_POST(self):
        self.put(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def put(self, path, form):
        form = dict(parse_qsl(form))
        if "resource" in form:
            form["resource"] = [form["resource"]]  # it may be repeated (RFC 8707 §2)
        with self.one_at_a_time:
            answer = self.provider.answer(path, form, self.headers["Authorization"])
        self.say(*answer)

    def say(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    listening = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    print(f"provider {ISSUER}", flush=True)
    listening.serve_forever()
