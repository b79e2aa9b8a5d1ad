"""TLS on a broker's own listeners: versions, client certificates, reload, tickets, bad clients, WebSocket within."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import harness
import mqtt_raw as m
import websocket_raw as w
from harness import eventually, free_port
from services import Broker, Certificates, http, metric, program
from test_proxy_protocol import v2

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
BIG = os.urandom(200 * 1024)


class TlsBroker(Broker):
    """A broker with a plain listener, an MQTT and a WebSocket one with TLS. settings: merged into their `tls:`."""

    def __init__(self, scope, name="broker", settings=None, listener=None, **more):
        self.tls_port, self.wss_port = free_port(), free_port()
        self.tls, self.wss = ("127.0.0.1", self.tls_port), ("127.0.0.1", self.wss_port)
        self.certificates = Certificates(scope)
        self.certificate, self.key = self.certificates.server(name)
        self.settings = {"certificate": self.certificate, "key": self.key, **(settings or {})}
        self.listener = listener or {}
        super().__init__(scope, name, **more)
        plain = self.config["listeners"][0]
        self.reconfigure(listeners=[plain, self.secured(self.tls_port, protocol="mqtt"),
                                    self.secured(self.wss_port, protocol="websocket")])

    def secured(self, port, **more):
        return {"bind": "127.0.0.1:%d" % port, "tls": self.settings, **self.listener, **more}

    def context(self, version=None, identity=None):
        context = m.tls_context(self.certificates.ca, version, version)
        if identity:
            context.load_cert_chain(*identity)
        return context

    def count(self, name, **labels):
        return metric(self.metrics(), "flotilla_broker_" + name, **labels)


class TlsCase:
    def connected(self, context=None, address=None, name=None, **fields):
        client = m.Client.connected(address or self.broker.tls, name or self.unique(),
                                    tls=context or self.broker.context(), **fields)
        self.addCleanup(client.close)
        return client

    def raw(self, data=b""):
        sock = m.open_socket(self.broker.tls)
        self.addCleanup(sock.close)
        sock.sendall(data)
        return sock

    def is_closed(self, sock, timeout=10):
        """Reads to the end."""
        sock.settimeout(timeout)
        try:
            while sock.recv(65536):
                pass
        except ConnectionError:
            pass
        return True


class Clients(TlsCase, harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = TlsBroker(holder.scope, listener={"handshake_timeout": "1s"}).start()

    def test_both_versions_carry_large_messages_both_ways(self):
        for version in VERSIONS:
            client = self.connected(self.broker.context(version))
            self.assertEqual(client.sock.version(), {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name])
            topic = self.unique("t")
            client.subscribe((topic, 1))
            writer = self.connected(self.broker.context(version))
            for _ in range(5):
                writer.publish(topic, BIG, 1)
            got = client.collect(5)
            self.assertEqual([g.payload for g in got], [BIG] * 5)

    def test_plain_and_tls_clients_reach_each_other(self):
        plain = self.broker.connect(self.unique())
        self.addCleanup(plain.close)
        topic = self.unique("t")
        plain.subscribe((topic, 1))
        self.connected().publish(topic, b"x", 1)
        self.assertEqual(plain.collect(1)[0].payload, b"x")

    def test_mosquitto_clients(self):
        if not shutil.which("mosquitto_pub"):
            self.skipTest("needs mosquitto-clients")
        topic = self.unique("t")
        plain = self.broker.connect(self.unique())
        self.addCleanup(plain.close)
        plain.subscribe((topic, 1))
        done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(self.broker.tls_port), "--cafile",
                               self.broker.certificates.ca, "-t", topic, "-m", "from mosquitto", "-q", "1"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(plain.collect(1)[0].payload, b"from mosquitto")
        before = self.broker.count("connections_closed_total", reason="tls_handshake")
        done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(self.broker.tls_port), "--cafile",
                               "/etc/ssl/certs/ca-certificates.crt", "-t", topic, "-m", "no", "-q", "1"],
                              capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        eventually(lambda: self.broker.count("connections_closed_total", reason="tls_handshake") > before, 5,
                   "it is counted")

    def test_a_hundred_at_once(self):
        context, failed = self.broker.context(), []
        topic = self.unique("t")
        sink = self.connected()
        sink.subscribe((topic, 1))

        def one(n):
            try:
                with m.Client.connected(self.broker.tls, "%s-%d" % (topic, n), tls=context) as client:
                    client.publish(topic, str(n), 1)
            except (AssertionError, OSError) as e:
                failed.append(e)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(100)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])
        self.assertEqual(sorted(int(p.payload) for p in sink.collect(100)), list(range(100)))

    def test_tickets_save_a_handshake(self):
        for version in VERSIONS:
            context, session = self.broker.context(version), None
            for turn in range(3):
                sock = context.wrap_socket(m.open_socket(self.broker.tls), server_hostname="localhost", session=session)
                self.assertEqual(sock.session_reused, turn > 0)
                sock.sendall(m.connect(self.unique()))
                self.assertEqual(sock.recv(4), b"\x20\x02\0\0")
                session = sock.session
                sock.close()
        self.assertGreaterEqual(self.broker.count("tls_resumed_total"), 4)

    def test_foreign_alpn_is_refused(self):
        for protocols, chosen in (([], None), (["mqtt"], "mqtt"), (["x", "mqtt"], "mqtt")):
            context = self.broker.context()
            if protocols:
                context.set_alpn_protocols(protocols)
            self.assertEqual(self.connected(context).sock.selected_alpn_protocol(), chosen)
        context = self.broker.context()
        context.set_alpn_protocols(["http/1.1"])
        with self.assertRaises(ssl.SSLError):
            m.open_socket(self.broker.tls, context)

    def test_websocket_within_tls(self):
        context = self.broker.context()
        context.set_alpn_protocols(["http/1.1"])
        client = w.WebSocket.connected(self.broker.wss, self.unique(), tls=context)
        self.addCleanup(client.close)
        topic = self.unique("t")
        client.subscribe((topic, 1))
        writer = w.WebSocket.connected(self.broker.wss, self.unique(), tls=context)
        self.addCleanup(writer.close)
        for _ in range(3):
            writer.publish(topic, BIG, 1)
        self.assertEqual([g.payload for g in client.collect(3)], [BIG] * 3)
        writer.publish(topic, b"small", 1)
        self.assertEqual(client.collect(1)[0].payload, b"small")

    def test_plain_clients_are_closed_and_logged_once(self):
        start = len(self.broker.log())
        for first in (m.connect(self.unique()), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"):
            before = self.broker.count("connections_closed_total", reason="tls_handshake")
            self.assertTrue(self.is_closed(self.raw(first)))
            eventually(lambda: self.broker.count("connections_closed_total", reason="tls_handshake") == before + 1, 5,
                       "it is counted")
        self.broker.wait_log("tls_handshake_failed .*plain connection to a TLS port", start=start)
        lines = self.broker.log()[start:].splitlines()
        self.assertFalse([l for l in lines if "client_closed" in l and "tls_handshake" in l], lines)

    def test_a_handshake_has_its_time(self):
        hello = self.hello()
        before = self.broker.count("connections_closed_total", reason="tls_timeout")
        started = time.monotonic()
        for sock in [self.raw(), self.raw(hello[:1]), self.raw(hello[:len(hello) // 2]), self.raw(hello)]:
            self.assertTrue(self.is_closed(sock))
        self.assertGreater(time.monotonic() - started, 0.8)
        eventually(lambda: self.broker.count("connections_closed_total", reason="tls_timeout") == before + 4, 5, "counted")

    def hello(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.broker.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            client.do_handshake()
        return outgoing.read()

    def test_a_hello_in_pieces_is_good(self):
        hello = self.hello()
        sock = self.raw()
        for at in range(0, len(hello), 16):
            sock.sendall(hello[at:at + 16])
        sock.settimeout(5)
        self.assertEqual(sock.recv(1), b"\x16")  # a record of the handshake

    def test_garbage_within_ends_the_connection(self):
        client = self.connected()
        raw = socket.socket(fileno=os.dup(client.sock.fileno()))
        self.addCleanup(raw.close)
        before = self.broker.count("connections_closed_total", reason="malformed")
        raw.sendall(b"these bytes are no record")
        with self.assertRaises(m.Closed):
            client.recv()
        eventually(lambda: self.broker.count("connections_closed_total", reason="malformed") == before + 1, 5, "counted")

    def test_ends_with_and_without_words(self):
        topic = self.unique("t")
        watcher = self.connected()
        watcher.subscribe((topic + "/#", 1))
        for n, end in enumerate(("close_notify", "fin", "reset")):
            client = self.connected(will=m.Will("%s/%d" % (topic, n), "gone", 1))
            if end == "close_notify":
                client.sock.settimeout(5)
                try:
                    client.sock.unwrap()
                except OSError:
                    pass
            elif end == "fin":
                client.sock.shutdown(socket.SHUT_RDWR)
            else:
                client.abort()
            self.assertEqual(watcher.collect(1)[0].topic, "%s/%d" % (topic, n))
        self.assertTrue(watcher.is_quiet())

    def test_a_client_is_told_of_the_end(self):
        """By close_notify: without it, this socket would raise an error."""
        with self.broker.context().wrap_socket(m.open_socket(self.broker.tls), server_hostname="localhost",
                                               suppress_ragged_eofs=False) as sock:
            sock.sendall(m.connect(self.unique()))
            self.assertEqual(sock.recv(4), b"\x20\x02\0\0")
            sock.sendall(m.DISCONNECT_BYTES)
            self.assertEqual(sock.recv(1), b"")

    def test_a_slow_reader_gets_all(self):
        topic = self.unique("t")
        reader = self.connected()
        reader.subscribe((topic, 1))
        writer = self.connected()
        for n in range(40):
            writer.publish(topic, BIG, 1)
        self.assertEqual([len(p.payload) for p in reader.collect(40, timeout=60)], [len(BIG)] * 40)


class Certified(TlsCase, harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        certificates = Certificates(holder.scope)
        holder.broker = TlsBroker(holder.scope, settings={"client_ca": certificates.ca, "client_auth": "required"}).start()
        holder.good = certificates.server("good", "a device")
        holder.expired = Certified.expired_one(certificates)
        holder.foreign = holder.scope.path("foreign.pem"), holder.scope.path("foreign.key")
        certificates.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                             "-subj", "/CN=foreign", "-out", holder.foreign[0], "-keyout", holder.foreign[1])

    @staticmethod
    def expired_one(certificates):
        """(certificate, key) of one that ran out in 2021."""
        folder = certificates.folder
        _, key = certificates.server("expired")
        with open(os.path.join(folder, "old.cnf"), "w") as f:
            f.write("[ca]\ndefault_ca=old\n[old]\ndatabase=old.index\nserial=old.serial\nnew_certs_dir=.\n"
                    "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n")
        open(os.path.join(folder, "old.index"), "w").close()
        with open(os.path.join(folder, "old.serial"), "w") as f:
            f.write("77\n")
        certificates.openssl("ca", "-batch", "-notext", "-config", "old.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
                             "-in", "expired.csr", "-out", "expired.pem", "-startdate", "20200101000000Z", "-enddate",
                             "20210101000000Z")
        return os.path.join(folder, "expired.pem"), key

    def refused(self, identity, reason, version):
        start = len(self.broker.log())
        with self.assertRaises((m.Closed, OSError)):
            m.Client.connected(self.broker.tls, self.unique(), tls=self.broker.context(version, identity))
        self.broker.wait_log(reason, start=start)

    def test_good_ones_come_in(self):
        for version in VERSIONS:
            self.connected(self.broker.context(version, self.good)).publish("t", "x", 1)

    def test_none_is_refused(self):
        self.refused(None, "did not return a certificate", VERSIONS[1])

    def test_expired_ones_are_refused(self):
        self.refused(self.expired, "certificate has expired", VERSIONS[1])

    def test_those_of_others_are_refused(self):
        self.refused(self.foreign, "certificate: ", VERSIONS[1])

    def test_also_by_the_older_version(self):
        before = self.broker.count("connections_closed_total", reason="tls_handshake")
        for identity in (None, self.expired, self.foreign):
            with self.assertRaises((m.Closed, OSError)):
                m.Client.connected(self.broker.tls, self.unique(), tls=self.broker.context(VERSIONS[0], identity))
        eventually(lambda: self.broker.count("connections_closed_total", reason="tls_handshake") == before + 3, 5, "counted")


class Named(TlsCase, harness.FleetTest):
    """The name in a client's certificate is its user name."""

    @staticmethod
    def build(holder):
        certificates = Certificates(holder.scope)
        holder.broker = TlsBroker(holder.scope, settings={"client_ca": certificates.ca, "client_auth": "optional"}, config={
            "auth": {"anonymous": False, "certificate": {"identity": "cn"}}}).start()
        holder.good = certificates.server("good", "device-7")

    def test_by_either_version_and_when_it_comes_back(self):
        for version in VERSIONS:
            context = self.broker.context(version, self.good)
            for name in ("first-%d" % version, "again-%d" % version):
                self.connected(context, name=name)
                told = json.loads(http(self.broker.admin_port, "/api/clients/" + name)[1])
                self.assertEqual(told["username"], "device-7")

    def test_within_websocket(self):
        context = self.broker.context(VERSIONS[1], self.good)
        context.set_alpn_protocols(["http/1.1"])
        client = w.WebSocket.connected(self.broker.wss, "browser", tls=context)
        self.addCleanup(client.close)
        told = json.loads(http(self.broker.admin_port, "/api/clients/browser")[1])
        self.assertEqual(told["username"], "device-7")

    def test_without_one_nobody_comes_in(self):
        with m.Client(self.broker.tls, self.broker.context()) as client:
            client.send(m.connect("c"))
            self.assertIn(client.expect(m.CONNACK).return_code, (4, 5))


