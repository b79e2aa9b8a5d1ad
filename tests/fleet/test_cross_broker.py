"""A subscriber on one broker, a publisher on another, through the load balancer's TLS port."""
import harness
import services
from foreign_case import ForeignCase
from harness import background, eventually
from services import Fleet

COUNT = 10000


class ThroughTls(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True)
        holder.lb = holder.fleet.lb

    def pair(self):
        """Two clients that leastconn has put on two brokers."""
        if not services.STANDIN_LB:
            eventually(lambda: sum(self.lb.connections().values()) == 0, 10, "no flow is left over")
        clients = []
        for role in ("sub", "pub"):
            client = self.lb.connect(self.unique(role))
            self.addCleanup(client.close)
            clients.append(client)
        if not services.STANDIN_LB:
            eventually(lambda: sorted(self.lb.connections().values()) == [0, 1, 1], 10, "one flow on each of two brokers")
        return clients

    def test_every_qos(self):
        subscriber, publisher = self.pair()
        for granted in (0, 1, 2):
            topic = self.unique("q/")
            subscriber.subscribe((topic, granted))
            for qos in (2, 1, 0):  # a QoS 0 message right after the SUBACK might be too early
                publisher.publish(topic, "q%d" % qos, qos)
                subscriber.expect_message(topic, "q%d" % qos, min(qos, granted), retain=False)

    def ten_thousand(self, qos):
        subscriber, publisher = self.pair()
        topic = self.unique("many/")
        subscriber.subscribe((topic, qos))
        reading = background(subscriber.collect, COUNT, timeout=90)
        publisher.publish_many(((topic, "message %d" % n) for n in range(COUNT)), qos, timeout=90)
        got = reading.result(90)
        self.assertEqual([g.payload for g in got], [b"message %d" % n for n in range(COUNT)])
        self.assertEqual({(g.qos, g.dup) for g in got}, {(qos, False)})

    def test_ten_thousand_at_qos_0(self):
        self.ten_thousand(0)

    def test_ten_thousand_at_qos_1(self):
        self.ten_thousand(1)

    def test_ten_thousand_at_qos_2(self):
        self.ten_thousand(2)

    def test_subscriptions_come_and_go(self):
        subscriber, publisher = self.pair()
        for n in range(30):
            topic = self.unique("come/")
            subscriber.subscribe((topic + "/+", 1))
            publisher.publish(topic + "/a", "%d" % n, 1)
            subscriber.expect_message(topic + "/a", "%d" % n, 1)
            subscriber.unsubscribe(topic + "/+")
            publisher.publish(topic + "/a", "not any more", 1)

    def test_large_message(self):
        subscriber, publisher = self.pair()
        topic, payload = self.unique("large/"), bytes(range(256)) * 2000
        subscriber.subscribe((topic, 2))
        for qos in (0, 1, 2):
            publisher.publish(topic, payload, qos)
            subscriber.expect_message(topic, payload, qos)


class ForeignClients(ForeignCase, harness.FleetTest):
    build = ThroughTls.build


class AcrossThree(harness.FleetTest):
    """Straight to the brokers, without the load balancer."""

    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def test_all_to_all(self):
        subscribers = [b.connect(self.unique("s")) for b in self.fleet for _ in range(2)]
        publishers = [b.connect(self.unique("p")) for b in self.fleet]
        base = self.unique("all/")
        for i, s in enumerate(subscribers):
            self.addCleanup(s.close)
            s.subscribe((base + "/+/" + "#", 2))
        reading = [background(s.collect, 903) for s in subscribers]
        for p in publishers:  # an acknowledged message shows that the broker knows the routes
            p.publish(base + "/warm/x", "warm", 1)
        sending = []
        for i, p in enumerate(publishers):
            self.addCleanup(p.close)
            messages = [("%s/%d/x" % (base, i), "%d" % n) for n in range(300)]
            sending.append(background(p.publish_many, messages, i))
        for s in sending:
            s.result(60)
        for r in reading:
            got = r.result(60)
            for i in range(3):
                mine = [g for g in got if g.topic == "%s/%d/x" % (base, i)]
                self.assertEqual([g.payload for g in mine], [b"%d" % n for n in range(300)])
                self.assertEqual({g.qos for g in mine}, {i})

    def test_only_brokers_with_a_subscriber_are_served(self):
        subscriber, other = self.fleet[0].connect(self.unique("s")), self.fleet[1].connect(self.unique("s"))
        publisher = self.fleet[2].connect(self.unique("p"))
        for client in (subscriber, other, publisher):
            self.addCleanup(client.close)
        base = self.unique("only/")
        subscriber.subscribe((base + "/a", 1))
        other.subscribe((base + "/b", 1))
        for n in range(50):
            publisher.publish(base + "/a", "%d" % n, 1)
        publisher.publish(base + "/b", "end", 1)
        self.assertEqual([g.payload for g in subscriber.collect(50)], [b"%d" % n for n in range(50)])
        other.expect_message(base + "/b", "end", 1)

    def test_overlapping_filters_deliver_once(self):
        subscriber, publisher = self.fleet[0].connect(self.unique("s")), self.fleet[1].connect(self.unique("p"))
        self.addCleanup(subscriber.close)
        self.addCleanup(publisher.close)
        base = self.unique("over/")
        subscriber.subscribe((base + "/#", 0), (base + "/+", 1), (base + "/x", 2))
        publisher.publish(base + "/x", "once", 2)
        publisher.publish(base + "/x/y", "next", 1)
        subscriber.expect_message(base + "/x", "once", 2)
        subscriber.expect_message(base + "/x/y", "next", 0)


if __name__ == "__main__":
    harness.main()
