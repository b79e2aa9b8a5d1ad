"""Redis comes back without its data (FLUSHALL, a restart without persistence): the brokers tell it again
what they hold, and nothing that is acknowledged afterwards is lost."""
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from harness import eventually
from services import Broker, Fleet, Redis


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
        for key in self.fleet.redis.command("KEYS", "fl:{n:*}:in"):
            self.fleet.redis.command("DEL", key)
        publisher.publish("t", "waits for it", 1)
        subscriber.expect_message("t", "waits for it", 1)

    def test_inboxes_are_read_although_the_clock_of_redis_went_back(self):
        a, b = self.fleet
        subscriber, publisher = self.open(a, "s"), self.open(b, "p")
        subscriber.subscribe(("t", 1))
        soon = int(time.time() * 1000) + 3600000
        for key in self.fleet.redis.command("KEYS", "fl:{n:*}:in"):
            self.fleet.redis.command("XADD", key, "%d-0" % soon, "h", "")
        publisher.publish("t", "before", 1)
        subscriber.expect_message("t", "before", 1)
        self.lose_data()
        for n in range(5):
            publisher.publish("t", "after %d" % n, 1)
        self.assertEqual([g.payload for g in subscriber.collect(5, timeout=5)], [b"after %d" % n for n in range(5)])
        self.open(b, "s").ping()  # takes over: asks over the inboxes
        self.open(a, "s").ping()

    def test_what_is_acknowledged_at_the_moment_of_the_loss_reaches_durable_sessions(self):
        a, b = self.fleet
        subscribers = [self.open(broker, "s%d" % n, clean=False) for n, broker in enumerate((a, b, a))]
        for s in subscribers:
            s.subscribe(("t", 1))
        publisher = self.open(b, "p")
        publisher.publish("t", "before", 1)
        for s in subscribers:
            s.collect(1)
        self.fleet.redis.command("FLUSHALL")
        publisher.publish_many([("t", "%d" % n) for n in range(50)], 1)
        for s in subscribers:
            got = s.collect(50, timeout=10)
            self.assertEqual([g.payload for g in got], [b"%d" % n for n in range(50)])

    def test_sessions_that_nobody_tells_again_hold_up_nobody_for_long(self):
        a, b = self.fleet
        self.open(a, "gone", clean=False).subscribe(("t", 1))
        self.open(a, "gone", clean=False).disconnect()
        self.fleet.redis.command("FLUSHALL")
        publisher = self.open(b, "p")
        publisher.publish("t", "x", 1, timeout=8)
        for n in range(20):
            publisher.publish("t", "x", 1, timeout=1)


class OlderData(harness.FleetTest):
    """Redis comes back with a snapshot that is older than what the connections had."""

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, redis_options=("--appendonly", "no"))

    def test_what_is_acknowledged_afterwards_reaches_connected_durable_sessions(self):
        a, b = self.fleet
        redis = self.fleet.redis
        with a.connect("s", clean=False) as subscriber, b.connect("p") as publisher:
            subscriber.subscribe(("t", 1))
            for n in range(5):
                publisher.publish("t", "before %d" % n, 1)
            subscriber.collect(5)
            redis.command("SAVE")
            for n in range(5, 10):
                publisher.publish("t", "before %d" % n, 1)
            subscriber.collect(5)
            eventually(lambda: not redis.command("KEYS", "*:q:s"), 5, "all is acknowledged")
            redis.restart()
            for n in range(10):
                publisher.publish("t", "after %d" % n, 1, timeout=15)
            wanted, got = {b"after %d" % n for n in range(10)}, set()
            try:
                while not got >= wanted:
                    got |= {g.payload for g in subscriber.collect(1, timeout=5)}
            except m.Closed:
                again = self.enterContext(a.connect("s", clean=False))
                self.assertTrue(again.session_present)
                again.collect(lambda seen: got | {g.payload for g in seen} >= wanted, timeout=5)


