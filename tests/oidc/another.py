"""The other OpenID Provider, in idpy.py: started, and asked for tokens."""

import base64
import itertools
import json
import re
import urllib.error
import urllib.parse
import urllib.request

import servers
from provider import PERSON, code_flow
from servers import Server

SECRET = "a-secret-of-this-test-and-no-other"
SECONDS = 60


class Another(Server):
    """A running provider for `resources`. `issued` is every token it gave through here."""

    def __init__(self, python, program, resources, port=None, form="jwt", lifetime=600):
        self.port = port or servers.free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.resources = resources
        self.issued = []
        self._machines = itertools.count()
        super().__init__(
            [python, program],
            IDPY_PORT=str(self.port),
            IDPY_FORMAT=form,
            IDPY_LIFETIME=str(lifetime),
            IDPY_RESOURCES=json.dumps(resources),
        )
        try:
            self.printed(re.compile(r"^provider (\S+)$"))
        except BaseException:
            self.stop()
            raise

    def _post(self, path, client, form):
        authorization = "Basic " + base64.b64encode(f"{client}:{SECRET}".encode()).decode()
        body = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{self.issuer}{path}", body, {"Authorization": authorization})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            with refused:
                raise RuntimeError(f"{path} for {client}: {refused.code} {refused.read().decode()}") from None

    def _tokens(self, client, form):
        tokens = self._post("/token", client, form)
        self.issued += [token for name, token in tokens.items() if name.endswith("_token")]
        return tokens

    def token(self, resource=None):
        """A token for a machine (client_credentials), with all scopes; without a resource it is for nobody."""
        name = "machine" if resource is None else f"machine{self.resources.index(resource)}"
        return self._tokens(f"{name}.{next(self._machines)}", {"grant_type": "client_credentials"})["access_token"]

    def person_token(self, resource, scope="public:read"):
        """A token for a person (authorization_code with PKCE)."""
        return self.person_tokens(resource, scope)["access_token"]

    def person_tokens(self, resource, scope="public:read"):
        """All tokens for a person."""
        return self._tokens(PERSON, code_flow(f"{self.issuer}/authorization", resource, f"openid {scope}"))

    def introspect(self, token):
        """What the provider says of a token."""
        return self._post("/introspection", "gateway", {"token": token})
