"""What the tests of the load balancer share: servers of its own kind behind it, sockets through it."""
import select
import ssl
import time

import mqtt_raw as m
from services import LoadBalancer
from upstream import Upstream

RAW = {"proxy_protocol": "none", "health_check": {"type": "tcp", "interval": "300ms", "timeout": "1s", "rise": 1,
                                                 "fall": 2}}


def exchange(sock, payload, timeout=60):
    """Sends all of payload while reading as much; one thread, since a TLS object stands no two."""
    sock.setblocking(False)
    view, sent, parts, size = memoryview(payload), 0, [], 0
    deadline = time.monotonic() + timeout
    while size < len(payload):
        idle = True
        try:
            if sent < len(payload):
                sent += sock.send(view[sent:sent + 65536])
                idle = False
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            parts.append(sock.recv(65536))
            if not parts[-1]:
                raise AssertionError("closed after %d bytes" % size)
            size += len(parts[-1])
            idle = False
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if idle:
            select.select([sock], [sock] if sent < len(payload) else [], [], 1)
        if time.monotonic() > deadline:
            raise AssertionError("%d of %d bytes came back" % (size, len(payload)))
    return b"".join(parts)


class FlowCase:
    def upstream(self, handler, **options):
        server = Upstream(handler, **options)
        self.addCleanup(server.close)
        return server

    def balancer(self, *upstreams, **options):
        backend = dict(RAW, **options.pop("backend", {}))
        servers = [("s%d" % i, u.address) for i, u in enumerate(upstreams)]
        return LoadBalancer(self.scope, servers, backend=backend, **options).start()

    def open(self, lb, tls):
        sock = m.open_socket(lb.tls if tls else lb.plain, lb.context if tls else None)
        self.addCleanup(sock.close)
        return sock
