"""Many short connections at once: each sends its bytes and must be closed by the other side."""
import random
import selectors
import socket
import ssl
import struct
import time

import mqtt_raw as m
from conformance_malformed import AFTER_CONNECT, BEFORE_CONNECT, LENIENT
from services import STANDIN_BROKER

RESET = struct.pack("ii", 1, 0)


class Storm:
    """Opens a connection for each item of `payloads`, `concurrency` at a time.

    The peer must end each one within `patience` seconds. With shut=True this side ends its direction
    after sending, so that bytes that may be the start of something valid aren't waited for.
    """

    def __init__(self, address, payloads, concurrency=48, patience=15.0, shut=False):
        self.address, self.payloads = address, iter(payloads)
        self.concurrency, self.patience, self.shut = concurrency, patience, shut
        self.selector = selectors.DefaultSelector()
        self.open = {}  # socket -> (payload, started)
        self.done = 0
        self.answered = 0  # bytes the peer sent

    def run(self, timeout=120.0, every=None, step=10000):
        """Returns the number of connections; calls every() each `step` of them."""
        deadline, next_call, more = time.monotonic() + timeout, step, True
        next_sweep = 0.0
        while more or self.open:
            while more and len(self.open) < self.concurrency:
                payload = next(self.payloads, None)
                if payload is None:
                    more = False
                else:
                    self.begin(payload)
            for key, _ in self.selector.select(0.5):
                self.handle(key.fileobj)
            now = time.monotonic()
            if now > next_sweep:
                next_sweep = now + 1
                for payload, started in self.open.values():
                    if now - started > self.patience:
                        raise AssertionError("a connection was left open after %s" % payload[:80].hex())
                if now > deadline:
                    raise AssertionError("only %d connections in %.0f s" % (self.done, timeout))
            if every is not None and self.done >= next_call:
                next_call += step
                every()
        self.selector.close()
        return self.done

    def begin(self, payload):
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)  # no TIME_WAIT on our side
        sock.connect_ex(self.address)
        self.open[sock] = (payload, time.monotonic())
        self.selector.register(sock, selectors.EVENT_WRITE)

    def handle(self, sock):
        payload, _ = self.open[sock]
        try:
            if self.selector.get_key(sock).events & selectors.EVENT_WRITE:
                sock.send(payload)
                if self.shut:
                    sock.shutdown(socket.SHUT_WR)
                self.selector.modify(sock, selectors.EVENT_READ)
                return
            data = sock.recv(65536)
            if data:
                self.answered += len(data)
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # a reset is an end too
        self.selector.unregister(sock)
        del self.open[sock]
        sock.close()
        self.done += 1


def tls_garbage(address, context, payloads):
    """Sends each payload inside a TLS connection of its own and waits for the end."""
    for payload in payloads:
        with socket.create_connection(address, timeout=15) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as sock:
                try:
                    sock.sendall(payload)
                    while sock.recv(65536):
                        pass
                except (ssl.SSLError, ConnectionError):
                    pass


ASAN = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99:quarantine_size_mb=1"}
GROWTH_KB = 12 * 1024


def malformed(count, seed, share_connected=0.5):
    """Malformed packets of every kind, some with bytes after them, half of them after a CONNECT."""
    rng = random.Random(seed)
    before = list(BEFORE_CONNECT.values())
    after = [data for name, data in AFTER_CONNECT.items() if not (STANDIN_BROKER and name in LENIENT)]
    for n in range(count):
        tail = rng.randbytes(rng.randrange(0, 60)) if rng.random() < 0.3 else b""
        if rng.random() < share_connected:
            yield m.connect("bad%d" % (n % 500)) + rng.choice(after) + tail
        else:
            yield rng.choice(before) + tail


class Control:
    """A pair of clients that must never notice anything."""

    def __init__(self, broker_or_lb, name="control", **fields):
        self.subscriber = broker_or_lb.connect(name + "-sub", **fields)
        self.publisher = broker_or_lb.connect(name + "-pub", **fields)
        self.subscriber.subscribe((name + "/#", 2))
        self.name, self.count = name, 0

    def check(self):
        for qos in (0, 1, 2):
            self.count += 1
            self.publisher.publish(self.name + "/x", "%d" % self.count, qos)
            self.subscriber.expect_message(self.name + "/x", "%d" % self.count, qos)

    def close(self):
        self.subscriber.close()
        self.publisher.close()
