"""The load balancer before real brokers: MQTT and HTTP checks, the client's address, its own end."""
import signal
import time

import harness
import mqtt_raw as m
from harness import eventually
from lb_case import FlowCase
from services import Broker, LoadBalancer, http
from upstream import read_all


class WithBrokers(FlowCase, harness.FleetTest):
    def test_mqtt_check_sees_a_server_that_accepts_but_does_not_answer(self):
        broker, silent = Broker(self.scope).start(), self.upstream(read_all)
        lb = LoadBalancer(self.scope, [("b0", broker.address), ("b1", silent.address)], backend={
            "health_check": {"type": "mqtt", "interval": "300ms", "timeout": "400ms", "rise": 1, "fall": 2}})
        lb.start(wait=False)
        lb.wait_up({"b0"})
        for n in range(4):
            lb.connect(self.unique("c"), tls=n % 2 == 0).disconnect()
        eventually(lambda: lb.states()["b1"] == "down", 10, "b1 is down")

    def test_http_check_follows_readiness(self):
        brokers = [Broker(self.scope, "b%d" % i, config={"drain_timeout": "6s"}).start() for i in range(2)]
        lb = LoadBalancer(self.scope, [("b%d" % i, b.address) for i, b in enumerate(brokers)], backend={
            "health_check": {"type": "http", "path": "/readyz", "interval": "200ms", "timeout": "1s", "rise": 1,
                             "fall": 2}})
        config = lb.settings()
        for server, broker in zip(config["backends"]["brokers"]["servers"], brokers):
            server["check_port"] = broker.admin_port
        lb.extra = {"backends": config["backends"]}
        lb.write()
        lb.start()
        stay = brokers[0].connect("stay")
        stay2 = [brokers[0].connect(self.unique("s")) for _ in range(60)]
        brokers[0].signal(15)
        eventually(lambda: lb.states()["b0"] == "down", 5, "a draining broker gets no new flows")
        for c in [stay] + stay2:
            c.close()
        brokers[0].wait(10)

    def test_the_broker_learns_the_clients_address(self):
        broker = Broker(self.scope, config={"log": {"level": "debug", "format": "text"}}).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)]).start()
        for tls in (False, True):
            mark = len(broker.log())
            with m.Client.connected(lb.tls if tls else lb.plain, self.unique("c"), tls=lb.context if tls else None,
                                    source="127.0.0.77"):
                broker.wait_log(r"127\.0\.0\.77", start=mark)

    def drained(self, leave):
        broker = Broker(self.scope).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)], config={"drain_timeout": "3s"}).start()
        clients = [lb.connect(self.unique("c"), tls=n % 2 == 0) for n in range(10)]
        start = time.monotonic()
        lb.signal(signal.SIGTERM)
        eventually(lambda: http(lb.admin_port, "/readyz")[0] == 503, 2, "readiness is red")
        for c in clients:
            c.ping()  # flows go on while draining
        with self.assertRaises((AssertionError, OSError)):
            lb.connect("late", tls=False, timeout=1)
        if leave:
            for c in clients:
                c.disconnect()
        lb.wait(10)
        for c in clients:
            c.close()
        return time.monotonic() - start

    def test_sigterm_waits_for_flows_to_end(self):
        self.assertLess(self.drained(leave=True), 2.5)

    def test_sigterm_waits_no_longer_than_drain_timeout(self):
        took = self.drained(leave=False)
        self.assertGreater(took, 2.5)
        self.assertLess(took, 6)


if __name__ == "__main__":
    harness.main()
