// What JSON.parse makes of each message: one line in, one line out.
import { createInterface } from "node:readline";

function names(method, params) {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      return [params.name];
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return [params.uri];
    case "completion/complete":
      return [params.ref.type === "ref/prompt" ? params.ref.name : params.ref.uri];
    case "subscriptions/listen": {
      const { resourceSubscriptions = [], taskIds = [] } = params.notifications ?? {};
      return [...resourceSubscriptions, ...taskIds];
    }
    default:
      return [];
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let out;
  try {
    const { method = "", id = null, params = {} } = JSON.parse(Buffer.from(JSON.parse(line).body, "base64").toString());
    out = { method, id, names: names(method, params) };
  } catch (error) {
    out = { error: String(error) };
  }
  console.log(JSON.stringify(out));
}
