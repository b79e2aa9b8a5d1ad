"""Rule 2, fence: a node that isn't sure to be alive promises nothing; one that was declared dead starts over."""

import harness
import mqtt_raw as m
from harness import eventually, stays
from rule_case import LEASE, RuleCase
from services import Fleet, metric


class Fence(RuleCase, harness.FleetTest):
    def test_an_unsure_node_acknowledges_nothing_but_serves_qos_0(self):
        subscriber, publisher = self.connect(self.a), self.connect(self.a)
        subscriber.subscribe("f/zero")
        publisher.publish("f/one", "before", 1)
        self.proxy.hold()
        self.a.wait_log("node_unsure", 10)
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

    def test_a_pause_shorter_than_the_lease_keeps_the_clients(self):
        subscriber, publisher = self.connect(self.a, keepalive=2), self.connect(self.a, keepalive=2)
        subscriber.subscribe(("f/#", 1))
        for _ in range(3):
            self.proxy.hold()
            publisher.send(m.publish("f/one", "x", 1, 79))
            stays(publisher.is_quiet, 0.6, "that nothing is acknowledged")
            self.proxy.release()
            publisher.expect(m.PUBACK, pid=79)
            subscriber.expect_message("f/one", "x", 1)
            stays(lambda: publisher.is_quiet() and subscriber.is_quiet(), 0.6, "that both are connected and nothing comes twice")
            publisher.ping()
            subscriber.ping()

    def test_a_node_that_was_declared_dead_closes_without_wills_and_starts_over(self):
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

    def test_what_a_zombie_holds_does_not_come_back(self):
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
        eventually(lambda: metric(self.b.metrics(), "flotilla_fleet_deaths_total") == 1, 15, "it is dead to the other one")
        self.proxy.release()
        client.drain_until_closed(timeout=10)
        self.a.wait_ready()
        self.assert_quiet(watcher)
        again.ping()


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
        eventually(lambda: metric(b.metrics(), "flotilla_fleet_deaths_total") == 1, 15, "it is dead to the other one")
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
        eventually(lambda: metric(b.metrics(), "flotilla_fleet_deaths_total") == 1, 15, "it is dead to the other one")
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
