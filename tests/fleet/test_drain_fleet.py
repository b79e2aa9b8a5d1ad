"""SIGTERM to brokers of a fleet: readiness goes red, clients leave at a pace, nothing durable is lost, exit 0."""
import signal
import time

import harness
import mqtt_raw as m
from device import Load
from harness import background, eventually
from services import Fleet, http

DRAIN = {"drain_timeout": "4s"}


class Drain(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config=DRAIN)

    def test_clients_are_closed_at_a_pace_within_the_timeout(self):
        a = self.fleet[0]
        clients = [a.connect("c%d" % n, clean=n % 2 == 0) for n in range(80)]
        start = time.monotonic()
        a.signal(signal.SIGTERM)
        ends = [background(self.end_of, c, start) for c in clients]
        eventually(lambda: a.readyz() == 503, 2, "readiness is red while draining")
        self.assertEqual(http(a.admin_port, "/healthz")[0], 200)
        times = sorted(e.result(15) for e in ends)
        a.wait(10)
        self.assertLess(times[-1], 5.5)
        self.assertLess(time.monotonic() - start, 6.5)
        self.assertGreater(times[-1], 1.0)
        # They take 2 s. A machine that stands still meanwhile may bring many at once, but never all.
        self.assertGreater(len({int(t * 10) for t in times}), 3, "all were closed at once: %s" % times)
        for c in clients:
            c.close()

    @staticmethod
    def end_of(client, start):
        client.drain_until_closed()
        return time.monotonic() - start

    def test_without_clients_it_ends_soon(self):
        start = time.monotonic()
        self.fleet[0].term()
        self.assertLess(time.monotonic() - start, 3)

    def test_durable_state_is_kept(self):
        a, b = self.fleet
        client = a.connect("d", clean=False)
        self.addCleanup(client.close)
        client.subscribe(("d/#", 2))
        with b.connect("p") as publisher:
            for n in range(20):
                publisher.publish("d/x", "%d" % n, 1 + n % 2)
            first = [client.expect(m.PUBLISH) for _ in range(20)]
            a.signal(signal.SIGTERM)
            got = client.drain_until_closed()
            a.wait(10)
            publisher.publish("d/x", "20", 1)
        with b.connect("d", clean=False) as again:
            self.assertTrue(again.session_present)
            seen = again.collect(21)
            self.assertEqual([g.payload for g in seen], [b"%d" % n for n in range(21)])
            self.assertEqual([g.pid for g in seen[:20]], [f.pid for f in first])
        self.assertTrue(all(g.kind == m.PUBLISH for g in got), got)

    def test_a_drained_client_that_comes_back_has_no_will_published(self):
        a, b = self.fleet
        watcher = b.connect("w")
        self.addCleanup(watcher.close)
        watcher.subscribe(("will/#", 1))
        clients = [a.connect("c%d" % n, will=m.Will("will/%d" % n, "x", 1)) for n in range(5)]
        a.signal(signal.SIGTERM)
        for n, c in enumerate(clients):
            c.drain_until_closed()
            with b.connect("c%d" % n) as again:
                again.disconnect()
        a.wait(10)
        with b.connect("end") as publisher:
            publisher.publish("will/end", "end", 1)
        watcher.expect_message("will/end", "end", 1)

    def test_messages_under_way_are_finished(self):
        """What was acknowledged while draining has arrived."""
        a, b = self.fleet
        watcher = b.connect("w")
        self.addCleanup(watcher.close)
        watcher.subscribe(("go/#", 1))
        clients = [a.connect("p%d" % n) for n in range(10)]
        for n, c in enumerate(clients):
            c.send(b"".join(m.publish("go/%d" % n, "%d" % i, 1, i + 1) for i in range(100)))
        a.signal(signal.SIGTERM)
        acked = {n: [p.pid for p in c.drain_until_closed() if p.kind == m.PUBACK] for n, c in enumerate(clients)}
        a.wait(10)
        with b.connect("end") as publisher:
            publisher.publish("go/end", "end", 1)
        got = watcher.collect(lambda seen: seen and seen[-1].topic == "go/end")
        for n, pids in acked.items():
            have = {g.payload for g in got if g.topic == "go/%d" % n}
            self.assertFalse([p for p in pids if b"%d" % (p - 1) not in have])

    def test_sigterm_while_redis_does_not_answer(self):
        """Nothing can be said to Redis any more; it still ends in time."""
        a, b = self.fleet
        client = a.connect("c", clean=False, will=m.Will("w", "x", 1))
        self.addCleanup(client.close)
        client.subscribe(("w/#", 1))
        self.fleet.redis.stop()
        client.send(m.publish("w/x", "never acknowledged", 1, 1))
        start = time.monotonic()
        a.signal(signal.SIGTERM)
        client.drain_until_closed()
        a.wait(12)
        self.assertLess(time.monotonic() - start, 8)
        self.fleet.redis.kill()
        b.term()

    def test_sigterm_while_redis_is_gone(self):
        self.fleet.redis.kill()
        for broker in self.fleet:
            broker.signal(signal.SIGTERM)
        for broker in self.fleet:
            broker.wait(12)


class DrainUnderLoad(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True, broker_config=DRAIN)

    def test_rolling_restart_loses_nothing(self):
        lb = self.fleet.lb
        load = Load(lambda: m.Client(lb.tls, tls=lb.context), rate=25, status=False)
        load.wait_progress()
        for broker in self.fleet:
            broker.term()
            broker.start()
            lb.wait_up({"b0", "b1", "b2"})
            load.wait_progress()
        load.stop()
        load.verify()
        load.finish()


if __name__ == "__main__":
    harness.main()
