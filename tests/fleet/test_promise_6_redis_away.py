"""Promise 6: while Redis is away clients stay connected, QoS 0 goes on, nothing is acknowledged that isn't safe, nobody
is declared dead; when it is back, everything resumes by itself."""
import time

import harness
import mqtt_raw as m
from device import Load, StatusWatch
from harness import background, eventually, pace, stays
from services import Fleet, metric


class UnderLoad(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True)

    def start_load(self, **options):
        lb = self.fleet.lb
        self.watch = StatusWatch(lambda: m.Client(lb.plain))
        self.load = Load(lambda: m.Client(lb.tls, tls=lb.context), rate=25, **options)
        self.load.wait_progress()

    def settle(self):
        """All go on; nobody lost the connection, no will came."""
        self.load.wait_progress()
        self.load.run_for(1)
        self.load.stop()
        self.load.verify()
        self.assertEqual(self.load.losses(), 0)
        self.watch.verify(self.load.devices)
        for broker in self.fleet:
            eventually(lambda: broker.readyz() == 200, 10, "%s is ready again" % broker.name)
        with self.fleet[0].connect("new-sub") as subscriber, self.fleet[1].connect("new-pub") as publisher:
            subscriber.subscribe(("after/#", 1))
            publisher.publish("after/x", "works", 1)
            subscriber.expect_message("after/x", "works", 1)
        self.load.finish()
        self.watch.device.finish()

    def test_paused_for_10_s(self):
        self.start_load()
        self.fleet.redis.stop()
        self.load.run_for(10)
        self.fleet.redis.cont()
        self.settle()

    def test_paused_by_client_pause(self):
        self.start_load()
        self.fleet.redis.command("CLIENT", "PAUSE", "6000", "ALL")
        self.load.run_for(6)
        self.settle()

    def test_restarted_on_its_append_only_file(self):
        self.start_load()
        self.fleet.redis.restart()
        self.load.run_for(2)
        self.settle()

    def test_away_for_6_s(self):
        self.start_load()
        self.fleet.redis.kill()
        self.load.run_for(6)
        self.fleet.redis.start()
        self.settle()

    def test_pubsub_clients_kicked(self):
        self.start_load()
        for _ in range(5):
            self.fleet.redis.kick_pubsub()
            self.load.run_for(0.7)
        self.settle()

    def test_all_clients_kicked(self):
        self.start_load()
        for _ in range(5):
            self.fleet.redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            self.load.run_for(0.7)
        self.settle()

    def test_scripts_flushed(self):
        self.start_load()
        for _ in range(3):
            self.fleet.redis.command("SCRIPT", "FLUSH")
            self.load.run_for(0.7)
        self.settle()


