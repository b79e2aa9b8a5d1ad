"""A durable session on A, messages published on B, read on C: each of them, in order, QoS 2 once."""
import harness
import mqtt_raw as m
from harness import background, eventually
from services import STANDIN_BROKER, Fleet, metric

COUNT = 1000


class Queued(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def subscribe_on_a(self, name, *filters):
        with self.fleet[0].connect(name, clean=False) as client:
            self.assertFalse(client.session_present)
            client.subscribe(*filters)
            client.disconnect()

    def on_c(self, name, broker=2):
        client = self.fleet[broker].connect(name, clean=False)
        self.addCleanup(client.close)
        self.assertTrue(client.session_present)
        return client

    def assert_no_more(self, client):
        topic = self.unique("end/")
        client.subscribe((topic, 1))
        with self.fleet[1].connect(self.unique("end")) as publisher:
            publisher.publish(topic, "end", 1)
        client.expect_message(topic, "end", 1)

    def test_a_thousand_of_each_qos(self):
        name, base = self.unique("d"), self.unique("q")
        self.subscribe_on_a(name, (base + "/#", 2))
        with self.fleet[1].connect(self.unique("p")) as publisher:
            publisher.publish_many(((base + "/one", "%d" % n) for n in range(COUNT)), 1)
            publisher.publish_many(((base + "/two", "%d" % n) for n in range(COUNT)), 2)
        client = self.on_c(name)
        got = client.collect(2 * COUNT)
        for leaf, qos in (("/one", 1), ("/two", 2)):
            mine = [g for g in got if g.topic == base + leaf]
            self.assertEqual([g.payload for g in mine], [b"%d" % n for n in range(COUNT)])
            self.assertEqual({(g.qos, g.dup, g.retain) for g in mine}, {(qos, False, False)})
        self.assert_no_more(client)

    def test_from_two_publishers_at_once(self):
        name, base = self.unique("d"), self.unique("q")
        self.subscribe_on_a(name, (base + "/+", 2))
        publishers = [self.fleet[b].connect(self.unique("p"), clean=False) for b in (1, 2)]
        sending = []
        for qos, p in zip((1, 2), publishers):
            self.addCleanup(p.close)
            sending.append(background(p.publish_many, [("%s/%d" % (base, qos), "%d" % n) for n in range(COUNT)], qos))
        for s in sending:
            s.result(60)
        got = self.on_c(name).collect(2 * COUNT)
        for qos in (1, 2):
            self.assertEqual([g.payload for g in got if g.topic == "%s/%d" % (base, qos)],
                             [b"%d" % n for n in range(COUNT)])

    def test_connections_cut_while_reading(self):
        """Half the acknowledgements are never sent; each broker in turn goes on where the last one was."""
        name, topic = self.unique("d"), self.unique("q")
        self.subscribe_on_a(name, (topic, 2))
        with self.fleet[1].connect(self.unique("p")) as publisher:
            publisher.publish_many(((topic, "%d" % n) for n in range(100)), 2)
        seen, open_in2, broker = [], set(), 0
        while len(seen) < 100 or open_in2:
            client = self.on_c(name, broker % 3)
            client.open_in2 = open_in2
            taken = 0
            while taken < 30 and (len(seen) < 100 or open_in2):
                got, out = client.recv(), bytearray()
                client.react(got, seen, out)
                taken += 1
                if taken % 4 != 3:  # the others are lost with the connection
                    client.send(out)
                elif got.kind == m.PUBLISH:
                    break
            # A ping, so that what was sent has surely been read; what comes meanwhile is lost.
            client.send(m.PINGREQ_BYTES)
            while client.recv().kind != m.PINGRESP:
                pass
            client.abort()
            broker += 1
            self.assertLess(broker, 300)
        self.assertEqual([g.payload for g in seen], [b"%d" % n for n in range(100)])

    def test_published_while_connected_elsewhere_and_away_again(self):
        name, topic = self.unique("d"), self.unique("q")
        self.subscribe_on_a(name, (topic, 1))
        with self.fleet[1].connect(self.unique("p")) as publisher:
            n, wanted = 0, []
            for broker in (2, 1, 0, 2):
                for _ in range(10):
                    publisher.publish(topic, "%d" % n, 1)
                    n += 1
                client = self.on_c(name, broker)
                for _ in range(10):
                    publisher.publish(topic, "%d" % n, 1)
                    n += 1
                wanted = [b"%d" % i for i in range(n - 20, n)]
                self.assertEqual([g.payload for g in client.collect(20)], wanted)
                client.ping()
                client.disconnect()

    def test_unsubscribe_and_end_count_everywhere(self):
        name, base = self.unique("d"), self.unique("q")
        self.subscribe_on_a(name, (base + "/a", 1), (base + "/b", 1))
        client = self.on_c(name)
        client.unsubscribe(base + "/a")
        client.disconnect()
        with self.fleet[1].connect(self.unique("p")) as publisher:
            publisher.publish(base + "/a", "no", 1)
            publisher.publish(base + "/b", "yes", 1)
            client = self.on_c(name, 0)
            client.expect_message(base + "/b", "yes", 1)
            self.assert_no_more(client)
            client.disconnect()
            with self.fleet[2].connect(name, clean=True) as ended:
                self.assertFalse(ended.session_present)
                ended.disconnect()
            publisher.publish(base + "/b", "nobody", 1)
        with self.fleet[0].connect(name, clean=False) as fresh:
            self.assertFalse(fresh.session_present)
            self.assert_no_more(fresh)

    @harness.unittest.skipIf(STANDIN_BROKER, "needs a fleet")
    def test_sessions_outlive_all_brokers(self):
        name, topic = self.unique("d"), self.unique("q")
        self.subscribe_on_a(name, (topic, 2))
        with self.fleet[1].connect(self.unique("p")) as publisher:
            publisher.publish_many(((topic, "%d" % n) for n in range(100)), 2)
        for broker in self.fleet:
            broker.kill()
        for broker in self.fleet:
            broker.start()
        client = self.on_c(name)
        self.assertEqual([g.payload for g in client.collect(100)], [b"%d" % n for n in range(100)])
        self.assert_no_more(client)


class Bounded(harness.FleetTest):
    """A durable session's queue is bounded in bytes, too; what doesn't fit is dropped and counted."""

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={"limits": {"max_queued_bytes": "64k"}})

    def dropped(self):
        return sum(metric(b.metrics(), "flotilla_fleet_queue_dropped_total") or 0 for b in self.fleet)

    def drained(self, left=0):
        """Redis has heard of the acknowledgements."""
        redis = self.fleet.redis
        eventually(lambda: sum(redis.command("XLEN", key) for key in redis.command("KEYS", "*:q:s")) == left, 5)

    def publish(self, publisher, first, count, size=4000):
        publisher.publish_many([("t", b"%d " % n + b"x" * size) for n in range(first, first + count)], 1)

    def numbers(self, got):
        return [int(g.payload.split()[0]) for g in got]

    def test_of_who_is_away(self):
        a, b = self.fleet
        with a.connect("s", clean=False) as client:
            client.subscribe(("t", 1))
            client.disconnect()
        publisher = b.connect("p")
        self.addCleanup(publisher.close)
        self.publish(publisher, 0, 100)
        self.assertEqual(self.dropped(), 83)  # 17 of 4,000 bytes fit: the last of them goes over the bound
        with b.connect("s", clean=False) as client:
            self.assertEqual(self.numbers(client.collect(17)), list(range(17)))
            self.drained()
            self.publish(publisher, 100, 10)
            self.assertEqual(self.numbers(client.collect(10)), list(range(100, 110)))
            self.drained()
        self.publish(publisher, 110, 30)
        self.assertEqual(self.dropped(), 96)
        with a.connect("s", clean=False) as client:
            self.assertEqual(self.numbers(client.collect(17)), list(range(110, 127)))

    def test_of_who_acknowledges_some(self):
        a, b = self.fleet
        client, publisher = a.connect("s", clean=False), b.connect("p")
        self.addCleanup(client.close)
        self.addCleanup(publisher.close)
        client.subscribe(("t", 1))
        self.publish(publisher, 0, 10)
        got = [client.expect(m.PUBLISH) for _ in range(10)]
        for g in got[:8]:  # two are left
            client.send(m.ack(m.PUBACK, g.pid))
        self.drained(2)
        self.publish(publisher, 10, 14)
        self.assertEqual(self.dropped(), 0)
        self.publish(publisher, 24, 14)
        self.assertEqual(self.dropped(), 13)

    def test_of_who_keeps_up_nothing_is_dropped(self):
        a, b = self.fleet
        client, publisher = a.connect("s", clean=False), b.connect("p")
        self.addCleanup(client.close)
        self.addCleanup(publisher.close)
        client.subscribe(("t", 1))
        for n in range(60):
            self.publish(publisher, n * 5, 5)
            self.assertEqual(self.numbers(client.collect(5)), list(range(n * 5, n * 5 + 5)))
        self.assertEqual(self.dropped(), 0)


class BoundedAmongSmallOnes(Bounded, harness.FleetTest):
    """Messages under 655 bytes aren't counted; those that are counted stand between them."""

    @staticmethod
    def build(holder):
        limits = {"max_queued_bytes": "64k", "max_queued_messages": 100}
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={"limits": limits})

    def test_small_ones_between_them(self):
        a, b = self.fleet
        with a.connect("s", clean=False) as client:
            client.subscribe(("t", 1))
            client.disconnect()
        publisher = b.connect("p")
        self.addCleanup(publisher.close)
        for n in range(0, 60, 3):
            self.publish(publisher, n, 2, size=100)
            self.publish(publisher, n + 2, 1)
        self.assertEqual(self.dropped(), 3)
        with a.connect("s", clean=False) as client:
            client.collect(57)
            self.drained()
            for n in range(60, 98):
                self.publish(publisher, n, 1, size=100)
            client.collect(38)
            self.drained()
        self.publish(publisher, 100, 99, size=100)
        self.publish(publisher, 200, 2)
        self.assertEqual(self.dropped(), 4)  # the hundredth is the last


if __name__ == "__main__":
    harness.main()
