// The TypeScript SDK, second generation, which finds out by itself where to get a token.
//
// With MCP_BOUND=yes its tokens are bound to a key of its own (DPoP).

import { Client, DpopSession, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Wallet, say, url } from './visit.mjs';

const wallet = new Wallet(['authorization_code', 'refresh_token']);
if (process.env.MCP_BOUND === 'yes') {
  const session = await DpopSession.create();
  wallet.dpop = () => session;
}
await say(wallet, () => {
  const client = new Client({ name: 'toolgate-tests', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const transport = new StreamableHTTPClientTransport(url, { authProvider: wallet });
  return { client, transport, finish: (brought) => transport.finishAuth(brought) };
});
