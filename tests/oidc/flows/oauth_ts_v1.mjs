// The TypeScript SDK, first generation, which finds out by itself where to get a token.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Wallet, say, url } from './visit.mjs';

// Asked for more scopes, this SDK refreshes the token if it can, and gets the same scopes again.
const isLong = process.env.MCP_VISIT === 'long';
const wallet = new Wallet(isLong ? ['authorization_code', 'refresh_token'] : ['authorization_code']);
await say(wallet, () => {
  const client = new Client({ name: 'toolgate-tests', version: '1' });
  const transport = new StreamableHTTPClientTransport(url, { authProvider: wallet });
  return { client, transport, finish: (brought) => transport.finishAuth(brought.get('code')) };
});
