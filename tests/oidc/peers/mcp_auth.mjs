// mcp-auth as its documentation has it, in resource server mode, before an endpoint that says yes.
//
//   PEER='{"port", "resource", "issuers", "audience", "scopes", "leeway"}' node mcp_auth.mjs

import express from 'express';
import { MCPAuth } from 'mcp-auth';

const { port, resource, issuers, audience, scopes, leeway } = JSON.parse(process.env.PEER);
const authorizationServers = issuers.map((issuer) => ({ issuer, type: 'oidc' }));
const mcpAuth = new MCPAuth({
  protectedResources: { metadata: { resource, authorizationServers, scopesSupported: scopes } },
});
const app = express();
app.use(mcpAuth.protectedResourceMetadataRouter());
app.use(
  '/mcp',
  mcpAuth.bearerAuth('jwt', {
    resource,
    ...(audience && { audience }),
    requiredScopes: scopes,
    ...(leeway !== null && { jwtVerify: { clockTolerance: leeway } }),
    remoteJwkSet: { cooldownDuration: 1000 },
  }),
  (_request, response) => response.json({ ok: true }),
);
app.listen(port, '127.0.0.1', () => console.log(`listening on ${resource}`));
