"""The rules of the fleet protocol (docs/architecture.md), each with a test that tries to break it."""
import time

import harness
import mqtt_raw as m
from chaos import ChaosProxy
from device import Device, difference
from harness import background, eventually
from services import Broker, Fleet, Redis

LEASE = 2.0


class RuleCase:
    """Two brokers; the first one's way to Redis leads through a proxy."""

    @staticmethod
    def build(holder):
        scope = holder.scope
        holder.redis = Redis(scope).start()
        holder.proxy = ChaosProxy(holder.redis.port)
        scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(scope, "a", holder.proxy)
        holder.b = Broker(scope, "b", holder.redis)
        holder.a.start(wait=False)
        holder.b.start(wait=False)
        holder.a.wait_ready()
        holder.b.wait_ready()

    def connect(self, broker, name=None, **fields):
        client = broker.connect(name or self.unique("c"), **fields)
        self.addCleanup(client.close)
        return client

    def tearDown(self):
        self.proxy.release()
        super().tearDown()

    def assert_quiet(self, client, broker=None):
        topic = self.unique("quiet/")
        client.subscribe((topic, 1))
        self.connect(broker or self.b).publish(topic, "now", 1)
        client.expect_message(topic, "now", 1)


class Rule1Lease(RuleCase, harness.FleetTest):
    def test_rule1_redis_away_kills_nobody(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        clients = [self.connect(b, will=m.Will("will/x", "dead", 1)) for b in (self.a, self.b) for _ in range(5)]
        for how in ("pause", "restart"):
            if how == "pause":
                self.redis.stop()
                time.sleep(3 * LEASE)
                self.redis.cont()
            else:
                self.redis.kill()
                time.sleep(2 * LEASE)
                self.redis.start()
            for b in (self.a, self.b):
                eventually(lambda: b.readyz() == 200, 15, "%s is ready again" % b.name)
            time.sleep(LEASE)
            for c in clients:
                c.ping()
            self.assert_quiet(watcher)

    def test_rule1_a_silent_node_is_dead_after_its_lease_and_not_before(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        self.connect(self.a, will=m.Will("will/x", "dead", 1))
        time.sleep(1)
        start = time.monotonic()
        self.a.kill()
        watcher.expect_message("will/x", "dead", 1, timeout=LEASE + 6)
        took = time.monotonic() - start
        self.assertGreater(took, LEASE * 0.6)
        self.assertLess(took, LEASE + 4)

    def test_rule1_one_reconnecting_observer_declares_nobody_dead(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        client = self.connect(self.b, will=m.Will("will/x", "dead", 1))
        for _ in range(6):  # a's view has holes, longer than the lease altogether
            self.proxy.hold()
            time.sleep(0.5)
            self.proxy.cut()
            self.proxy.release()
            time.sleep(0.5)
        client.ping()
        self.assert_quiet(watcher)

    def test_rule1_a_reaper_that_dies_is_continued(self):
        c = Broker(self.scope, "c", self.redis).start()
        watcher = self.connect(c)
        watcher.subscribe(("will/#", 2))
        count = 300
        clients = [self.connect(self.a, will=m.Will("will/%d" % n, "dead", 1)) for n in range(count)]
        self.a.kill()
        time.sleep(LEASE)  # about now b or c begins
        first = watcher.collect(lambda seen: len(seen) >= 1, timeout=15)
        self.b.kill()
        rest = watcher.collect(count - len(first), timeout=30)
        # The one will that was under way when the reaper died may come again (QoS 1), no other.
        topics = sorted({g.topic for g in first + rest})
        if len(topics) < count:
            more = watcher.collect(lambda seen: len({g.topic for g in seen} | set(topics)) >= count, timeout=20)
            topics = sorted(set(topics) | {g.topic for g in more})
        self.assertEqual(topics, sorted("will/%d" % n for n in range(count)))
        self.assert_quiet(watcher, c)
        for client in clients:
            client.close()


class Rule2Fence(RuleCase, harness.FleetTest):
    def test_rule2_an_unsure_node_acknowledges_nothing_but_serves_qos_0(self):
        subscriber, publisher = self.connect(self.a), self.connect(self.a)
        subscriber.subscribe("f/zero")
        publisher.publish("f/one", "before", 1)
        self.proxy.hold()
        time.sleep(0.9 * LEASE)
        newcomer = self.a.open()
        self.addCleanup(newcomer.close)
        newcomer.send(m.connect("newcomer"))
        publisher.send(m.publish("f/one", "unsure", 1, 77) + m.publish("f/two", "unsure", 2, 78))
        publisher.publish("f/zero", "goes on")
        subscriber.expect_message("f/zero", "goes on")
        publisher.ping()
        subscriber.ping()
        try:  # a newcomer waits or is refused
            self.assertEqual(newcomer.expect(m.CONNACK, timeout=0.3).return_code, 3)
        except (m.TimedOut, m.Closed):
            pass

    def test_rule2_a_pause_shorter_than_the_lease_keeps_the_clients(self):
        subscriber, publisher = self.connect(self.a, keepalive=2), self.connect(self.a, keepalive=2)
        subscriber.subscribe(("f/#", 1))
        for _ in range(3):
            self.proxy.hold()
            publisher.send(m.publish("f/one", "x", 1, 79))
            time.sleep(0.6)
            self.proxy.release()
            publisher.expect(m.PUBACK, pid=79)
            subscriber.expect_message("f/one", "x", 1)
            time.sleep(0.6)
            publisher.ping()
            subscriber.ping()

    def test_rule2_a_node_that_was_declared_dead_closes_without_wills_and_starts_over(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        clients = [self.connect(self.a, clean=n % 2 == 0, will=m.Will("will/%d" % n, "dead", 2)) for n in range(10)]
        self.proxy.hold()
        got = watcher.collect(10, timeout=LEASE + 8)  # the reaper's, not a's
        self.assertEqual(sorted(g.topic for g in got), sorted("will/%d" % n for n in range(10)))
        self.proxy.release()
        for c in clients:
            c.drain_until_closed(timeout=10)
        self.a.wait_ready()
        self.assert_quiet(watcher)
        self.assert_quiet(self.connect(self.a))

    def test_rule2_what_a_zombie_holds_does_not_come_back(self):
        """Publishes that reached a dead node unacknowledged are for their publisher to send again."""
        watcher = self.connect(self.b)
        watcher.subscribe(("z/#", 2))
        client = self.connect(self.a, "zed", clean=False)
        self.proxy.hold()
        client.send(m.publish("z/x", "held", 2, 9))
        again = self.b.connect("zed", clean=False, timeout=15)
        self.addCleanup(again.close)
        again.send(m.publish("z/x", "held", 2, 9, dup=True))
        again.expect(m.PUBREC, pid=9)
        again.send(m.ack(m.PUBREL, 9))
        again.expect(m.PUBCOMP, pid=9)
        watcher.expect_message("z/x", "held", 2)
        time.sleep(LEASE)
        self.proxy.release()
        client.drain_until_closed(timeout=10)
        self.a.wait_ready()
        self.assert_quiet(watcher)
        again.ping()


class Rule3Turn(RuleCase, harness.FleetTest):
    def test_rule3_a_booting_node_misses_no_subscription(self):
        subscriber = self.connect(self.a)
        stop = []

        def subscribe_on():
            n = 0
            while not stop:
                subscriber.subscribe(("boot/%d" % n, 1))
                n += 1
            return n
        subscribing = background(subscribe_on)
        late = Broker(self.scope, "late", self.redis).start()
        time.sleep(0.3)
        stop.append(True)
        count = subscribing.result(20)
        self.assertGreater(count, 20)
        publisher = self.connect(late)
        publisher.publish_many((("boot/%d" % n, "%d" % n) for n in range(count)), 1)
        got = subscriber.collect(count)
        self.assertEqual([g.payload for g in got], [b"%d" % n for n in range(count)])

    def test_rule3_a_flood_does_not_starve_the_others(self):
        flooder, other = self.connect(self.a), self.connect(self.a)
        sink = self.connect(self.b)
        sink.subscribe(("flood/#", 0))
        reading = background(sink.collect, lambda seen: seen and seen[-1].topic == "flood/end", 60)
        sending = background(flooder.publish_many, [("flood/x", "x" * 200)] * 20000)
        worst = 0.0
        while not sending.done():
            start = time.monotonic()
            other.ping()
            worst = max(worst, time.monotonic() - start)
        self.assertLess(worst, 2.0)
        sending.result()
        end = time.monotonic() + 30
        while not reading.done() and time.monotonic() < end:
            other.publish("flood/end", "end")
            time.sleep(0.2)
        reading.result(5)


class Rule4Link(RuleCase, harness.FleetTest):
    def cut_under_load(self, *held):
        subscriber = Device(lambda: m.Client(self.b.address), self.unique("s"), [("l/#", 2)]).wait_online()
        publishers = [Device(lambda: m.Client(self.a.address), self.unique("p"), keepalive=10).wait_online()
                      for _ in range(2)]
        count = 400
        for n in range(count):
            for qos, p in enumerate(publishers, 1):
                p.publish("l/%d" % qos, "%d" % n, qos)
            if n % 50 == 25:
                if held:
                    self.proxy.hold(*held)
                    time.sleep(0.15)
                self.proxy.cut()
                self.proxy.release()
            time.sleep(0.004)
        eventually(lambda: all(p.idle() for p in publishers), 40, "all acknowledged")
        wanted = [b"%d" % n for n in range(count)]
        eventually(lambda: all(subscriber.received["l/%d" % q][-1:] == wanted[-1:] for q in (1, 2)), 20, "all delivered")
        for qos in (1, 2):
            got = subscriber.received["l/%d" % qos]
            if qos == 1:  # which may be repeated
                got = list(dict.fromkeys(got))
            self.assertTrue(got == wanted, "QoS %d: %s" % (qos, "" if got == wanted else difference(wanted, got)))
        for d in publishers + [subscriber]:
            self.assertEqual(d.losses, 0)
            d.finish()

    def test_rule4_a_cut_link_is_replayed_in_order(self):
        self.cut_under_load()

    def test_rule4_replay_of_what_was_done_already_repeats_nothing(self):
        """The replies are lost, so the commands were executed and come again."""
        self.cut_under_load("replies")

    def test_rule4_requests_that_never_arrived_are_sent_again(self):
        self.cut_under_load("requests")

    def test_rule4_flushed_scripts_are_loaded_in_order(self):
        subscriber, publisher = self.connect(self.b, "s4", clean=False), self.connect(self.a)
        subscriber.subscribe(("n/#", 1))
        reading = background(subscriber.collect, 500)
        sending = background(publisher.publish_many, [("n/x", "%d" % n) for n in range(500)], 1, 30)
        while not sending.done():
            self.redis.command("SCRIPT", "FLUSH")
            time.sleep(0.05)
        sending.result()
        self.assertEqual([g.payload for g in reading.result(20)], [b"%d" % n for n in range(500)])

    def test_rule4_retained_is_not_set_back_by_a_replay(self):
        a, b = self.connect(self.a), self.connect(self.b)
        a.publish("r/x", "old", 1, retain=True)
        self.proxy.hold("replies")
        a.send(m.publish("r/x", "newer", 1, 5, retain=True))
        time.sleep(0.2)
        b.publish("r/x", "newest", 1, retain=True)
        self.proxy.cut()
        self.proxy.release()
        a.expect(m.PUBACK, pid=5)
        reader = self.connect(self.b)
        reader.subscribe(("r/x", 1))
        reader.expect_message("r/x", "newest", 1, retain=True)


class Rule5Publish(RuleCase, harness.FleetTest):
    def offline(self, name, topic, qos=2):
        with self.b.connect(name, clean=False) as client:
            client.subscribe((topic, qos))
            client.disconnect()

    def test_rule5_acknowledged_only_when_stored(self):
        self.offline("keeper", "s/#")
        publisher = self.connect(self.a)
        self.proxy.hold("replies")
        publisher.send(m.publish("s/1", "one", 1, 1) + m.publish("s/2", "two", 2, 2) + m.PINGREQ_BYTES)
        publisher.expect(m.PINGRESP)
        with self.assertRaises(m.TimedOut):
            publisher.recv(timeout=0.6)
        self.proxy.release()
        self.assertEqual({publisher.recv().kind for _ in range(2)}, {m.PUBACK, m.PUBREC})

    def test_rule5_what_was_acknowledged_survives_all_brokers(self):
        self.offline("keeper", "s/#")
        publisher = self.connect(self.a)
        acked = []
        publisher.send(b"".join(m.publish("s/x", "%d" % n, 1, n + 1) for n in range(3000)))
        while len(acked) < 700:
            acked.append(publisher.expect(m.PUBACK).pid)
        self.a.kill()
        self.b.kill()
        acked += [p.pid for p in publisher.drain_until_closed() if p.kind == m.PUBACK]
        self.b.start()
        client = self.connect(self.b, "keeper", clean=False)
        self.assertTrue(client.session_present)
        got = client.collect(lambda seen: len(seen) >= len(acked))
        self.assertEqual([g.payload for g in got[:len(acked)]], [b"%d" % n for n in range(len(acked))])

    def test_rule5_a_qos_2_resend_on_another_broker_is_the_same_message(self):
        """The first broker stored it and died before its PUBREC."""
        self.offline("keeper", "s/#")
        live = self.connect(self.b)
        live.subscribe(("s/#", 2))
        publisher = self.connect(self.a, "sender", clean=False)
        for n in range(1, 21):
            publisher.publish("s/x", "%d" % n, 2)
        self.assertEqual(len(live.collect(20)), 20)
        self.proxy.hold("replies")
        publisher.send(m.publish("s/x", "21", 2, 500))
        time.sleep(0.3)
        self.a.kill()
        again = self.b.connect("sender", clean=False, timeout=15)
        self.addCleanup(again.close)
        self.assertTrue(again.session_present)
        again.send(m.publish("s/x", "21", 2, 500, dup=True))
        again.expect(m.PUBREC, pid=500)
        again.send(m.ack(m.PUBREL, 500))
        again.expect(m.PUBCOMP, pid=500)
        keeper = self.connect(self.b, "keeper", clean=False)
        self.assertEqual([g.payload for g in keeper.collect(21)], [b"%d" % n for n in range(1, 22)])
        self.assert_quiet(keeper)

    def test_rule5_pubrel_on_another_broker_frees_the_packet_id(self):
        live = self.connect(self.b)
        live.subscribe(("s/#", 2))
        publisher = self.connect(self.a, "sender", clean=False)
        publisher.send(m.publish("s/x", "one", 2, 7))
        publisher.expect(m.PUBREC, pid=7)
        publisher.abort()
        again = self.connect(self.b, "sender", clean=False)
        again.send(m.ack(m.PUBREL, 7))
        again.expect(m.PUBCOMP, pid=7)
        again.send(m.publish("s/x", "two", 2, 7))
        again.expect(m.PUBREC, pid=7)
        again.send(m.ack(m.PUBREL, 7))
        again.expect(m.PUBCOMP, pid=7)
        self.assertEqual([g.payload for g in live.collect(2)], [b"one", b"two"])

    def test_rule5_one_slow_session_holds_up_nobody(self):
        slow, fast = self.connect(self.b, "slow", clean=False), self.connect(self.b, "fast", clean=False)
        for c in (slow, fast):
            c.subscribe(("s/#", 1))
        publisher = self.connect(self.a)
        publisher.publish_many((("s/x", "%d" % n) for n in range(600)), 1)
        self.assertEqual([g.payload for g in fast.collect(600)], [b"%d" % n for n in range(600)])
        self.assertEqual([g.payload for g in slow.collect(600)], [b"%d" % n for n in range(600)])


class Rule6Subscribe(RuleCase, harness.FleetTest):
    def test_rule6_subscribe_then_publish_never_missed(self):
        for clean in (True, False):
            subscriber, publisher = self.connect(self.a, clean=clean), self.connect(self.b)
            base = self.unique("s")
            for n in range(150):
                name = ("%s/%d", "%s/%d/+", "%s/%d/#")[n % 3] % (base, n)
                subscriber.subscribe((name, 1))
                topic = "%s/%d%s" % (base, n, "" if n % 3 == 0 else "/x")
                publisher.publish(topic, "%d" % n, 1)
                subscriber.expect_message(topic, "%d" % n, 1)

    def test_rule6_two_hundred_subscribers_at_once(self):
        clients = [self.connect((self.a, self.b)[n % 2]) for n in range(200)]
        for n, c in enumerate(clients):
            c.send(m.subscribe(1, ("all/%d" % n, 1), ("all/+", 1)))
        for c in clients:
            c.expect(m.SUBACK, pid=1)
        publisher = self.connect(self.b)
        for n in (0, 1, 100, 199):
            publisher.publish("all/%d" % n, "x", 1)
            for c in clients:
                c.expect_message("all/%d" % n, "x", 1)

    def test_rule6_a_link_that_stalls_at_subscribe_delays_suback(self):
        subscriber, publisher = self.connect(self.a), self.connect(self.b)
        self.proxy.hold("replies")
        subscriber.send(m.subscribe(3, ("d/x", 1)))
        with self.assertRaises(m.TimedOut):
            subscriber.recv(timeout=0.5)
        self.proxy.release()
        subscriber.expect(m.SUBACK, pid=3)
        publisher.publish("d/x", "x", 1)
        subscriber.expect_message("d/x", "x", 1)


class Rule7Connect(RuleCase, harness.FleetTest):
    def test_rule7_connect_will_before_connack_with_a_silent_owner(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("status", 2))
        old = self.connect(self.a, "dev", will=m.Will("status", "offline", 2))
        old.publish("status", "online", 2)
        watcher.expect_message("status", "online", 2)
        self.a.stop()
        start = time.monotonic()
        new = self.b.connect("dev", will=m.Will("status", "offline again", 2), timeout=15)
        self.addCleanup(new.close)
        self.assertLess(time.monotonic() - start, 5)
        new.publish("status", "online again", 2)
        watcher.expect_message("status", "offline", 2)
        watcher.expect_message("status", "online again", 2)
        time.sleep(LEASE + 1)
        self.a.cont()
        old.drain_until_closed(timeout=10)
        self.a.wait_ready()
        self.assert_quiet(watcher)
        new.ping()

    def test_rule7_order_holds_when_a_publisher_moves_to_its_subscribers_node(self):
        subscriber = self.connect(self.a)
        subscriber.subscribe(("o/#", 1))
        n, wanted = 0, []
        for broker in (self.b, self.a) * 8:
            publisher = self.connect(broker, "mover", clean=False)
            for _ in range(20):
                publisher.publish("o/x", "%d" % n, 1)
                wanted.append(b"%d" % n)
                n += 1
        self.assertEqual([g.payload for g in subscriber.collect(n)], wanted)

    def test_rule7_the_epoch_fences_the_old_owner(self):
        """Acknowledgements on the old connection must not touch the session of the new one."""
        publisher = self.connect(self.b)
        old = self.connect(self.a, "dev", clean=False)
        old.subscribe(("e/#", 1))
        publisher.publish("e/x", "one", 1)
        pid = old.expect(m.PUBLISH).pid
        self.proxy.hold()
        old.send(m.ack(m.PUBACK, pid))
        new = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(new.close)
        self.assertEqual(new.expect(m.PUBLISH, payload="one", dup=True).pid, pid)
        self.proxy.release()
        old.drain_until_closed(timeout=10)
        new.abort()
        newest = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(newest.close)
        newest.expect_message("e/x", "one", 1)
        self.assert_quiet(newest)


class Rule8Deliver(RuleCase, harness.FleetTest):
    def test_rule8_packet_id_same_after_resend(self):
        publisher = self.connect(self.b)
        client = self.connect(self.a, "dev", clean=False)
        client.subscribe(("p/#", 2))
        publisher.publish_many((("p/x", "%d" % n) for n in range(50)), 1)
        publisher.publish_many((("p/y", "%d" % n) for n in range(50)), 2)
        first = [client.expect(m.PUBLISH) for _ in range(50)]
        self.a.kill()
        client = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(client.close)
        again = [client.expect(m.PUBLISH) for _ in range(50)]
        self.assertEqual([(g.pid, g.payload, g.qos) for g in again], [(f.pid, f.payload, f.qos) for f in first])
        self.assertTrue(all(g.dup for g in again))

    def test_rule8_received_qos_2_goes_on_with_pubrel_elsewhere(self):
        publisher = self.connect(self.b)
        client = self.connect(self.a, "dev", clean=False)
        client.subscribe(("p/#", 2))
        publisher.publish_many((("p/x", "%d" % n) for n in range(10)), 2)
        pids = [client.expect(m.PUBLISH).pid for _ in range(10)]
        for pid in pids[:5]:
            client.send(m.ack(m.PUBREC, pid))
            client.expect(m.PUBREL, pid=pid)
        self.a.kill()
        client = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(client.close)
        got = [client.recv() for _ in range(10)]
        self.assertEqual(sorted(g.pid for g in got if g.kind == m.PUBREL), sorted(pids[:5]))
        self.assertEqual([g.pid for g in got if g.kind == m.PUBLISH], pids[5:])
        for g in got:
            client.send(m.ack(m.PUBCOMP if g.kind == m.PUBREL else m.PUBREC, g.pid))
        for pid in pids[5:]:
            client.await_pid(m.PUBREL, pid)
            client.send(m.ack(m.PUBCOMP, pid))
        client.ping()
        self.assert_quiet(client)

    def test_rule8_packet_ids_wrap(self):
        """More messages than packet ids; ids still come in sequence and are never 0."""
        publisher, client = self.connect(self.a), self.connect(self.b, "dev", clean=False)
        client.subscribe(("w/#", 1))
        count = 66000
        reading = background(client.collect, count, 150)
        publisher.publish_many((("w/x", "%d" % n) for n in range(count)), 1, 100, 150)
        got = reading.result(150)
        self.assertTrue([g.payload for g in got] == [b"%d" % n for n in range(count)])
        self.assertTrue([g.pid for g in got] == [n % 65535 + 1 for n in range(count)])


class Rule9RedisTrouble(RuleCase, harness.FleetTest):
    def test_rule9_an_empty_redis_is_filled_again(self):
        durable = self.connect(self.a, "dev", clean=False)
        durable.subscribe(("n/durable", 1))
        clean = self.connect(self.a)
        clean.subscribe(("n/clean", 1))
        publisher = self.connect(self.b)
        self.redis.command("FLUSHALL")
        self.redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        for b in (self.a, self.b):
            eventually(lambda: b.readyz() == 200, 20, "%s is ready again" % b.name)

        def arrives(topic, client):
            publisher.publish(topic, "x", 1)
            return client.collect(lambda seen: seen, timeout=1)
        eventually(lambda: arrives("n/clean", clean), 20, "the route is back")
        eventually(lambda: arrives("n/durable", durable), 20, "the durable subscription is back")
        durable.disconnect()
        again = self.connect(self.b, "dev", clean=False)
        self.assertTrue(again.session_present)

    def test_rule9_an_evicting_redis_is_refused(self):
        evicting = Redis(self.scope, "evicting", options=("--maxmemory-policy", "allkeys-lru",
                                                              "--maxmemory", "100mb")).start()
        broker = Broker(self.scope, "refusing", evicting)
        broker.start(wait=False)
        broker.wait_log("noeviction", timeout=10)
        if broker.running():
            self.assertNotEqual(broker.readyz(), 200)
            broker.term()
        else:
            self.assertNotEqual(broker.popen.returncode, 0)
            broker.expect_code = broker.popen.returncode

    def test_rule9_a_full_redis_refuses_publishes_and_can_be_drained(self):
        with self.b.connect("dev", clean=False) as client:
            client.subscribe(("full/#", 1))
            client.disconnect()
        watcher = self.connect(self.b, will=m.Will("never", "x", 1))
        publisher = self.connect(self.a)
        publisher.publish("full/x", "0", 1)
        self.redis.command("CONFIG", "SET", "maxmemory", "1mb")
        publisher.send(b"".join(m.publish("full/x", "y" * 100000, 1, n + 1) for n in range(20)))
        acked = []
        try:
            while True:
                acked.append(publisher.recv(timeout=2).pid)
        except (m.TimedOut, m.Closed):
            pass
        self.assertLess(len(acked), 20)
        time.sleep(LEASE * 1.5)  # beats go on: nobody is declared dead
        watcher.ping()
        self.redis.command("CONFIG", "SET", "maxmemory", "0")
        client = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(client.close)
        got = client.collect(lambda seen: len(seen) >= 1 + len(acked))
        self.assertEqual(got[0].payload, b"0")
        with self.a.connect("after") as after:
            after.publish("full/end", "end", 1)
        client.collect(lambda seen: seen and seen[-1].topic == "full/end")


class LossesSeenElsewhere(harness.FleetTest):
    """Where other Redis-backed brokers lose messages."""

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def test_a_queue_is_not_cut_at_ten_thousand(self):
        a, b, _ = self.fleet
        with a.connect("d", clean=False) as client:
            client.subscribe(("q/#", 1))
            client.disconnect()
        count = 12000
        with b.connect("p") as publisher:
            publisher.publish_many((("q/x", "%d" % n) for n in range(count)), 1, 200)
        with a.connect("d", clean=False) as client:
            got = client.collect(count)
        self.assertTrue([g.payload for g in got] == [b"%d" % n for n in range(count)])

    def test_wills_are_not_cut_at_a_thousand(self):
        a, b, _ = self.fleet
        count = 1200
        watcher = b.connect("w")
        self.addCleanup(watcher.close)
        watcher.subscribe(("will/+", 1))
        clients = [a.connect("c%d" % n, will=m.Will("will/%d" % n, "x", 1)) for n in range(count)]
        a.kill()
        got = watcher.collect(count, timeout=40)
        self.assertEqual(len({g.topic for g in got}), count)
        for c in clients:
            c.close()

    def test_filters_are_no_globs_on_another_broker(self):
        a, b, c = self.fleet
        subscriber, publisher = a.connect("s"), b.connect("p")
        self.addCleanup(subscriber.close)
        self.addCleanup(publisher.close)
        subscriber.subscribe(("g/a[b]/+", 1), ("g/c*/+", 1), ("g/d?/x", 1), ("g/end", 1))
        for topic in ("g/ab/x", "g/cc/x", "g/c/x", "g/dd/x", "g/a[b]/x/y"):
            publisher.publish(topic, "miss", 1)
        for topic in ("g/a[b]/x", "g/c*/x", "g/d?/x"):
            publisher.publish(topic, "hit", 1, retain=True)
        publisher.publish("g/end", "end", 1)
        got = subscriber.collect(4)
        self.assertEqual([g.topic for g in got], ["g/a[b]/x", "g/c*/x", "g/d?/x", "g/end"])
        with c.connect("r") as reader:
            reader.subscribe(("g/a[b]/+", 1))
            reader.expect_message("g/a[b]/x", "hit", 1, retain=True)

    def test_a_crash_leaves_nothing_behind(self):
        a, b, _ = self.fleet
        keeper = b.connect("keeper")
        self.addCleanup(keeper.close)
        keeper.subscribe(("leak/#", 1))
        time.sleep(1)

        def round_trip(n):
            clients = [a.connect("x%d-%d" % (n, i), will=m.Will("leak/will", "x", i % 2)) for i in range(50)]
            for i, c in enumerate(clients):
                c.subscribe(("leak/x%d/%d" % (n, i), 1))
                c.publish("leak/y", "y", 1)
            a.kill()
            keeper.collect(100, timeout=30)
            for c in clients:
                c.close()
            a.start()
            time.sleep(1)
            return self.fleet.redis.command("DBSIZE")
        sizes = [round_trip(n) for n in range(3)]
        eventually(lambda: self.fleet.redis.command("DBSIZE") <= sizes[0] + 10, 30,
                   "keys do not pile up (%s)" % sizes)

    def test_no_scan_or_long_script_stalls_redis(self):
        a, b, _ = self.fleet
        redis = self.fleet.redis
        with a.connect("p") as publisher:
            publisher.publish_many((("slow/%d/%d" % (n % 50, n), "v") for n in range(8000)), 1, 300, retain=True)
            redis.command("CONFIG", "SET", "slowlog-log-slower-than", "100000")
            redis.command("SLOWLOG", "RESET")
            with b.connect("r") as reader:
                reader.subscribe(("slow/+/+", 1))
                reader.collect(8000)
        self.assertEqual(redis.command("SLOWLOG", "LEN"), 0, redis.command("SLOWLOG", "GET"))
        stats = redis.command("INFO", "commandstats").decode()
        for command in ("keys", "scan", "flushall"):
            self.assertNotIn("cmdstat_%s:" % command, stats)


if __name__ == "__main__":
    harness.main()
