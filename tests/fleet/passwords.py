"""Lines of a password file with as many iterations as a test wants (mosquitto_passwd of Debian's version takes its own)."""
import base64
import functools
import hashlib
import time

COSTLY = 100000  # some 140 ms of a core


@functools.lru_cache(maxsize=None)
def line(user, password, iterations=101):
    salt = hashlib.sha256(("%s:%s:%d" % (user, password, iterations)).encode()).digest()[:12]
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, 64)
    return "%s:$7$%d$%s$%s\n" % (user, iterations, base64.b64encode(salt).decode(), base64.b64encode(made).decode())


def cpu_seconds(iterations):
    """What hashing once takes of a core, however busy the machine is."""
    start = time.thread_time()
    hashlib.pbkdf2_hmac("sha512", b"password", b"salt", iterations, 64)
    return time.thread_time() - start


def as_user(name, other):
    """Another user's line with the same password."""
    return name + other[other.index(":"):]
