"""Every limit of the broker, at its edge: what is refused, and that nobody else notices."""
import re
import time

import harness
import mqtt_raw as m
from harness import eventually
from services import Broker, Redis
from storm import ASAN


class Limits(harness.FleetTest):
    def start(self, **limits):
        self.broker = Broker(self.scope, config={"limits": limits})
        self.broker.env.update(ASAN)
        self.broker.start()
        self.other = self.client("other")
        return self.broker

    def client(self, name=None, **fields):
        client = self.broker.connect(name or self.unique("c"), **fields)
        self.addCleanup(client.close)
        return client

    def tearDown(self):
        if hasattr(self, "other"):
            self.other.ping()
        super().tearDown()

    def test_packet_size(self):
        self.start(max_packet_size=1000)
        subscriber, client = self.client(), self.client()
        subscriber.subscribe(("t", 1))
        fits = 1000 - 3 - 3 - 2
        client.publish("t", "x" * fits, 1)
        subscriber.expect_message("t", "x" * fits, 1)
        client.send(m.publish("t", "x" * (fits + 1), 1, 1)[:5])  # its length alone is enough
        client.expect_closed()

    def test_packet_sizes_by_type(self):
        """Told by the length alone, before anything is kept."""
        self.start(max_connect_size="2k", max_subscribe_size="4k", max_ack_size="1k")
        length = lambda n: bytes([n & 0x7f | 0x80, n >> 7])
        stranger = self.broker.open()
        self.addCleanup(stranger.close)
        stranger.send(b"\x10" + length(2048))
        stranger.expect_closed()
        for first, fits in ((0x82, 4093), (0xa2, 4093), (0x40, 1021), (0xc0, 1021), (0xe0, 1021)):
            kept, client = self.client(), self.client()
            kept.send(bytes([first]) + length(fits))
            client.send(bytes([first]) + length(fits + 1))
            client.expect_closed()
            with self.assertRaises(m.TimedOut):
                kept.recv(timeout=0.1)
        self.client("c", will=m.Will("w", b"x" * 1900)).ping()

    def test_connect_timeout(self):
        self.start(connect_timeout="500ms")
        silent, halfway = self.broker.open(), self.broker.open()
        self.addCleanup(silent.close)
        self.addCleanup(halfway.close)
        halfway.send(m.connect("x")[:5])
        start = time.monotonic()
        silent.expect_closed(timeout=5)
        halfway.expect_closed(timeout=5)
        self.assertGreater(time.monotonic() - start, 0.3)

    def test_inflight_window(self):
        self.start(max_inflight=5)
        subscriber, publisher = self.client("s", clean=False), self.client()
        subscriber.subscribe(("t", 2))
        publisher.publish_many((("t", "%d" % n) for n in range(20)), 1)
        first = [subscriber.expect(m.PUBLISH) for _ in range(5)]
        subscriber.ping()  # the sixth waits
        subscriber.send(m.ack(m.PUBACK, first[0].pid))
        self.assertEqual(subscriber.expect(m.PUBLISH).payload, b"5")
        subscriber.ping()
        for p in first[1:]:
            subscriber.send(m.ack(m.PUBACK, p.pid))
        got = [subscriber.expect(m.PUBLISH) for _ in range(4)]
        self.assertEqual([g.payload for g in got], [b"6", b"7", b"8", b"9"])

    def test_open_qos_2_messages(self):
        self.start(max_open_qos2=10)
        client = self.client("durable", clean=False)
        for pid in range(1, 11):
            client.send(m.publish("t", "x", 2, pid))
            client.expect(m.PUBREC, pid=pid)
        client.send(m.ack(m.PUBREL, 1))
        client.expect(m.PUBCOMP, pid=1)
        client.send(m.publish("t", "x", 2, 11) + m.publish("t", "x", 2, 11, dup=True))
        for _ in range(2):  # the second is no new one
            client.expect(m.PUBREC, pid=11)
        client.send(m.publish("t", "x", 2, 12))
        client.expect_closed()
        self.broker.wait_log("client_closed .*max_open_qos2")
        again = self.client("durable", clean=False)  # releases what it had, and goes on
        again.send(b"".join(m.ack(m.PUBREL, pid) for pid in range(2, 12)))
        for pid in range(2, 12):
            again.expect(m.PUBCOMP, pid=pid)
        again.publish("t", "x", 2)

    def test_client_id_length(self):
        self.start(max_client_id_length=30)
        self.client("x" * 30).ping()
        client = self.broker.open()
        self.addCleanup(client.close)
        client.send(m.connect("x" * 31))
        client.expect(m.CONNACK, return_code=2)
        client.expect_closed()

    def test_subscriptions_of_a_session(self):
        self.start(max_subscriptions=3)
        client = self.client()
        self.assertEqual(client.subscribe(("a", 0), ("b", 1), ("c", 2)), [0, 1, 2])
        self.assertEqual(client.subscribe(("d", 0)), [0x80])
        self.assertEqual(client.subscribe(("a", 2)), [2])  # no new one
        client.unsubscribe("b")
        self.assertEqual(client.subscribe(("d", 0), ("e", 0)), [0, 0x80])

    def test_subscriptions_with_plus(self):
        self.start(max_plus_subscriptions=2)
        client = self.client()
        self.assertEqual(client.subscribe(("+", 0), ("a/+/#", 1), ("+/a", 2)), [0, 1, 0x80])
        self.assertEqual(client.subscribe(("a/#", 0), ("b", 0)), [0, 0])  # others aren't bound by it
        self.assertEqual(client.subscribe(("+", 2)), [2])  # no new one
        client.unsubscribe("a/+/#")
        self.assertEqual(client.subscribe(("+/b", 0), ("+/c", 0)), [0, 0x80])

    def test_bytes_of_all_filters(self):
        """A filter that is gone, or named again, takes no room; who comes back has what it had."""
        self.start(max_subscription_bytes="2k")
        filters = [c + "/" + c * 998 for c in "abc"]  # of 1,000 bytes each
        with self.client("d", clean=False) as client:
            self.assertEqual(client.subscribe(*((f, 1) for f in filters)), [1, 1, 0x80])
            self.broker.wait_log("subscribe_refused client_id=d .*reason=max_subscription_bytes")
            self.assertEqual(client.subscribe((filters[0], 2), ("s" * 48, 0), ("t", 0)), [2, 0, 0x80])
            client.disconnect()
        client = self.client("d", clean=False)
        self.assertEqual(client.subscribe((filters[2], 1)), [0x80])
        client.unsubscribe(filters[0])
        self.assertEqual(client.subscribe((filters[2], 1), (filters[0], 1)), [1, 0x80])

    def test_a_durable_session_keeps_filters_that_are_too_many_now(self):
        redis = Redis(self.scope).start()
        larger, self.broker = (Broker(self.scope, name, redis, {"limits": {"max_subscription_bytes": limit}}).start()
                               for name, limit in (("larger", "8k"), ("smaller", "1k")))
        filters = ["%d/%s" % (n, "x" * 998) for n in range(4)]
        with larger.connect("d", clean=False) as client:
            self.assertEqual(client.subscribe(*((f, 1) for f in filters)), [1] * 4)
            client.disconnect()
        client, publisher = self.client("d", clean=False), self.client()
        self.assertEqual(client.subscribe(("new", 1), (filters[0], 2)), [0x80, 2])
        for f in filters:
            publisher.publish(f, "still", 1)
            client.expect_message(f, "still", 1)

    def test_topic_levels(self):
        self.start(max_topic_levels=4)
        subscriber, publisher = self.client(), self.client()
        self.assertEqual(subscriber.subscribe(("a/b/c/d", 1), ("a/b/c/d/e", 1), ("a/#", 1)), [1, 0x80, 1])
        try:
            publisher.publish("a/b/c/d/e", "deeper", 1)
        except m.Closed:
            publisher = self.client()
        publisher.publish("a/b/c/d", "fits", 1)
        subscriber.expect_message("a/b/c/d", "fits", 1)

    def test_connections(self):
        self.start(max_connections=5)
        clients = [self.client() for _ in range(4)]  # and self.other
        extra = self.broker.open()
        self.addCleanup(extra.close)
        try:
            extra.send(m.connect("extra"))
            self.assertTrue(all(p.return_code == 3 for p in extra.drain_until_closed()))
        except m.Closed:
            pass
        clients[0].disconnect()
        eventually(lambda: self.client("again").ping() is None, 5, "there is room again")

    def test_queue_of_a_durable_session(self):
        self.start(max_queued_messages=20)
        with self.client("d", clean=False) as client:
            client.subscribe(("t", 1))
            client.disconnect()
        publisher = self.client()
        publisher.publish_many((("t", "%d" % n) for n in range(50)), 1)
        client = self.client("d", clean=False)
        got = client.collect(20)
        self.assertEqual([g.payload for g in got], [b"%d" % n for n in range(20)])
        publisher.publish("t", "next", 1)
        client.expect_message("t", "next", 1)
        self.assertRegex(self.broker.metrics(), r"(?m)^\S*drop\S* 30$")
        self.broker.wait_log("queue_full client_id=d topic=t messages=20 ")
        self.assertEqual(self.broker.log().count("queue_full"), 1)

    def test_durable_sessions(self):
        self.start(max_durable_sessions=2)
        for name in ("a", "b"):
            self.client(name, clean=False)
        client = self.broker.open()
        self.addCleanup(client.close)
        client.send(m.connect("one-more", clean=False))
        client.expect(m.CONNACK, return_code=3)
        self.broker.wait_log("durable_sessions_full client_id=one-more sessions=2 limit=2 "
                             "key=limits.max_durable_sessions", 5)
        self.client("a", clean=False)
        self.client("clean")

    def test_a_slow_reader_costs_a_bounded_amount(self):
        """QoS 0 to it is dropped and counted; a client beside it gets all."""
        self.start(max_output="256k")
        slow, fast, publisher = self.client("slow"), self.client("fast"), self.client()
        slow.subscribe("s/#")
        fast.subscribe("s/#")
        memory = self.broker.memory_kb()
        for n in range(300):  # 60 MB in all; no more at once than the fast one's output takes
            publisher.publish_many([("s/%d" % n, b"z" * 10000)] * 20)
            self.assertEqual({g.topic for g in fast.collect(20)}, {"s/%d" % n})
        self.assertLess(self.broker.memory_kb() - memory, 40 * 1024)
        dropped = sum(float(v) for v in re.findall(r"(?m)^\S*drop\S* (\S+)$", self.broker.metrics()))
        self.assertGreater(dropped, 0)
        got = []  # what the slow one then reads is whole and in order
        slow.send(m.PINGREQ_BYTES)
        while True:
            p = slow.recv()
            if p.kind == m.PINGRESP:
                break
            got.append(int(p.topic.split("/")[1]))
        self.assertEqual(got, sorted(got))
        self.assertLess(len(got), 6000)
        publisher.publish("s/again", "x")
        slow.expect_message("s/again", "x")

    def test_qos_1_waits_for_a_slow_durable_reader(self):
        self.start(max_output="256k")
        slow, publisher = self.client("slow", clean=False), self.client()
        slow.subscribe(("s/#", 1))
        publisher.publish_many((("s/x", b"%06d" % n + b"z" * 5000) for n in range(2000)), 1)
        got = slow.collect(2000)
        self.assertEqual([int(g.payload[:6]) for g in got], list(range(2000)))

    def test_session_expiry(self):
        self.start(session_expiry="1s")
        with self.client("d", clean=False) as client:
            client.subscribe(("t", 1))
            client.disconnect()
        with self.client("d", clean=False) as client:
            self.assertTrue(client.session_present)
            client.disconnect()

        def expired():
            with self.broker.connect("d", clean=False) as again:
                present = again.session_present
                again.disconnect()
            return not present
        eventually(expired, 12, "the session expires", interval=1.5)


if __name__ == "__main__":
    harness.main()