class NothingLost(harness.FleetTest):
    """Redis restarts on its file and has lost nothing: nobody is closed for it, and what comes, comes once."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxy = LinkProxy(holder.redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(holder.scope, "a", holder.proxy, lease="10s").start()
        holder.b = Broker(holder.scope, "b", holder.redis, lease="10s").start()

    def test_what_was_queued_in_the_new_run_is_read_once_the_session_is_asserted_there(self):
        """A reading that is under way at the restart is repeated, and finds what `b` has queued since."""
        subscriber = self.enterContext(self.a.connect("s", clean=False))
        publisher = self.enterContext(self.b.connect("p"))
        subscriber.subscribe(("t", 2))
        self.proxy.hold_link("commands")
        publisher.publish("t", "0", 2)
        eventually(lambda: b"\r\n$1\r\ns\r\n" in self.proxy.held["commands", "requests"], 5, "`a` was woken and asks")
        self.proxy.hold()
        self.proxy.release_link("commands")
        self.proxy.cut()
        self.redis.restart()
        publisher.send(b"".join(m.publish("t", "%d" % n, 1, 100 + n) for n in range(1, 6)))
        for n in range(1, 6):
            publisher.expect(m.PUBACK, timeout=10, pid=100 + n)
        self.proxy.release()
        got = [subscriber.expect(m.PUBLISH, timeout=10) for _ in range(6)]
        self.assertEqual([g.payload for g in got], [b"%d" % n for n in range(6)])
        self.a.wait_ready()
        subscriber.send(b"".join(m.ack(m.PUBACK if g.qos == 1 else m.PUBREC, g.pid) for g in got))
        subscriber.expect(m.PUBREL, pid=got[0].pid)
        subscriber.ping()
        self.assertNotIn("queue_is_older", self.a.log())


class OldAcknowledgements(harness.FleetTest):
    """Redis comes back older while the broker `a` of a subscriber is cut off from it; `b` queues new messages
    under the sequences that the subscriber's connection had. What it acknowledges means the old ones."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope, options=("--appendonly", "no")).start()
        holder.proxy = LinkProxy(holder.redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(holder.scope, "a", holder.proxy, lease="10s").start()
        holder.b = Broker(holder.scope, "b", holder.redis, lease="10s").start()

    def test_what_a_client_published_before_it_moved_isnt_replayed_after_the_loss(self):
        """Redis doesn't know any more that `a` had the client, so nobody told `a` that it is somebody else's."""
        self.redis.command("SAVE")
        publisher = self.enterContext(self.a.connect("p2", clean=False))
        self.proxy.hold()
        publisher.send(m.publish("x", b"v1", 1, 7, retain=True))
        publisher.ping()
        self.proxy.cut()
        self.redis.restart()
        self.b.wait_ready()
        again = self.enterContext(self.b.connect("p2", clean=False, timeout=10))
        again.publish("x", b"v2", 1, retain=True)
        self.proxy.release()
        publisher.drain_until_closed(10)
        self.a.wait_ready()
        for broker in (self.a, self.b):
            reader = self.enterContext(broker.connect(self.unique("reader")))
            reader.subscribe(("x", 1))
            self.assertEqual(reader.collect(1, timeout=5)[0].payload, b"v2")

    def lose_five(self, qos, acknowledge_first):
        subscriber = self.enterContext(self.a.connect("s", clean=False))
        publisher = self.enterContext(self.b.connect("p"))
        subscriber.subscribe(("t", qos))
        queue = lambda: [self.redis.command("XLEN", k) for k in self.redis.command("KEYS", "*:q:s")]
        self.redis.command("SAVE")
        for n in range(5):
            publisher.publish("t", "old %d" % n, qos)
        old = [subscriber.expect(m.PUBLISH) for _ in range(5)]
        answers = b"".join(m.ack(m.PUBACK if qos == 1 else m.PUBREC, g.pid) for g in old)
        self.proxy.hold()
        if acknowledge_first:
            subscriber.send(answers)
            subscriber.ping()  # the broker has read them
        self.proxy.cut()
        self.redis.restart()
        publisher.send(b"".join(m.publish("t", "new %d" % n, qos, 100 + n) for n in range(5)))
        eventually(lambda: queue() == [5], 10, "b has queued five new ones")
        self.proxy.release()
        if not acknowledge_first:
            try:
                subscriber.send(answers)
            except m.Closed:
                pass
        for n in range(5):
            publisher.expect(m.PUBACK if qos == 1 else m.PUBREC, timeout=10, pid=100 + n)
        subscriber.drain_until_closed(10)
        again = self.enterContext(self.a.connect("s", clean=False))
        got = again.collect(lambda all: len({g.payload for g in all if g.payload.startswith(b"new")}) == 5, timeout=8)
        self.assertEqual([g.payload for g in got if g.payload.startswith(b"new")], [b"new %d" % n for n in range(5)])

    def test_of_qos_1_on_their_way_leave_newer_messages_alone(self):
        self.lose_five(1, True)

    def test_of_qos_1_that_come_afterwards_leave_newer_messages_alone(self):
        self.lose_five(1, False)

    def test_of_qos_2_on_their_way_leave_newer_messages_alone(self):
        self.lose_five(2, True)

    def test_of_qos_2_that_come_afterwards_leave_newer_messages_alone(self):
        self.lose_five(2, False)


if __name__ == "__main__":
    harness.main()
