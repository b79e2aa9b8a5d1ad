"""A 5.0 client that comes and goes, with a session and a will that have their time, and what must be seen of both."""
import collections
import random
import threading
import time

import mqtt5_raw as m5
import mqtt_raw as m
from device5 import GOODBYES, NOT_NOW
from harness import pace

TOLERANCE = 0.3


class Stay:
    """One attempt to connect, and what came of it.

    tried: before CONNECT was sent; greeted: CONNACK was there; heard: when the broker last answered; lost: the
    connection was surely over for the client; expiry: (least, most) that the session may wait for its client.
    """

    def __init__(self, number, expiry):
        self.number, self.tried, self.greeted, self.heard, self.lost = number, time.monotonic(), None, None, None
        self.left, self.present, self.expiry = False, None, (expiry, expiry)


class Visitor(threading.Thread):
    """away(): how long it stays away. It says "on <n>" after its n-th CONNACK, and its will is "off <n>", delay s."""

    def __init__(self, roads, name, expiry, delay, away):
        super().__init__(daemon=True)
        self.roads, self.client_id, self.expiry, self.delay, self.away = roads, name, expiry, delay, away
        self.topic = "visitor/" + name
        self.stays, self.ending, self.problems, self.former = [], threading.Event(), [], None
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                self.visit()
            except (m.Closed, m.TimedOut, OSError):
                pass
            except BaseException as e:
                self.problems.append(repr(e))
                return
            if not self.former:
                self.ending.wait(self.away())

    def visit(self):
        stay = Stay(len(self.stays) + 1, self.expiry)
        self.stays.append(stay)
        client = None
        try:
            client = self.roads.dial(m5.Client)
            self.greet(client, stay)
            self.remain(client, stay)
            self.go(client, stay)
        finally:
            if client is not None and client is not self.former:
                client.abort()
            stay.lost = stay.lost or time.monotonic()

    def greet(self, client, stay):
        stay.tried = time.monotonic()
        will = m5.Will(self.topic, "off %d" % stay.number, 2, will_delay=self.delay)
        client.send(m5.connect(self.client_id, clean=False, keepalive=5, will=will,
                               props={"session_expiry": self.expiry}))
        try:
            answer = client.expect(m.CONNACK, timeout=12)
        finally:
            if self.former:
                self.former.close()
                self.former = None
        if answer.reason:
            if answer.reason not in NOT_NOW:
                self.problems.append("refused: %r" % answer)
            raise m.Closed("refused")
        stay.greeted = stay.heard = time.monotonic()
        stay.present = answer.session_present
        client.send(m5.publish(self.topic, "on %d" % stay.number, 1, 1))

    def remain(self, client, stay):
        until, pinged = time.monotonic() + random.choice((0.1, 1, 3.5)) * random.random(), 0
        while time.monotonic() < until:
            now = time.monotonic()
            if now - stay.heard > 7:
                raise m.TimedOut("nothing heard")
            if now - pinged > 0.4:
                client.send(m.PINGREQ_BYTES)
                pinged = now
            try:
                client.fill(now + 0.1)
            except m.TimedOut:
                continue
            stay.heard = time.monotonic()
            for got in client.packets:
                if got.kind == m.DISCONNECT:
                    if got.reason not in GOODBYES:
                        self.problems.append("told to go: %r" % got)
                    raise m.Closed("told to go")
                if got.kind not in (m.PUBACK, m.PINGRESP):
                    self.problems.append("unexpected %r" % got)
            client.packets = []

    def go(self, client, stay):
        how = random.random()
        if how < 0.2:  # the next connection takes this one over
            self.former = client
        elif how < 0.4 and self.expiry < 600:  # another time for the session
            other = random.choice((1, self.expiry, self.expiry + 1))
            stay.expiry, stay.left = (min(self.expiry, other), max(self.expiry, other)), True
            client.send(m5.disconnect(0x04, {"session_expiry": other}))
        elif how < 0.5:
            stay.left = True
            client.send(m5.disconnect())

    def finish(self):
        self.ending.set()
        self.join(20)
        if self.former:
            self.former.abort()
            self.former = None

    # what must hold

    def check(self, told, slack, quiet_from=float("inf"), quiet_slack=0, drained=()):
        """told: what its topic's subscriber received, at QoS 2. slack: how late what has its time may be, under faults;
        quiet_slack: of connections that end after quiet_from. drained: when brokers were told to end."""
        if self.problems:
            raise AssertionError("%s: %s" % (self.client_id, self.problems))
        known = [s for s in self.stays if s.lost or s.greeted]
        for before, after in zip(known, known[1:]):
            if before.greeted and before.lost and after.greeted:
                late = quiet_slack if before.lost > quiet_from else slack
                self.check_session(before, after, late)
                self.check_will(told, before, after, late,
                                any(before.greeted < t + 25 and t < after.tried for t in drained))
        self.check_story(told)

    def check_session(self, before, after, late):
        if after.greeted < before.heard + before.expiry[0] - TOLERANCE and not after.present:
            raise AssertionError("%s: session of stay %d was gone after %.2f s of %d" % (
                self.client_id, before.number, after.greeted - before.heard, before.expiry[0]))
        if after.tried > before.lost + before.expiry[1] + late and after.present:
            raise AssertionError("%s: session of stay %d was there after %.2f s, of %d" % (
                self.client_id, before.number, after.tried - before.lost, before.expiry[1]))

    def check_will(self, told, before, after, late, drained):
        count = told.count(b"off %d" % before.number)
        if after.greeted < before.heard + min(self.delay, before.expiry[0]) - TOLERANCE and count:
            raise AssertionError("%s: will %d although it came back after %.2f s: %s" % (
                self.client_id, before.number, after.greeted - before.heard, told[-8:]))
        if after.tried > before.lost + min(self.delay, before.expiry[1]) + late and not count and not before.left \
                and not drained:
            raise AssertionError("%s: no will %d although it was away for %.2f s: %s" % (
                self.client_id, before.number, after.tried - before.lost, told[-8:]))

    def check_story(self, told):
        newest = 0
        for text, times in collections.Counter(w for w in told if w.startswith(b"off")).items():
            if times > 1:
                raise AssertionError("%s: %s came %d times: %s" % (self.client_id, text, times, told))
        for word in told:
            n = int(word.split()[1])
            if word.startswith(b"on"):
                newest = max(newest, n)
            elif n < newest:
                raise AssertionError("%s: will %d behind connection %d: %s" % (self.client_id, n, newest, told))
