"""The load balancer speaks TLS to its servers: flows, PROXY header, retries, health checks, whom it believes."""
import os
import socket
import ssl
import subprocess

import harness
import mqtt_raw as m
from harness import eventually
from lb_case import FlowCase, exchange
from services import Certificates, LoadBalancer
from test_broker_tls import TlsBroker
from upstream import echo, read_all


class TlsServers(FlowCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.scope)

    def context(self, identity=None, client_ca=None, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(identity or self.certificates.server("upstream")))
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        if version:
            context.maximum_version = version
        return context

    def tls_upstream(self, handler=echo, header=0, heads=None, **options):
        """Reads `header` bytes in the clear first, and notes them."""
        context = self.context(**options)

        def serve(sock):
            if header:
                head = read_all(sock, header)
                if heads is not None:
                    heads.append(head)
            with context.wrap_socket(sock, server_side=True) as secured:
                handler(secured)

        return self.upstream(serve)

    def backend(self, **tls):
        return {"tls": {"ca": self.certificates.ca, **tls}}


class Flows(TlsServers, harness.FleetTest):
    def test_bytes_pass_both_ways(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            lb = self.balancer(self.tls_upstream(version=version), name="lb" + version.name[-1], backend=self.backend())
            for tls in (False, True):
                payload = os.urandom(3 << 20)
                self.assertEqual(exchange(self.open(lb, tls), payload), payload)

    def test_an_end_is_passed_on_both_ways(self):
        def answer_at_the_end(sock):
            size = len(read_all(sock))
            sock.sendall(b"%d" % size)

        lb = self.balancer(self.tls_upstream(answer_at_the_end), backend=self.backend())
        sock = self.open(lb, False)
        sock.sendall(b"x" * 70000)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), b"70000")

    def test_the_proxy_header_comes_before_tls(self):
        heads = []
        upstream = self.tls_upstream(header=28, heads=heads)
        lb = self.balancer(upstream, backend=dict(self.backend(), proxy_protocol="v2", health_check={"type": "none"}))
        sock = self.open(lb, False)
        sock.sendall(b"hello")
        self.assertEqual(read_all(sock, 5), b"hello")
        self.assertEqual(heads[0][:12], b"\r\n\r\n\0\r\nQUIT\n")

    def test_a_server_that_does_not_speak_tls_is_left_for_another(self):
        bad = self.upstream(lambda sock: sock.sendall(b"no TLS here"))
        good = self.tls_upstream()
        lb = self.balancer(bad, good, backend=dict(self.backend(), balance="roundrobin", health_check={"type": "none"}))
        for _ in range(4):
            sock = self.open(lb, False)
            sock.sendall(b"hello")
            self.assertEqual(read_all(sock, 5), b"hello")
        lb.wait_log("server_tls_failed.*isn't TLS")

    def test_a_server_that_says_nothing_is_left_for_another(self):
        silent = self.upstream(lambda sock: read_all(sock))
        good = self.tls_upstream()
        lb = self.balancer(silent, good, backend=dict(self.backend(), balance="roundrobin", connect_timeout="300ms",
                                                     health_check={"type": "none"}))
        for _ in range(2):
            sock = self.open(lb, False)
            sock.sendall(b"hello")
            self.assertEqual(read_all(sock, 5), b"hello")

    def test_it_shows_its_certificate(self):
        certificate, key = self.certificates.server("balancer")
        seen = []

        def note(sock):
            seen.append(sock.getpeercert())
            echo(sock)

        lb = self.balancer(self.tls_upstream(note, client_ca=self.certificates.ca),
                           backend=self.backend(certificate=certificate, key=key))
        sock = self.open(lb, False)
        sock.sendall(b"hello")
        self.assertEqual(read_all(sock, 5), b"hello")
        self.assertTrue(seen[-1])

    def test_a_broker_behind_it(self):
        broker = TlsBroker(self.scope, listener={"proxy_protocol": "require", "trusted_proxies": ["127.0.0.0/8"]}).start()
        lb = LoadBalancer(self.scope, [(broker.name, broker.tls)],
                          backend={"tls": {"ca": self.certificates.ca, "server_name": "localhost"}}).start()
        for name, tls in (("plain", None), ("tls", lb.context)):
            address = lb.tls if tls else lb.plain
            with m.Client.connected(address, name, tls=tls) as client, m.Client.connected(address, "writer", tls=tls) as writer:
                client.subscribe((name, 1))
                writer.publish(name, b"x" * 200000, 1)
                self.assertEqual(len(client.collect(1)[0].payload), 200000)


