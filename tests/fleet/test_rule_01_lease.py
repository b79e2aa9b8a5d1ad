"""Rule 1, lease: a node is dead when its beats stood still for the lease, and never because Redis was away."""
import time

import harness
import mqtt_raw as m
from harness import eventually, stays
from rule_case import LEASE, RuleCase
from services import Broker, metric


class Lease(RuleCase, harness.FleetTest):
    def nobody_is_dead_for(self, seconds, *clients):
        stays(lambda: all(c.is_quiet() for c in clients), seconds, "that nobody is closed and no will comes")

    def test_redis_away_kills_nobody(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        clients = [self.connect(b, will=m.Will("will/x", "dead", 1)) for b in (self.a, self.b) for _ in range(5)]
        for how in ("pause", "restart"):
            if how == "pause":
                self.redis.stop()
                self.nobody_is_dead_for(3 * LEASE, watcher, *clients)
                self.redis.cont()
            else:
                self.redis.kill()
                self.nobody_is_dead_for(2 * LEASE, watcher, *clients)
                self.redis.start()
            for b in (self.a, self.b):
                eventually(lambda: b.readyz() == 200, 15, "%s is ready again" % b.name)
            self.nobody_is_dead_for(LEASE, watcher, *clients)
            for c in clients:
                c.ping()
            self.assert_quiet(watcher)

    def test_a_silent_node_is_dead_after_its_lease_and_not_before(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        self.connect(self.a, will=m.Will("will/x", "dead", 1))
        eventually(lambda: metric(self.b.metrics(), "flotilla_fleet_nodes") == 2, 10, "b knows a")
        start = time.monotonic()
        self.a.kill()
        watcher.expect_message("will/x", "dead", 1, timeout=LEASE + 6)
        took = time.monotonic() - start
        self.assertGreater(took, LEASE * 0.6)
        self.assertLess(took, LEASE + 4)

    def test_one_reconnecting_observer_declares_nobody_dead(self):
        watcher = self.connect(self.b)
        watcher.subscribe(("will/#", 2))
        client = self.connect(self.b, will=m.Will("will/x", "dead", 1))
        for _ in range(6):  # a's view has holes, longer than the lease altogether
            self.proxy.hold()
            self.nobody_is_dead_for(0.5, client, watcher)
            self.proxy.cut()
            self.proxy.release()
            self.nobody_is_dead_for(0.5, client, watcher)
        client.ping()
        self.assert_quiet(watcher)

    def test_a_reaper_that_dies_is_continued(self):
        c = Broker(self.scope, "c", self.redis).start()
        watcher = self.connect(c)
        watcher.subscribe(("will/#", 2))
        count = 300
        clients = [self.connect(self.a, will=m.Will("will/%d" % n, "dead", 1)) for n in range(count)]
        self.a.kill()
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


if __name__ == "__main__":
    harness.main()