class Reload(TlsCase, harness.FleetTest):
    def start(self, **more):
        self.broker = TlsBroker(self.scope, **more).start()

    def serial(self):
        with self.broker.context().wrap_socket(m.open_socket(self.broker.tls), server_hostname="localhost") as sock:
            return sock.getpeercert()["serialNumber"]

    def reload(self, expected):
        start = len(self.broker.log())
        self.broker.signal(signal.SIGHUP)
        return self.broker.wait_log(expected, start=start)

    def renew(self):
        for new, old in zip(self.broker.certificates.server("renewed"), (self.broker.certificate, self.broker.key)):
            shutil.copy(new, old)

    def test_new_connections_get_the_new_certificate_and_old_ones_live(self):
        self.start()
        old, before = self.connected(), self.serial()
        self.renew()
        self.assertEqual(self.serial(), before)
        self.reload("auth_reloaded")
        self.assertNotEqual(self.serial(), before)
        old.subscribe(("t", 1))
        self.connected().publish("t", BIG, 1)
        self.assertEqual(old.collect(1)[0].payload, BIG)

    def test_a_bad_file_changes_nothing(self):
        self.start()
        before = self.serial()
        self.renew()
        with open(self.broker.key, "w") as f:
            f.write("not a key\n")
        self.reload("config_rejected.*no private key in it")
        self.assertEqual(self.serial(), before)
        self.renew()
        self.reload("auth_reloaded")
        self.assertNotEqual(self.serial(), before)

    def test_another_authority_ends_the_tickets_of_its_clients(self):
        authority = self.scope.path("clients.pem")
        shutil.copy(Certificates(self.scope).ca, authority)
        self.start(settings={"client_ca": authority, "client_auth": "required"})
        good = self.broker.certificates.server("good")
        context = self.broker.context(VERSIONS[1], good)
        session = self.resume(context, None)
        session = self.resume(context, session)
        shutil.copy(self.broker.certificates.server("another")[0], authority)
        self.reload("auth_reloaded")
        with self.assertRaises((OSError, AssertionError)):
            self.resume(context, session)

    def resume(self, context, session):
        raw = m.open_socket(self.broker.tls)
        self.addCleanup(raw.close)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as sock:
            sock.sendall(m.connect(self.unique()))
            self.assertEqual(sock.recv(4), b"\x20\x02\0\0")
            self.assertEqual(sock.session_reused, session is not None)
            return sock.session

    def test_check_and_start_name_the_file(self):
        broker = TlsBroker(self.scope, settings={"key": "/nowhere/key.pem"})
        done = subprocess.run([*broker.argv, "--check"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("tls: key '/nowhere/key.pem': No such file", done.stderr)


class Proxied(TlsCase, harness.FleetTest):
    def test_a_header_comes_before_tls(self):
        self.broker = TlsBroker(self.scope, listener={"proxy_protocol": "require", "trusted_proxies": ["127.0.0.0/8"]}).start()
        raw = self.raw(v2("192.0.2.7", 5000))
        sock = self.broker.context().wrap_socket(raw, server_hostname="localhost")
        sock.sendall(m.connect(self.unique()))
        self.assertEqual(sock.recv(4), b"\x20\x02\0\0")
        sock.close()


class Storm(TlsCase, harness.FleetTest):
    def test_handshakes_do_not_hold_up_connected_clients(self):
        """An RSA key, 200 handshakes at once: a ping is answered soon, and no turn is long."""
        self.broker = TlsBroker(self.scope)
        certificates = self.broker.certificates
        certificates.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                             "-out", self.broker.certificate, "-keyout", self.broker.key)
        self.broker.start()
        client = self.broker.connect(self.unique())
        self.addCleanup(client.close)
        context = m.tls_context(None)
        opened = []

        def one():
            sock = m.open_socket(self.broker.tls, context, timeout=60)
            opened.append(sock)

        threads = [threading.Thread(target=one) for _ in range(200)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            client.send(m.PINGREQ_BYTES)
            client.expect(m.PINGRESP)
        for t in threads:
            t.join()
        self.assertEqual(len(opened), 200)
        eventually(lambda: self.broker.count("tls_handshakes_total") == 200, 20, "all are done here, too")
        for sock in opened:
            sock.close()


if __name__ == "__main__":
    harness.main()
