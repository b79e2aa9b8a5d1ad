"""Redis comes back without its data (FLUSHALL, a restart without persistence): the brokers tell it again
what they hold, and nothing that is acknowledged afterwards is lost."""
import time

import harness
from services import Fleet


class Flushed(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def lose_data(self):
        """FLUSHALL, and waits until all have told Redis again what they hold."""
        marks = [len(b.log()) for b in self.fleet]
        self.fleet.redis.command("FLUSHALL")
        for b, mark in zip(self.fleet, marks):
            b.wait_log("node_ready", 10, mark)

    def open(self, broker, client_id, **fields):
        client = broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def test_clean_subscribers_of_other_brokers_get_what_is_acknowledged_afterwards(self):
        pairs = []
        for here, there in (self.fleet, reversed(list(self.fleet))):
            subscriber, publisher = self.open(here, self.unique("s")), self.open(there, self.unique("p"))
            topic = self.unique("t/")
            subscriber.subscribe((topic, 1))
            for n in range(20):  # each a batch of its own
                publisher.publish(topic, "before %d" % n, 1)
            subscriber.collect(20)
            pairs.append((subscriber, publisher, topic))
        self.lose_data()
        for subscriber, publisher, topic in pairs:
            for n in range(5):
                publisher.publish(topic, "after %d" % n, 1)
            got = subscriber.collect(5, timeout=5)
            self.assertEqual([g.payload for g in got], [b"after %d" % n for n in range(5)])

    def test_connected_durable_subscribers_get_what_is_acknowledged_afterwards(self):
        a, b = self.fleet
        subscriber, publisher = self.open(a, "s", clean=False), self.open(b, "p")
        subscriber.subscribe(("t/#", 1))
        for n in range(20):
            publisher.publish("t/x", "before %d" % n, 1)
        subscriber.collect(20)
        self.lose_data()
        for n in range(5):
            publisher.publish("t/x", "after %d" % n, 1)
        got = subscriber.collect(5, timeout=5)
        self.assertEqual([g.payload for g in got], [b"after %d" % n for n in range(5)])

    def test_subscriptions_of_connected_durable_sessions_are_told_again(self):
        a, b = self.fleet
        subscriber = self.open(a, "s", clean=False)
        subscriber.subscribe(("t/#", 1))
        self.lose_data()
        subscriber.disconnect()
        self.open(b, "p").publish("t/x", "offline", 1)
        b.term()
        b.start()
        self.open(b, "p2").publish("t/x", "by a new broker", 1)
        again = self.open(b, "s", clean=False)
        self.assertTrue(again.session_present)
        self.assertEqual([g.payload for g in again.collect(2, timeout=5)], [b"offline", b"by a new broker"])
        self.open(a, "p3").publish("t/y", "live", 1)
        again.expect_message("t/y", "live", 1)

    def test_takeover_between_brokers_works_afterwards(self):
        a, b = self.fleet
        first = self.open(a, "s", clean=False)
        for n in range(6):  # batches between the nodes, before
            self.open(b, "s", clean=False).ping()
            first = self.open(a, "s", clean=False)
        self.lose_data()
        second = self.open(b, "s", clean=False)
        first.drain_until_closed(timeout=5)
        second.ping()

    def test_an_inbox_that_is_gone_is_made_again(self):
        a, b = self.fleet
        subscriber, publisher = self.open(a, "s"), self.open(b, "p")
        subscriber.subscribe(("t", 1))
        for key in self.fleet.redis.command("KEYS", "fl:{n:*"):
            self.fleet.redis.command("DEL", key)
        publisher.publish("t", "waits for it", 1)
        subscriber.expect_message("t", "waits for it", 1)

    def test_inboxes_are_read_although_the_clock_of_redis_went_back(self):
        a, b = self.fleet
        subscriber, publisher = self.open(a, "s"), self.open(b, "p")
        subscriber.subscribe(("t", 1))
        soon = int(time.time() * 1000) + 3600000
        for key in self.fleet.redis.command("KEYS", "fl:{n:*"):
            self.fleet.redis.command("XADD", key, "%d-0" % soon, "h", "")
        publisher.publish("t", "before", 1)
        subscriber.expect_message("t", "before", 1)
        self.lose_data()
        for n in range(5):
            publisher.publish("t", "after %d" % n, 1)
        self.assertEqual([g.payload for g in subscriber.collect(5, timeout=5)], [b"after %d" % n for n in range(5)])
        self.open(b, "s").ping()  # takes over: asks over the inboxes
        self.open(a, "s").ping()


if __name__ == "__main__":
    harness.main()
