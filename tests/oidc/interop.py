"""Tokens of another provider, of another family, at the real gateway."""

import json

import servers
from another import SECRET
from scenarios import ANOTHER, LATE_SECONDS, discovered
from stage import scenario

LIFETIME = 3
UPSTREAM = "http://127.0.0.1:1/upstream"  # a resource the provider knows, too


def meeting(stage, issuer=None, *, settings=None, **more):
    """A provider that knows the gateway as a resource, and the gateway; `issuer` makes its terms of the provider."""
    port = servers.free_port()
    resource = f"http://127.0.0.1:{port}/mcp"
    provider = stage.another(resources=[resource, ANOTHER, UPSTREAM], **more)
    terms = issuer(provider) if issuer else discovered(provider)
    return provider, stage.gateway(terms, port=port, **(settings(provider) if settings else {}))


def introspected(stage, provider, auth):
    asked = {"client_id": "gateway", "client_secret_file": stage.file(SECRET), "auth": auth, "cache": "1s"}
    return {"issuer": provider.issuer, "introspection": asked}


@scenario("idpy-oidc: discovery, keys, and JWTs of people")
def idpy(stage):
    provider, gateway = meeting(stage)
    told = json.loads(gateway.get("/.well-known/oauth-protected-resource/mcp").text)
    stage.expect("clients are sent there", told["authorization_servers"] == [provider.issuer], told)
    token = provider.person_token(gateway.resource)
    answer = gateway.call(token)
    stage.expect("a token is accepted", answer.status == 200, answer)
    header, payload, signature = token.split(".")
    stage.refused(gateway.call(f"{header}.{payload}.{signature[::-1]}"), "a token with another signature")
    stage.refused(gateway.call(provider.person_token(ANOTHER)), "a token for another resource")


@scenario("idpy-oidc: a token without the scopes is challenged, and one with the scopes of the challenge is enough")
def idpy_step_up(stage):
    provider, gateway = meeting(stage)
    answer = gateway.call(provider.person_token(gateway.resource), "get_confidential_info")
    stage.refused(answer, "a token without the scopes", 403, "insufficient_scope")
    scope = answer.parameter("scope") or ""
    stage.expect("all scopes are named", {"public:read", "confidential:read"} <= set(scope.split()), scope)
    answer = gateway.call(provider.person_token(gateway.resource, scope), "get_confidential_info")
    stage.expect("the scopes of the challenge are enough", answer.status == 200, answer)


@scenario("idpy-oidc: JWTs of machines, and those of nobody for nobody")
def idpy_machines(stage):
    provider, gateway = meeting(stage)
    answer = gateway.call(provider.token(gateway.resource))
    stage.expect("a token is accepted", answer.status == 200, answer)
    answer = gateway.call(provider.token(gateway.resource), "get_confidential_info")
    stage.expect("with all its scopes", answer.status == 200, answer)
    stage.refused(gateway.call(provider.token(ANOTHER)), "a token for another resource")
    stage.refused(gateway.call(provider.token()), "a token of nobody for nobody")
    careless = stage.gateway(discovered(provider, audience=[], required_claims=["jti"]))
    answer = careless.call(provider.token(ANOTHER))
    stage.expect("one for another is accepted where the audience is not looked at", answer.status == 200, answer)
    stage.refused(careless.call(provider.token()), "a token of nobody, even there,")


@scenario("idpy-oidc: an expired token is refused")
def idpy_expiry(stage):
    provider, gateway = meeting(stage, lambda provider: discovered(provider, leeway="0s"), lifetime=LIFETIME)
    token = provider.person_token(gateway.resource)
    stage.expect("it is accepted while it is valid", gateway.accepts(token))
    gateway.until(lambda: gateway.call(token).status != 200, "the token expires", LIFETIME + LATE_SECONDS)
    stage.refused(gateway.call(token), "an expired token")
    stage.expect("a new one is accepted", gateway.accepts(provider.person_token(gateway.resource)))


