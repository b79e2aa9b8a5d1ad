"""Rule 10, flows: a server that fails is replaced before its client notices; a failed check closes no flow."""
import time

import harness
from harness import eventually, free_port
from lb_case import RAW, FlowCase
from services import Broker, LoadBalancer
from upstream import echo, read_all


class Flows(FlowCase, harness.FleetTest):
    def test_a_refused_server_is_retried_unnoticed(self):
        good = [self.upstream(echo), self.upstream(echo)]
        bad = self.upstream(echo)
        lb = self.balancer(good[0], bad, good[1], backend={
            "health_check": dict(RAW["health_check"], interval="30s", fast_interval="30s")})
        lb.wait_up({"s0", "s1", "s2"})
        bad.close()
        for n in range(12):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"ping%d" % n)
            self.assertEqual(read_all(sock, len(b"ping%d" % n)), b"ping%d" % n)
        self.assertEqual(lb.states()["s1"], "down")

    def test_a_server_that_closes_before_its_first_byte_is_replaced(self):
        good = self.upstream(echo)
        lb = self.balancer(self.upstream(lambda sock: sock.recv(1)), good)
        for n in range(6):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"x" * 5000)
            self.assertEqual(read_all(sock, 5000), b"x" * 5000)

    def test_a_silent_server_is_replaced(self):
        """A paused broker still accepts through its backlog."""
        good = self.upstream(echo)
        silent = self.upstream(lambda sock: read_all(sock))
        lb = self.balancer(silent, good, backend={"first_byte_timeout": "700ms"})
        for n in range(2):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"hello")
            self.assertEqual(read_all(sock, 5), b"hello")

    def test_no_server_up_a_flow_waits_and_is_served(self):
        port = free_port()
        lb = LoadBalancer(self.scope, [("s0", ("127.0.0.1", port))], backend=dict(
            RAW, queue_timeout="8s")).start(wait=False)
        eventually(lambda: lb.states()["s0"] == "down", 10, "s0 is down")
        sock = self.open(lb, tls=False)
        sock.sendall(b"early")
        late = self.upstream(echo, port=port)
        self.assertEqual(read_all(sock, 5), b"early")
        self.assertGreaterEqual(late.accepted, 1)

    def test_no_server_up_a_flow_is_closed_after_queue_timeout(self):
        lb = LoadBalancer(self.scope, [("s0", ("127.0.0.1", free_port()))], backend=dict(
            RAW, queue_timeout="600ms")).start(wait=False)
        eventually(lambda: lb.states()["s0"] == "down", 10, "s0 is down")
        sock = self.open(lb, tls=False)
        start = time.monotonic()
        try:
            self.assertEqual(sock.recv(1), b"")
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - start, 5)

    def test_frozen_broker_goes_down_and_its_flows_are_kept(self):
        brokers = [Broker(self.scope, "b%d" % i).start() for i in range(2)]
        lb = LoadBalancer(self.scope, [("b%d" % i, b.address) for i, b in enumerate(brokers)]).start()
        clients = [lb.connect(self.unique("c"), tls=False) for _ in range(4)]
        brokers[0].stop()
        eventually(lambda: lb.states()["b0"] == "down", 10, "b0 is down")
        brokers[0].cont()
        eventually(lambda: lb.states()["b0"] == "up", 10, "b0 is up")
        for c in clients:
            c.ping()
            c.close()


if __name__ == "__main__":
    harness.main()
