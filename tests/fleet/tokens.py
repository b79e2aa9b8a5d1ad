"""Signed tokens (JSON Web Tokens) for tests, made with Python's hmac and the openssl program."""
import base64
import hashlib
import hmac
import json
import subprocess

SECRET = b"a secret of at least 32 bytes, of which nobody knows"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def first_part(header, claims):
    return "%s.%s" % (base64url(json.dumps(header).encode()), base64url(json.dumps(claims).encode()))


def raw_from_der(der):
    """The two numbers of an ECDSA signature, 32 bytes each."""
    at, numbers = 2, b""
    for _ in range(2):
        length = der[at + 1]
        numbers += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return numbers


class Keys:
    """Keys in a scope's folder: `secret` (HS256), `rsa` (RS256), `ec` (ES256), as auth.jwt.keys names them."""

    def __init__(self, scope):
        self.scope = scope
        scope.write("jwt-secret", SECRET.decode() + "\n")
        self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", scope.path("rsa.key"))
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", scope.path("ec.key"))
        for name in ("rsa", "ec"):
            self.openssl("pkey", "-in", scope.path(name + ".key"), "-pubout", "-out", scope.path(name + ".pem"))
        self.config = {"secret": {"algorithm": "HS256", "file": scope.path("jwt-secret")},
                       "rsa": {"algorithm": "RS256", "file": scope.path("rsa.pem")},
                       "ec": {"algorithm": "ES256", "file": scope.path("ec.pem")}}

    def openssl(self, *arguments, data=None):
        return subprocess.run(["openssl", *arguments], input=data, check=True, timeout=60, capture_output=True).stdout

    def sign(self, by, text):
        if by == "secret":
            return hmac.new(SECRET, text.encode(), hashlib.sha256).digest()
        made = self.openssl("dgst", "-sha256", "-sign", self.scope.path(by + ".key"), data=text.encode())
        return raw_from_der(made) if by == "ec" else made

    def token(self, claims, by="secret", **header):
        """Signed by that key; its algorithm and name, unless `header` says otherwise (None: left out)."""
        fields = {"typ": "JWT", "alg": self.config[by]["algorithm"], "kid": by}
        fields.update(header)
        text = first_part({name: value for name, value in fields.items() if value is not None}, claims)
        return "%s.%s" % (text, base64url(self.sign(by, text)))