class Checks(TlsServers, harness.FleetTest):
    def start(self, upstream, **tls):
        lb = LoadBalancer(self.scope, [("s0", upstream.address)], backend={
            "proxy_protocol": "none", "tls": {"ca": self.certificates.ca, **tls},
            "health_check": {"type": "tcp", "interval": "200ms", "timeout": "1s", "rise": 1, "fall": 1}})
        return lb.start(wait=False)

    def log_has(self, lb, text):
        eventually(lambda: text in lb.log(), 15, text)

    def test_another_name_is_not_believed(self):
        lb = self.start(self.tls_upstream(), server_name="other.example")
        self.log_has(lb, "hostname mismatch")

    def test_another_authority_is_not_believed(self):
        foreign = self.scope.path("foreign.pem"), self.scope.path("foreign.key")
        self.certificates.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                                  "2", "-subj", "/CN=localhost", "-out", foreign[0], "-keyout", foreign[1])
        upstream = self.tls_upstream(identity=foreign)
        lb = self.start(upstream)
        self.log_has(lb, "TLS: certificate: ")
        lb.finish()
        lb = LoadBalancer(self.scope, [("s0", upstream.address)], name="trusting", backend={
            "proxy_protocol": "none", "tls": {"verify": False}, "health_check": {"type": "tcp", "interval": "200ms"}}).start()
        sock = self.open(lb, False)
        sock.sendall(b"hello")
        self.assertEqual(read_all(sock, 5), b"hello")

    def test_a_plain_server_is_down(self):
        lb = self.start(self.upstream(lambda sock: sock.sendall(b"no TLS here")))
        self.log_has(lb, "isn't TLS")

    def test_another_port_is_plain(self):
        checked = self.upstream(lambda sock: read_all(sock))
        lb = LoadBalancer(self.scope, [("s0", self.tls_upstream().address)], backend={
            "proxy_protocol": "none", "tls": {"ca": self.certificates.ca},
            "health_check": {"type": "tcp", "interval": "200ms", "port": checked.port}}).start()
        sock = self.open(lb, False)
        sock.sendall(b"hello")
        self.assertEqual(read_all(sock, 5), b"hello")

    def test_a_bad_file_is_an_error_of_the_configuration(self):
        lb = LoadBalancer(self.scope, [("s0", ("127.0.0.1", 1))], backend={"tls": {"ca": "/nowhere/ca.pem"}})
        done = subprocess.run([*lb.argv, "--check"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("backends.brokers.tls: ca '/nowhere/ca.pem': No such file", done.stderr + done.stdout)

    def test_a_reload_renews_what_is_shown(self):
        """Without a flow lost."""
        upstream = self.tls_upstream()
        lb = self.balancer(upstream, backend=self.backend())
        sock = self.open(lb, False)
        sock.sendall(b"hello")
        self.assertEqual(read_all(sock, 5), b"hello")
        before = lb.reload()
        lb.wait_log("config_reloaded", start=before)
        sock.sendall(b"again")
        self.assertEqual(read_all(sock, 5), b"again")
        fresh = self.open(lb, False)
        fresh.sendall(b"fresh")
        self.assertEqual(read_all(fresh, 5), b"fresh")


if __name__ == "__main__":
    harness.main()
