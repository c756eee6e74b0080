"""Tokens of a real provider at the real gateway: what must be seen on the wire."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import quote

import keys
import servers
from stage import scenario

WELL_KNOWN = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
INTROSPECTION = "/token/introspection"
ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
ANOTHER = "http://127.0.0.1:1/mcp"  # a resource, too
FORGED = 200
USERS = 4
# How long the gateway may keep what it has learned, in the configurations here, and how late it may be.
CACHE_SECONDS = 2
REFRESH_SECONDS = 4
LATE_SECONDS = 8
TOLERANCE_SECONDS = 0.5


def discovered(provider, **more):
    return {"issuer": provider.issuer, **more}


def introspected(stage, provider, auth="basic", **more):
    """An issuer whose opaque tokens the gateway asks about, authenticating in one of three ways."""
    method = {"basic": "client_secret_basic", "post": "client_secret_post"}.get(auth, auth)
    terms = {"client_id": f"gateway:{method}", "auth": auth, "cache": f"{CACHE_SECONDS}s"}
    if auth == "private_key_jwt":
        terms |= {"key_file": stage.file(keys.pem(stage.gateway_key)), "key_id": keys.KEY_ID}
    else:
        terms["client_secret_file"] = stage.file("gateway secret+%:/&=")
    return {"issuer": provider.issuer, "introspection": terms} | more


@scenario("discovery by OpenID Connect alone, by RFC 8414 alone, and of an issuer with a path")
def discovery(stage):
    openid, oauth = WELL_KNOWN
    for path in ["", "/tenant"]:
        provider = stage.provider(path=path)
        for found in [f"{path}{openid}", f"{oauth}{path}"]:
            provider.fail(f"^(?!{found}$).*/.well-known/", status=404)
            gateway = stage.gateway(discovered(provider))
            answer = gateway.call(provider.token(gateway.resource))
            stage.expect(f"a token is accepted with {found}", answer.status == 200, answer)
            stage.expect(f"{found} was asked for", provider.hits(found) >= 1)
            told = json.loads(gateway.get("/.well-known/oauth-protected-resource/mcp").text)
            stage.expect("clients are sent there", told["authorization_servers"] == [provider.issuer], told)


@scenario("metadata that names another issuer is not believed")
def discovery_of_another(stage):
    provider = stage.provider()
    alias = f"http://localhost:{provider.port}"
    gateway = stage.gateway({"issuer": alias}, ready=False)
    gateway.until(lambda: any(provider.hits(path) for path in WELL_KNOWN), "the metadata is asked for")
    answer = gateway.call(provider.token(gateway.resource))
    stage.expect("a token is not accepted", answer.status in (401, 503), answer)
    stage.expect("the gateway is not ready", not gateway.is_ready(), gateway.readiness())
    stage.expect("no keys were fetched", provider.hits("/jwks") == 0)


@scenario("keys from jwks_uri, without discovery")
def keys_without_discovery(stage):
    provider = stage.provider()
    provider.fail("^/.well-known/")
    gateway = stage.gateway(discovered(provider, jwks_uri=f"{provider.issuer}/jwks"))
    stage.expect("a token is accepted", gateway.accepts(provider.token(gateway.resource)))
    stage.expect("nothing was discovered", not any(provider.hits(path) for path in WELL_KNOWN))


@scenario("a provider with a certificate of a private authority is trusted where the authority is")
def private_authority(stage):
    authority = keys.Authority()
    provider = stage.provider(tls=(authority, authority.certify("127.0.0.1")))
    stranger = stage.gateway(discovered(provider), ready=False)
    gateway = stage.gateway(discovered(provider, ca_file=stage.file(authority.certificate)))
    stage.expect("a token is accepted", gateway.accepts(provider.token(gateway.resource)))
    answer = stranger.call(provider.token(stranger.resource))
    stage.expect("not where the authority is unknown", answer.status == 503, answer)
    stage.expect("nor is that gateway ready", not stranger.is_ready(), stranger.readiness())


@scenario("JWTs of every algorithm are accepted, and only of those allowed")
def algorithms(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider))
    narrow = stage.gateway(discovered(provider, algorithms=["ES256"]))
    for alg in ALGORITHMS:
        answer = gateway.call(provider.token(gateway.resource, alg=alg))
        stage.expect(f"{alg} is accepted", answer.status == 200, answer)
        answer = narrow.call(provider.token(narrow.resource, alg=alg))
        if alg == "ES256":
            stage.expect(f"{alg} is accepted where it alone is allowed", answer.status == 200, answer)
        else:
            stage.refused(answer, f"{alg} where ES256 alone is allowed")


@scenario("a token for another resource is refused")
def audience(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider))
    for other in [ANOTHER, f"{gateway.resource}/", gateway.resource.removesuffix("/mcp")]:
        stage.refused(gateway.call(provider.token(other)), f"a token for {other}")
    stage.expect("a token for this one is accepted", gateway.accepts(provider.token(gateway.resource)))
    root = stage.gateway(discovered(provider), path="/")
    for same in [root.resource, root.resource.removesuffix("/")]:
        stage.expect(f"at the root, one for {same} is accepted", root.accepts(provider.token(same)))
    stage.refused(root.call(provider.token(f"{root.resource}mcp")), "at the root, one for what lies below it")


@scenario("an ID token is no access token, not even where its audience is accepted")
def id_token(stage):
    provider = stage.provider()
    both = [ANOTHER, "person"]
    gateway = stage.gateway(discovered(provider, audience=both))
    strict = stage.gateway(discovered(provider, audience=both, access_tokens_only=True))
    tokens = provider.person_tokens(ANOTHER, "openid public:read", nonce="n")
    stage.expect("the access token is accepted", gateway.accepts(tokens["access_token"]))
    stage.refused(gateway.call(tokens["id_token"]), "an ID token with a nonce")
    tokens = provider.person_tokens(ANOTHER, "openid public:read")
    stage.expect("the access token is accepted with access_tokens_only", strict.accepts(tokens["access_token"]))
    stage.refused(strict.call(tokens["id_token"]), "an ID token that could be anything, with access_tokens_only,")


@scenario("an expired token is refused, and a new one accepted")
def expiry(stage):
    provider = stage.provider(lifetime=3)
    gateway = stage.gateway(discovered(provider, leeway="0s"))
    token = provider.token(gateway.resource)
    stage.expect("it is accepted while it is valid", gateway.accepts(token))
    gateway.until(lambda: gateway.call(token).status != 200, "the token expires", 3 + LATE_SECONDS)
    stage.refused(gateway.call(token), "an expired token")
    stage.expect("a new one is accepted", gateway.accepts(provider.token(gateway.resource)))


@scenario("a stream ends when its token expires")
def expiry_of_stream(stage):
    provider = stage.provider(lifetime=3)
    gateway = stage.gateway(discovered(provider, leeway="0s"))
    began = time.monotonic()
    stream = gateway.listen(provider.token(gateway.resource))
    stage.require("the stream is open", stream.status == 200, stream.first)
    stage.expect("it ends", stream.has_ended(within=3 + LATE_SECONDS))
    stage.note(f"after {time.monotonic() - began:.1f} s, lifetime 3 s")
    stream.close()


@scenario("scope step-up: one challenge names all scopes, and a token with these is enough")
def step_up(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider))
    missing = gateway.call(None)
    stage.expect("no token: 401", missing.status == 401, missing)
    stage.expect("no token: no error", missing.error is None, missing)
    answer = gateway.call(provider.person_token(gateway.resource, "demo:tools"), "get_confidential_info")
    stage.refused(answer, "a token without the scopes", 403, "insufficient_scope")
    scope = answer.parameter("scope") or ""
    stage.expect("all scopes are named", {"public:read", "confidential:read"} <= set(scope.split()), scope)
    answer = gateway.call(provider.person_token(gateway.resource, scope), "get_confidential_info")
    stage.expect("the scopes of the challenge are enough", answer.status == 200, answer)


@scenario("opaque tokens are accepted, with each way to authenticate at the provider")
def opaque(stage):
    provider = stage.provider()
    for method in ["basic", "post", "private_key_jwt"]:
        gateway = stage.gateway(introspected(stage, provider, method), path="/opaque")
        token = provider.person_token(gateway.resource)
        stage.expect("the token is opaque", "." not in token)
        answer = gateway.call(token)
        stage.expect(f"a token is accepted with {method}", answer.status == 200, answer)
        before = provider.hits(INTROSPECTION)
        stage.expect("it is accepted again", gateway.accepts(token))
        stage.expect("the second time from the cache", provider.hits(INTROSPECTION) == before)


@scenario("opaque tokens that are unknown, for others or without the scopes are refused")
def opaque_refused(stage):
    provider = stage.provider()
    gateway = stage.gateway(introspected(stage, provider), path="/opaque")
    stage.refused(gateway.call("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"), "an unknown token")
    stage.refused(gateway.call(provider.person_token("http://127.0.0.1:1/opaque")), "a token for another resource")
    answer = gateway.call(provider.person_token(gateway.resource), "get_confidential_info")
    stage.refused(answer, "a token without the scopes", 403, "insufficient_scope")


@scenario("opaque tokens of machines, which have no subject, are accepted unless one is required")
def opaque_of_machines(stage):
    provider = stage.provider()
    gateway = stage.gateway(introspected(stage, provider, required_claims=["client_id"]), path="/opaque")
    answer = gateway.call(provider.token(gateway.resource))
    stage.expect("a token is accepted", answer.status == 200, answer)
    key, url = keys.new_key(), gateway.resource
    token = provider.bound_token(url, key)
    answer = gateway.call(f"DPoP {token}", DPoP=keys.proof(key, "POST", url, token))
    stage.expect("a bound one is accepted with its proof", answer.status == 200, answer)
    answer = gateway.call(token)
    stage.expect("and not without", answer.status == 401, answer)
    lenient = stage.gateway(introspected(stage, provider), path="/opaque")
    answer = lenient.call(provider.token(lenient.resource))
    stage.expect("one is accepted where nothing is said", answer.status == 200, answer)
    strict = stage.gateway(introspected(stage, provider, required_claims=["sub"]), path="/opaque")
    stage.refused(strict.call(provider.token(strict.resource)), "a token without a subject, where one is required,")


@scenario("one issuer can give JWTs and opaque tokens")
def opaque_beside_jwt(stage):
    provider = stage.provider()
    port = servers.free_port()
    opaque = f"http://127.0.0.1:{port}/opaque"
    both = introspected(stage, provider, discovery=True, audience=[ANOTHER, opaque])
    gateway = stage.gateway(both, path="/opaque", port=port)
    stage.expect("an opaque token is accepted", gateway.accepts(provider.person_token(opaque)))
    before = provider.hits(INTROSPECTION)
    stage.expect("a JWT is accepted", gateway.accepts(provider.token(ANOTHER)))
    stage.expect("and nobody was asked about it", provider.hits(INTROSPECTION) == before)
    stage.refused(gateway.call(keys.forged(provider.issuer, ANOTHER, "forged")), "a forged JWT")


@scenario("a revoked opaque token is refused after the cache time")
def opaque_revoked(stage):
    provider = stage.provider()
    gateway = stage.gateway(introspected(stage, provider), path="/opaque")
    token, other = provider.person_token(gateway.resource), provider.person_token(gateway.resource)
    stage.require("both are accepted", gateway.accepts(token) and gateway.accepts(other))
    provider.revoke(token, "person")
    began = time.monotonic()
    gateway.until(lambda: gateway.call(token).status == 401, "it is refused", CACHE_SECONDS + LATE_SECONDS)
    stage.note(f"after {time.monotonic() - began:.1f} s, cache {CACHE_SECONDS} s")
    stage.refused(gateway.call(token), "the revoked token")
    stage.expect("the other is still accepted", gateway.accepts(other))


@scenario("introspection out of order: 503, never 401")
def opaque_outage(stage):
    provider = stage.provider()
    gateway = stage.gateway(introspected(stage, provider), path="/opaque")
    known, fresh = provider.person_token(gateway.resource), provider.person_token(gateway.resource)
    stage.require("it works before", gateway.accepts(known))
    provider.fail("introspection")
    answer = gateway.call(fresh)
    stage.expect("a fresh token gets 503", answer.status == 503, answer)
    stage.expect("it is told to try again", answer.headers["Retry-After"], answer)
    stage.expect("it is not told to authorize again", not answer.challenge, answer)
    statuses = set()
    gateway.until(
        lambda: statuses.add(gateway.call(known).status) or 503 in statuses,
        "a known token gets 503 when the cache has forgotten it",
        CACHE_SECONDS + LATE_SECONDS,
    )
    stage.expect("never anything else", statuses <= {200, 503}, statuses)
    provider.recover()
    gateway.until(lambda: gateway.accepts(fresh) and gateway.accepts(known), "both are accepted again", LATE_SECONDS)


def settled(stage, provider, seconds=1):
    """A gateway that has its keys for so long that it may ask for new ones."""
    gateway = stage.gateway(discovered(provider, min_refetch_interval=f"{seconds}s"))
    began = time.monotonic()
    gateway.until(lambda: time.monotonic() > began + seconds, "the interval has passed")
    return gateway


@scenario("key rotation with overlap: no request fails")
def rotation_with_overlap(stage):
    provider = stage.provider()
    gateway = settled(stage, provider)
    old = provider.token(gateway.resource)
    stage.require("it works before", gateway.accepts(old))
    failures, rotated = [], Event()

    def use():
        calls = 0
        while calls < 20 or not rotated.is_set():
            for token in (old, provider.token(gateway.resource)):
                answer = gateway.call(token)
                calls += 1
                if answer.status != 200:
                    failures.append(str(answer))
        return calls

    with ThreadPoolExecutor(USERS) as pool:
        users = [pool.submit(use) for _ in range(USERS)]
        try:
            provider.rotate()
        finally:
            rotated.set()
        calls = sum(user.result() for user in users)
    stage.expect("no request failed", not failures, failures[:3])
    stage.note(f"{calls} requests, {provider.hits('/jwks')} key fetches")


@scenario("key rotation without overlap: new tokens at once, old ones until then or the next refresh")
def rotation_without_overlap(stage):
    provider = stage.provider()
    gateway = settled(stage, provider)
    old = provider.token(gateway.resource)
    stage.require("it works before", gateway.accepts(old))
    provider.rotate(drop=True)
    before = provider.hits("/jwks")
    answer = gateway.call(provider.token(gateway.resource))
    stage.expect("a new token is accepted at once", answer.status == 200, answer)
    stage.expect("after one fetch", provider.hits("/jwks") - before == 1, provider.hits("/jwks") - before)
    stage.refused(gateway.call(old), "an old token")
    stage.expect("new ones are accepted", gateway.accepts(provider.token(gateway.resource)))


@scenario("withdrawn keys are not used after the next refresh, though nobody asks for new ones")
def withdrawn_keys(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider, refresh_interval=f"{REFRESH_SECONDS}s"))
    old = provider.token(gateway.resource)
    stage.require("it works before", gateway.accepts(old))
    provider.rotate(drop=True)
    began = time.monotonic()
    gateway.until(lambda: gateway.call(old).status != 200, "old tokens are refused", REFRESH_SECONDS + LATE_SECONDS)
    stage.note(f"after {time.monotonic() - began:.1f} s, refresh_interval {REFRESH_SECONDS} s")
    stage.refused(gateway.call(old), "an old token")


@scenario("a key that is new right after the gateway asked for keys is found too")
def rotation_after_refresh(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider))
    stage.require("it works before", gateway.accepts(provider.token(gateway.resource)))
    provider.rotate()
    answer = gateway.call(provider.token(gateway.resource))
    stage.expect("a new token is accepted at once", answer.status == 200, answer)


@scenario("forged key names do not make the gateway fetch keys again and again, and do not lock out real ones")
def forged_key_names(stage):
    provider = stage.provider()
    gateway = settled(stage, provider, REFRESH_SECONDS)
    good = provider.token(gateway.resource)
    stage.require("it works before", gateway.accepts(good))
    before = provider.hits("/jwks")
    tokens = [keys.forged(provider.issuer, gateway.resource, f"forged-{at}") for at in range(FORGED)]
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(gateway.call, tokens)]
    extra = provider.hits("/jwks") - before
    stage.expect("all are refused with 401", set(statuses) == {401}, set(statuses))
    stage.expect("at most one fetch", extra <= 1, extra)
    stage.note(f"{FORGED} forged tokens in {time.monotonic() - began:.1f} s, {extra} fetches")
    stage.expect("a good token is still accepted", gateway.accepts(good))
    provider.rotate()
    new = provider.token(gateway.resource)
    began = time.monotonic()
    gateway.until(lambda: gateway.accepts(new), "a new key is found", REFRESH_SECONDS + LATE_SECONDS)
    stage.note(f"a new key is found after {time.monotonic() - began:.1f} s")


@scenario("the provider is down at start: not ready, 503; ready when it comes")
def down_at_start(stage):
    gone = stage.provider()
    port = gone.port
    token = gone.token(ANOTHER)
    gone.stop()
    gateway = stage.gateway({"issuer": gone.issuer}, ready=False)
    status, body = gateway.readiness()
    stage.expect("it is not ready", status == 503, (status, body))
    stage.expect("and says whose keys it lacks", gone.issuer in body, body)
    answer = gateway.call(token)
    stage.expect("a token gets 503", answer.status == 503, answer)
    stage.expect("and is told to try again", answer.headers["Retry-After"], answer)
    answer = gateway.call(None)
    stage.expect("no token gets 401", answer.status == 401, answer)
    provider = stage.provider(port=port)
    began = time.monotonic()
    gateway.until(gateway.is_ready, "it becomes ready")
    stage.note(f"ready {time.monotonic() - began:.1f} s after the provider")
    stage.expect("a token is accepted", gateway.accepts(provider.token(gateway.resource)))


@scenario("the provider goes down later: keys that are known stay in use")
def down_later(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider, refresh_interval=f"{REFRESH_SECONDS}s"))
    token = provider.token(gateway.resource)
    stage.require("it works before", gateway.accepts(token))
    before = provider.hits("/jwks")
    provider.fail("/jwks|/.well-known/")
    gateway.until(
        lambda: provider.hits("/jwks") > before or not gateway.accepts(token),
        "a refresh fails",
        REFRESH_SECONDS + LATE_SECONDS,
    )
    stage.expect("the token is still accepted", gateway.accepts(token))
    stage.expect("the gateway stays ready", gateway.is_ready(), gateway.readiness())
    provider.stop()
    stage.expect("the same when nobody listens", gateway.accepts(token))
    answer = gateway.call(keys.forged(provider.issuer, gateway.resource, "unknown"))
    stage.expect("an unknown key is not accepted", answer.status in (401, 503), answer)


@scenario("keys that nobody confirmed for too long are not used: 503, until the provider is back")
def down_for_too_long(stage):
    provider = stage.provider()
    stale = REFRESH_SECONDS
    gateway = stage.gateway(discovered(provider, refresh_interval="1s", max_stale=f"{stale}s"))
    token = provider.token(gateway.resource)
    stage.require("it works before", gateway.accepts(token))
    provider.fail("/jwks|/.well-known/")
    began = time.monotonic()
    gateway.until(lambda: gateway.call(token).status != 200, "the keys are too old", stale + LATE_SECONDS)
    stage.note(f"after {time.monotonic() - began:.1f} s, max_stale {stale} s")
    answer = gateway.call(token)
    stage.expect("the token gets 503", answer.status == 503, answer)
    provider.recover()
    gateway.until(lambda: gateway.accepts(token), "the token is accepted again")
    stage.expect("the gateway is ready", gateway.is_ready(), gateway.readiness())


@scenario("DPoP: a bound token needs a fresh proof by its own key")
def dpop(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider))
    key, other, url = keys.new_key(), keys.new_key(), gateway.resource
    token = provider.bound_token(url, key)
    right = keys.proof(key, "POST", url, token)
    answer = gateway.call(f"DPoP {token}", DPoP=right)
    stage.expect("a right proof is accepted", answer.status == 200, answer)
    answer = gateway.call(f"DPoP {token}", DPoP=keys.proof(key, "POST", url, token))
    stage.expect("another right proof is accepted", answer.status == 200, answer)
    now = int(time.time())
    wrong = {
        "the proof again": {"DPoP": right},
        "no proof": {},
        "another key's proof": {"DPoP": keys.proof(other, "POST", url, token)},
        "a proof for GET": {"DPoP": keys.proof(key, "GET", url, token)},
        "a proof for another URL": {"DPoP": keys.proof(key, "POST", f"{url}x", token)},
        "a proof for another token": {"DPoP": keys.proof(key, "POST", url, f"{token}x")},
        "a proof for no token": {"DPoP": keys.proof(key, "POST", url, token, ath=None)},
        "an old proof": {"DPoP": keys.proof(key, "POST", url, token, iat=now - 3600)},
        "a proof of tomorrow": {"DPoP": keys.proof(key, "POST", url, token, iat=now + 86400)},
        "a proof without a name": {"DPoP": keys.proof(key, "POST", url, token, jti=None)},
        "an access token as proof": {"DPoP": token},
    }
    for what, headers in wrong.items():
        answer = gateway.call(f"DPoP {token}", **headers)
        stage.expect(f"{what} is refused with 401", answer.status == 401, answer)
    answer = gateway.call(token)
    stage.expect("as plain Bearer it is refused", answer.status == 401, answer)
    answer = gateway.call(token, DPoP=keys.proof(key, "POST", url, token))
    stage.expect("as Bearer with a proof it is refused", answer.status == 401, answer)
    plain = provider.token(url)
    stage.expect("a plain token is accepted as Bearer", gateway.accepts(plain))
    answer = gateway.call(f"DPoP {plain}", DPoP=keys.proof(key, "POST", url, plain))
    stage.expect("a plain token with a proof is refused", answer.status == 401, answer)


@scenario("DPoP: nonces are demanded and told, and bound tokens alone accepted, where it is so configured")
def dpop_required(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider), dpop={"required": True, "nonce": True})
    key, url = keys.new_key(), gateway.resource
    token = provider.bound_token(url, key)
    answer = gateway.call(f"DPoP {token}", DPoP=keys.proof(key, "POST", url, token))
    nonce = answer.headers["DPoP-Nonce"]
    stage.expect("a proof without a nonce is refused", answer.status == 401 and nonce, answer)
    stage.expect("and told so", answer.challenge.startswith("DPoP ") and answer.error == "use_dpop_nonce", answer)
    answer = gateway.call(f"DPoP {token}", DPoP=keys.proof(key, "POST", url, token, nonce=nonce))
    stage.expect("with the nonce it is accepted", answer.status == 200, answer)
    answer = gateway.call(f"DPoP {token}", DPoP=keys.proof(key, "POST", url, token, nonce=nonce[::-1]))
    stage.expect("with another it is not", (answer.status, answer.error) == (401, "use_dpop_nonce"), answer)
    answer = gateway.call(provider.token(url))
    stage.expect("a plain token is refused", answer.status == 401, answer)


@scenario("a certificate-bound token is accepted over TLS with its own certificate alone")
def certificate_bound(stage):
    provider, authority = stage.provider(), keys.Authority()
    own, other, served = ([stage.file(part) for part in authority.certify("127.0.0.1")] for _ in range(3))
    tls = {"cert": served[0], "key": served[1], "client_ca": stage.file(authority.certificate)}
    gateway = stage.gateway(discovered(provider), trust=authority.trust(), tls=tls)
    certificate = quote(Path(own[0]).read_text())
    token = provider.token(gateway.resource, client="certified", x_client_certificate=certificate)
    answer = gateway.call(token, trust=authority.trust(*own))
    stage.expect("it is accepted with its certificate", answer.status == 200, answer)
    stage.refused(gateway.call(token, trust=authority.trust(*other)), "it with another certificate")
    stage.refused(gateway.call(token), "it without one")
    stage.expect("a plain token needs none", gateway.accepts(provider.token(gateway.resource)))
    clear = stage.gateway(discovered(provider))
    token = provider.token(clear.resource, client="certified", x_client_certificate=certificate)
    stage.refused(clear.call(token), "it in clear")
    stage.refused(clear.call(token, x_client_certificate=certificate), "it with a header that has the certificate")


@scenario("a revocation file applies to new requests, and ends open streams within a second")
def revocation_file(stage):
    provider = stage.provider()
    revoked = Path(stage.file("{}"))
    gateway = stage.gateway(discovered(provider), revocations=str(revoked))
    token, other = provider.token(gateway.resource), provider.token(gateway.resource)
    stage.require("both are accepted", gateway.accepts(token) and gateway.accepts(other))
    stream, going_on = gateway.listen(token), gateway.listen(other)
    stage.require("both have a stream", (stream.status, going_on.status) == (200, 200), stream.first)
    began = time.monotonic()
    replace(revoked, {"token_sha256": [keys.digest(token)]})
    stage.expect("the stream ends", stream.has_ended(within=1 + LATE_SECONDS))
    seconds = time.monotonic() - began
    stage.expect("within a second", seconds < 1 + TOLERANCE_SECONDS, seconds)
    stage.note(f"stream ended after {seconds:.2f} s")
    stage.refused(gateway.call(token), "the revoked token")
    stage.expect("the other is still accepted", gateway.accepts(other))
    stage.expect("and its stream goes on", not going_on.has_ended())
    replace(revoked, {"sub": [{"issuer": provider.issuer, "sub": "ES256"}]})
    stage.expect("it ends with its subject", going_on.has_ended(within=1 + LATE_SECONDS))
    stage.refused(gateway.call(other), "a token of a revoked subject")
    stage.expect("another's is accepted", gateway.accepts(provider.token(gateway.resource, alg="RS256")))
    replace(revoked, {})
    gateway.until(lambda: gateway.accepts(other), "what is no longer revoked is accepted", LATE_SECONDS)
    going_on.close()
    stream.close()


def replace(file, value):
    """As an editor or a volume does it: a new file takes the old one's name."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(value))
    fresh.replace(file)


