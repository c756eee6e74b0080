"""MCP clients that get their tokens by themselves: all they are given is the gateway's URL.

Each finds the provider through the 401, registers there, authorizes with PKCE, lists and calls. Its user declines a
scope at first, so that one call is answered 403 `insufficient_scope`; the client asks the user again, and repeats it.
"""

import drive
from scenarios import discovered, introspected
from stage import scenario

PUBLIC, CONFIDENTIAL = "get_public_info", "get_confidential_info"
DOCUMENTS = {
    PUBLIC: "Acme Corp - Public Company Information",
    CONFIDENTIAL: "Acme Corp - Confidential Strategy Document",
}


@scenario("Python SDK, legacy: from the 401 to a stepped-up token by itself")
def python_legacy(stage):
    visit(stage, "oauth_python.py", MCP_MODE="legacy")


@scenario("Python SDK, modern: from the 401 to a stepped-up token by itself")
def python_modern(stage):
    visit(stage, "oauth_python.py", MCP_MODE="auto")


@scenario("TypeScript SDK v1: from the 401 to a stepped-up token by itself")
def typescript_v1(stage):
    visit(stage, "oauth_ts_v1.mjs")


@scenario("TypeScript SDK v2: from the 401 to a stepped-up token by itself")
def typescript_v2(stage):
    visit(stage, "oauth_ts_v2.mjs")


@scenario("Python SDK with opaque tokens: from the 401 to a stepped-up token by itself")
def python_opaque(stage):
    visit(stage, "oauth_python.py", opaque=True, MCP_MODE="auto")


@scenario("TypeScript SDK v2 with opaque tokens: from the 401 to a stepped-up token by itself")
def typescript_v2_opaque(stage):
    visit(stage, "oauth_ts_v2.mjs", opaque=True)


@scenario("Python SDK, an issuer with a path: from the 401 to a stepped-up token by itself")
def python_path(stage):
    visit(stage, "oauth_python.py", issuer_path="/tenant", MCP_MODE="auto")


@scenario("TypeScript SDK v2, an issuer with a path: from the 401 to a stepped-up token by itself")
def typescript_v2_path(stage):
    visit(stage, "oauth_ts_v2.mjs", issuer_path="/tenant")


@scenario("Python SDK, at the root of a host: from the 401 to a stepped-up token by itself")
def python_root(stage):
    visit(stage, "oauth_python.py", path="/", MCP_MODE="auto")


@scenario("TypeScript SDK v2, at the root of a host: from the 401 to a stepped-up token by itself")
def typescript_v2_root(stage):
    visit(stage, "oauth_ts_v2.mjs", path="/")


@scenario("TypeScript SDK v2 with DPoP and nonces: from the 401 to a stepped-up token by itself")
def typescript_v2_bound(stage):
    visit(stage, "oauth_ts_v2.mjs", MCP_BOUND="yes", terms={"dpop": {"required": True, "nonce": True}})


@scenario("Python SDK: a long session renews its token without its user")
def python_renewal(stage):
    # This SDK looks at its own clock and does not wait for a 401.
    renews(stage, "oauth_python.py", MCP_MODE="legacy")


@scenario("TypeScript SDK v1: a long session renews its token without its user")
def typescript_v1_renewal(stage):
    renews(stage, "oauth_ts_v1.mjs", leeway="0s")


@scenario("TypeScript SDK v2: a long session renews its token without its user")
def typescript_v2_renewal(stage):
    renews(stage, "oauth_ts_v2.mjs", leeway="0s")


@scenario("Claude Code, given nothing but the URL, says that it needs authentication")
def claude_code(stage):
    provider = stage.provider()
    gateway = stage.gateway(discovered(provider))
    with drive.claude_home(stage.parts.clients) as claude:
        claude("mcp", "add", "--transport", "http", "gw", gateway.resource)
        shown = claude("mcp", "list")
    stage.expect("it says so", "Needs authentication" in shown, shown)


def visit(stage, program, opaque=False, issuer_path="", path="/mcp", terms=None, **more):
    provider = stage.provider(path=issuer_path)
    if opaque:
        gateway = stage.gateway(introspected(stage, provider), path="/opaque")
    else:
        gateway = stage.gateway(discovered(provider), path=path, **(terms or {}))
    line = flow(stage, gateway, program, **more)
    calls = {call["tool"]: call for call in line["calls"]}
    stage.expect("the client sees the public tool", PUBLIC in line["tools"], line["tools"])
    stage.expect("and not the one that was declined", CONFIDENTIAL not in line["tools"], line["tools"])
    for tool, heading in DOCUMENTS.items():
        stage.expect(f"it can call {tool}", calls[tool]["ok"] and heading in calls[tool]["text"], calls[tool]["text"])
    registered = provider.hits(f"{provider.path}/reg")
    stage.expect("its user was asked twice", line["authorizations"] == 2, line["authorizations"])
    stage.expect("it registered once", registered == 1, registered)
    stage.expect("it got two tokens", line["tokens"] == 2, line["tokens"])


def renews(stage, program, leeway="60s", **more):
    provider = stage.provider(lifetime=3)
    gateway = stage.gateway(discovered(provider, leeway=leeway))
    line = flow(stage, gateway, program, MCP_VISIT="long", **more)
    stage.expect("it got a second token", line["tokens"] == 2, line["tokens"])
    stage.expect("its user was asked once", line["authorizations"] == 1, line["authorizations"])


def flow(stage, gateway, program, **more):
    line, shown = stage.flow(program, gateway.resource, **more)
    if "error" in line:
        raise RuntimeError(f"the client failed: {shown}\n{''.join(gateway.output[-20:])}")
    return line
