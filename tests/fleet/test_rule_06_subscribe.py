"""Rule 6, subscribe: SUBACK when all brokers' QoS 1 and 2 messages will find the subscription."""
import harness
import mqtt_raw as m
from rule_case import RuleCase


class Subscribe(RuleCase, harness.FleetTest):
    def test_subscribe_then_publish_never_missed(self):
        for clean in (True, False):
            subscriber, publisher = self.connect(self.a, clean=clean), self.connect(self.b)
            base = self.unique("s")
            for n in range(150):
                name = ("%s/%d", "%s/%d/+", "%s/%d/#")[n % 3] % (base, n)
                subscriber.subscribe((name, 1))
                topic = "%s/%d%s" % (base, n, "" if n % 3 == 0 else "/x")
                publisher.publish(topic, "%d" % n, 1)
                subscriber.expect_message(topic, "%d" % n, 1)

    def test_two_hundred_subscribers_at_once(self):
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

    def test_a_link_that_stalls_at_subscribe_delays_suback(self):
        subscriber, publisher = self.connect(self.a), self.connect(self.b)
        self.proxy.hold("replies")
        subscriber.send(m.subscribe(3, ("d/x", 1)))
        with self.assertRaises(m.TimedOut):
            subscriber.recv(timeout=0.5)
        self.proxy.release()
        subscriber.expect(m.SUBACK, pid=3)
        publisher.publish("d/x", "x", 1)
        subscriber.expect_message("d/x", "x", 1)


if __name__ == "__main__":
    harness.main()
