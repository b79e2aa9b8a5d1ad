"""The client's side of SCRAM-SHA-256 (RFC 5802, 7677), written from the RFCs; and lines of a password file for it."""
import base64
import functools
import hashlib
import hmac
import os

import mqtt5_raw as m5

METHOD = "SCRAM-SHA-256"
CONTINUE, AGAIN = 0x18, 0x19


def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def b64(data):
    return base64.b64encode(data).decode()


@functools.lru_cache(maxsize=None)
def salted(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def line(user, password, iterations=4096):
    salt = hashlib.sha256(("%s:%s" % (user, password)).encode()).digest()[:16]
    secret = salted(password, salt, iterations)
    stored = hashlib.sha256(digest(secret, b"Client Key")).digest()
    return "%s:$scram-sha-256$%d$%s$%s$%s\n" % (user, iterations, b64(salt), b64(stored), b64(digest(secret, b"Server Key")))


class Exchange:
    """What the client says, step by step. Each part may be changed by a test before it is said."""

    def __init__(self, user, password, header="n,,", nonce=None):
        self.password, self.header = password, header
        self.nonce = nonce or b64(os.urandom(18))
        self.bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), self.nonce)
        self.first = (self.header + self.bare).encode()

    def read_challenge(self, data):
        self.challenge = data.decode()
        fields = dict(part.split("=", 1) for part in self.challenge.split(","))
        self.server_nonce, self.salt, self.iterations = fields["r"], base64.b64decode(fields["s"]), int(fields["i"])
        if not self.server_nonce.startswith(self.nonce) or len(self.server_nonce) < len(self.nonce) + 16:
            raise AssertionError("the broker's nonce doesn't go on from ours: %s" % self.challenge)

    def final(self, data):
        """Reads the challenge; the answer to it."""
        self.read_challenge(data)
        secret = salted(self.password, self.salt, self.iterations)
        without_proof = "c=%s,r=%s" % (b64(self.header.encode()), self.server_nonce)
        message = ",".join((self.bare, self.challenge, without_proof)).encode()
        key = digest(secret, b"Client Key")
        signature = digest(hashlib.sha256(key).digest(), message)
        self.verifier = digest(digest(secret, b"Server Key"), message)
        return ("%s,p=%s" % (without_proof, b64(bytes(a ^ b for a, b in zip(key, signature))))).encode()

    def verify(self, data):
        """The broker knows the user, too."""
        if data != ("v=" + b64(self.verifier)).encode():
            raise AssertionError("the broker's signature is wrong: %r" % data)


def connect(client_id, data, **fields):
    props = {"authentication_method": METHOD}
    if data is not None:
        props["authentication_data"] = data
    return m5.connect(client_id, props=props, **fields)


def says(data, reason=CONTINUE, method=METHOD):
    return m5.auth(reason, {"authentication_method": method, "authentication_data": data})
