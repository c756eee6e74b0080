"""Keys, and what is signed with them: proofs of possession (RFC 9449), forged tokens, a certificate."""

import base64
import datetime
import hashlib
import secrets
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key):
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "use": "sig", "alg": "ES256"}


def pem(key):
    """The private key as PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def proof(key, method, url, token=None, headers=None, **claims):
    """A DPoP proof. Claims and header parameters given here replace the right ones; None leaves one out."""
    claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_urlsafe(16)} | claims
    if token:
        digest = hashlib.sha256(token.encode()).digest()
        claims.setdefault("ath", base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
    claims = {name: value for name, value in claims.items() if value is not None}
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(claims, key, "ES256", {"typ": "dpop+jwt", "jwk": jwk} | (headers or {}))


def forged(issuer, audience, kid):
    """An access token that names a key the issuer does not have."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": "mallory", "client_id": "mallory", "scope": "public:read"}
    claims |= {"iat": now, "exp": now + 600, "jti": secrets.token_urlsafe(16)}
    return jwt.encode(claims, new_key(), "ES256", {"typ": "at+jwt", "kid": kid})


def certificate():
    """A self-signed certificate, as PEM."""
    key, name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
