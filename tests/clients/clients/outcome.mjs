// What the two TypeScript client programs share: how a visit goes, and the one JSON line they print.
// The line is the one that outcome.py describes.

const refusals = [];

export const url = new URL(process.env.MCP_URL);

export const options = {
  requestInit: { headers: process.env.MCP_TOKEN ? { Authorization: `Bearer ${process.env.MCP_TOKEN}` } : {} },
  fetch: async (target, init) => {
    const response = await fetch(target, init);
    if (init?.method === 'POST' && response.status >= 400) refusals.push(response.status);
    return response;
  },
};

const reason = (error) => `${error?.constructor?.name ?? 'Error'}: ${error?.message ?? error}`;

async function call(client, name) {
  try {
    const result = await client.callTool({ name, arguments: {} });
    return { ok: !result.isError, text: result.content.map((part) => part.text).join('\n') };
  } catch (error) {
    return { ok: false, text: reason(error) };
  }
}

async function visit(client, transport, protocol) {
  try {
    await client.connect(transport);
    const line = {
      tools: (await client.listTools()).tools.map((tool) => tool.name),
      public: await call(client, 'get_public_info'),
      confidential: await call(client, 'get_confidential_info'),
      protocol: protocol(),
    };
    await client.close();
    return line;
  } catch (error) {
    return { error: reason(error) };
  }
}

export async function say(client, transport, protocol) {
  const line = await visit(client, transport, protocol);
  process.stdout.write(`${JSON.stringify({ ...line, refusals })}\n`, () => process.exit(0));
}
