// The TypeScript SDK of the second line, both eras: sessions, and the stateless handler.
import { randomUUID } from "node:crypto";
import { createMcpExpressApp } from "@modelcontextprotocol/express";
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from "@modelcontextprotocol/node";
import { McpServer, createMcpHandler, isLegacyRequest } from "@modelcontextprotocol/server";
import { EventStore, INFO, furnish, listening, sessions } from "./furnish.mjs";

const make = () => furnish(new McpServer(INFO));
const eventStore = new EventStore();
const legacy = sessions(
  (onsessioninitialized) =>
    new NodeStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, eventStore, onsessioninitialized }),
  make,
);
const modern = toNodeHandler(createMcpHandler(make, { legacy: "reject" }));
const app = createMcpExpressApp();
app.all("/mcp", async (request, response) => {
  const isLegacy = await isLegacyRequest(await toWebRequest(request, request.body), request.body);
  await (isLegacy ? legacy(request, response) : modern(request, response, request.body));
});
listening(app);