@scenario("a verifier of one's own has the say")
def verifier(stage):
    provider = stage.provider()
    answers, asked, failing = {}, [], Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            token = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["token"]
            asked.append(token)
            body = json.dumps(answers.get(token, {"active": False})).encode()
            self.send_response(500 if failing.is_set() else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = stage.enter(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/verify"
    gateway = stage.gateway({"issuer": provider.issuer, "verifier": {"url": url, "cache": f"{CACHE_SECONDS}s"}})
    claims = {"active": True, "sub": "carol", "aud": gateway.resource, "scope": "public:read"}
    claims["exp"] = int(time.time()) + 600
    answers["carols"], answers["elsewhere"] = claims, claims | {"aud": ANOTHER}
    stage.expect("a token it knows is accepted", gateway.accepts("carols") and gateway.accepts("carols"))
    stage.expect("and asked about once", asked.count("carols") == 1, asked)
    stage.refused(gateway.call("unknown"), "a token it does not know")
    stage.refused(gateway.call("elsewhere"), "a token for another resource")
    answer = gateway.call("carols", "get_confidential_info")
    stage.refused(answer, "a call without the scope", 403, "insufficient_scope")
    failing.set()
    answer = gateway.call("fresh")
    stage.expect("when it fails: 503", answer.status == 503, answer)
    server.shutdown()


@scenario("the upstream is told who calls, and never the token")
def identity_headers(stage):
    provider = stage.provider()
    headers = {"X-Toolgate-Subject": "sub", "X-Toolgate-Client": "client_id"}
    gateway = stage.gateway(discovered(provider), identity_headers=headers)
    token = provider.person_token(gateway.resource, "demo:tools", who="bob")
    spoofed = {"X_Toolgate_Subject": "mallory", "X_Toolgate_Client": "mallory", "Cookie": "a=b", "DPoP": "c"}
    answer = gateway.call(token, "show_headers", **spoofed)
    stage.expect("the tool answers", answer.status == 200, answer)
    seen = answer.message["result"]["structuredContent"]["headers"]
    stage.expect("the subject is told", seen.get("x-toolgate-subject") == ["bob"], seen)
    stage.expect("the client is told", seen.get("x-toolgate-client") == ["person"], seen)
    stage.expect("no credentials are told", not {"authorization", "cookie", "dpop"} & set(seen), seen)
    stage.expect("the token is nowhere", token not in answer.text)
