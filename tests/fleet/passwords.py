"""Lines of a password file with as many iterations as a test wants (mosquitto_passwd of Debian's version takes its own)."""
import base64
import functools
import hashlib

COSTLY = 100000  # some 140 ms of a core


@functools.lru_cache(maxsize=None)
def line(user, password, iterations=101):
    salt = hashlib.sha256(("%s:%s:%d" % (user, password, iterations)).encode()).digest()[:12]
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, 64)
    return "%s:$7$%d$%s$%s\n" % (user, iterations, base64.b64encode(salt).decode(), base64.b64encode(made).decode())


def as_user(name, other):
    """Another user's line with the same password."""
    return name + other[other.index(":"):]
