"""Who is let in by TLS: client certificates and tickets over reloads, ALPN."""
import shutil
import ssl
import subprocess

import harness
import mqtt_raw as m
from harness import eventually
from lb_case import FlowCase
from services import metric, program
from upstream import echo, read_all

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
ATTEMPTS = 8  # over two workers: SO_REUSEPORT spreads them


class Tickets(FlowCase, harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.authority = self.scope.path("clients.pem")
        self.ours, self.theirs = self.identity("ours"), self.identity("theirs")
        shutil.copy(self.ours[0], self.authority)
        self.lb = self.balancer(self.upstream(echo), tls_settings={
            "client_ca": self.authority, "client_auth": "required"})

    def identity(self, name):
        """A certificate that is its own authority."""
        paths = self.scope.path(name + ".pem"), self.scope.path(name + ".key")
        subprocess.run([program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=" + name, "-out", paths[0], "-keyout", paths[1]],
                       check=True, capture_output=True, timeout=60)
        return paths

    def context(self, version):
        context = m.tls_context(self.lb.certificates.ca, version, version)
        context.load_cert_chain(*self.ours)
        return context

    def talk(self, context, session=None):
        """(the session to come back with, whether this one was resumed); refused: OSError."""
        raw = m.open_socket(self.lb.tls)
        self.addCleanup(raw.close)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as sock:
            sock.sendall(b"hello")
            if read_all(sock, 5) != b"hello":
                raise OSError("closed")
            return sock.session, sock.session_reused

    def reload(self):
        before = self.lb.reload()
        self.lb.wait_log("config_reloaded", start=before)

    def test_replaced_authority_ends_the_tickets_of_its_clients(self):
        kept = []
        for version in VERSIONS:
            context = self.context(version)
            session, reused = self.talk(context)
            self.assertFalse(reused)
            kept.append((context, session))
        shutil.copy(self.ours[0], self.authority)  # the same contents again
        self.reload()
        for n, (context, session) in enumerate(kept):
            for _ in range(ATTEMPTS):
                session, reused = self.talk(context, session)
                self.assertTrue(reused)
            kept[n] = context, session
        shutil.copy(self.theirs[0], self.authority)
        self.reload()
        for context, session in kept:
            for _ in range(ATTEMPTS):
                with self.assertRaises(OSError):
                    self.talk(context, session)

    def test_tickets_from_before_certificates_were_required_do_not_stand_in_for_one(self):
        self.lb.tls_settings = {}
        self.reload()
        context = m.tls_context(self.lb.certificates.ca)
        session, _ = self.talk(context)
        self.assertTrue(self.talk(context, session)[1])
        self.lb.tls_settings = {"client_ca": self.authority, "client_auth": "required"}
        self.reload()
        for _ in range(ATTEMPTS):
            with self.assertRaises(OSError):
                self.talk(context, session)


class Alpn(FlowCase, harness.FleetTest):
    def test_clients_that_speak_something_else_are_told_so(self):
        lb = self.balancer(self.upstream(echo))
        for offered, chosen in (([], None), (["mqtt"], "mqtt"), (["h2", "mqtt"], "mqtt")):
            context = m.tls_context(lb.certificates.ca)
            context.set_alpn_protocols(offered)
            sock = m.open_socket(lb.tls, context)
            self.addCleanup(sock.close)
            self.assertEqual(sock.selected_alpn_protocol(), chosen)
            sock.sendall(b"x")
            self.assertEqual(read_all(sock, 1), b"x")
        for offered in (["http/1.1"], ["h2", "http/1.1"], ["x-amzn-mqtt-ca"]):
            for version in VERSIONS:
                context = m.tls_context(lb.certificates.ca, version, version)
                context.set_alpn_protocols(offered)
                with self.assertRaisesRegex(ssl.SSLError, "(?i)no application protocol"):
                    m.open_socket(lb.tls, context)
        eventually(lambda: metric(lb.metrics(), "flotilla_lb_listener_handshake_failures_total"), 5, "they are counted")


if __name__ == "__main__":
    harness.main()
