"""The HTTP ports of both programs: who may ask for what, and that nobody can keep others from asking."""
import os
import re
import socket
import time

import harness
from harness import ROOT, eventually, pace
from services import Broker, LoadBalancer, http


def ask(port, request, timeout=5.0):
    """(status, head, body) of raw bytes on a connection that the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(request.encode())
        got = bytearray()
        while chunk := sock.recv(1 << 16):
            got += chunk
    head, _, body = got.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body


def request(method, path, host, *headers, body=""):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host, "Connection: close",
             "Content-Length: %d" % len(body), *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def compose_hosts(name):
    """admin.hosts of the file that the Compose service has."""
    with open(os.path.join(ROOT, "compose", name, name + ".yaml")) as f:
        hosts = re.search(r"^admin: \{.*hosts: \[([^\]]*)\]", f.read(), re.M).group(1)
    return [h.strip() for h in hosts.split(",")]


class HttpPorts(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope)
        holder.broker.config["admin"]["hosts"] = compose_hosts("broker")
        holder.broker.reconfigure()
        holder.broker.start()
        holder.lb = LoadBalancer(holder.scope, [("b0", holder.broker.address)])
        holder.lb.extra["admin"] = {"bind": "127.0.0.1:%d" % holder.lb.admin_port, "hosts": compose_hosts("lb")}
        holder.lb.write()
        holder.lb.start()

    def test_prometheus_scrapes_by_the_names_of_the_compose_services(self):
        for port, name in ((self.broker.admin_port, "broker"), (self.lb.admin_port, "lb")):
            for path in ("/metrics", "/healthz", "/readyz"):
                status, _, body = ask(port, request("GET", path, "%s:%d" % (name, port)))
                self.assertEqual(status, 200, (name, path, body))

    def test_a_rebound_name_puts_no_server_into_maintenance(self):
        body = '{"state": "maintenance"}'
        for host in ("evil.example", "evil.example:9901", "127.0.0.1.evil.example", ""):
            origin = "Origin: http://" + host
            status, _, _ = ask(self.lb.admin_port, request("POST", "/api/servers/brokers/b0/state", host,
                                                           "Content-Type: application/json", origin, body=body))
            self.assertEqual(status, 403, host)
            for port in (self.lb.admin_port, self.broker.admin_port):
                self.assertEqual(ask(port, request("GET", "/metrics", host))[0], 403, host)
        self.assertEqual(self.lb.states(), {"b0": "up"})
        self.lb.wait_log("http_host_refused")

    def test_the_status_page_is_not_framed_and_runs_its_own_script_only(self):
        status, head, body = ask(self.lb.admin_port, request("GET", "/", "localhost"))
        self.assertEqual(status, 200)
        self.assertIn("X-Frame-Options: DENY", head)
        self.assertRegex(head, r"Content-Security-Policy: default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha")
        self.assertIn("confirm(", body)

    def test_hosts_follow_a_reload(self):
        self.assertEqual(ask(self.lb.admin_port, request("GET", "/healthz", "other"))[0], 403)
        self.lb.extra["admin"]["hosts"] = ["lb", "other"]
        self.lb.reload()
        eventually(lambda: ask(self.lb.admin_port, request("GET", "/healthz", "other"))[0] == 200, 10, "the new name")

    def test_slow_connections_do_not_keep_others_from_asking(self):
        for port in (self.broker.admin_port, self.lb.admin_port):
            slow = []
            for n in range(300):
                sock = socket.create_connection(("127.0.0.1", port), timeout=5)
                self.addCleanup(sock.close)
                sock.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
                slow.append(sock)
            start = time.monotonic()
            for _ in range(5):
                self.assertEqual(http(port, "/healthz", timeout=2)[0], 200)
                self.assertEqual(http(port, "/readyz", timeout=2)[0], 200)
            self.assertLess(time.monotonic() - start, 2)
        slow[-1].settimeout(10)  # its request isn't over after 5 s: it ends, however it trickles
        start = time.monotonic()
        try:
            while time.monotonic() - start < 10:
                slow[-1].sendall(b"x")
                pace(0.2)
        except OSError:
            pass
        self.assertLess(time.monotonic() - start, 8)


if __name__ == "__main__":
    harness.main()
