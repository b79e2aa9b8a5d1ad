"""What the load balancer lacks itself, or isn't let do, says nothing of a server."""
import ctypes
import os
import select
import socket
import ssl
import struct
import subprocess
import unittest

import harness
import mqtt_raw as m
from harness import eventually, free_port, stays
from lb_case import RAW, FlowCase
from services import Broker, LoadBalancer, http, metric, program
from test_auth import make_passwords
from upstream import DnsServer, Upstream, echo, read_all


def cpu_seconds(process):
    with open("/proc/%d/stat" % process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def served_of(clients, count):
    """Those that were answered, one byte each, once there are `count`: the others are asked for nothing."""
    served = []

    def enough():
        readable, _, _ = select.select([c for c in clients if c not in served], [], [], 0)
        served.extend(sock for sock in readable if sock.recv(1))
        return len(served) >= count
    eventually(enough, 30, "%d are served" % count)
    return served


class Descriptors(FlowCase, harness.FleetTest):
    def test_without_descriptors_for_flows_dns_and_checks_go_on(self):
        """Those that are left are theirs, however long it lasts."""
        server = self.upstream(echo)
        dns = DnsServer("broker.test", ["127.0.0.1"])
        self.addCleanup(dns.close)
        lb = LoadBalancer(self.scope, [], workers=1, backend=dict(RAW, drain_timeout="500ms", discover={
            "dns": "broker.test:%d" % server.port, "refresh": "100ms", "hold": "2s", "timeout": "300ms",
            "resolver": "127.0.0.1:%d" % dns.port}))
        lb.argv = [program("prlimit"), "--nofile=64:64", *lb.argv]
        lb.start(wait=False)
        eventually(lambda: "up" in lb.states().values(), 10, "the server is up")
        flows = []
        for _ in range(60):  # more than there are descriptors
            sock = self.open(lb, tls=False)
            sock.sendall(b"a")
            flows.append(sock)
        served = served_of(flows, 6)
        lb.wait_log("accept_paused")
        asked = sum(dns.questions.values())
        eventually(lambda: sum(dns.questions.values()) > asked + 40, 60, "it asks for longer than `hold`")
        for sock in served:
            sock.sendall(b"b")
            self.assertEqual(read_all(sock, 1), b"b")
        self.assertEqual(set(lb.states().values()), {"up"})
        self.assertLess(len(served), len(flows))
        self.assertNotIn("discovery_expired", lb.log())
        self.assertNotIn("server_down", lb.log())


class LoginRefused(harness.FleetTest):
    """Brokers that let nobody in without a login, and a check that has none."""

    def balancer(self, **check):
        path = make_passwords(self.scope)
        broker = Broker(self.scope, config={"auth": {"anonymous": False, "password_file": path}}).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)], backend={"health_check": dict(
            {"type": "mqtt", "interval": "100ms", "timeout": "1s", "rise": 1, "fall": 2}, **check)})
        return lb.start(wait=False)

    def check(self, lb):
        return lb.server_list()[0]["check"]

    def test_a_check_without_a_login_that_is_refused_proves_a_living_broker(self):
        lb = self.balancer()
        eventually(lambda: lb.states() == {"b0": "up"}, 10, "the server is up")
        eventually(lambda: self.check(lb)["passes"] > 3, 10, "some checks")
        check = self.check(lb)
        self.assertTrue(check["login_refused"])
        self.assertIn("CONNACK 5", check["error"])
        self.assertEqual(metric(lb.metrics(), "flotilla_lb_server_check_login_refused"), 1)
        self.assertIn("login refused", http(lb.admin_port, "/")[1])
        self.assertEqual(lb.log().count("check_login_refused"), 1, "once, not at every check")
        self.assertEqual(http(lb.admin_port, "/readyz")[0], 200)

    def test_a_login_that_is_refused_takes_the_server_down_with_that_reason(self):
        lb = self.balancer(username="lb", password="wrong")
        eventually(lambda: lb.states() == {"b0": "down"}, 10, "the server is down")
        self.assertRegex(self.check(lb)["error"], "CONNACK [45]")
        lb.wait_log("server_down .*CONNACK [45]")
        self.assertFalse(self.check(lb)["login_refused"])


