"""Load for a broker that is killed: publishers and subscribers with sessions, which come back after each kill and go on
as MQTT says, and know what they were answered and when."""
import threading
import time

import mqtt_raw as m
from harness import pace


class Actor(threading.Thread):
    """Connects again and again until it is told to end; `trouble` is what it found wrong."""

    def __init__(self, address, name):
        super().__init__(daemon=True)
        self.address, self.name_, self.trouble, self.ending = address, name, None, threading.Event()
        self.connections = 0

    def run(self):
        try:
            while not self.done():
                try:
                    with m.Client.connected(self.address, self.name_, clean=False, timeout=5.0) as client:
                        if self.connections > 0 and not client.session_present:
                            raise RuntimeError("%s: its session is gone" % self.name_)
                        self.connections += 1
                        self.serve(client)
                except (OSError, m.Closed, m.TimedOut, AssertionError):
                    pace(0.02)
        except BaseException as e:  # for the test's thread
            self.trouble = e

    def finish(self, timeout):
        self.ending.set()
        self.join(timeout)
        if self.trouble is not None:
            raise self.trouble
        if self.is_alive():
            raise AssertionError("%s isn't done" % self.name_)


class Publisher(Actor):
    """Publishes 0, 1, 2, ... at one QoS. `answered`: number -> when its PUBACK or PUBCOMP came."""

    def __init__(self, address, name, topic, qos, retain=False, window=10, rest=0.01):
        super().__init__(address, name)
        self.topic, self.qos, self.retain, self.window, self.rest = topic, qos, retain, window, rest
        self.numbers, self.next_pid, self.answered = 0, 0, {}
        self.open = {}  # packet id -> (number, released), in the order of the numbers

    def done(self):
        return self.ending.is_set() and not self.open

    def bytes_of(self, pid, dup=False):
        number, released = self.open[pid]
        if released:
            return m.ack(m.PUBREL, pid)
        return m.publish(self.topic, "%d" % number, self.qos, pid, self.retain, dup)

    def fresh(self):
        out = bytearray()
        while len(self.open) < self.window and not self.ending.is_set():
            self.next_pid = self.next_pid % 65535 + 1
            self.open[self.next_pid] = (self.numbers, False)
            out += self.bytes_of(self.next_pid)
            self.numbers += 1
        return out

    def take(self, got, out):
        if got.pid not in self.open:
            return
        number, _ = self.open[got.pid]
        if got.kind == m.PUBREC:
            self.open[got.pid] = (number, True)
            out += m.ack(m.PUBREL, got.pid)
        elif got.kind in (m.PUBACK, m.PUBCOMP):
            del self.open[got.pid]
            self.answered[number] = time.monotonic()

    def serve(self, client):
        client.send(b"".join(self.bytes_of(pid, dup=True) for pid in self.open))
        while not self.done():
            out = self.fresh()
            client.send(out)
            got = client.recv()
            out = bytearray()
            self.take(got, out)
            while client.packets:
                self.take(client.packets.pop(0), out)
            client.send(out)
            pace(self.rest)


class Subscriber(Actor):
    """Takes everything, acknowledges it, and keeps it: (topic, payload, qos, dup) in the order in which it came. A packet
    id of QoS 2 that isn't released yet counts once."""

    def __init__(self, address, name, wanted=None):
        super().__init__(address, name)
        self.got, self.open_in2 = [], set()
        self.wanted = wanted  # ends when this says so of self.got

    def done(self):
        return self.ending.is_set() and (self.wanted is None or self.wanted(self.got)) and not self.open_in2

    def serve(self, client):
        client.open_in2 = self.open_in2
        while not self.done():
            out, messages = bytearray(), []
            try:
                client.react(client.recv(0.2), messages, out)
            except m.TimedOut:
                continue
            while client.packets:
                client.react(client.packets.pop(0), messages, out)
            self.got += [(g.topic, int(g.payload), g.qos, g.dup) for g in messages]
            client.send(out)

    def numbers(self, topic):
        return [number for name, number, _, _ in self.got if name == topic]
