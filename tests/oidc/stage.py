"""What a scenario has at hand, and how one is written down."""

import json
import secrets
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import drive
import keys
from another import Another
from environment import clean_environment
from gateway import Gateway
from provider import Provider

HERE = Path(__file__).resolve().parent
SCENARIOS = {}


class Unmet(Exception):
    """What a scenario begins with was not so; it is among what is wrong."""


def scenario(title):
    """Registers a function of a `Stage` under its name."""

    def register(function):
        SCENARIOS[function.__name__] = (title, function)
        return function

    return register


@dataclass
class Parts:
    """What is made once for all scenarios."""

    clients: object
    packages: Path  # where the provider's node_modules are
    another_python: Path  # of the venv that has the other provider
    toolgate: Path
    upstream: str  # its endpoint


class Stage:
    """One scenario: it starts servers of its own, and all it expects is noted."""

    def __init__(self, parts):
        self.parts = parts
        self.wrong = []
        self.notes = []
        self.gateway_key = keys.new_key()
        self._providers, self._gateways = [], []
        self._stack = ExitStack()

    def __enter__(self):
        self._stack.__enter__()
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="toolgate-oidc-")))
        return self

    def __exit__(self, *failure):
        try:
            return self._stack.__exit__(*failure)
        finally:
            self._look_for_tokens()

    def _look_for_tokens(self):
        """Whatever a gateway printed, no token is in it."""
        issued = [token for provider in self._providers for token in provider.issued]
        for gateway in self._gateways:
            text = "".join(gateway.output)
            # The signature is enough to know a token by, and the secret part of it.
            self.expect("no token is in the output", not any(token.rsplit(".", 1)[-1] in text for token in issued))

    def expect(self, what, holds, seen=None):
        if not holds:
            self.wrong.append(f"not so: {what}" + (f" ({seen})" if seen is not None else ""))

    def require(self, what, holds, seen=None):
        """Like `expect`, where nothing after it would mean anything."""
        self.expect(what, holds, seen)
        if not holds:
            raise Unmet

    def note(self, text):
        """Something measured, shown behind the title."""
        self.notes.append(text)

    def file(self, text):
        """The path of a new file that only we can read."""
        path = self.directory / secrets.token_hex(8)
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    def enter(self, resource):
        """Something else to be closed at the end."""
        return self._stack.enter_context(resource)

    def provider(self, **more):
        program = self.parts.packages / "idp.mjs"
        provider = Provider(self.parts.clients, program, self.gateway_key, **more)
        self._providers.append(provider)
        return self._stack.enter_context(provider)

    def another(self, **more):
        """The other provider."""
        provider = Another(self.parts.another_python, HERE / "idpy.py", **more)
        self._providers.append(provider)
        return self._stack.enter_context(provider)

    def gateway(self, *issuers, **more):
        gateway = Gateway(self.parts, self.directory, list(issuers), **more)
        self._gateways.append(gateway)
        return self._stack.enter_context(gateway)

    def refused(self, answer, what, status=401, error="invalid_token"):
        """Notes an answer that is not this refusal, with its challenge."""
        self.expect(f"{what} is refused with {status}", answer.status == status, answer)
        self.expect(f"{what} is refused with {error}", answer.error == error, answer)
        self.expect(f"{what} is told where to go", answer.parameter("resource_metadata"), answer)

    def flow(self, program, url, **more):
        """What an MCP client program says of its visit, and all it showed."""
        clients = self.parts.clients
        argv = [clients.node, clients.script(program)]
        if program.endswith(".py"):
            argv = [clients.python, HERE / "flows" / program]
        with tempfile.TemporaryDirectory() as home:
            environment = clean_environment(home, MCP_URL=url, PYTHONPATH=str(HERE), **more)
            code, out, err = drive.run(argv, environment)
        if code != 0 or not out.strip():
            raise RuntimeError(f"client ended with {code}: {out}{err}")
        return json.loads(out.splitlines()[-1]), out + err
