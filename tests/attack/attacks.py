"""What hostile or broken clients do, each as a function that does it once and may be called again and again.

An attack gets a Target and a random generator. It may be refused, closed or starved at any time: that is how it should
end. It keeps few connections and little memory of its own, and gives up after a few seconds.
"""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fleet"))
import mqtt_raw as m  # noqa: E402

PATIENCE = 5.0


class Target:
    """Where to attack: the load balancer, the brokers themselves, and HTTP ports."""

    def __init__(self, balancer, brokers, http_ports):
        self.balancer, self.brokers, self.http_ports = balancer, brokers, http_ports

    def any(self, rng):
        return rng.choice([self.balancer, *self.brokers])


def name(rng, prefix):
    return "%s-%08x" % (prefix, rng.getrandbits(32))


def client(address, client_id, **fields):
    return m.Client.connected(address, client_id, timeout=PATIENCE, **fields)


def pour(c, data):
    """Sends as much as is taken within the patience."""
    c.sock.settimeout(PATIENCE)
    try:
        c.sock.sendall(data)
    except OSError:
        pass


def drain(c, seconds):
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            c.packets.clear()
            c.fill(end)
    except AssertionError:
        pass


# ---- long turns --------------------------------------------------------------------------------


def many_filters(target, rng):
    """SUBSCRIBE and UNSUBSCRIBE of tens of thousands of filters, without reading."""
    c = client(target.any(rng), name(rng, "filters"))
    step = 2000
    for first in range(0, 40000, step):
        pour(c, m.subscribe(c.pid(), *(("f/%d/%d" % (first, i), 1) for i in range(step))))
    for first in range(0, 40000, step):
        pour(c, m.unsubscribe(c.pid(), *("f/%d/%d" % (first, i) for i in range(step))))
    drain(c, 0.5)
    c.close()


def one_filter_many_times(target, rng):
    """The same filter a hundred thousand times in one packet, from a durable session."""
    c = client(target.any(rng), name(rng, "same"), clean=False)
    pour(c, m.subscribe(c.pid(), *(("same/filter", 1) for _ in range(100000))))
    drain(c, 0.2)
    c.close()
    c = client(target.any(rng), name(rng, "same"), clean=False)
    for _ in range(40):
        pour(c, m.subscribe(c.pid(), *(("same/filter", 1) for _ in range(4000))))
    c.close()


def wildcards(target, rng):
    """Filters of + and a literal in every combination, and publishes that walk through all of them."""
    levels = 13
    c = client(target.any(rng), name(rng, "wild"))
    filters = ["/".join("+" if bits >> i & 1 else "x" for i in range(levels)) for bits in range(1 << levels)]
    for at in range(0, len(filters), 1000):
        pour(c, m.subscribe(c.pid(), *((f + "/none", 0) for f in filters[at:at + 1000])))
    p = client(target.any(rng), name(rng, "walker"))
    for i in range(200):
        pour(p, m.publish("/".join(["x"] * levels + ["t%d" % i]), b"", qos=0))
    drain(c, 0.2)
    c.close()
    p.close()


def takeover_of_a_flood(target, rng):
    """Megabytes of publishes to many receivers wait to be read when the same id connects again."""
    topic = name(rng, "flood")
    receivers = [client(target.any(rng), name(rng, "receiver")) for _ in range(40)]
    for r in receivers:
        r.send(m.subscribe(r.pid(), (topic, 0)))
    flooder = name(rng, "flooder")
    address = target.any(rng)
    c = client(address, flooder)
    for _ in range(4):
        pour(c, m.publish(topic, b"x" * 20, qos=0) * 20000)
        c = client(address, flooder)
    for r in (*receivers, c):
        r.close()


def wrong_passwords(target, rng):
    """Logins that are wrong, against a hash that is dear."""
    for _ in range(10):
        c = m.Client(target.any(rng), timeout=PATIENCE)
        c.send(m.connect(name(rng, "login"), username="operator", password=name(rng, "guess")))
        if rng.random() < 0.5:
            drain(c, 0.2)
        c.close()


