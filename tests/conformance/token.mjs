// Loaded into the suite with `node --import`: adds a bearer token to its requests to one origin, and changes nothing else.
// Node tells of every request before it is sent: those of `fetch` and undici on one channel, those of `node:http` on another.

import { subscribe } from "node:diagnostics_channel";

const origin = process.env.CONFORMANCE_ORIGIN;
const authorization = `Bearer ${process.env.CONFORMANCE_TOKEN}`;

subscribe("undici:request:create", ({ request }) => {
  if (String(request.origin) === origin) request.addHeader("authorization", authorization);
});

subscribe("http.client.request.created", ({ request }) => {
  if (`${request.protocol}//${request.getHeader("host")}` === origin) request.setHeader("authorization", authorization);
});
