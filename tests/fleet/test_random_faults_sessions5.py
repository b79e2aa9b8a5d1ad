"""Random faults from a seed, under load of 5.0 sessions: their messages, their times and their wills' times hold.

faults.py says how to run a seed again.
"""
import random
import threading
import time

import harness
import mqtt5_raw as m5
from device import Device, difference
from device5 import Device5
from faults import LONG, FaultsCase
from harness import eventually, pace
from visitor5 import Visitor

RATE = 5.0
EXPIRIES = (None, 3, None, 1, 6, None, 2)  # by the message's number
LATE = 1.0  # a message that is later than this behind its time, or dropped so much before it
SLACK, QUIET_SLACK = 12.0, 8.0  # how late a session or a will may end; brokers that have died are noticed first
FIVE = m5.options(2)
AS_PUBLISHED = m5.options(2, as_published=True)
NO_LOCAL = m5.options(2, no_local=True)


def expiry(payload):
    return EXPIRIES[int(payload) % len(EXPIRIES)]


def retained(topic, payload):
    return topic.endswith("/1") and int(payload) % 3 == 0


def user_properties(payload):
    return [("b", payload.decode()), ("a", "1"), ("b", "again")]


def message(topic, payload):
    props = {"user_property": user_properties(payload)}
    if expiry(payload):
        props["message_expiry"] = expiry(payload)
    return props, retained(topic, payload)


