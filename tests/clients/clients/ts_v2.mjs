// The TypeScript SDK, second generation: `server/discover` first, stateless.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { headers, say, url } from './outcome.mjs';

const client = new Client({ name: 'toolgate-tests', version: '1' }, { versionNegotiation: { mode: 'auto' } });
const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
await say(client, transport, () => client.getNegotiatedProtocolVersion());
