// The fixtures on the TypeScript SDK v2: sessions for the revisions that have them, and 2026-07-28 without.

import { randomBytes } from "node:crypto";

import { NodeStreamableHTTPServerTransport, toNodeHandler } from "@modelcontextprotocol/node";
import {
  CLIENT_CAPABILITIES_META_KEY,
  McpServer,
  ResourceTemplate,
  classifyInboundRequest,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
} from "@modelcontextprotocol/server";

import { filled, fixtures, pause, said, serve, sessions } from "./common.mjs";

const state = createRequestStateCodec({ key: randomBytes(32) });
const inputs = (keys) => Object.fromEntries(keys.map((key) => [key, fixtures.inputs[key]]));

/** Whether a client's answer is one to the input of that key. */
function answers(key, answer) {
  switch (fixtures.inputs[key].method) {
    case "elicitation/create":
      return answer?.action === "accept" && typeof answer.content === "object";
    case "sampling/createMessage":
      return typeof answer?.content === "object";
    default:
      return Array.isArray(answer?.roots);
  }
}

/** What is still needed, or nothing once all rounds are over. */
async function ask(name, { mcpReq }) {
  const { needs, sealed } = fixtures.rounds[name];
  const round = sealed ? (mcpReq.requestState()?.round ?? 0) : 0;
  const is_answered =
    (!sealed || mcpReq.requestState()) && needs[round].every((key) => answers(key, mcpReq.inputResponses?.[key]));
  const next = is_answered ? round + 1 : round;
  if (next === needs.length) return undefined;
  const requestState = sealed ? await state.mint({ name, round: next }) : undefined;
  return inputRequired({ inputRequests: inputs(needs[next]), ...(sealed && { requestState }) });
}

/** Asks only for what the client says it can give. */
function askAsDeclared({ mcpReq }) {
  if (mcpReq.inputResponses) return said("The client gave what it could.");
  const declared = mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
  const keys = { elicitation: "user_name", sampling: "greeting", roots: "client_roots" };
  const wanted = Object.keys(keys).filter((kind) => declared[kind]);
  if (wanted.length === 0) return said("The client can give nothing.");
  return inputRequired({ inputRequests: inputs(wanted.map((kind) => keys[kind])) });
}

/** Tools that do more than answer. */
const tools = {
  test_error_handling: () => ({ ...said("This tool always fails."), isError: true }),
  async test_tool_with_logging(_, { mcpReq }) {
    for (const data of ["begun", "half way", "done"]) {
      await mcpReq.notify({ method: "notifications/message", params: { level: "info", data } });
      await pause(20);
    }
    return said("Three lines were logged.");
  },
  async test_logging_tool(_, { mcpReq }) {
    await mcpReq.log("info", "running");
    return said("Logged if that was asked for.");
  },
  async test_tool_with_progress(_, { mcpReq }) {
    const progressToken = mcpReq._meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
      await pause(20);
    }
    return said("Done.");
  },
  async test_reconnection(_, { sessionId, mcpReq }) {
    sessions.get(sessionId)?.closeSSEStream(mcpReq.id);
    await pause(100);
    return said("Sent after the stream was closed.");
  },
  async test_sampling({ prompt }, { mcpReq }) {
    const messages = [{ role: "user", content: { type: "text", text: prompt } }];
    const answer = await mcpReq.send({ method: "sampling/createMessage", params: { messages, maxTokens: 100 } });
    return said(`The model says: ${answer.content.text}`);
  },
  test_missing_capability: (_, { mcpReq }) =>
    mcpReq.inputResponses ? said("The client samples.") : inputRequired({ inputRequests: inputs(["greeting"]) }),
  test_trigger_tool_change() {
    modern.notify.toolsChanged();
    return said("The list of tools has changed.");
  },
  test_trigger_prompt_change() {
    modern.notify.promptsChanged();
    return said("The list of prompts has changed.");
  },
  test_input_required_result_capabilities: (_, context) => askAsDeclared(context),
};

/** The function that answers calls of this tool. */
function tool(name) {
  if (tools[name]) return tools[name];
  if (fixtures.contents[name]) return () => ({ content: fixtures.contents[name] });
  if (fixtures.rounds[name]) return async (_, context) => (await ask(name, context)) ?? said("Nothing is missing.");
  return async ({ message = "Please fill in" }, { mcpReq }) => {
    const params = { mode: "form", message, requestedSchema: fixtures.forms[name] };
    const { action, content } = await mcpReq.send({ method: "elicitation/create", params });
    return said(`The user's answer: ${action} ${JSON.stringify(content)}`);
  };
}

function registerResources(server) {
  for (const { uri, name, mimeType } of fixtures.resources) {
    server.registerResource(name, uri, { mimeType }, () => ({ contents: [{ uri, ...fixtures.reads[uri] }] }));
  }
  for (const { uriTemplate, name, mimeType } of fixtures.templates) {
    const template = new ResourceTemplate(uriTemplate, { list: undefined });
    server.registerResource(name, template, { mimeType }, (uri, given) => ({
      contents: [{ uri: uri.href, ...filled(fixtures.reads[uriTemplate], given) }],
    }));
  }
  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
}

function registerPrompts(server) {
  for (const { name, description, arguments: wanted = [] } of fixtures.prompts) {
    const properties = Object.fromEntries(wanted.map((argument) => [argument.name, { type: "string" }]));
    const argsSchema = fromJsonSchema({ type: "object", properties, required: Object.keys(properties) });
    const answer = async (given, context) =>
      (fixtures.rounds[name] && (await ask(name, context))) || { messages: filled(fixtures.messages[name], given) };
    if (wanted.length > 0) server.registerPrompt(name, { description, argsSchema }, answer);
    else server.registerPrompt(name, { description }, (context) => answer({}, context));
  }
}

function newServer() {
  const hint = { ttlMs: 300_000, cacheScope: "public" };
  const cached = ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];
  const server = new McpServer(
    { name: "fixtures-ts-v2", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: state.verify },
      cacheHints: Object.fromEntries(cached.map((method) => [method, hint])),
    },
  );
  for (const { name, description, inputSchema } of fixtures.tools) {
    server.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, tool(name));
  }
  registerResources(server);
  registerPrompts(server);
  server.server.setRequestHandler("logging/setLevel", () => ({}));
  server.server.setRequestHandler("completion/complete", () => ({ completion: { values: ["one", "two"] } }));
  return server;
}

const modern = createMcpHandler(newServer);
const toModern = toNodeHandler(modern);

async function answerModern(request, response, body) {
  const { kind } = classifyInboundRequest({
    httpMethod: request.method,
    protocolVersionHeader: request.headers["mcp-protocol-version"],
    mcpMethodHeader: request.headers["mcp-method"],
    body,
  });
  if (kind === "legacy") return false;
  await toModern(request, response, body);
  return true;
}

serve({ newServer, Transport: NodeStreamableHTTPServerTransport, answerModern });
