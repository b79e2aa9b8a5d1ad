"""Rule 9, Redis trouble: what is lost is said again, what is refused is tried again, and nobody is harmed."""
import time

import harness
import mqtt_raw as m
from harness import eventually, stays
from rule_case import LEASE, RuleCase
from services import Broker, Fleet, Redis


class RedisTrouble(RuleCase, harness.FleetTest):
    def test_an_empty_redis_is_filled_again(self):
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

    def test_an_evicting_redis_is_refused(self):
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

    def test_a_full_redis_refuses_publishes_and_can_be_drained(self):
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
        stays(watcher.is_quiet, LEASE * 1.5, "that beats go on and nobody is declared dead")
        watcher.ping()
        self.redis.command("CONFIG", "SET", "maxmemory", "0")
        client = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(client.close)
        got = client.collect(lambda seen: len(seen) >= 1 + len(acked))
        self.assertEqual(got[0].payload, b"0")
        with self.a.connect("after") as after:
            after.publish("full/end", "end", 1)
        client.collect(lambda seen: seen and seen[-1].topic == "full/end")


class OneReload(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def test_one_restart_is_one_reload(self):
        """Who waits for a version while the node reloads must not make it reload again and again."""
        publishers = [b.connect("p%d" % i, timeout=15) for i, b in enumerate(self.fleet)]
        for p in publishers:
            self.addCleanup(p.close)
            p.publish("t", "before", 1)
            p.send(m.publish("t", "unanswered", 1, 601))
        self.fleet.redis.kill()
        for p in publishers:
            p.send(m.publish("t", "while it is away", 1, 602))
        self.fleet.redis.start()
        for p in publishers:
            p.expect(m.PUBACK, pid=601)
            p.expect(m.PUBACK, pid=602)
        for b in self.fleet:
            b.wait_log("node_ready.*again=true", 10)
        end = time.monotonic() + 4.5  # a wait that nobody has shows after 3 s
        while time.monotonic() < end:
            for p in publishers:
                p.publish("t", "after", 1)
        self.assertEqual([b.log().count("fleet_reloads") for b in self.fleet], [1, 1])


class RefusedAppends(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def test_a_connect_that_waits_for_the_log_is_answered(self):
        """What append.lua writes is refused: the routes of a client can't be announced."""
        a, b, redis = *self.fleet, self.fleet.redis
        with b.connect("s", clean=False) as client:
            client.subscribe(("only/there", 1))
            client.disconnect()
        redis.command("SET", "fl:{r}:hw", "not a hash")
        for n in range(2):  # the second finds nothing of the first
            client = a.open(timeout=20)
            self.addCleanup(client.close)
            client.send(m.connect("s", clean=False))
            client.expect(m.CONNACK, return_code=3)
            client.expect_closed()
        a.wait_log("connect_timed_out")
        redis.command("DEL", "fl:{r}:hw")
        with a.connect("s", clean=False) as client, b.connect("p") as publisher:
            self.assertTrue(client.session_present)
            publisher.publish("only/there", "x", 1)
            client.expect_message("only/there", "x", 1)


class EmptyRedis(harness.FleetTest):
    """Redis lost everything: brokers assert again what they know."""

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def test_connected_clients_go_on_after_a_flush(self):
        a, b = self.fleet
        subscriber, publisher = a.connect("s"), b.connect("p")
        self.addCleanup(subscriber.close)
        self.addCleanup(publisher.close)
        subscriber.subscribe(("f/#", 1))
        publisher.publish("f/x", "before", 1)
        subscriber.expect_message("f/x", "before", 1)
        self.fleet.redis.command("FLUSHALL")

        def works():
            publisher.publish("f/x", "after", 1, timeout=10)
            return subscriber.collect(lambda seen: seen, timeout=2)
        eventually(works, 30, "messages flow again")


if __name__ == "__main__":
    harness.main()
