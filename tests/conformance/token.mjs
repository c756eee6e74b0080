// Loaded into the suite with `node --import`: adds a bearer token to its requests to one origin, and changes nothing
// else. Node tells of every request before it is sent: on one channel those of `fetch` and undici, on another those of
// `node:http`.

import { subscribe } from "node:diagnostics_channel";

const origin = process.env.CONFORMANCE_ORIGIN;
const authorization = `Bearer ${process.env.CONFORMANCE_TOKEN}`;

subscribe("undici:request:create", ({ request }) => {
  if (String(request.origin) === origin) request.addHeader("authorization", authorization);
});

subscribe("http.client.request.created", ({ request }) => {
  if (`${request.protocol}//${request.getHeader("host")}` === origin) request.setHeader("authorization", authorization);
});
