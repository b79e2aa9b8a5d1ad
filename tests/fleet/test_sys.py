"""$SYS: each broker tells of itself and of the whole fleet; what a dead one had counted stays in the totals."""
import time

import harness
import mqtt_raw as m
from harness import eventually
from services import Broker, Fleet

INTERVAL = {"sys_interval": "300ms"}


class Watcher:
    """A subscriber to $SYS/#, and the last value of each topic that it was sent."""

    def __init__(self, test, broker):
        self.client = broker.connect()
        test.addCleanup(self.client.close)
        self.values, self.retained = {}, {}
        self.client.send(m.subscribe(1, ("$SYS/#", 0)))
        while not self.take(self.client.recv(), m.SUBACK):  # a live value may come before it
            pass

    def take(self, got, wanted=m.PUBLISH):
        if got.kind == m.PUBLISH:
            self.values[got.topic] = got.payload.decode()
            if got.retain:
                self.retained.setdefault(got.topic, self.values[got.topic])
        return got.kind == wanted

    def read(self):
        """All that comes within a moment."""
        end = time.monotonic() + 0.05
        while True:
            try:
                self.take(self.client.recv(max(0.001, end - time.monotonic())))
            except m.TimedOut:
                return self

    def number(self, topic):
        return int(self.values.get(topic, "-1"))

    def fleet(self, name):
        return self.number("$SYS/fleet/" + name)

    def broker(self, name):
        return self.number("$SYS/broker/" + name)


COUNTS = ("messages/received", "messages/sent", "bytes/received", "bytes/sent", "publish/messages/received",
          "publish/messages/sent", "publish/messages/dropped", "publish/bytes/received", "publish/bytes/sent")


class Totals(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, broker_config=INTERVAL)

    def connect(self, broker, name="", **fields):
        client = broker.connect(name, **fields)
        self.addCleanup(client.close)
        return client

    def test_a_broker_says_which_node_it_is(self):
        names = {Watcher(self, b).read().values["$SYS/broker/node"] for b in self.fleet}
        self.assertEqual(names, {n.decode() for n in self.fleet.redis.command("HKEYS", "fl:{r}:nodes")})

    def test_current_values_come_at_once_as_retained(self):
        first = Watcher(self, self.fleet[0])
        eventually(lambda: first.read().fleet("nodes") == 3, 10, "the totals are there")
        got = Watcher(self, self.fleet[0]).read().retained
        for topic in ("$SYS/broker/version", "$SYS/broker/load/bytes/sent/15min", "$SYS/broker/heap/current size",
                      "$SYS/broker/node", "$SYS/fleet/nodes", "$SYS/fleet/clients/connected"):
            self.assertIn(topic, got)

    def test_totals_are_the_sum_and_the_same_everywhere(self):
        watchers = [Watcher(self, b) for b in self.fleet]
        durable = self.connect(self.fleet[1], "durable", clean=False)
        durable.subscribe(("d/1", 1), ("d/2", 1))
        publisher = self.connect(self.fleet[2])
        publisher.subscribe("other/#")
        for n in range(50):
            publisher.publish("kept/%d" % n, "x", 1, retain=True)
        publisher.publish("kept/7", "", 1, retain=True)

        def as_wanted(w):
            w.read()
            return (w.fleet("nodes"), w.fleet("clients/connected"), w.fleet("subscriptions/count"),
                    w.fleet("retained messages/count"), w.broker("retained messages/count"),
                    w.fleet("publish/messages/received")) == (3, 5, 6, 49, 49, 51)
        for w in watchers:
            eventually(lambda: as_wanted(w), 10, "the same on each broker")
        durable.disconnect()
        for w in watchers:  # its subscriptions stay, as it does
            eventually(lambda: w.read().fleet("clients/connected") == 4, 10, "one has left")
            self.assertEqual(w.fleet("subscriptions/count"), 6)

    def test_what_a_killed_broker_had_counted_stays_and_its_clients_go(self):
        watcher, victim = Watcher(self, self.fleet[0]), self.fleet[2]
        for n in range(3):
            client = self.connect(victim)
            client.subscribe("s/%d" % n)
            for _ in range(20):
                client.publish("t", "0123456789", 1)
        eventually(lambda: watcher.read().fleet("publish/messages/received") == 60 and
                   watcher.fleet("clients/connected") == 4 and watcher.fleet("subscriptions/count") == 4, 10, "all told")
        seen = {name: watcher.fleet(name) for name in COUNTS}
        victim.kill()

        def gone():
            watcher.read()
            for name in COUNTS:  # at no moment
                self.assertGreaterEqual(watcher.fleet(name), seen[name], name)
                seen[name] = watcher.fleet(name)
            return watcher.fleet("nodes") == 2
        deadline = time.monotonic() + 15
        while not gone():
            self.assertLess(time.monotonic(), deadline, "the dead node is counted still")
        eventually(lambda: watcher.read().fleet("clients/connected") == 1, 5, "its clients are gone")
        self.assertEqual(watcher.fleet("subscriptions/count"), 1)
        self.assertEqual(watcher.fleet("publish/messages/received"), 60)
        victim.start()  # as a new node
        eventually(lambda: watcher.read().fleet("nodes") == 3, 10, "it is back")
        self.assertEqual(watcher.fleet("publish/messages/received"), 60)
        self.connect(victim).publish("t", "", 1)
        eventually(lambda: watcher.read().fleet("publish/messages/received") == 61, 10, "it counts on")

    def test_a_broker_that_leaves_takes_only_its_clients_along(self):
        watcher, leaving = Watcher(self, self.fleet[0]), self.fleet[1]
        client = self.connect(leaving)
        for _ in range(5):
            client.publish("t", "", 1)
        eventually(lambda: watcher.read().fleet("publish/messages/received") == 5, 10, "told")
        leaving.term()
        eventually(lambda: watcher.read().fleet("nodes") == 2 and watcher.fleet("clients/connected") == 1, 10, "it left")
        self.assertEqual(watcher.fleet("publish/messages/received"), 5)

    def test_a_broker_that_was_declared_dead_is_counted_once(self):
        watcher, frozen = Watcher(self, self.fleet[0]), self.fleet[1]
        client = self.connect(frozen)
        for _ in range(30):
            client.publish("t", "", 1)
        eventually(lambda: watcher.read().fleet("publish/messages/received") == 30, 10, "told")
        frozen.stop()
        eventually(lambda: watcher.read().fleet("nodes") == 2, 20, "declared dead")
        frozen.cont()
        eventually(lambda: watcher.read().fleet("nodes") == 3, 20, "it started over")
        self.connect(frozen).publish("t", "", 1)
        eventually(lambda: watcher.read().fleet("publish/messages/received") == 31, 10, "counted once")
        harness.stays(lambda: watcher.read().fleet("publish/messages/received") == 31, 1, "counted once")


class Alone(harness.FleetTest):
    def test_the_fleets_totals_are_its_own(self):
        broker = Broker(self.scope, config=INTERVAL).start()
        watcher = Watcher(self, broker)
        publisher = broker.connect()
        self.addCleanup(publisher.close)
        publisher.publish("a", "x", 1, retain=True)
        eventually(lambda: watcher.read().fleet("publish/messages/received") == 1, 10, "counted")
        self.assertEqual(watcher.fleet("nodes"), 1)
        self.assertEqual(watcher.fleet("clients/connected"), 2)
        self.assertEqual(watcher.fleet("retained messages/count"), 1)
        self.assertEqual(watcher.broker("store/messages/count"), 1)
        self.assertNotIn("$SYS/broker/node", watcher.values)


if __name__ == "__main__":
    harness.main()