@scenario("idpy-oidc: it comes back with other keys")
def idpy_rotation(stage):
    provider, gateway = meeting(stage)
    old = provider.person_token(gateway.resource)
    stage.require("it works before", gateway.accepts(old))
    provider.stop()
    stage.expect("known keys stay in use while it is away", gateway.accepts(old))
    provider = stage.another(resources=provider.resources, port=provider.port)
    answer = gateway.call(provider.person_token(gateway.resource))
    stage.expect("a new token is accepted at once", answer.status == 200, answer)
    stage.refused(gateway.call(old), "an old token")


@scenario("idpy-oidc: opaque tokens by introspection")
def idpy_opaque(stage):
    provider, gateway = meeting(
        stage, lambda provider: introspected(stage, provider, "basic"), form="opaque", lifetime=LIFETIME
    )
    token = provider.person_token(gateway.resource)
    stage.expect("the token is opaque", "." not in token)
    answer = gateway.call(token)
    stage.expect("a token is accepted", answer.status == 200, answer)
    answer = gateway.call(token, "get_confidential_info")
    stage.refused(answer, "a token without the scopes", 403, "insufficient_scope")
    stage.refused(gateway.call(provider.person_token(ANOTHER)), "a token for another resource")
    stage.refused(gateway.call(token[::-1]), "an unknown token")
    posting = stage.gateway(introspected(stage, provider, "post") | {"audience": [gateway.resource]})
    answer = posting.call(provider.person_token(gateway.resource))
    stage.expect("the gateway can send its secret in the form", answer.status == 200, answer)
    gateway.until(lambda: gateway.call(token).status != 200, "the token expires", LIFETIME + LATE_SECONDS)
    stage.refused(gateway.call(token), "an expired token")


@scenario("idpy-oidc: the caller's token is exchanged for one of the upstream's (RFC 8693)")
def idpy_exchange(stage):
    def exchange(audience):
        def settings(provider):
            terms = {"client_id": "gateway", "client_secret_file": stage.file(SECRET), "audience": audience}
            terms |= {"endpoint": f"{provider.issuer}/token", "scope": "demo:tools"}
            return {"upstream_token": {"exchange": terms}}

        return settings

    provider, gateway = meeting(stage, settings=exchange(UPSTREAM))
    token = provider.person_token(gateway.resource, "demo:tools public:read")
    answer = gateway.call(token, "show_headers")
    stage.require("the tool answers", answer.status == 200, answer)
    seen = answer.message["result"]["structuredContent"]["headers"].get("authorization", [])
    stage.require("the upstream has one token", len(seen) == 1 and seen[0].startswith("Bearer "), seen)
    exchanged = seen[0].removeprefix("Bearer ")
    provider.issued.append(exchanged)
    stage.expect("it is not the caller's", exchanged != token and token not in answer.text)
    says, of_the_caller = provider.introspect(exchanged), provider.introspect(token)
    stage.expect("the provider knows it", says["active"], says)
    stage.expect("it is for the same person", says["sub"] == of_the_caller["sub"], says)
    stage.expect("it is the gateway's", says["client_id"] == "gateway", says)
    stage.expect("it has the scope that was asked for", says["scope"] == "demo:tools", says)
    again = gateway.call(token, "show_headers").message["result"]["structuredContent"]["headers"]["authorization"]
    stage.expect("it is used again", again == seen)
    other = provider.person_token(gateway.resource, "demo:tools")
    others = gateway.call(other, "show_headers").message["result"]["structuredContent"]["headers"]["authorization"]
    stage.expect("another token is exchanged for another", others != seen)
    provider.issued.append(others[0].removeprefix("Bearer "))
    elsewhere = stage.gateway(
        discovered(provider, audience=[gateway.resource]), **exchange("http://127.0.0.1:1/unknown")(provider)
    )
    answer = elsewhere.call(token, "show_headers")
    stage.expect("where the provider gives none, nothing is sent", answer.status == 502, answer)
    answer = elsewhere.call(None, "show_headers")
    stage.expect("and who has no token is told so", answer.status == 401, answer)
