"""leastconn: equal shares, a restarted broker is filled first, weights count."""

import harness
import mqtt_raw as m
from harness import eventually
from services import Broker, LoadBalancer


class Balance(harness.FleetTest):
    options = {}

    def start(self, brokers=3, weights=None, **options):
        self.brokers = [Broker(self.scope, "b%d" % i) for i in range(brokers)]
        for b in self.brokers:
            b.start()
        servers = [("b%d" % i, b.address) + ((weights[i],) if weights else ()) for i, b in enumerate(self.brokers)]
        self.lb = LoadBalancer(self.scope, servers, **options).start()
        self.clients = []
        self.addCleanup(lambda: [c.close() for c in self.clients])

    def connect(self, count, tls=False):
        self.clients += [self.lb.connect(self.unique("c"), tls=tls) for _ in range(count)]

    def counts(self):
        found = self.lb.connections()
        return [found["b%d" % i] for i in range(len(self.brokers))]

    def test_300_connections_over_3_brokers_are_100_each(self):
        self.start()
        for n in range(10):
            self.connect(30, tls=n % 2 == 0)
            self.assertEqual(self.counts(), [10 * (n + 1)] * 3)
        for c in self.clients:
            c.ping()

    def test_a_restarted_broker_gets_the_new_ones_first(self):
        self.start()
        self.connect(300)
        self.assertEqual(self.counts(), [100] * 3)
        self.brokers[1].kill()
        eventually(lambda: self.lb.states()["b1"] == "down", 10, "b1 is down")
        eventually(lambda: self.counts() == [100, 0, 100], 10, "its flows are gone")
        self.brokers[1].start()
        eventually(lambda: self.lb.states()["b1"] == "up", 10, "b1 is up")
        self.connect(100)
        self.assertEqual(self.counts(), [100, 100, 100])
        self.connect(30)
        self.assertEqual(self.counts(), [110, 110, 110])

    def test_flows_that_end_make_room(self):
        self.start()
        self.connect(60)
        for c in self.clients[:60:3]:
            c.close()
        eventually(lambda: sum(self.counts()) == 40, 10, "20 flows are gone")
        self.connect(20)
        self.assertEqual(self.counts(), [20, 20, 20])

    def test_many_at_once_are_shared_alike(self):
        """Connections that are still connecting count."""
        self.start()
        socks = [m.Client(self.lb.plain) for _ in range(90)]
        self.clients += socks
        for s in socks:
            s.send(m.connect(self.unique("c")))
        for s in socks:
            s.expect(m.CONNACK, return_code=0)
        self.assertEqual(self.counts(), [30, 30, 30])

    def test_weights(self):
        self.start(weights=[1, 2, 3])
        self.connect(120)
        self.assertEqual(self.counts(), [20, 40, 60])

    def test_weight_0_gets_none(self):
        self.start(weights=[1, 0, 1])
        self.connect(20)
        self.assertEqual(self.counts(), [10, 0, 10])

    def test_round_robin(self):
        self.start(backend={"balance": "roundrobin"}, workers=1)
        self.connect(30)
        self.assertEqual(self.counts(), [10, 10, 10])
        for c in self.clients[::3]:
            c.close()
        eventually(lambda: sum(self.counts()) == 20, 10, "10 flows are gone")
        before = self.counts()
        self.connect(30)
        self.assertEqual(self.counts(), [n + 10 for n in before])


if __name__ == "__main__":
    harness.main()