def open_qos2(target, rng):
    """All QoS 2 packet ids open, in a session that comes back again and again."""
    who = name(rng, "qos2")
    c = client(target.any(rng), who, clean=False)
    pour(c, b"".join(m.publish("q/2", b"", qos=2, pid=pid) for pid in range(1, 65536)))
    drain(c, 0.5)
    c.close()
    for _ in range(5):
        client(target.any(rng), who, clean=False).close()


# ---- memory ------------------------------------------------------------------------------------


def half_connects(target, rng):
    """Strangers that each begin a large CONNECT and wait."""
    held = []
    for _ in range(60):
        c = m.Client(target.any(rng), timeout=PATIENCE)
        pour(c, b"\x10" + m.remaining_length(400000) + b"\x00\x04MQTT\x04\x04\x00\x3c" + b"\x00\x01a" + b"x" * 60000)
        held.append(c)
    time.sleep(1)
    for c in held:
        c.close()


def half_packets(target, rng):
    """Clients that each send the most of a large PUBLISH and wait."""
    held = []
    for _ in range(8):
        c = client(target.any(rng), name(rng, "half"))
        pour(c, b"\x30" + m.remaining_length(15000000) + b"\x00\x01t" + b"x" * 4000000)
        held.append(c)
    time.sleep(1)
    for c in held:
        c.close()


def never_acknowledging(target, rng):
    """A subscriber at QoS 1 that never acknowledges nor reads, and a publisher that feeds it."""
    topic = name(rng, "unacked")
    held = [client(target.any(rng), name(rng, "deaf"), clean=rng.random() < 0.5) for _ in range(3)]
    for c in held:
        c.send(m.subscribe(c.pid(), (topic, 1)))
    p = client(target.any(rng), name(rng, "feeder"))
    for _ in range(40):
        pour(p, m.publish(topic, b"y" * 250000, qos=1, pid=p.pid()))
    drain(p, 0.5)
    for c in (*held, p):
        c.close()


def same_filter_again(target, rng):
    """Subscribes to one filter again and again, with retained values there, and reads nothing."""
    c = client(target.any(rng), name(rng, "again"))
    for i in range(20):
        pour(c, m.publish("kept/%d" % i, b"z" * 1000, retain=True))
    for _ in range(50):
        pour(c, m.subscribe(c.pid(), ("kept/#", 0)) * 200)
    c.close()


def durable_sessions(target, rng):
    """Sessions that are left behind."""
    for _ in range(20):
        c = client(target.any(rng), name(rng, "left"), clean=False)
        c.send(m.subscribe(c.pid(), ("left/%d" % rng.randrange(1000), 1)))
        c.close()


# ---- connections -------------------------------------------------------------------------------


def garbage(target, rng):
    """Bytes that mean nothing."""
    for _ in range(30):
        with socket.create_connection(target.any(rng), timeout=PATIENCE) as s:
            s.sendall(rng.randbytes(rng.randrange(1, 2000)))


def come_and_go(target, rng):
    """Connections that end before, in and after their CONNECT, with a reset."""
    for _ in range(60):
        with socket.create_connection(target.any(rng), timeout=PATIENCE) as s:
            data = m.connect(name(rng, "gone"), will=m.Will("gone", b"w"))
            s.sendall(data[:rng.randrange(len(data) + 1)])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def takeovers(target, rng):
    """One id at every broker, over and over."""
    who = name(rng, "double")
    held = []
    for _ in range(20):
        c = m.Client(target.any(rng), timeout=PATIENCE)
        c.send(m.connect(who, clean=False, will=m.Will("double", b"w", 1)))
        held.append(c)
    drain(held[-1], 0.5)
    for c in held:
        c.close()


def slow_http(target, rng):
    """Requests that never end, at every HTTP port."""
    held = []
    for port in target.http_ports:
        for _ in range(40):
            s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
            held.append(s)
    for _ in range(10):
        time.sleep(0.2)
        for s in held:
            try:
                s.sendall(b"x")
            except OSError:
                pass
    for s in held:
        s.close()


ALL = [many_filters, one_filter_many_times, wildcards, takeover_of_a_flood, wrong_passwords, open_qos2, half_connects,
       half_packets, never_acknowledging, same_filter_again, durable_sessions, garbage, come_and_go, takeovers,
       slow_http]
