// A certified OpenID Provider on loopback, with nobody to click: whoever asks is signed in and consents.
//
//   IDP_PORT=9400 IDP_PATH=/tenant IDP_TLS='{"cert", "key"}' IDP_LIFETIME=600 IDP_KEY='{public JWK}' node idp.mjs
//
// Access tokens are for the `resource` that was asked for (RFC 8707). They are JWTs (RFC 9068), signed with the
// algorithm that the client is named after, or opaque when the resource's path ends in `opaque`. At /auth,
// `login_hint` says who signs in (alice), and `decline` names scopes that the person does not consent to.
//
//   POST /_test/rotate        new signing keys; the old ones stay published
//   POST /_test/rotate?drop   new signing keys; the old ones are gone
//   POST /_test/fail?on=RE    from now on paths that match are answered 503, or `&status=N`; without `on`, none is
//   GET  /_test/hits          how often each path was asked for

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { Provider } from 'oidc-provider';

const SCOPES = ['public:read', 'confidential:read', 'demo:tools'];
const ALGORITHMS = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  EdDSA: ['ed25519', {}],
};
const path = process.env.IDP_PATH ?? '';
const tls = process.env.IDP_TLS ? JSON.parse(process.env.IDP_TLS) : null;
const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${process.env.IDP_PORT}${path}`;
const lifetime = Number(process.env.IDP_LIFETIME ?? 600);

function newKeys() {
  return Object.entries(ALGORITHMS).map(([alg, [type, options]]) => {
    const { privateKey } = generateKeyPairSync(type, options);
    return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${randomUUID()}` };
  });
}

const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const clients = [
  ...Object.keys(ALGORITHMS).map((alg) => ({ client_id: alg, client_secret: `${alg}-secret`, ...machine })),
  {
    client_id: 'certified',
    client_secret: 'certified-secret',
    tls_client_certificate_bound_access_tokens: true,
    ...machine,
  },
  ...['client_secret_basic', 'client_secret_post'].map((method) => ({
    client_id: `gateway:${method}`,
    // Characters that are encoded twice over, or not enough, by those who get it wrong (RFC 6749 §2.3.1).
    client_secret: 'gateway secret+%:/&=',
    token_endpoint_auth_method: method,
    ...machine,
  })),
  {
    client_id: 'gateway:private_key_jwt',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [JSON.parse(process.env.IDP_KEY)] },
    ...machine,
  },
  {
    client_id: 'person',
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['http://127.0.0.1/callback'],
    response_types: ['code'],
  },
];

function resourceServer(_ctx, resource, client) {
  const terms = { scope: SCOPES.join(' '), audience: resource, accessTokenTTL: lifetime };
  if (new URL(resource).pathname.endsWith('opaque')) return { ...terms, accessTokenFormat: 'opaque' };
  const alg = client.clientId in ALGORITHMS ? client.clientId : 'ES256';
  return { ...terms, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
}

function provider(keys) {
  const op = new Provider(issuer, {
    jwks: { keys },
    clients,
    scopes: ['openid', 'offline_access', ...SCOPES],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    // A client registers with the scopes it knows of on that day, and may learn of more.
    extraClientMetadata: {
      properties: ['software_id'],
      validator: (_ctx, _name, _value, metadata) => {
        metadata.scope = undefined;
      },
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId.startsWith('gateway:') },
      revocation: { enabled: true, allowedPolicy: () => true },
      registration: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.get('x-client-certificate') && decodeURIComponent(ctx.get('x-client-certificate')),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServer,
      },
    },
    pkce: { required: () => true },
    extraParams: ['decline'],
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    interactions: { url: (_ctx, interaction) => `${path}/interaction/${interaction.uid}` },
    ttl: { ClientCredentials: lifetime, Grant: 3600, Interaction: 300, RefreshToken: 3600, Session: 3600 },
    cookies: { keys: ['not a secret: this provider is for tests'] },
  });
  op.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params } = await op.interactionDetails(ctx.req, ctx.res);
    const accountId = params.login_hint ?? 'alice';
    const grant = new op.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope ?? '');
    for (const resource of [params.resource ?? []].flat()) {
      grant.addResourceScope(resource, params.scope ?? '');
      grant.rejectResourceScope(resource, params.decline ?? '');
    }
    const grantId = await grant.save();
    return op.interactionFinished(ctx.req, ctx.res, { login: { accountId }, consent: { grantId } });
  });
  return op.callback();
}

let keys = newKeys();
let answer = provider(keys);
let failing = null;
let failure = 503;
const hits = {};

function control({ pathname, searchParams }) {
  if (pathname === '/_test/rotate') {
    keys = searchParams.has('drop') ? newKeys() : [...newKeys(), ...keys];
    answer = provider(keys);
  } else if (pathname === '/_test/fail') {
    failing = searchParams.has('on') ? new RegExp(searchParams.get('on')) : null;
    failure = Number(searchParams.get('status') ?? 503);
  }
  return hits;
}

// An issuer with a path has its metadata below that path (OpenID Connect Discovery §4) and before it (RFC 8414 §3.1).
function mounted(request) {
  if (!path) return request;
  const rfc8414 = `/.well-known/oauth-authorization-server${path}`;
  request.originalUrl = request.url === rfc8414 ? `${path}/.well-known/oauth-authorization-server` : request.url;
  request.url = request.originalUrl.startsWith(`${path}/`) ? request.originalUrl.slice(path.length) : '/nowhere';
  return request;
}

function serve(request, response) {
  const url = new URL(request.url, issuer);
  const say = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (url.pathname.startsWith('/_test/')) return say(200, control(url));
  hits[url.pathname] = (hits[url.pathname] ?? 0) + 1;
  if (failing?.test(url.pathname)) return say(failure, { error: 'temporarily_unavailable' });
  return answer(mounted(request), response);
}

const server = tls ? https.createServer(tls, serve) : http.createServer(serve);
server.listen(Number(process.env.IDP_PORT), '127.0.0.1', () => console.log(`provider ${issuer}`));
