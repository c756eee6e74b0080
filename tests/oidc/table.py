"""The table of docs/src/tokens.md, measured: each row is asked of a running program, and says what the cell must say.

A row is a function of a `Subject`, the program that is asked; it returns the text of the cell. `None` means that this
subject has no setting for it that could be measured.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import dropwhile, takewhile
from pathlib import Path

import jwt
import keys
from issuer import ALGORITHMS, SECRET, Issuer, Key, signed, thumbprint
from stage import scenario

BOOK = Path(__file__).resolve().parent.parent.parent / "docs" / "src" / "tokens.md"
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven"]
FORGED = 40
AT_ONCE = 3
ROWS = {}


def row(label):
    """Registers a row under its first cell."""

    def register(function):
        ROWS[label] = function
        return function

    return register


def book(column):
    """{first cell: cell of this column} of the table in the book."""
    lines = dropwhile(lambda line: not line.startswith("| | toolgate |"), BOOK.read_text().splitlines())
    lines = takewhile(lambda line: line.startswith("|"), lines)
    head, _, *table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    at = head.index(column)
    return {line[0]: line[at] for line in table}


class Subject:
    """toolgate. `start` brings a gateway that trusts the issuers on these terms: audience, leeway, …"""

    def __init__(self, stage):
        self.stage = stage

    def issuer(self, *keys):
        return self.stage.enter(Issuer(*keys))

    def start(self, *issuers, listed=(), **terms):
        """A gateway; `listed` are issuers on terms of their own."""
        ours = [{"issuer": issuer.url, "min_refetch_interval": "1s", **terms} for issuer in issuers]
        return self.stage.gateway(*ours, *listed)

    def secret(self, issuer, alg):
        """One that trusts a shared secret."""
        file = self.stage.file(SECRET)
        return self.start(listed=[{"issuer": issuer.url, "secret_file": file, "algorithms": [alg]}])

    def introspecting(self, issuer):
        asked = {"client_id": "gateway", "client_secret_file": self.stage.file(SECRET)}
        return self.start(issuer, introspection=asked)

    def asking(self, issuer):
        """One that asks a verifier."""
        return self.start(listed=[{"issuer": issuer.url, "verifier": {"url": f"{issuer.url}/verify"}}])

    def said_nothing_of_audience(self, issuer):
        return self.start(issuer)

    def any_audience(self, issuer):
        return self.start(issuer, audience=[])

    def with_leeway(self, issuer, seconds):
        return self.start(issuer, leeway=f"{seconds}s")

    def reading(self, issuer, path):
        """One that reads the scopes from the claim at this path."""
        return self.start(issuer, scope_claims=[path])

    def for_old_clients(self, issuer):
        return self.start(issuer)

    def strictly(self, issuer):
        """One that accepts nothing that could be an ID token."""
        return self.start(issuer, access_tokens_only=True)


def yes(holds):
    return "yes" if holds else "no"


@row("signatures")
def signatures(subject):
    pairs = [Key(alg) for alg in ALGORITHMS]
    issuer = subject.issuer(*pairs)
    gateway = subject.start(issuer)
    accepted = {key.alg for key in pairs if gateway.accepts(key.sign(issuer.claims(gateway.resource)))}
    parts = []
    rsa = [name for name in ("RS", "PS") if {f"{name}{bits}" for bits in (256, 384, 512)} <= accepted]
    if rsa:
        parts.append(f"{', '.join(rsa)} 256/384/512")
    parts += [alg for alg in ALGORITHMS if alg in accepted and alg[:2] not in rsa]
    return ", ".join(parts)


@row("HS256/384/512 with a shared secret")
def shared_secret(subject):
    held = []
    for alg in ("HS256", "HS384", "HS512"):
        issuer = subject.issuer()
        gateway = subject.secret(issuer, alg)
        if gateway is None:
            return None
        token = signed(alg, SECRET, {"alg": alg, "typ": "JWT"}, issuer.claims(gateway.resource))
        other = signed(alg, SECRET[::-1], {"alg": alg, "typ": "JWT"}, issuer.claims(gateway.resource))
        held.append(gateway.accepts(token) and not gateway.accepts(other))
    return yes(all(held))


@row("keys by discovery of the issuer")
def discovery(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    accepted = gateway.accepts(issuer.token(gateway.resource))
    return yes(accepted and any("/.well-known/" in path for path in issuer.hits) and issuer.hits["/jwks"])


@row("keys fetched again for an unknown `kid`")
def unknown_kid(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    if not gateway.accepts(issuer.token(gateway.resource)):
        return "no"
    began = time.monotonic()
    gateway.until(lambda: time.monotonic() > began + 1, "the interval has passed")
    issuer.keys = [Key("ES256")]
    if not gateway.accepts(issuer.token(gateway.resource)):
        return "no"
    # Together they are done long before the time that a fetch by each would take.
    before, began = issuer.hits["/jwks"], time.monotonic()
    forged = [Key("ES256").sign(issuer.claims(gateway.resource)) for _ in range(FORGED)]
    with ThreadPoolExecutor(8) as pool:
        statuses = {answer.status for answer in pool.map(gateway.call, forged)}
    fetched, intervals = issuer.hits["/jwks"] - before, int(time.monotonic() - began) + 1
    if 200 in statuses:
        return "yes, and forged ones are accepted"
    return "yes, once per interval" if fetched <= intervals else f"yes, {fetched} times for {FORGED}"


@row("one bad key in the set spoils it")
def bad_key(subject):
    good = Key("ES256")
    off_the_curve = {**good.jwk(), "kid": "off", "x": good.jwk()["y"]}
    bad = [off_the_curve, {"kty": "RSA", "kid": "half"}, {"kty": "unheard of", "kid": "odd"}]
    spoilt = []
    for others in ([], *([key] for key in bad), bad):
        issuer = subject.issuer(good)
        issuer.others = others
        gateway = subject.start(issuer)
        spoilt.append(not gateway.accepts(issuer.token(gateway.resource)))
    return "yes" if any(spoilt) else "no"


@row("tokens without `kid`")
def no_kid(subject):
    most = 0
    for count in range(1, len(NUMBERS)):
        issuer = subject.issuer(*(Key("ES256") for _ in range(count)))
        gateway = subject.start(issuer)
        # Whichever it tries first, another must be tried as well.
        if not all(gateway.accepts(key.sign(issuer.claims(gateway.resource), kid=None)) for key in issuer.keys):
            break
        most = count
    if most == 0:
        return "no"
    if most == len(NUMBERS) - 1:
        return "yes"
    return "yes, if one key fits" if most == 1 else f"yes, up to {NUMBERS[most]} keys that fit"


@row("opaque tokens by introspection")
def introspection(subject):
    issuer = subject.issuer()
    gateway = subject.introspecting(issuer)
    if gateway is None:
        return None
    issuer.active = {"active": issuer.claims(gateway.resource), "elsewhere": issuer.claims("https://other.test")}
    accepted = [gateway.accepts(token) for token in ("active", "elsewhere", "unknown")]
    return yes(accepted == [True, False, False] and issuer.hits["/introspect"] == 3)


@row("a verifier of your own")
def verifier(subject):
    issuer = subject.issuer()
    gateway = subject.asking(issuer)
    if gateway is None:
        return None
    issuer.active = {"active": issuer.claims(gateway.resource), "elsewhere": issuer.claims("https://other.test")}
    accepted = [gateway.accepts(token) for token in ("active", "elsewhere", "unknown")]
    return "yes, over HTTP" if accepted == [True, False, False] and issuer.hits["/verify"] == 3 else "no"


@row("audience")
def audience(subject):
    issuer = subject.issuer()
    gateway, loose = subject.start(issuer), subject.any_audience(issuer)
    good = [gateway.resource, [gateway.resource], ["https://other.test", gateway.resource]]
    bad = ["https://other.test", f"{gateway.resource}/", [], 7]
    if not all(gateway.accepts(issuer.token(aud)) for aud in good):
        return "no"
    if any(gateway.accepts(issuer.token(aud)) for aud in bad):
        return "no"
    none_or_other = [issuer.token(None), issuer.token("https://other.test")]
    usual = subject.said_nothing_of_audience(issuer)
    if gateway.accepts(issuer.token(None)) or any(usual.accepts(token) for token in none_or_other):
        return "optional"
    return "required, unless switched off" if all(loose.accepts(token) for token in none_or_other) else "required"


@row("several issuers")
def several_issuers(subject):
    one, two = subject.issuer(Key("ES256", "same")), subject.issuer(Key("ES256", "same"))
    gateway = subject.start(one, two)
    own = [gateway.accepts(issuer.token(gateway.resource)) for issuer in (one, two)]
    crossed = [
        gateway.accepts(signer.keys[0].sign(named.claims(gateway.resource)))
        for named, signer in ((one, two), (two, one))
    ]
    unknown = gateway.accepts(one.keys[0].sign(one.claims(gateway.resource, iss="https://other.test")))
    if not all(own):
        return "no"
    return "yes" if any(crossed) or unknown else "yes, by `iss` only"


@row("leeway")
def leeway(subject):
    issuer = subject.issuer()

    def accepts(gateway, late):
        return gateway.accepts(issuer.token(gateway.resource, exp=int(time.time()) - late))

    usual, none, large = subject.start(issuer), subject.with_leeway(issuer, 0), subject.with_leeway(issuer, 300)
    default = next((seconds for seconds in (60, 5) if accepts(usual, seconds - 5)), 0)
    if accepts(usual, default + 5):
        return "no limit"
    is_configured = accepts(large, 200) and not accepts(large, 400) and not accepts(none, 5)
    return f"configurable, {default} s by default" if is_configured else f"fixed, {default} s"


@row("`nbf`")
def not_before(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    early, now = (gateway.accepts(issuer.token(gateway.resource, nbf=int(time.time()) + at)) for at in (600, -1))
    return yes(now and not early)


@row("scopes read from")
def scope_claims(subject):
    issuer = subject.issuer()
    usual = subject.start(issuer)

    def reads(gateway, name, value):
        claims = {"scope": None, name: value}
        return gateway.accepts(issuer.token(gateway.resource, **claims))

    forms = [(usual, name) for name in ("scope", "scopes", "scp", "permissions", "roles")]
    found = [name for gateway, name in forms if reads(gateway, name, "x:y public:read")]
    arrays = [name for gateway, name in forms if reads(gateway, name, ["x:y", "public:read"])]
    text = ", ".join(f"`{name}`" for name in found)
    configured = subject.reading(issuer, "realm_access.roles")
    if configured:
        read = [reads(configured, "realm_access", {"roles": value}) for value in ("public:read", ["public:read"])]
        text += ", or any path" if all(read) else ""
    return f"{text}; string or array" if arrays == found else text


@row("bound tokens: DPoP, certificates")
def bound(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    key = keys.new_key()
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    token = issuer.token(gateway.resource, cnf={"jkt": thumbprint(jwk)})
    proof = keys.proof(key, "POST", gateway.resource, token)
    with_proof = gateway.call(f"DPoP {token}", DPoP=proof).status == 200
    to_a_certificate = issuer.token(gateway.resource, cnf={"x5t#S256": thumbprint(jwk)})
    stolen = gateway.accepts(token) or gateway.accepts(to_a_certificate)
    return yes(with_proof and not stolen)


@row("ID tokens, and tokens of other kinds, refused")
def other_kinds(subject):
    issuer = subject.issuer()
    gateway, strict = subject.start(issuer), subject.strictly(issuer)
    sign = issuer.keys[0].sign
    claims = issuer.claims(gateway.resource)
    kinds = ["oauth-id-jag+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "token-introspection+jwt"]
    told = [sign(claims, typ=kind) for kind in kinds] + [sign({**claims, "nonce": "n"}, typ="JWT")]
    accepted = [gateway.accepts(token) for token in told]
    if not gateway.accepts(sign(claims)):
        return "all tokens are"
    if any(accepted):
        return "no"
    could_be = {**issuer.claims("a-client"), "client_id": None}
    is_refused_if_asked = strict is None or not strict.accepts(sign(could_be, typ="JWT"))
    return "where they can be told" if is_refused_if_asked else "in part"


@row("a claim or member that stands twice")
def twice(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    key, claims = issuer.keys[0], issuer.claims(gateway.resource)
    rest = json.dumps(claims)[1:]
    header = f'{{"alg":"none","alg":"{key.alg}","kid":"{key.kid}","typ":"at+jwt"}}'
    tokens = [
        key.sign(f'{{"sub":"mallory",{rest}'),
        key.sign(f'{{"\\u0073ub":"mallory",{rest}'),
        signed(key.alg, key.private, header, claims),
    ]
    accepted = [gateway.accepts(token) for token in tokens]
    return "accepted" if all(accepted) else "in part" if any(accepted) else "refused"


@row("403 `insufficient_scope` per tool, with all scopes")
def insufficient(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    answer = gateway.call(issuer.token(gateway.resource, scope="x:y"), "get_confidential_info")
    if answer.status != 403:
        return "no"
    if answer.parameter("scope") is None:
        return "without scopes"
    told = set(answer.parameter("scope").split())
    is_whole = {"public:read", "confidential:read"} <= told and answer.error == "insufficient_scope"
    other = gateway.call(issuer.token(gateway.resource, scope="x:y"), "get_public_info")
    return yes(is_whole and other.parameter("scope") == "public:read")


@row("one bearer challenge, `resource_metadata` and `scope`")
def challenge(subject):
    gateway = subject.start(subject.issuer())
    answer = gateway.call(None)
    lines = answer.headers.get_all("WWW-Authenticate") or []
    if answer.status != 401 or len(lines) != 1 or not lines[0].startswith("Bearer "):
        return "no"
    told = [name for name in ("resource_metadata", "scope") if answer.parameter(name)]
    return "yes" if len(told) == 2 else ", ".join(f"`{name}`" for name in told) or "no"


@row("protected-resource metadata (RFC 9728)")
def metadata(subject):
    issuer = subject.issuer()
    gateway = subject.start(issuer)
    found = 0
    for path in ("/mcp", ""):
        answer = gateway.get(f"/.well-known/oauth-protected-resource{path}")
        told = json.loads(answer.text) if answer.status == 200 else {}
        found += (told.get("resource"), told.get("authorization_servers")) == (gateway.resource, [issuer.url])
    return ["no", "yes", "yes, at both places"][found]


@row("the issuer's metadata passed on, for old clients")
def passed_on(subject):
    gateway = subject.for_old_clients(subject.issuer())
    if gateway is None:
        return None
    paths = ["oauth-authorization-server", "openid-configuration", "oauth-authorization-server/mcp"]
    return yes(any(gateway.get(f"/.well-known/{path}").status == 200 for path in paths))


@row("with no issuer configured")
def nobody_trusted(subject):
    try:
        gateway = subject.start()
    except RuntimeError as failed:
        return "does not start" if "ended with 78" in str(failed) else str(failed)
    return "lets all pass" if gateway.call(None).status == 200 else "refuses all"


@scenario("the table in the book says of toolgate what toolgate does")
def comparison(stage):
    said = book("toolgate")
    stage.expect("each row is measured, and each measurement is a row", set(said) == set(ROWS), set(said) ^ set(ROWS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        cells = pool.map(lambda measure: measure(Subject(stage)), ROWS.values())
        for label, cell in zip(ROWS, cells, strict=True):
            stage.expect(f"{label}: {cell}", said.get(label) == cell, f"the book says {said.get(label)}")
    stage.note(f"{len(ROWS)} rows")
