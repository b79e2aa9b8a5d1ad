"""The load balancer finds its servers by DNS."""
import time

import harness
from harness import eventually, free_port
from lb_case import RAW, FlowCase
from services import LoadBalancer
from upstream import DnsServer, Upstream, echo, read_all


class Discovery(FlowCase, harness.FleetTest):
    """Servers found by DNS; the port is the same on 127.0.0.2, 127.0.0.3, ..."""

    def start(self, *addresses, **discover):
        self.port = free_port()
        self.servers = {}
        for a in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            server = Upstream.__new__(Upstream)
            server.handler, server.port, server.address = echo, self.port, (a, self.port)
            server.accepted, server.errors = 0, []
            server.open()
            self.addCleanup(server.close)
            self.servers[a] = server
        self.dns = DnsServer("broker.test", addresses)
        self.addCleanup(self.dns.close)
        self.lb = LoadBalancer(self.scope, [], backend=dict(RAW, discover=dict(
            {"dns": "broker.test:%d" % self.port, "refresh": "200ms", "hold": "3s", "timeout": "400ms",
             "resolver": "127.0.0.1:%d" % self.dns.port}, **discover)))
        self.lb.start(wait=False)

    def addresses_up(self):
        return {s["address"].rsplit(":", 1)[0] for s in self.lb.server_list() if s["state"] == "up"}

    def wait_addresses(self, *addresses):
        eventually(lambda: self.addresses_up() == set(addresses), 10, "%s up" % (addresses,))

    def test_every_address_is_a_server(self):
        self.start("127.0.0.2", "127.0.0.3", "127.0.0.4")
        self.wait_addresses("127.0.0.2", "127.0.0.3", "127.0.0.4")
        for _ in range(9):
            sock = self.open(self.lb, tls=False)
            sock.sendall(b"x")
            read_all(sock, 1)
        self.assertEqual(sorted(self.lb.connections().values()), [3, 3, 3])

    def test_addresses_come_and_go(self):
        self.start("127.0.0.2")
        self.wait_addresses("127.0.0.2")
        kept = self.open(self.lb, tls=False)
        kept.sendall(b"a")
        self.assertEqual(read_all(kept, 1), b"a")
        start = time.monotonic()
        self.dns.addresses = ["127.0.0.2", "127.0.0.3"]
        self.wait_addresses("127.0.0.2", "127.0.0.3")
        self.assertLess(time.monotonic() - start, 3)
        self.dns.addresses = ["127.0.0.3"]
        self.wait_addresses("127.0.0.3")
        kept.sendall(b"b")  # its server drains
        self.assertEqual(read_all(kept, 1), b"b")

    def test_failing_answers_do_not_empty_the_backend_at_once(self):
        for mode in ("silent", "servfail", "empty", "nxdomain"):
            with self.subTest(mode):
                self.start("127.0.0.2", "127.0.0.3")
                self.wait_addresses("127.0.0.2", "127.0.0.3")
                self.dns.mode = mode
                asked = sum(self.dns.questions.values())
                eventually(lambda: sum(self.dns.questions.values()) >= asked + 4, 10, "it asks on")
                self.assertEqual(self.addresses_up(), {"127.0.0.2", "127.0.0.3"})
                self.dns.mode, self.dns.addresses = "answer", ["127.0.0.4"]
                self.wait_addresses("127.0.0.4")
                self.lb.term()
                self.scope.processes.remove(self.lb)

    def test_after_the_hold_time_the_answer_expires(self):
        self.start("127.0.0.2", hold="1s")
        self.wait_addresses("127.0.0.2")
        self.dns.mode = "servfail"
        self.wait_addresses()

    def test_truncated_answers_are_asked_for_over_tcp(self):
        self.start("127.0.0.2", "127.0.0.3")
        self.dns.truncate = True
        self.dns.addresses = ["127.0.0.3", "127.0.0.4"]
        self.wait_addresses("127.0.0.3", "127.0.0.4")
        self.assertGreater(self.dns.questions["tcp"], 0)

    def test_list_and_dns_together(self):
        self.start("127.0.0.2")
        self.wait_addresses("127.0.0.2")
        extra = self.upstream(echo)
        self.lb.servers = [("fixed", extra.address)]
        self.lb.reload()
        eventually(lambda: len([1 for s in self.lb.states().values() if s == "up"]) == 2, 10, "both are up")


if __name__ == "__main__":
    harness.main()
