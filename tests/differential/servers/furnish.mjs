// What every server of this folder offers: one permitted and one forbidden tool, prompt and resource.
import { appendFileSync } from "node:fs";

const [, , log] = process.argv;
// In all that the forbidden ones say of themselves.
const CANARY = "canary-5f0c";

const text = (name) => `${name}${name.includes("forbidden") ? ` ${CANARY}` : ""} ran`;
const ran = (kind, name) => {
  appendFileSync(log, `${kind} ${name}\n`);
  return text(name);
};

export function furnish(server) {
  for (const name of ["permitted", "forbidden"]) {
    const description = text(name);
    server.registerTool(name, { description }, async () => ({ content: [{ type: "text", text: ran("tool", name) }] }));
    server.registerPrompt(name, { description }, async () => ({
      messages: [{ role: "user", content: { type: "text", text: ran("prompt", name) } }],
    }));
    const uri = `x:${name}`;
    server.registerResource(`the ${name} one`, uri, { description }, async () => ({
      contents: [{ uri, text: ran("resource", uri) }],
    }));
  }
  return server;
}

export const INFO = { name: "differential", version: "1" };

// Keeps every event, and replays those of the same stream: what makes streams resumable.
export class EventStore {
  #events = [];

  async storeEvent(stream, message) {
    const id = `${stream}_${this.#events.length}`;
    this.#events.push({ id, stream, message });
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.#events.find((event) => event.id === id)?.stream;
  }

  async replayEventsAfter(last, { send }) {
    const at = this.#events.findIndex((event) => event.id === last);
    const { stream } = this.#events[at] ?? {};
    for (const event of at < 0 ? [] : this.#events.slice(at + 1)) {
      if (event.stream === stream && Object.keys(event.message).length) await send(event.id, event.message);
    }
    return stream ?? "";
  }
}

export function listening(app) {
  const server = app.listen(0, "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}/mcp`);
  });
  process.on("SIGTERM", () => process.exit(0));
}

// One transport for each session, made at `initialize`.
export function sessions(makeTransport, makeServer) {
  const transports = new Map();
  return async (request, response) => {
    let transport = transports.get(request.headers["mcp-session-id"]);
    if (!transport) {
      transport = makeTransport((id) => transports.set(id, transport));
      await makeServer().connect(transport);
    }
    await transport.handleRequest(request, response, request.body);
  };
}
