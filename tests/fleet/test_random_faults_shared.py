"""Random faults from a seed, under load on shared subscriptions: what rule 12 promises holds.

Members are 3.1.1 and 5.0, clean and durable; they hop between the brokers. faults.py says how to run a seed again.
"""
import collections
import os
import random
import sys
import threading
import time

import harness
import mqtt_raw as m
from device import Device
from device5 import Device5
from faults import FaultsCase
from harness import eventually, pace

WINDOW = 20
STRATEGIES = ("round_robin", "random", "local", "hash_topic", "hash_client")


class Passing(threading.Thread):
    """A member with a clean session: it comes, reads and acknowledges, is cut off or leaves, and comes again."""

    def __init__(self, roads, name, filter, qos, away=0.3):
        super().__init__(daemon=True)
        self.roads, self.client_id, self.filter, self.qos, self.away = roads, name, filter, qos, away
        self.received = collections.defaultdict(list)
        self.ends, self.problems = 0, []
        self.ending = None  # "stay": it leaves no more by itself; "now": it goes for good
        self.since = self.heard = time.monotonic()
        self.address = None
        self.start()

    def run(self):
        while self.ending != "now":
            client = None
            try:
                client = self.roads.dial()
                self.visit(client)
            except (m.Closed, m.TimedOut, OSError):
                pass
            except BaseException as e:
                self.problems.append(repr(e))
                return
            finally:
                if client is not None:
                    client.close()
            self.ends += 1
            pace(random.random() * self.away)

    def visit(self, client):
        client.send(m.connect(self.client_id, keepalive=3))
        if client.expect(m.CONNACK, timeout=10).return_code != 0:
            return
        client.send(m.subscribe(1, (self.filter, self.qos)))
        self.since = self.heard = time.monotonic()
        self.address = client.sock.getpeername()
        until, pinged = self.since + random.uniform(0.3, 4), 0
        while time.monotonic() < until or self.ending:
            if self.ending == "now":
                client.disconnect()
                return
            now = time.monotonic()
            if now - self.heard > 5:
                raise m.TimedOut("nothing heard")
            if now - pinged > 1:
                client.send(m.PINGREQ_BYTES)
                pinged = now
            try:
                client.fill(now + 0.05)
            except m.TimedOut:
                continue
            self.heard = time.monotonic()
            self.read(client)
        if random.random() < 0.5:
            client.disconnect()

    def read(self, client):
        out, new = bytearray(), []
        for got in client.packets:
            if got.kind == m.SUBACK:
                if got.granted != [self.qos]:
                    raise m.Closed("not now")
                continue
            client.react(got, new, out)
        client.packets = []
        for p in new:
            self.received[p.topic].append(p.payload)
        client.send(out)

    def state(self):
        return "%s (since %.1f s at %s, heard %.1f s ago, ends %d, %s)" % (
            self.client_id, time.monotonic() - self.since, self.address, time.monotonic() - self.heard, self.ends,
            self.problems)

    def finish(self):
        self.ending = "now"
        self.join(20)