class WhileAway(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def test_what_goes_on_and_what_waits(self):
        a, redis = self.fleet[0], self.fleet.redis
        subscriber, publisher = a.connect("s", keepalive=2), a.connect("p", keepalive=2)
        self.addCleanup(subscriber.close)
        self.addCleanup(publisher.close)
        subscriber.subscribe("t/zero")
        other = a.connect("o", keepalive=30)
        self.addCleanup(other.close)
        other.subscribe(("t/one", 1), ("t/two", 1))
        redis.stop()
        for n in range(20):  # QoS 0 between clients of one broker, and pings
            publisher.publish("t/zero", "%d" % n)
            subscriber.expect_message("t/zero", "%d" % n)
            publisher.ping()
            subscriber.ping()
            pace(0.2)
        publisher.send(m.publish("t/one", "waits", 1, 1) + m.publish("t/two", "waits", 2, 2))
        # pings would find an acknowledgement
        stays(lambda: publisher.ping() is None and subscriber.ping() is None, 2, interval=0.25)
        eventually(lambda: a.readyz() == 503, 10, "readiness is red")
        newcomer = a.open()
        self.addCleanup(newcomer.close)
        newcomer.send(m.connect("new"))
        try:
            self.assertEqual(newcomer.expect(m.CONNACK, timeout=1).return_code, 3)
        except (m.TimedOut, m.Closed):
            pass
        redis.cont()
        got = [publisher.recv(timeout=15) for _ in range(2)]
        self.assertEqual(sorted((p.kind, p.pid) for p in got), [(m.PUBACK, 1), (m.PUBREC, 2)])
        self.assertEqual(sorted(g.topic for g in other.collect(2)), ["t/one", "t/two"])
        eventually(lambda: a.readyz() == 200, 10, "readiness is green")
        publisher.ping()

    def test_a_client_with_many_open_publishes_is_kept_although_it_is_not_read(self):
        a, b, redis = *self.fleet, self.fleet.redis
        watcher = b.connect("w")
        self.addCleanup(watcher.close)
        watcher.subscribe(("many/#", 1))
        publisher = a.connect("p", keepalive=2)
        self.addCleanup(publisher.close)
        redis.stop()
        publisher.send(b"".join(m.publish("many/x", "%d" % n, 1, n + 1) for n in range(1000)))
        end = time.monotonic() + 5
        while time.monotonic() < end:
            publisher.send(m.PINGREQ_BYTES)
            watcher.ping()
            pace(0.5)
        redis.cont()
        acked = []
        while len(acked) < 1000:
            got = publisher.recv(timeout=20)
            if got.kind == m.PUBACK:
                acked.append(got.pid)
        self.assertEqual(acked, list(range(1, 1001)))
        self.assertEqual([g.payload for g in watcher.collect(1000)], [b"%d" % n for n in range(1000)])

    def test_what_one_client_has_at_the_store_is_bounded_in_bytes(self):
        """Its large messages would stand before everybody's in the queue to Redis."""
        a, b, redis = *self.fleet, self.fleet.redis
        watcher, publisher = b.connect("w"), a.connect("p")
        self.addCleanup(watcher.close)
        self.addCleanup(publisher.close)
        watcher.subscribe(("large/#", 1))
        publisher.publish("large/x", "first", 1)
        redis.stop()
        sent = background(publisher.send, b"".join(m.publish("large/x", b"x" * 100000, 1, n + 1) for n in range(90)))

        def pending():
            return metric(a.metrics(), "flotilla_redis_pending_bytes")
        eventually(lambda: pending() >= 256 << 10, 5, "the client's limit is reached")
        stays(lambda: pending() < 600 << 10, 1, "the bound", interval=0.1)
        redis.cont()
        sent.result(20)
        self.assertEqual([publisher.expect(m.PUBACK, timeout=20).pid for _ in range(90)], list(range(1, 91)))
        self.assertEqual(len(watcher.collect(91)), 91)

    def test_lists_of_filters_are_bounded_in_bytes_as_well(self):
        broker, redis = self.fleet[0], self.fleet.redis
        client = broker.connect("lists")
        self.addCleanup(client.close)
        client.subscribe(("first", 1))
        redis.stop()
        lists = [[("f/%d/%d/%s" % (n, k, "x" * 280), 1) for k in range(100)] for n in range(60)]
        sent = background(client.send, b"".join(m.subscribe(n + 1, *filters) for n, filters in enumerate(lists)))

        def held():
            return metric(broker.metrics(), "flotilla_broker_memory_bytes", kind="requests")
        eventually(lambda: held() >= 200 << 10, 5, "the client's limit is reached")
        stays(lambda: held() < 600 << 10, 1, "the bound", interval=0.1)
        redis.cont()
        sent.result(20)
        self.assertEqual([client.expect(m.SUBACK, timeout=20).pid for _ in range(60)], list(range(1, 61)))

    def test_wills_of_those_who_leave_meanwhile_come_once_when_it_is_back(self):
        a, b, redis = *self.fleet, self.fleet.redis
        watcher = b.connect("w")
        self.addCleanup(watcher.close)
        watcher.subscribe(("will/#", 2))
        clients = [a.connect("c%d" % n, will=m.Will("will/%d" % n, "gone", n % 3)) for n in range(9)]
        redis.stop()
        for client in clients:
            client.abort()
        stays(watcher.is_quiet, 3, "that no will comes")
        redis.cont()
        got = watcher.collect(9, timeout=20)
        self.assertEqual(sorted((g.topic, g.qos) for g in got), sorted(("will/%d" % n, n % 3) for n in range(9)))
        stays(watcher.is_quiet, 3, "that none comes again")
        with b.connect("p") as publisher:
            publisher.publish("will/end", "end", 2)
        watcher.expect_message("will/end", "end", 2)

    def test_restart_keeps_sessions_queues_and_retained(self):
        a, b, redis = *self.fleet, self.fleet.redis
        with a.connect("d", clean=False) as client:
            client.subscribe(("keep/#", 2))
            client.disconnect()
        with b.connect("p") as publisher:
            publisher.publish_many((("keep/x", "%d" % n) for n in range(200)), 2)
            publisher.publish("keep/retained", "value", 1, retain=True)
            redis.restart()
            eventually(lambda: a.readyz() == 200 and b.readyz() == 200, 15, "both are ready again")
            publisher.publish("keep/x", "200", 1, timeout=15)
            publisher.publish("new/retained", "value", 1, retain=True)
        with b.connect("d", clean=False) as client:
            self.assertTrue(client.session_present)
            got = client.collect(202)
            self.assertEqual([g.payload for g in got if g.topic == "keep/x"], [b"%d" % n for n in range(201)])
        for topic in ("keep/retained", "new/retained"):
            with a.connect("r") as reader:
                reader.subscribe((topic, 1))
                reader.expect_message(topic, "value", 1, retain=True)


if __name__ == "__main__":
    harness.main()
