"""A device that speaks 5.0, and checks what the broker says to it: device.py with properties.

It allows a few messages at a time, takes its time before it acknowledges, uses topic aliases and allows some, and notes
when what it published was surely not accepted yet, when it surely was, and when what it received came.
"""
import collections
import random
import time

import mqtt5_raw as m5
import mqtt_raw as m
from device import Device

FOR_EVER = 0xFFFFFFFF
GOODBYES = (0x00, 0x80, 0x88, 0x89, 0x8B, 0x8E, 0x97, 0x9C, 0x9D)  # what a broker in trouble may say
NOT_NOW = (0x80, 0x88, 0x89, 0x8B, 0x97, 0x9C, 0x9D)

Arrival = collections.namedtuple("Arrival", "payload time packet repeated")


class Device5(Device):
    """subscriptions: (filter, options byte) with the identifier `identifier`s, one SUBSCRIBE each.

    props_for(topic, payload): (properties, retain flag) of a message. `arrivals_of` has, for each topic, all that came,
    also what came again; `sent_at` and `acked_at` are by (topic, payload).
    """

    def __init__(self, dial, client_id, subscriptions=(), identifiers=(), expiry=FOR_EVER, most=5, slow=0.0,
                 props_for=None, somebody=True, **more):
        self.identifiers, self.expiry, self.most, self.slow, self.somebody = identifiers, expiry, most, slow, somebody
        self.props_for = props_for or (lambda topic, payload: ({}, False))
        self.arrivals_of = collections.defaultdict(list)
        self.sent_at, self.acked_at = {}, {}
        self.suback_count, self.greeted_at = 0, []
        super().__init__(lambda: dial(m5.Client), client_id, subscriptions, **more)

    # a new connection

    def connect_bytes(self, will):
        self.receive_maximum, self.alias_maximum = random.randint(1, self.most), random.randint(0, 3)
        self.unfinished, self.held, self.aliases = set(), collections.deque(), {}
        props = {"receive_maximum": self.receive_maximum, "session_expiry": self.expiry}
        if self.alias_maximum:
            props["topic_alias_maximum"] = self.alias_maximum
        if will is not None:
            will = m5.Will(will.topic, will.payload, will.qos)
        return m5.connect(self.client_id, clean=False, keepalive=self.keepalive, will=will, props=props)

    def greeted(self, connack):
        if connack.reason != 0:
            if connack.reason not in NOT_NOW:
                self.problems.append("refused: %r" % connack)
            raise m.Closed("refused with 0x%02x" % connack.reason)
        self.window = min(self.window, connack.props.get("receive_maximum", 65535))
        self.greeted_at.append(time.monotonic())
        self.may_alias = connack.props.get("topic_alias_maximum", 0)
        self.suback_count = 0

    def subscribe_bytes(self):
        out = b""
        for i, one in enumerate(self.subscriptions):
            props = {"subscription_id": self.identifiers[i]} if self.identifiers else None
            out += m5.subscribe(65535 - i, one, props=props)
        return out

    # publishing

    def publish_bytes(self, topic, payload, qos, pid, dup=False):
        props, retain = self.props_for(topic, payload)
        self.sent_at.setdefault((topic, payload), time.monotonic())
        name, props = topic, dict(props)
        if topic in self.aliases:
            name, props["topic_alias"] = "", self.aliases[topic]
        elif len(self.aliases) < self.may_alias:
            props["topic_alias"] = self.aliases[topic] = len(self.aliases) + 1
        return m5.publish(name, payload, qos, pid, retain, dup, props)

    def acknowledged(self, got):
        entry = self.inflight.get(got.pid)
        if entry is None:
            return
        self.acked_at.setdefault((entry[0], entry[1]), time.monotonic())
        if got.reason >= 0x80 or (got.reason == 0x10 and self.somebody):
            self.problems.append("%r for %s %s" % (got, entry[0], entry[1]))

    # receiving

    def handle(self, got, out):
        if got.kind == m.PUBLISH:
            self.take(got, out)
            return
        if got.kind == m.DISCONNECT:
            if got.reason not in GOODBYES:
                self.problems.append("told to go: %r" % got)
            raise m.Closed("told to go with 0x%02x" % got.reason)
        if got.kind in (m.PUBACK, m.PUBREC, m.PUBCOMP) and not (got.kind == m.PUBCOMP and got.reason == 0x92):
            self.acknowledged(got)
        if got.kind == m.PUBREL:
            self.unfinished.discard(got.pid)
        if got.kind == m.SUBACK:
            self.suback_count += 1
            if self.suback_count < len(self.subscriptions) and max(got.granted) <= 2:
                return
        super().handle(got, out)

    def take(self, got, out):
        if got.qos:
            if got.pid in self.unfinished:
                self.problems.append("twice on one connection: %r" % got)
            self.unfinished.add(got.pid)
            if len(self.unfinished) > self.receive_maximum:
                self.problems.append("%d at a time, although %d are allowed: %r" % (
                    len(self.unfinished), self.receive_maximum, got))
        if got.alias is not None and got.alias > self.alias_maximum:
            self.problems.append("alias %d of %d: %r" % (got.alias, self.alias_maximum, got))
        if got.dup and self.connects == 1:
            self.problems.append("dup on the first connection: %r" % got)
        repeated = got.qos == 2 and got.pid in self.open_in2
        self.arrivals_of[got.topic].append(Arrival(got.payload, time.monotonic(), got, repeated))
        answer = bytearray()
        super().handle(got, answer)
        self.held.append((time.monotonic() + self.slow * random.random(), got, answer))

    def more(self, out):
        now = time.monotonic()
        while self.held and self.held[0][0] <= now:
            _, got, answer = self.held.popleft()
            if got.qos == 1:
                self.unfinished.discard(got.pid)
            out += answer