class RandomFaultsSessions5(FaultsCase, harness.FleetTest):
    def scene(self):
        self.begin = time.monotonic()
        dial, sleepy = self.roads.dial, self.roads.sleepy_dial
        self.subscribers = {
            Device5(dial, "both", [("five/+/+", AS_PUBLISHED), ("five/#", AS_PUBLISHED)], [7, 300]): ([7, 300], True),
            Device5(sleepy, "sleeper", [("five/+/+", FIVE)], [70000], most=3, slow=0.02): ([70000], False),
            Device5(dial, "one", [("five/#", FIVE)], [1], most=1): ([1], False),
            Device(sleepy, "old", [("five/#", 2)]): (None, False),
        }
        self.hearer = Device5(dial, "hearer", [("own/#", NO_LOCAL)], [5], slow=0.05)
        self.watch = Device(dial, "watch", [("visitor/#", 2)])
        for d in [*self.subscribers, self.hearer, self.watch]:
            d.wait_online()
        self.publishers = [(Device5(dial, "pub%d-%d" % (q, i), props_for=message), "five/%d/%d" % (q, i), q)
                           for q in (1, 2) for i in (0, 1)]
        self.publishers.append((Device5(dial, "pub-own", props_for=lambda t, p: ({}, False)), "own/other", 2))
        self.publishers.append((self.hearer, "own/self", 1))
        self.counts = {topic: 0 for _, topic, _ in self.publishers}
        self.hearer.somebody = False  # of what is its own
        self.visitors = [Visitor(self.roads, "v%d" % i, expiry, delay, self.away) for i, (expiry, delay) in
                         enumerate(((3, 600), (600, 3), (600, 1), (2, 1), (4, 4)))]
        self.devices = [*self.subscribers, self.hearer, self.watch, *(p[0] for p in self.publishers)]
        self.pumping = True
        self.pump = threading.Thread(target=self.publish_all, daemon=True)
        self.pump.start()

    def away(self):
        lengths = (0, 0.3, 1, 2, 3.5) + ((4 + SLACK + 1,) if LONG else ())
        return random.choice(lengths) + random.random() * 0.3

    def publish_all(self):
        while self.pumping:
            self.publish()
            pace(1 / RATE)

    def publish(self):
        for device, topic, qos in self.publishers:
            if len(device.outbox) < 200:
                device.publish(topic, "%d" % self.counts[topic], qos)
                self.counts[topic] += 1

    def fault_term(self):
        self.drains = getattr(self, "drains", []) + [time.monotonic()]
        super().fault_term()

    def obeyed(self):
        for d in self.devices:
            if d.problems:
                raise AssertionError("%s: %s" % (d.client_id, d.problems))
        self.check_visitors()
        return True

    def check_visitors(self, quiet_from=float("inf")):
        for v in self.visitors:
            v.check(list(self.watch.received[v.topic]), SLACK, quiet_from, QUIET_SLACK, getattr(self, "drains", ()))

    # the end

    def verify(self):
        quiet_from = time.monotonic()
        gone = [harness.background(v.finish) for v in self.visitors]
        self.pumping = False
        self.pump.join()
        while any(expiry(b"%d" % n) for n in self.counts.values()):  # the last ones don't expire
            self.publish()
        self.publish()
        for g in gone:
            g.result()
        ended = time.monotonic()
        for device, _, _ in self.publishers:
            eventually(device.idle, 40, "%s is through" % device.state())
        for subscriber, (identifiers, as_published) in self.subscribers.items():
            for device, topic, qos in self.publishers:
                if topic.startswith("five/"):
                    self.check_messages(subscriber, device, topic, qos, identifiers, as_published)
        self.check_no_local()
        pace(ended + 4 + QUIET_SLACK + 0.5 - time.monotonic())
        for v in self.visitors:
            v.ending.clear()
            try:
                v.visit()
            except AssertionError as e:
                raise AssertionError("%s: %s" % (v.client_id, e)) from None
        self.check_visitors(quiet_from)
        self.obeyed()
        for d in dict.fromkeys(self.devices):
            d.finish()

    def await_last(self, device, topic):
        last = b"%d" % (self.counts[topic] - 1)
        try:
            eventually(lambda: last in device.received[topic], 40)
        except AssertionError:
            raise AssertionError("%s on %s: %s isn't there: %s" % (
                device.client_id, topic, last, device.state())) from None

    def check_no_local(self):
        if self.hearer.received["own/self"]:
            raise AssertionError("no local: %s" % self.hearer.received["own/self"][:10])
        self.await_last(self.hearer, "own/other")
        wanted = [b"%d" % n for n in range(self.counts["own/other"])]
        if self.hearer.received["own/other"] != wanted:
            raise AssertionError("own/other: %s" % difference(wanted, self.hearer.received["own/other"]))

    def check_messages(self, subscriber, publisher, topic, qos, identifiers, as_published):
        self.await_last(subscriber, topic)
        name, got = "%s on %s" % (subscriber.client_id, topic), subscriber.received[topic]
        if qos == 1:
            got = list(dict.fromkeys(got))
        numbers = [int(p) for p in got]
        # One that expired on its way, and is published again at QoS 1, comes behind what came meanwhile.
        ordered = [n for n in numbers if qos == 2 or not expiry(b"%d" % n)]
        if ordered != sorted(set(ordered)):
            wrong = [(a, b) for a, b in zip(ordered, ordered[1:]) if b <= a]
            raise AssertionError("%s: order broken or repeated: %s\n%s" % (
                name, wrong[:10], self.story(subscriber, publisher, topic, min(wrong[0]) - 2, max(wrong[0]) + 2)))
        missing = sorted(set(range(self.counts[topic])) - set(numbers))
        lost = [n for n in missing if not expiry(b"%d" % n)]
        if lost:
            raise AssertionError("%s: lost %s" % (name, lost[:20]))
        if identifiers is None:
            return
        first = {}
        for a in subscriber.arrivals_of[topic]:
            first.setdefault(int(a.payload), a.time)
            self.check_message(name, a, publisher, topic, identifiers, as_published)
        for n in missing:
            sent = publisher.sent_at[topic, b"%d" % n]
            after = min(t for k, t in first.items() if k > n)
            if after < sent + expiry(b"%d" % n) - LATE:
                raise AssertionError("%s: %d of %d s was dropped %.2f s after it was sent" % (
                    name, n, expiry(b"%d" % n), after - sent))

    def story(self, subscriber, publisher, topic, first, last):
        """When these messages were sent, acknowledged, and came."""
        words = []
        for n in range(first, last + 1):
            key = topic, b"%d" % n
            words += [(at[key], "%s %d" % (what, n)) for what, at in (
                ("sent", publisher.sent_at), ("acknowledged", publisher.acked_at)) if key in at]
        if isinstance(subscriber, Device5):
            words += [(a.time, "%r repeated=%s" % (a.packet, a.repeated)) for a in subscriber.arrivals_of[topic]
                      if first <= int(a.payload) <= last]
        words += [(t, "%s connects" % d.client_id) for d in (subscriber, publisher)
                  for t in getattr(d, "greeted_at", ())]
        words.sort()
        return "\n".join("%8.3f %s" % (t - self.begin, what) for t, what in words)

    def check_message(self, name, arrival, publisher, topic, identifiers, as_published):
        got, time_to_live = arrival.packet, expiry(arrival.payload)
        story = "%s: %r, " % (name, got)
        if got.subscription_ids != identifiers:
            raise AssertionError(story + "identifiers")
        if got.retain != (as_published and retained(topic, arrival.payload)):
            raise AssertionError(story + "retain")
        if got.user != user_properties(arrival.payload):
            raise AssertionError(story + "user properties")
        left = got.props.get("message_expiry")
        if (left is None) != (time_to_live is None):
            raise AssertionError(story + "expiry")
        if time_to_live is None:
            return
        key = topic, arrival.payload
        age = arrival.time - publisher.acked_at.get(key, arrival.time)
        if not got.dup and age > time_to_live + LATE:
            raise AssertionError(story + "%.2f s late" % (age - time_to_live))
        oldest = arrival.time - publisher.sent_at[key]
        if left > time_to_live - (0 if got.dup else age) + LATE or left + LATE < time_to_live - oldest:
            raise AssertionError(story + "of %d s, sent %.2f s, accepted %.2f s ago" % (time_to_live, oldest, age))


if __name__ == "__main__":
    harness.main()
