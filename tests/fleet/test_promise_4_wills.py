"""Promise 4: a will is published exactly once, within seconds also when its broker dies, and never after its client's
next CONNACK."""
import time

import harness
import mqtt_raw as m
from harness import stays
from services import Fleet


class Wills(harness.FleetTest):
    """Wills of clients that don't come back after their broker died."""

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def prepare(self, count=60):
        self.watcher = self.fleet[2].connect("watcher")
        self.addCleanup(self.watcher.close)
        self.watcher.subscribe(("will/+", 2))
        self.clients = []
        for n in range(count):
            client = self.fleet[0].connect("w%d" % n, clean=n % 2 == 0,
                                           will=m.Will("will/%d" % n, "gone %d" % n, n % 3, retain=n % 4 == 0))
            self.clients.append(client)
            self.addCleanup(client.close)

    def assert_each_once(self, wanted):
        got = self.watcher.collect(len(wanted), timeout=20)
        # A will that came twice would be among these, or before the end marker.
        with self.fleet[1].connect("end") as publisher:
            publisher.publish("will/end", "end", 1)
        rest = self.watcher.collect(lambda seen: seen and seen[-1].topic == "will/end")
        self.assertEqual([g.topic for g in rest], ["will/end"], "got before: %s" % got)
        self.assertEqual(sorted((g.topic, g.payload, g.qos) for g in got), sorted(wanted))

    def test_published_once_within_seconds_of_kill_9(self):
        self.prepare()
        self.clients[7].disconnect()  # this one said goodbye, and Redis knows
        self.fleet[0].connect("after").disconnect()
        self.fleet[0].kill()
        start = time.monotonic()
        self.assert_each_once([("will/%d" % n, b"gone %d" % n, n % 3) for n in range(60) if n != 7])
        self.assertLess(time.monotonic() - start, 12)
        reader = self.fleet[1].connect("reader")
        self.addCleanup(reader.close)
        reader.subscribe(("will/#", 1))
        self.assertEqual(sorted(g.topic for g in reader.collect(15)), sorted("will/%d" % n for n in range(0, 60, 4)))

    def test_of_a_frozen_broker_published_once_although_it_wakes(self):
        self.prepare(30)
        self.fleet[0].stop()
        self.assert_each_once([("will/%d" % n, b"gone %d" % n, n % 3) for n in range(30)])
        self.fleet[0].cont()
        for client in self.clients:
            client.drain_until_closed(timeout=10)
        self.fleet[0].wait_ready()
        stays(self.watcher.is_quiet, 0.5, "that a zombie does no harm")
        self.assert_each_once([])

    def test_before_the_next_connack_of_the_same_client(self):
        self.prepare(12)
        self.fleet[0].kill()
        wanted = []
        for n in range(12):
            with self.fleet[1].connect("w%d" % n, clean=False, timeout=15) as client:
                client.publish("will/%d" % n, "back", 2)
                client.disconnect()
            wanted += [(n, "gone %d" % n), (n, "back")]
        got = self.watcher.collect(24, timeout=20)
        for n in range(12):
            self.assertEqual([g.payload.decode() for g in got if g.topic == "will/%d" % n], ["gone %d" % n, "back"])
        stays(self.watcher.is_quiet, 3, "that no late reaper publishes again")  # beyond the lease
        self.assert_each_once([])

    def test_the_old_will_not_the_new_one_is_published_by_a_claim(self):
        """On the restarted broker itself and on others; clean and durable; the claimer's will is its own."""
        self.watcher = self.fleet[2].connect("watcher")
        self.addCleanup(self.watcher.close)
        self.watcher.subscribe(("will/+", 2))
        for clean in (True, False):
            for broker in (0, 1):
                old = [self.fleet[0].connect("c%d" % n, clean=clean, will=m.Will("will/%d" % n, "old %d" % n, 1 + n % 2))
                       for n in range(10)]
                self.fleet[0].kill()
                self.fleet[0].start()
                new = [self.fleet[broker].connect("c%d" % n, clean=clean, timeout=15,
                                                  will=m.Will("will/%d" % n, "new %d" % n, 1 + n % 2)) for n in range(10)]
                got = self.watcher.collect(10, timeout=20)
                self.assertEqual(sorted(g.payload.decode() for g in got), sorted("old %d" % n for n in range(10)))
                for c in new:
                    c.disconnect()
                for c in old:
                    c.close()


if __name__ == "__main__":
    harness.main()
