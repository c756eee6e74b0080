// What the two TypeScript client programs share: an OAuth client without a person, how a visit goes, and the JSON
// line they print: {"tools", "calls": [{"tool", "ok", "text"}], "authorizations", "tokens"}, and "error" if it failed.
// "authorizations" counts how often the person was asked, and "tokens" how often there was a new token.
//
// With MCP_VISIT=long a visit lists again and again until its token was renewed; else it calls two tools.

const REDIRECT = 'http://127.0.0.1:3118/callback';
const LONG_MS = 60_000;

export const url = new URL(process.env.MCP_URL);

// What a browser brings back from an authorization URL.
async function browse(from) {
  const cookies = new Map();
  let at = from;
  while (at.origin === from.origin) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const page = await fetch(at, { redirect: 'manual', headers: cookie ? { cookie } : {} });
    for (const set of page.headers.getSetCookie()) {
      const [name, ...value] = set.split(';')[0].split('=');
      cookies.set(name, value.join('='));
    }
    const text = await page.text();
    if (!page.headers.has('location')) throw new Error(`${at} shows a page: ${page.status} ${text.slice(0, 500)}`);
    at = new URL(page.headers.get('location'), at);
  }
  return at.searchParams;
}

// Everything in memory. The person declines one scope at first, and consents to all when asked again.
export class Wallet {
  authorizations = 0;
  renewals = 0;
  redirectUrl = REDIRECT;

  constructor(grantTypes) {
    this.clientMetadata = {
      client_name: 'toolgate-tests',
      redirect_uris: [REDIRECT],
      grant_types: grantTypes,
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.held;
  }

  saveTokens(tokens) {
    this.held = tokens;
    this.renewals += 1;
  }

  discoveryState() {
    return this.discovery;
  }

  saveDiscoveryState(discovery) {
    this.discovery = discovery;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  async redirectToAuthorization(target) {
    this.authorizations += 1;
    const page = new URL(target);
    if (this.authorizations === 1) page.searchParams.set('decline', 'confidential:read');
    this.brought = await browse(page);
  }
}

async function call(client, tool) {
  const result = await client.callTool({ name: tool, arguments: {} });
  return { tool, ok: !result.isError, text: result.content.map((part) => part.text).join('\n') };
}

const reason = (error) => `${error?.constructor?.name ?? 'Error'}: ${error?.message ?? error}`;

const failure = (tool) => (error) => ({ tool, ok: false, text: reason(error) });

// Runs `step`; when it ends because the person was sent away to authorize, finishes that and runs it again.
async function authorized(wallet, finish, step) {
  const before = wallet.authorizations;
  try {
    return await step();
  } catch (error) {
    if (wallet.authorizations === before) throw error;
    await finish(wallet.brought);
    return step();
  }
}

export async function say(wallet, connect) {
  const line = { calls: [], tools: [] };
  try {
    let open = connect();
    await authorized(
      wallet,
      (brought) => open.finish(brought),
      async () => {
        if (open.used) open = connect();
        open.used = true;
        await open.client.connect(open.transport);
      },
    );
    line.tools = (await open.client.listTools()).tools.map((tool) => tool.name);
    if (process.env.MCP_VISIT === 'long') {
      const began = Date.now();
      while (wallet.renewals < 2 && Date.now() < began + LONG_MS) {
        await open.client.listTools();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } else {
      for (const tool of ['get_public_info', 'get_confidential_info']) {
        const finish = (brought) => open.finish(brought);
        line.calls.push(await authorized(wallet, finish, () => call(open.client, tool)).catch(failure(tool)));
      }
    }
    await open.client.close();
  } catch (error) {
    line.error = `${reason(error)} ${error?.stack ?? ''}`;
  }
  line.authorizations = wallet.authorizations;
  line.tokens = wallet.renewals;
  process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit(0));
}
