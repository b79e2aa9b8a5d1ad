"""The load balancer's servers: retries, health, waiting for one, the API and the pages."""
import json
import time
import urllib.request

import harness
from harness import eventually, free_port
from lb_case import RAW, FlowCase
from services import LoadBalancer, http
from upstream import echo, read_all


class Servers(FlowCase, harness.FleetTest):
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

    def test_health_goes_down_and_up_by_fall_and_rise(self):
        server, other = self.upstream(echo), self.upstream(echo)
        lb = self.balancer(server, other, backend={
            "health_check": {"type": "tcp", "interval": "200ms", "timeout": "500ms", "rise": 2, "fall": 3}})
        server.close()
        start = time.monotonic()
        eventually(lambda: lb.states()["s0"] == "down", 10, "s0 goes down")
        self.assertLess(time.monotonic() - start, 3)
        self.assertEqual(lb.states()["s1"], "up")
        server.open()
        start = time.monotonic()
        eventually(lambda: lb.states()["s0"] == "up", 10, "s0 comes up")
        self.assertLess(time.monotonic() - start, 3)

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

    def test_drain_and_maintenance_by_the_api(self):
        servers = [self.upstream(echo), self.upstream(echo)]
        lb = self.balancer(*servers)
        kept = self.open(lb, tls=False)
        kept.sendall(b"1")
        self.assertEqual(read_all(kept, 1), b"1")
        name = next(n for n, count in lb.connections().items() if count == 1)
        self.post(lb, "/api/servers/brokers/%s/state" % name, {"state": "drain"})
        eventually(lambda: lb.states()[name] == "draining", 5, "it drains")
        for _ in range(4):
            sock = self.open(lb, tls=False)
            sock.sendall(b"2")
            read_all(sock, 1)
        self.assertEqual(lb.connections()[name], 1)
        kept.sendall(b"3")
        self.assertEqual(read_all(kept, 1), b"3")
        self.post(lb, "/api/servers/brokers/%s/state" % name, {"state": "ready"})
        eventually(lambda: lb.states()[name] == "up", 5, "it is up again")

    @staticmethod
    def post(lb, path, body):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (lb.admin_port, path), json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())


class Admin(FlowCase, harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.server = self.upstream(echo)
        self.lb = self.balancer(self.server)

    def test_pages(self):
        status, body = http(self.lb.admin_port, "/")
        self.assertEqual(status, 200)
        self.assertIn("<html", body.lower())
        self.assertNotRegex(body, r"""(src|href)\s*=\s*["']?(https?:)?//""")
        self.assertEqual(http(self.lb.admin_port, "/healthz")[0], 200)
        self.assertEqual(http(self.lb.admin_port, "/nothing")[0], 404)
        self.assertEqual([s["address"] for s in self.lb.server_list()], ["127.0.0.1:%d" % self.server.port])

    def test_metrics_are_prometheus_text(self):
        with self.open(self.lb, tls=True):
            body = self.lb.metrics()
        for line in body.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \S+ .*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\]|\\.)*",?)*\})? \S+)$')
        self.assertIn('server="s0"', body)


if __name__ == "__main__":
    harness.main()
