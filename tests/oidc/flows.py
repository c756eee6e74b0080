"""MCP clients that get their tokens by themselves: all they are given is the gateway's URL.

Each finds the provider through the 401, registers there, authorizes with PKCE, lists and calls. Its user declines a
scope at first, so that one call is answered 403 `insufficient_scope`; the client asks the user again, and repeats it.
"""

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


def visit(stage, program, opaque=False, **more):
    provider = stage.provider()
    if opaque:
        gateway = stage.gateway(introspected(stage, provider), path="/opaque")
    else:
        gateway = stage.gateway(discovered(provider))
    line, shown = stage.flow(program, gateway.resource, **more)
    if "error" in line:
        raise RuntimeError(f"the client could not connect: {shown}\n{''.join(gateway.output[-20:])}")
    calls = {call["tool"]: call for call in line["calls"]}
    stage.expect("the client sees the public tool", PUBLIC in line["tools"], line["tools"])
    stage.expect("and not the one that was declined", CONFIDENTIAL not in line["tools"], line["tools"])
    for tool, heading in DOCUMENTS.items():
        stage.expect(f"it can call {tool}", calls[tool]["ok"] and heading in calls[tool]["text"], calls[tool]["text"])
    stage.expect("its user was asked twice", line["authorizations"] == 2, line["authorizations"])
    stage.expect("it registered once", provider.hits("/reg") == 1, provider.hits("/reg"))
    stage.expect("it got two tokens", provider.hits("/token") == 2, provider.hits("/token"))
