// The TypeScript SDK, first generation: initialize, and a session.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { options, say, url } from './outcome.mjs';

const client = new Client({ name: 'toolgate-tests', version: '1' });
const transport = new StreamableHTTPClientTransport(url, options);
await say(client, transport, () => transport.protocolVersion);
