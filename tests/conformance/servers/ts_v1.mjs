// The fixtures on the TypeScript SDK v1: the revisions with sessions.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

import { filled, fixtures, pause, said, serve, sessions } from "./common.mjs";

const INVALID_PARAMS = -32602;
const RESOURCE_NOT_FOUND = -32002;

/** Tools that do more than answer. */
const tools = {
  test_error_handling: () => ({ ...said("This tool always fails."), isError: true }),
  async test_tool_with_logging(_, { sendNotification }) {
    for (const data of ["begun", "half way", "done"]) {
      await sendNotification({ method: "notifications/message", params: { level: "info", data } });
      await pause(20);
    }
    return said("Three lines were logged.");
  },
  async test_tool_with_progress(_, { _meta, sendNotification }) {
    const progressToken = _meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      await sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
      await pause(20);
    }
    return said("Done.");
  },
  async test_reconnection(_, { sessionId, requestId }) {
    sessions.get(sessionId)?.closeSSEStream(requestId);
    await pause(100);
    return said("Sent after the stream was closed.");
  },
  async test_sampling({ prompt }, { sendRequest }) {
    const params = { messages: [{ role: "user", content: { type: "text", text: prompt } }], maxTokens: 100 };
    const answer = await sendRequest({ method: "sampling/createMessage", params }, CreateMessageResultSchema);
    return said(`The model says: ${answer.content.text}`);
  },
};

async function callTool({ params: { name, arguments: given = {} } }, context) {
  if (tools[name]) return tools[name](given, context);
  if (fixtures.contents[name]) return { content: fixtures.contents[name] };
  const requestedSchema = fixtures.forms[name];
  if (!requestedSchema) throw new McpError(INVALID_PARAMS, `Unknown tool: ${name}`);
  const params = { mode: "form", message: given.message ?? "Please fill in", requestedSchema };
  const { action, content } = await context.sendRequest({ method: "elicitation/create", params }, ElicitResultSchema);
  return said(`The user's answer: ${action} ${JSON.stringify(content)}`);
}

function getPrompt({ params: { name, arguments: given = {} } }) {
  if (!fixtures.messages[name]) throw new McpError(INVALID_PARAMS, `Unknown prompt: ${name}`);
  return { messages: filled(fixtures.messages[name], given) };
}

function readResource({ params: { uri } }) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  const found = id ? filled(fixtures.reads["test://template/{id}/data"], { id }) : fixtures.reads[uri];
  if (!found) throw new McpError(RESOURCE_NOT_FOUND, "Resource not found", { uri });
  return { contents: [{ uri, ...found }] };
}

function newServer() {
  const changing = { listChanged: true };
  const capabilities = {
    tools: changing,
    prompts: changing,
    resources: { ...changing, subscribe: true },
    logging: {},
    completions: {},
  };
  const server = new Server({ name: "fixtures-ts-v1", version: "1.0.0" }, { capabilities });
  for (const [schema, answer] of [
    [ListToolsRequestSchema, () => ({ tools: fixtures.tools })],
    [CallToolRequestSchema, callTool],
    [ListPromptsRequestSchema, () => ({ prompts: fixtures.prompts })],
    [GetPromptRequestSchema, getPrompt],
    [ListResourcesRequestSchema, () => ({ resources: fixtures.resources })],
    [ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: fixtures.templates })],
    [ReadResourceRequestSchema, readResource],
    [SubscribeRequestSchema, () => ({})],
    [UnsubscribeRequestSchema, () => ({})],
    [SetLevelRequestSchema, () => ({})],
    [CompleteRequestSchema, () => ({ completion: { values: ["one", "two"] } })],
  ]) {
    server.setRequestHandler(schema, answer);
  }
  return server;
}

serve({ newServer, Transport: StreamableHTTPServerTransport });