class Group:
    """One shared filter, its members, and the publishers of its topics: <name>/<qos>/<i>."""

    def __init__(self, case, name, qos, durable=2, durable5=2, passing=0, publish=(1, 2), away=0.3):
        self.case, self.name, self.qos = case, name, qos
        filter = "$share/%s/%s/#" % (name, name)
        dial = case.roads.dial
        self.devices = [Device(dial, "%s-d%d" % (name, i), [(filter, qos)]) for i in range(durable)]
        self.devices += [Device5(dial, "%s-v%d" % (name, i), [(filter, qos)], [i + 1], slow=0.05 * i)
                         for i in range(durable5)]
        for d in self.devices:
            d.wait_online()
        self.passing = [Passing(case.roads, "%s-p%d" % (name, i), filter, qos, away) for i in range(passing)]
        self.members = self.devices + self.passing
        self.publishers = [(Device(dial, "%s-pub%d" % (name, q)), "%s/%d/0" % (name, q), q) for q in publish]
        self.counts = collections.Counter()

    def publish(self):
        for device, topic, qos in self.publishers:
            if len(device.outbox) < 500:
                device.publish(topic, "%d" % self.counts[topic], qos)
                self.counts[topic] += 1

    def check(self):
        for x in self.members + [p[0] for p in self.publishers]:
            if x.problems:
                raise AssertionError("%s: %s" % (x.client_id, x.problems))
        for topic in list(self.counts):
            if self.once(topic):
                twice = [(p, n) for p, n in self.received(topic).items() if n > 1]
                if twice:
                    raise AssertionError("%s came twice: %s; had by %s" % (
                        topic, twice[:10], self.who(topic, twice[0][0])))

    def once(self, topic):
        return self.qos == 2 and topic.split("/")[1] == "2"

    def who(self, topic, payload):
        return [x.client_id for x in self.members for p in list(x.received[topic]) if p == payload]

    def received(self, topic):
        return collections.Counter(p for x in self.members for p in list(x.received[topic]))

    def missing(self, topic):
        got = self.received(topic)
        return [n for n in range(self.counts[topic]) if b"%d" % n not in got]

    def may_miss(self, topic):
        """QoS 2 that a clean member was sent ends with its connection."""
        return WINDOW * sum(p.ends for p in self.passing) if self.once(topic) else 0

    def await_all(self, timeout=60):
        for device, _, _ in self.publishers:
            eventually(device.idle, timeout, "%s is through" % device.state())
        for topic in self.counts:
            try:
                eventually(lambda: len(self.missing(topic)) <= self.may_miss(topic), timeout)
            except AssertionError:
                raise AssertionError("%s: of %d are missing %s; %s\n%s" % (
                    topic, self.counts[topic], self.missing(topic)[:30], [x.state() for x in self.members],
                    self.stored())) from None
            self.check()

    def stored(self):
        """What Redis has of the group: who is a member, how much waits, what is taken by whom."""
        redis, filter, out = self.case.fleet.redis, "$share/%s/%s/#" % (self.name, self.name), []
        for bucket in range(64):
            def key(kind):
                return "fl:{g%d}:%s:%s" % (bucket, kind, filter)
            if redis.command("EXISTS", key("m"), key("e")):
                out += [redis.command("HGETALL", key("m")), redis.command("ZCARD", key("w")),
                        redis.command("HGETALL", key("t")), redis.command("SMEMBERS", key("h"))]
        return out

    def finish(self):
        for x in self.members + [p[0] for p in self.publishers]:
            x.finish()


class RandomFaultsShared(FaultsCase, harness.FleetTest):
    @classmethod
    def config(cls):
        strategy = random.Random(os.environ.get("FLOTILLA_FAULTS_SEED")).choice(STRATEGIES)
        sys.stderr.write("[%s] " % strategy)
        return {"shared": {"strategy": strategy, "redispatch_after": "2s",
                           "groups": [{"name": "kept", "filter": "kept/#", "keep": "1h"}]},
                "limits": {"max_inflight": WINDOW}}

    def scene(self):
        self.groups = [
            Group(self, "one", 1, durable=1, durable5=2, passing=1),
            Group(self, "two", 2, durable=2, durable5=2),
            Group(self, "mixed", 2, durable=1, durable5=1, passing=2, publish=(2,)),
            Group(self, "kept", 1, durable=0, durable5=0, passing=2, publish=(1,), away=2),
        ]
        for g in self.groups:
            for device, _, _ in g.publishers:
                device.wait_online()
        self.pumping = True
        self.pump = threading.Thread(target=self.publish_all, daemon=True)
        self.pump.start()

    def publish_all(self):
        while self.pumping:
            for g in self.groups:
                g.publish()
            pace(0.05)

    def obeyed(self):
        for g in self.groups:
            g.check()
        return True

    def verify(self):
        self.pumping = False
        self.pump.join()
        for g in self.groups:
            for p in g.passing:
                p.ending = "stay"
        for g in self.groups:
            g.await_all()
        pace(3)  # what might come twice
        self.obeyed()
        self.check_without_faults()
        for g in self.groups:
            g.finish()
        self.obeyed()

    def check_without_faults(self):
        """Then also QoS 1 comes once."""
        first = {g: dict(g.counts) for g in self.groups}
        for _ in range(30):
            for g in self.groups:
                g.publish()
            pace(0.02)
        for g in self.groups:
            g.await_all()
        pace(1)
        for g in self.groups:
            for topic, count in g.counts.items():
                got = g.received(topic)
                for n in range(first[g][topic], count):
                    if got[b"%d" % n] != 1:
                        raise AssertionError("%s: %d came %d times without a fault, to %s" % (
                            topic, n, got[b"%d" % n], g.who(topic, b"%d" % n)))


if __name__ == "__main__":
    harness.main()
