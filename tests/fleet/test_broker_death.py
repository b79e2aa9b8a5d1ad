"""Brokers die or freeze under the load of durable clients that reconnect through the load balancer."""
import time

import harness
import mqtt_raw as m
from device import Load, StatusWatch
from services import Fleet


def through(lb, tls=False):
    if tls:
        return lambda: m.Client(lb.tls, tls=lb.context)
    return lambda: m.Client(lb.plain)


class UnderLoad(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True)

    def start_load(self, tls=False, **options):
        self.watch = StatusWatch(through(self.fleet.lb))
        self.load = Load(through(self.fleet.lb, tls), **options)
        self.load.wait_progress()

    def settle(self):
        self.load.wait_progress()
        self.load.stop()
        self.load.verify()
        self.watch.verify(self.load.devices)
        self.load.finish()
        self.watch.device.finish()

    def test_kill_9_of_a_broker(self):
        self.start_load(tls=True)
        self.load.run_for(2)
        self.fleet[0].kill()
        self.load.run_for(4)
        self.assertGreater(self.load.losses(), 0)
        self.settle()

    def test_kill_9_of_one_after_the_other_with_restarts(self):
        self.start_load(rate=25)
        for broker in self.fleet:
            self.load.run_for(1)
            broker.kill()
            self.load.run_for(2)
            broker.start()
        self.fleet.lb.wait_up({"b0", "b1", "b2"})
        self.settle()

    def test_kill_9_of_two_at_once(self):
        self.start_load(rate=25)
        self.load.run_for(1)
        self.fleet[0].kill()
        self.fleet[2].kill()
        self.load.run_for(4)
        self.settle()

    def test_kill_9_and_a_restart_at_once(self):
        """The new process at the old address is another node: nothing of the old one is its own."""
        self.start_load(rate=25)
        self.load.run_for(1)
        for _ in range(3):
            self.fleet[1].kill()
            self.fleet[1].start()
            self.load.run_for(1)
        self.settle()

    def test_sigstop_for_10_s_and_sigcont(self):
        self.start_load()
        self.load.run_for(1)
        self.fleet[0].stop()
        self.load.run_for(10)
        self.load.wait_progress()
        self.fleet[0].cont()
        self.load.run_for(2)
        self.fleet[0].wait_ready()
        self.settle()

    def test_sigstop_shorter_than_the_lease_harms_nobody(self):
        self.start_load(rate=25)
        for broker in self.fleet:
            broker.stop()
            time.sleep(0.8)
            broker.cont()
            self.load.run_for(1)
        self.assertEqual(self.load.losses(), 0)
        self.settle()


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
        time.sleep(0.5)  # time for a zombie to do harm
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
        time.sleep(3)  # beyond the lease: a late reaper would publish again
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


class Zombie(harness.FleetTest):
    """A broker that slept beyond its lease and wakes with work in its hands."""

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def test_unread_publishes_of_a_zombie_are_not_acknowledged(self):
        a, b = self.fleet
        watcher = b.connect("watcher")
        self.addCleanup(watcher.close)
        watcher.subscribe(("z/#", 2))
        client = a.connect("z", clean=False)
        client.publish("z/x", "before", 1)
        watcher.expect_message("z/x", "before", 1)
        a.stop()
        client.send(m.publish("z/x", "into the void", 1, 500) + m.publish("z/x", "too", 2, 501))
        with b.connect("z", clean=False, timeout=15) as again:
            self.assertTrue(again.session_present)
            again.publish("z/x", "after", 1)
        watcher.expect_message("z/x", "after", 1)
        time.sleep(3)  # now it is surely dead to the other one
        a.cont()
        self.assertEqual([p for p in client.drain_until_closed(timeout=10) if p.kind != m.PINGRESP], [])
        a.wait_ready()
        with a.connect("late") as late:
            late.publish("z/end", "end", 1)
        watcher.expect_message("z/end", "end", 1)

    def test_what_it_still_reads_after_a_short_sleep_is_no_second_message(self):
        """It slept less than its lease, but its client has gone on elsewhere."""
        a, b = self.fleet
        watcher = b.connect("watcher")
        self.addCleanup(watcher.close)
        watcher.subscribe(("z/#", 2))
        client = a.connect("z", clean=False)
        client.publish("z/x", "before", 2)
        watcher.expect_message("z/x", "before", 2)
        a.stop()
        client.send(m.publish("z/x", "once", 2, 501))
        with b.connect("z", clean=False, timeout=15) as again:
            self.assertTrue(again.session_present)
            again.send(m.publish("z/x", "once", 2, 501, dup=True))
            again.expect(m.PUBREC, pid=501)
            a.cont()
            client.drain_until_closed(timeout=10)
            again.send(m.ack(m.PUBREL, 501))
            again.expect(m.PUBCOMP, pid=501)
            watcher.expect_message("z/x", "once", 2)
            again.publish("z/end", "end", 2)
        watcher.expect_message("z/end", "end", 2)

    def test_it_serves_again_under_a_new_id(self):
        a, b = self.fleet
        a.stop()
        time.sleep(4)
        a.cont()
        a.wait_ready()
        subscriber, publisher = a.connect("s"), b.connect("p")
        self.addCleanup(subscriber.close)
        self.addCleanup(publisher.close)
        subscriber.subscribe(("again/#", 1))
        publisher.publish("again/x", "1", 1)
        subscriber.expect_message("again/x", "1", 1)

    def test_a_durable_subscriber_of_a_frozen_broker_goes_on_elsewhere(self):
        a, b = self.fleet
        with a.connect("d", clean=False) as old:
            old.subscribe(("d/#", 2))
            a.stop()
            with b.connect("p") as publisher:
                for n in range(50):
                    publisher.publish("d/x", "%d" % n, 1 + n % 2, timeout=20)
            with b.connect("d", clean=False, timeout=15) as new:
                self.assertTrue(new.session_present)
                self.assertEqual([g.payload for g in new.collect(50)], [b"%d" % n for n in range(50)])
                a.cont()
                self.assertEqual(old.drain_until_closed(timeout=10), [])
                new.ping()


if __name__ == "__main__":
    harness.main()
