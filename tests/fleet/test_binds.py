"""Addresses to listen on: both families by one key, and never one twice."""
import socket
import subprocess
import urllib.request

import harness
import mqtt_raw as m
from harness import binary, eventually, free_port
from lb_case import RAW
from services import Broker, LoadBalancer, metric
from upstream import Upstream, echo, read_all
from yamlout import dump


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


HOSTS = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)
BOTH = ("*", "localhost")


class BothFamilies(harness.FleetTest):
    def answers(self, host, port, path="/healthz"):
        literal = "[%s]" % host if ":" in host else host
        with urllib.request.urlopen("http://%s:%d%s" % (literal, port, path), timeout=5) as answer:
            return answer.status == 200

    def test_of_the_broker_and_its_http_port(self):
        for any_host in BOTH:
            broker = Broker(self.scope, "b-%s" % any_host.strip("*"))
            broker.reconfigure(listeners=[{"bind": "%s:%d" % (any_host, broker.port), "max_connections": 2}],
                               admin={"bind": "%s:%d" % (any_host, broker.admin_port)})
            broker.start()
            clients = []
            for host in HOSTS:
                self.assertTrue(self.answers(host, broker.admin_port))
                clients.append(m.Client.connected((host, broker.port), self.unique()))
            if len(HOSTS) == 2:  # the limit is that of the listener, not of an address
                with socket.create_connection((HOSTS[0], broker.port)) as one_more:
                    one_more.settimeout(5)
                    self.assertEqual(one_more.recv(1), b"")
            for client in clients:
                client.disconnect()
            broker.term()

    def test_of_the_load_balancer_and_its_http_port(self):
        server = Upstream(echo)
        self.addCleanup(server.close)
        for any_host in BOTH:
            port, admin = free_port(), free_port()
            lb = LoadBalancer(self.scope, [("s0", server.address)], name="lb-%s" % any_host.strip("*"), backend=RAW,
                              config={"listeners": [{"name": "l", "bind": "%s:%d" % (any_host, port),
                                                     "backend": "brokers"}],
                                      "admin": {"bind": "%s:%d" % (any_host, admin)}})
            lb.admin_port = admin
            lb.start()
            for host in HOSTS:
                self.assertTrue(self.answers(host, admin))
                with socket.create_connection((host, port), timeout=5) as sock:
                    sock.sendall(b"x")
                    self.assertEqual(read_all(sock, 1), b"x")
            accepted = "flotilla_lb_listener_accepted_total"
            eventually(lambda: metric(lb.metrics(), accepted, listener="l") == len(HOSTS), 5, "one listener's count")
            self.assertEqual(lb.metrics().count("\n" + accepted), 1)
            lb.term()

    def test_a_reload_adds_the_other_family_to_a_listener(self):
        server = Upstream(echo)
        self.addCleanup(server.close)
        port = free_port()
        lb = LoadBalancer(self.scope, [("s0", server.address)], backend=RAW)

        def bind(host):
            lb.extra["listeners"] = [{"name": "l", "bind": "%s:%d" % (host, port), "backend": "brokers"}]

        def serves(host):
            try:
                with socket.create_connection((host, port), timeout=5) as sock:
                    sock.sendall(b"x")
                    return sock.recv(1) == b"x"
            except OSError:
                return False
        bind("127.0.0.1")
        lb.write()
        lb.start()
        kept = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.addCleanup(kept.close)
        kept.sendall(b"x")
        self.assertEqual(read_all(kept, 1), b"x")
        bind("localhost")
        lb.reload()
        for host in HOSTS:
            eventually(lambda host=host: serves(host), 10, "%s is served" % host)
        bind("127.0.0.1")
        lb.reload()
        if len(HOSTS) == 2:
            eventually(lambda: not serves("::1"), 10, "it has gone again")
        self.assertTrue(serves("127.0.0.1"))
        kept.sendall(b"y")
        self.assertEqual(read_all(kept, 1), b"y")


class SameBindTwice(harness.FleetTest):
    """--check says so, and a start does, with file, line and key."""

    PAIRS = (("127.0.0.1:7001", "127.0.0.1:7001"), ("*:7001", "0.0.0.0:7001"), ("0.0.0.0:7001", "127.0.0.1:7001"),
             ("localhost:7001", "127.0.0.1:7001"), ("[::]:7001", "*:7001"))

    def run_program(self, variable, folder, name, path):
        for options in (["--check"], []):
            argv = [binary(variable, folder, name), "--config", path, *options]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
            self.assertNotEqual(done.returncode, 0, argv)
            yield done.stderr + done.stdout

    def refused(self, config, key, *program):
        text = dump(config)
        path = self.scope.write("twice.yaml", text)
        last = max(n for n, line in enumerate(text.splitlines(), 1) if "7001" in line)
        for output in self.run_program(*program, path):
            self.assertRegex(output, r"twice\.yaml:%d(:\d+)?: %s" % (last, key.replace("[", r"\[").replace("]", r"\]")))
            self.assertIn("7001", output)

    def test_by_the_broker(self):
        for first, second in self.PAIRS:
            with self.subTest(first=first, second=second):
                program = ("FLOTILLA_BROKER", "broker", "flotilla-broker")
                self.refused({"listeners": [{"bind": first}, {"bind": second}]}, "listeners[1].bind", *program)
                self.refused({"listeners": [{"bind": first}], "admin": {"bind": second}}, "admin.bind", *program)

    def test_by_the_load_balancer(self):
        backends = {"b": {"servers": [{"address": "127.0.0.1:7002"}]}}
        for first, second in self.PAIRS:
            with self.subTest(first=first, second=second):
                program = ("FLOTILLA_LB", "lb", "flotilla-lb")
                self.refused({"backends": backends, "listeners": [
                    {"name": "x", "bind": first, "backend": "b"}, {"name": "y", "bind": second, "backend": "b"}]},
                    "listeners[1].bind", *program)
                self.refused({"backends": backends, "listeners": [{"name": "x", "bind": first, "backend": "b"}],
                              "admin": {"bind": second}}, "admin.bind", *program)

    def test_listeners_of_the_command_line(self):
        argv = [binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--listen", "127.0.0.1:7001", "--listen",
                "localhost:7001"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("localhost:7001 is taken", done.stderr)


if __name__ == "__main__":
    harness.main()