class OwnHeader(FlowCase, harness.FleetTest):
    """`proxy_protocol: none` before a broker that accepts headers: a client could choose its address."""

    HEADERS = (b"PROXY TCP4 10.9.8.7 10.0.0.1 5555 1883\r\n",
               b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("10.9.8.7") + socket.inet_aton("10.0.0.1")
               + struct.pack("!HH", 5555, 1883),
               b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")

    def test_a_header_that_a_client_writes_reaches_no_broker(self):
        broker = Broker(self.scope).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)], backend={"proxy_protocol": "none"}).start()
        for tls in (False, True):
            for header in self.HEADERS:
                for piece in (1, 7, 100):
                    sock = self.open(lb, tls)
                    sock.settimeout(30)
                    data = header + m.connect("spoof")
                    try:
                        for at in range(0, len(data), piece):
                            sock.sendall(data[at:at + piece])
                        self.assertEqual(sock.recv(100), b"")
                    except (ConnectionError, ssl.SSLError):
                        pass
                    sock.close()
        self.assertEqual(metric(lb.metrics(), "flotilla_lb_worker_refused_proxy_headers_total"), 18)
        lb.wait_log("proxy_header_refused")
        self.assertNotIn("spoof", broker.log())
        self.assertNotIn("10.9.8.7", broker.log())
        lb.connect("honest", tls=False).disconnect()


CLONE_NEWNET = 0x40000000


@unittest.skipUnless(os.geteuid() == 0, "a network namespace of its own needs root")
class SourcePorts(FlowCase, harness.FleetTest):
    """41 source ports, in a network namespace of this class."""

    @classmethod
    def setUpClass(cls):
        libc = ctypes.CDLL(None, use_errno=True)
        cls.outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        if libc.unshare(CLONE_NEWNET) != 0:
            os.close(cls.outside)
            raise unittest.SkipTest("unshare: %s" % os.strerror(ctypes.get_errno()))
        cls.addClassCleanup(os.close, cls.outside)
        cls.addClassCleanup(libc.setns, cls.outside, CLONE_NEWNET)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as f:
            f.write("40000 40040")

    def start(self, *servers, **backend):
        lb = LoadBalancer(self.scope, [("s%d" % i, s.address) for i, s in enumerate(servers)], backend=dict(
            RAW, queue_timeout="20s", health_check={"type": "tcp", "interval": "200ms", "fast_interval": "100ms"},
            **backend))
        return lb.start()

    def clients(self, lb, count, first_port):
        """Their own ports lie outside the range: only the load balancer uses it up."""
        found = []
        for i in range(count):
            sock = socket.socket()
            self.addCleanup(sock.close)
            sock.bind(("127.0.0.9", first_port + i))
            sock.settimeout(5)
            sock.connect(lb.plain)
            sock.sendall(b"a")
            found.append(sock)
        return found

    def test_out_of_source_ports_flows_wait_and_the_server_stays_up(self):
        lb = self.start(self.upstream(echo))
        clients = self.clients(lb, 60, 50000)
        eventually(lambda: metric(lb.metrics(), "flotilla_lb_worker_impossible_connects_total") > 0, 10, "no ports left")
        eventually(lambda: metric(lb.metrics(), "flotilla_lb_server_checks_impossible_total") > 3, 10,
                   "checks can't be made either")
        cpu = cpu_seconds(lb)
        stays(lambda: cpu_seconds(lb) - cpu < 0.3, 1, "that it doesn't spin")
        self.assertEqual(lb.states(), {"s0": "up"})
        self.assertNotIn("server_down", lb.log())
        lb.wait_log("check_impossible")
        self.assertLess(metric(lb.metrics(), "flotilla_lb_server_flows_total"), 45, "those that wait aren't counted")
        first = served_of(clients, 25)
        self.assertLess(len(first), 45)
        for sock in first[:25]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        served_of([c for c in clients if c not in first], len(clients) - len(first))
        eventually(lambda: "check_possible_again" in lb.log(), 10, "checks go on")

    def test_out_of_source_ports_towards_one_server_another_one_is_taken(self):
        """Ports run out by destination: the second server still has its own."""
        other = Upstream.__new__(Upstream)
        other.handler, other.port, other.accepted, other.errors = echo, free_port(), 0, []
        other.address = ("127.0.0.2", other.port)
        other.open()
        self.addCleanup(other.close)
        lb = self.start(self.upstream(echo), other, balance="random")
        clients = self.clients(lb, 60, 51000)
        served_of(clients, len(clients))
        self.assertEqual(set(lb.states().values()), {"up"})


if __name__ == "__main__":
    harness.main()
