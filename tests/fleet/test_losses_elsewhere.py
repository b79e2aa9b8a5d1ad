"""Where other Redis-backed brokers lose messages."""

import harness
import mqtt_raw as m
from harness import eventually
from services import Fleet


class LossesSeenElsewhere(harness.FleetTest):
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
        a, b, c = self.fleet
        keeper = b.connect("keeper")
        self.addCleanup(keeper.close)
        keeper.subscribe(("leak/#", 1))

        def reaped():
            return sum(x.log().count("node_reaped") for x in (b, c))

        def round_trip(n):
            clients = [a.connect("x%d-%d" % (n, i), will=m.Will("leak/will", "x", i % 2)) for i in range(50)]
            for i, client in enumerate(clients):
                client.subscribe(("leak/x%d/%d" % (n, i), 1))
                client.publish("leak/y", "y", 1)
            a.kill()
            keeper.collect(100, timeout=30)
            for client in clients:
                client.close()
            a.start()
            eventually(lambda: reaped() > n, 20, "it is reaped")
            self.assertEqual(reaped(), n + 1, "each is reaped once")
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
