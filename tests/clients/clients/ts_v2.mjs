// The TypeScript SDK, second generation: `server/discover` first, stateless.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { options, say, url } from './outcome.mjs';

const client = new Client({ name: 'toolgate-tests', version: '1' }, { versionNegotiation: { mode: 'auto' } });
const transport = new StreamableHTTPClientTransport(url, options);
await say(client, transport, () => client.getNegotiatedProtocolVersion());
