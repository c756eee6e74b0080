"""Keys, and what is signed with them: proofs of possession (RFC 9449), forged tokens, a certificate."""

import base64
import datetime
import hashlib
import secrets
import ssl
import time
from ipaddress import ip_address

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY_ID = "the gateway's"


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key):
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "use": "sig", "alg": "ES256", "kid": KEY_ID}


def pem(key):
    """The private key as PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def proof(key, method, url, token=None, headers=None, **claims):
    """A DPoP proof. Claims and header parameters given here replace the right ones; None leaves one out."""
    claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_urlsafe(16)} | claims
    if token:
        claims.setdefault("ath", digest(token))
    claims = {name: value for name, value in claims.items() if value is not None}
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(claims, key, "ES256", {"typ": "dpop+jwt", "jwk": jwk} | (headers or {}))


def digest(token):
    """How a token is named where it must not be written down."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def forged(issuer, audience, kid):
    """An access token that names a key the issuer does not have."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": "mallory", "client_id": "mallory", "scope": "public:read"}
    claims |= {"iat": now, "exp": now + 600, "jti": secrets.token_urlsafe(16)}
    return jwt.encode(claims, new_key(), "ES256", {"typ": "at+jwt", "kid": kid})


class Authority:
    """A certificate authority, and its own certificate as PEM."""

    def __init__(self):
        self._key = new_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))

    def trust(self, certificate=None, key=None):
        """A TLS client that trusts this authority, and may show a certificate of its own; both are files."""
        context = ssl.create_default_context(cadata=self.certificate)
        if certificate:
            context.load_cert_chain(certificate, key)
        return context

    def certify(self, address):
        """A certificate for an IP address and its key, as PEM."""
        key = new_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        return self._sign(name, key, x509.BasicConstraints(ca=False, path_length=None), names), pem(key)

    def _sign(self, name, key, *extensions):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
