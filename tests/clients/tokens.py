"""Tokens in the prototype's form (HS256; `sub`, `scope` as a list, `exp`), made without any library."""

import base64
import hashlib
import hmac
import json
import time


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mint(secret, scopes, hours=1.0, subject="alice"):
    claims = {"sub": subject, "scope": scopes, "exp": int(time.time() + hours * 3600)}
    signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"
