// What the servers on both TypeScript SDKs share: the fixtures, and sessions over HTTP.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

export const fixtures = JSON.parse(readFileSync(process.env.FIXTURES, "utf8"));
export const sessions = new Map();
const LOCAL = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export const said = (text) => ({ content: [{ type: "text", text }] });

/** Texts with the arguments in their places. */
export function filled(value, given) {
  return JSON.parse(JSON.stringify(value).replaceAll(/\{(\w+)\}/g, (place, name) => given[name] ?? place));
}

/** Keeps what was sent on the streams of one session, so that a client can ask for it again. */
function eventStore() {
  const events = [];
  return {
    async storeEvent(stream, message) {
      events.push({ stream, message });
      return `${stream}/${events.length}`;
    },
    async replayEventsAfter(last, { send }) {
      const [stream, after] = last.split("/");
      for (const [at, event] of events.entries()) {
        const isMessage = Object.keys(event.message ?? {}).length > 0;
        const isWanted = event.stream === stream && at >= Number(after) && isMessage;
        if (isWanted) await send(`${stream}/${at + 1}`, event.message);
      }
      return stream;
    },
  };
}

function refuse(response, status, code, message) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } }));
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length > 0 ? JSON.parse(Buffer.concat(parts)) : undefined;
}

/**
 * Serves sessions at /mcp, on names of this machine only. `newServer` makes the server of a session and `Transport` its
 * transport; `answerModern` may answer a request before, and says so.
 */
export function serve({ newServer, Transport, answerModern = () => false }) {
  async function newSession() {
    const transport = new Transport({
      sessionIdGenerator: randomUUID,
      eventStore: eventStore(),
      retryInterval: 2000,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    transport.onclose = () => sessions.delete(transport.sessionId);
    await newServer().connect(transport);
    return transport;
  }

  async function answer(request, response) {
    const { headers, method, url } = request;
    if (url !== "/mcp") return refuse(response, 404, -32000, "Not found");
    if (!LOCAL.test(headers.host)) return refuse(response, 403, -32000, "Invalid Host");
    const body = await bodyOf(request).catch(() => null);
    if (body === null) return refuse(response, 400, -32700, "Parse error");
    if (method === "POST" && (await answerModern(request, response, body))) return undefined;
    const id = headers["mcp-session-id"];
    if (id && !sessions.has(id)) return refuse(response, 404, -32001, "Session not found");
    if (!id && body?.method !== "initialize") return refuse(response, 400, -32000, "Session required");
    return (sessions.get(id) ?? (await newSession())).handleRequest(request, response, body);
  }

  const listener = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(error);
      if (response.headersSent) response.destroy();
      else refuse(response, 500, -32603, "Internal error");
    });
  });
  listener.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${listener.address().port}/mcp`));
  process.on("SIGTERM", () => process.exit(0));
}
