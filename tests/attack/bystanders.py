"""Devices that do nothing wrong: each pings, or sends itself a message at QoS 1, and notes how long the answer took.

Runs as a process of its own: bystanders.py SECONDS COUNT HOST:PORT... Prints one JSON object: latencies in ms of pings
and echoes, and who was closed, refused or left without an answer.
"""
import json
import os
import random
import selectors
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fleet"))
import mqtt_raw as m  # noqa: E402

PERIOD = 2.0  # between two of a device's questions
LATE = 10.0  # without an answer for so long


class Device:
    def __init__(self, number, address):
        self.id, self.pings = "bystander-%d" % number, number % 2 == 0
        self.topic = "bystanders/%d" % number
        self.buffer = bytearray()
        self.asked = None
        self.next = 0.0
        self.pid = 1
        c = m.Client.connected(address, self.id, timeout=20, keepalive=60, clean=number % 4 < 2)
        if not self.pings:
            c.send(m.subscribe(1, (self.topic, 1)))
            c.expect(m.SUBACK)
        self.sock = c.sock
        self.sock.setblocking(False)

    def ask(self, now):
        self.asked = now
        if self.pings:
            self.sock.send(m.PINGREQ_BYTES)
        else:
            self.pid = self.pid % 60000 + 1
            self.sock.send(m.publish(self.topic, b"%d" % self.pid, qos=1, pid=self.pid))

    def answers(self):
        """True when the question that is open was answered."""
        data = self.sock.recv(65536)
        if not data:
            raise OSError("closed")
        self.buffer += data
        found = False
        for p in m.take_packets(self.buffer):
            if p.kind == m.PUBLISH:
                self.sock.send(m.ack(m.PUBACK, p.pid))
                found |= p.payload == b"%d" % self.pid
            found |= p.kind == m.PINGRESP
        return found and self.asked is not None


def quantile(values, q):
    return values[min(len(values) - 1, int(len(values) * q))] if values else None


def summary(values):
    values = sorted(values)
    return {"count": len(values), "p50": quantile(values, 0.5), "p99": quantile(values, 0.99),
            "p999": quantile(values, 0.999), "max": quantile(values, 1.0)}


class Watch:
    def __init__(self, devices):
        self.devices, self.took = devices, {True: [], False: []}
        self.closed, self.late, self.stalls = [], [], []
        self.selector = selectors.DefaultSelector()
        start = time.monotonic()
        for d in devices:
            d.next = start + random.uniform(0, PERIOD)
            self.selector.register(d.sock, selectors.EVENT_READ, d)

    def lose(self, d, why):
        self.selector.unregister(d.sock)
        d.sock.close()
        self.devices.remove(d)
        self.closed.append("%s: %s" % (d.id, why))

    def read(self, d, now):
        try:
            if d.answers():
                self.took[d.pings].append((now - d.asked) * 1000)
                d.asked = None
        except OSError as e:
            self.lose(d, str(e))

    def ask(self, now):
        for d in list(self.devices):
            if now < d.next:
                continue
            if d.asked is not None:
                if now - d.asked > LATE:
                    self.late.append(d.id)
                    self.lose(d, "no answer for %.0f s" % LATE)
                continue
            d.next = now + PERIOD
            try:
                d.ask(now)
            except OSError as e:
                self.lose(d, str(e))

    def run(self, seconds):
        end = time.monotonic() + seconds
        last = time.monotonic()
        while time.monotonic() < end:
            self.ask(time.monotonic())
            events = self.selector.select(0.005)
            now = time.monotonic()
            if now - last > 0.1:
                self.stalls.append((now - last) * 1000)  # our own, not theirs
            last = now
            for key, _ in events:
                if key.data in self.devices:
                    self.read(key.data, now)


def main():
    seconds, count = float(sys.argv[1]), int(sys.argv[2])
    addresses = [(a.rsplit(":", 1)[0], int(a.rsplit(":", 1)[1])) for a in sys.argv[3:]]
    devices = [Device(i, addresses[i % len(addresses)]) for i in range(count)]
    print("ready", flush=True)
    sys.stdin.readline()
    watch = Watch(devices)
    watch.run(seconds)
    print(json.dumps({"ping": summary(watch.took[True]), "echo": summary(watch.took[False]), "closed": watch.closed,
                      "own_stalls": len(watch.stalls), "own_longest_stall": max(watch.stalls, default=0.0)}), flush=True)


main()
