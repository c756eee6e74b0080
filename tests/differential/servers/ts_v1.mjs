// The TypeScript SDK of the first line, behind Express's own JSON parser, as its examples have it.
import { randomUUID } from "node:crypto";
import express from "express";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { EventStore, INFO, furnish, listening, sessions } from "./furnish.mjs";

const eventStore = new EventStore();
const app = express();
app.use(express.json());
app.all(
  "/mcp",
  sessions(
    (onsessioninitialized) =>
      new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, eventStore, onsessioninitialized }),
    () => furnish(new McpServer(INFO)),
  ),
);
listening(app);
