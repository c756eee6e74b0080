"""What json.loads makes of each message: one line in, one line out."""

import base64
import json
import sys


def names(method, params):
    match method:
        case "tools/call" | "prompts/get":
            return [params["name"]]
        case "resources/read" | "resources/subscribe" | "resources/unsubscribe":
            return [params["uri"]]
        case "completion/complete":
            ref = params["ref"]
            return [ref["name"] if ref["type"] == "ref/prompt" else ref["uri"]]
        case "subscriptions/listen":
            of = params.get("notifications", {})
            return [*of.get("resourceSubscriptions", []), *of.get("taskIds", [])]
    return []


for line in sys.stdin:
    try:
        message = json.loads(base64.b64decode(json.loads(line)["body"]))
        method = message.get("method", "")
        out = {"method": method, "id": message.get("id"), "names": names(method, message.get("params", {}))}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        out = {"error": repr(error)}
    print(json.dumps(out))
