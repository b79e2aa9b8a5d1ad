"""The load balancer's servers: health, the API and the pages. What flows do is in test_rule_10_flows.py."""
import json
import time
import urllib.request

import harness
from harness import eventually
from lb_case import FlowCase
from services import http
from upstream import echo, read_all


class Servers(FlowCase, harness.FleetTest):

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
