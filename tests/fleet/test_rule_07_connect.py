"""Rule 7, connect: a claim takes the client from its former owner, whose will and messages come first."""
import time

import harness
import mqtt_raw as m
from harness import eventually
from rule_case import RuleCase
from services import metric


class Connect(RuleCase, harness.FleetTest):
    def test_connect_will_before_connack_with_a_silent_owner(self):
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
        eventually(lambda: metric(self.b.metrics(), "flotilla_fleet_deaths_total") == 1, 15, "it is dead to the other one")
        self.a.cont()
        old.drain_until_closed(timeout=10)
        self.a.wait_ready()
        self.assert_quiet(watcher)
        new.ping()

    def test_order_holds_when_a_publisher_moves_to_its_subscribers_node(self):
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

    def test_the_epoch_fences_the_old_owner(self):
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


if __name__ == "__main__":
    harness.main()
