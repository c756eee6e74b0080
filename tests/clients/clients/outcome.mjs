// What the two TypeScript client programs share: the one JSON line they print, and how a call ended.

export const url = new URL(process.env.MCP_URL);
export const headers = process.env.MCP_TOKEN ? { Authorization: `Bearer ${process.env.MCP_TOKEN}` } : {};

const reason = (error) => `${error?.constructor?.name ?? 'Error'}: ${error?.message ?? error}`;

async function call(client, name) {
  try {
    const result = await client.callTool({ name, arguments: {} });
    return { ok: !result.isError, text: result.content.map((part) => part.text).join('\n') };
  } catch (error) {
    return { ok: false, text: reason(error) };
  }
}

export async function say(client, transport, protocol) {
  let line;
  try {
    await client.connect(transport);
    const tools = (await client.listTools()).tools.map((tool) => tool.name);
    line = {
      protocol: protocol(),
      tools,
      public: await call(client, 'get_public_info'),
      confidential: await call(client, 'get_confidential_info'),
    };
    await client.close();
  } catch (error) {
    line = { error: reason(error) };
  }
  process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit(0));
}
