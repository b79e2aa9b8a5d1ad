"""TLS 1.3 records after the handshake, as real clients send them and as they shouldn't."""
import socket
import ssl
import subprocess
import threading

import harness
import mqtt_raw as m
from foreign import MosquittoSub, mosquitto_pub, tls_options
from harness import eventually
from lb_case import FlowCase, exchange
from services import Broker, LoadBalancer, metric, program
from upstream import echo, read_all

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


class SClient:
    """`openssl s_client`, whose lines K and k change the keys (K asks the server for the same)."""

    def __init__(self, lb, *options):
        argv = [program("openssl"), "s_client", "-connect", "%s:%d" % lb.tls, "-servername", "localhost",
                "-CAfile", lb.certificates.ca, *options]
        self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = b""
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            data = self.popen.stdout.read1(65536)
            with self.changed:
                self.output += data
                self.changed.notify_all()
            if not data:
                return

    def say(self, text):
        self.popen.stdin.write(text)
        self.popen.stdin.flush()

    def hear(self, text, timeout=20):
        """Waits for the text behind what was heard before."""
        with self.changed:
            if not self.changed.wait_for(lambda: text in self.output, timeout):
                raise AssertionError("no %r in %r" % (text, self.output[-2000:]))
            self.output = self.output.partition(text)[2]

    def close(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()


class Talker:
    """A TLS client whose bytes pass through our hands."""

    def __init__(self, lb, context=None):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or lb.context).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.sock = m.open_socket(lb.tls)

    def run(self, action, flush=True):
        while True:
            try:
                result = action()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                data = self.sock.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
        if flush:
            self.sock.sendall(self.outgoing.read())
        return result

    def read(self, size):
        got = b""
        while len(got) < size:
            got += self.run(lambda: self.tls.read(size - len(got)))
        return got

    def close(self):
        self.sock.close()


class Records(FlowCase, harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.server = self.upstream(echo)
        self.lb = self.balancer(self.server)

    def talker(self):
        talker = Talker(self.lb)
        self.addCleanup(talker.close)
        return talker

    def s_client(self, *options):
        client = SClient(self.lb, *options)
        self.addCleanup(client.close)
        return client

    def test_key_updates_of_s_client_in_all_suites(self):
        for suite in SUITES:
            client = self.s_client("-tls1_3", "-ciphersuites", suite)
            client.hear(suite.encode())
            client.hear(b"Verify return code: 0")
            for n, command in enumerate((b"k", b"K", b"K", b"k")):
                client.say(command + b"\n")
                client.hear(b"KEYUPDATE")
                line = b"line %d after %s" % (n, command)
                client.say(line + b"\n")
                client.hear(line)
            client.close()

    def test_resumed_sessions_of_s_client(self):
        path = self.scope.path("session.pem")
        for suite in SUITES:
            for option in ("-sess_out", "-sess_in"):
                client = self.s_client("-tls1_3", "-ciphersuites", suite, option, path)
                client.hear(b"Reused, " if option == "-sess_in" else b"New, ")
                client.hear(b"Verify return code: 0")
                client.say(b"once and again\n")
                client.hear(b"once and again")
                client.close()

    def test_maximum_fragment_length_of_s_client(self):
        client = self.s_client("-tls1_3", "-maxfraglen", "512")
        client.hear(b"Verify return code: 0")
        lines = b"".join(b"line %d of many\n" % n for n in range(1000))
        client.say(lines)
        client.hear(b"line 999 of many")

    def test_data_in_one_segment_with_the_finished(self):
        for size in (1, 1000, 3500, 20000):
            talker = self.talker()
            talker.run(talker.tls.do_handshake, flush=False)
            payload = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
            talker.tls.write(payload)
            talker.sock.sendall(talker.outgoing.read())
            self.assertEqual(talker.read(size), payload)

    def test_records_byte_by_byte(self):
        talker = self.talker()
        talker.run(talker.tls.do_handshake)
        for text in (b"a", b"bc", b"d" * 100):
            talker.tls.write(text)
            for byte in talker.outgoing.read():
                talker.sock.sendall(bytes([byte]))
            self.assertEqual(talker.read(len(text)), text)

    def test_much_both_ways_through_small_socket_buffers(self):
        payload = bytes(range(251)) * 50000
        for size in (4096, 65536):
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
            raw.connect(self.lb.tls)
            sock = self.lb.context.wrap_socket(raw, server_hostname="localhost")
            self.addCleanup(sock.close)
            self.assertEqual(sock.version(), "TLSv1.3")
            self.assertTrue(exchange(sock, payload) == payload)

    def ends_by_alert(self, wire, alert):
        talker = self.talker()
        talker.run(talker.tls.do_handshake)
        talker.tls.write(b"good")
        self.assertEqual(talker.read(4), b"good")
        talker.sock.sendall(wire)
        with self.assertRaises(ssl.SSLError) as caught:
            talker.read(1)
        self.assertIn(alert, str(caught.exception))

    def test_bad_records_are_told_so(self):
        for wire, alert in ((b"\x17\x03\x03\x00\x28" + b"g" * 40, "bad record mac"),
                            (b"\x17\x03\x03\xff\xff", "record overflow"),
                            (b"\x14\x03\x03\x00\x01\x01", "unexpected message"),
                            (b"GET / HTTP/1.1\r\n\r\n", "unexpected message")):
            self.ends_by_alert(wire, alert)
        eventually(lambda: sum(self.lb.connections().values()) == 0, 10, "no flow is left")

    def test_abrupt_end_amid_a_record(self):
        for _ in range(20):
            talker = self.talker()
            talker.run(talker.tls.do_handshake)
            talker.tls.write(b"z" * 20000)
            talker.sock.sendall(talker.outgoing.read()[:-100])
            self.assertEqual(talker.read(16384), b"z" * 16384)
            talker.close()
        eventually(lambda: sum(self.lb.connections().values()) == 0, 10, "no flow is left")

    def test_idle_flows_are_small(self):
        before = self.lb.memory_kb()
        count = 500
        for n in range(count):
            sock = self.open(self.lb, tls=True)
            sock.sendall(b"%d" % n)
            self.assertEqual(read_all(sock, len(b"%d" % n)), b"%d" % n)
        grown = self.lb.memory_kb() - before
        if "san/" not in self.lb.argv[0]:
            self.assertLess(grown / count, 8)


class Switch(FlowCase, harness.FleetTest):
    def records(self, lb):
        """(TLS flows with our records, with OpenSSL's)."""
        body = lb.metrics()
        return tuple(int(metric(body, "flotilla_lb_worker_%s_records_flows" % whose)) for whose in ("own", "openssl"))

    def test_records_can_be_openssls_and_each_flow_is_counted(self):
        lb = self.balancer(self.upstream(echo))
        self.assertEqual(metric(lb.metrics(), "flotilla_lb_own_records_usable"), 1)
        context = m.tls_context(lb.certificates.ca, maximum=ssl.TLSVersion.TLSv1_2)
        flows = [self.open(lb, tls=True), self.open(lb, tls=True), m.open_socket(lb.tls, context)]
        eventually(lambda: self.records(lb) == (2, 1), 10, "two flows left OpenSSL")
        lb.tls_settings = {"records": "openssl"}
        lb.wait_log("config_reloaded", start=lb.reload())
        flows.append(self.open(lb, tls=True))
        eventually(lambda: self.records(lb) == (2, 2), 10, "the new one didn't")
        for sock in flows:
            self.assertEqual(exchange(sock, b"x" * 40000), b"x" * 40000)
            sock.close()
        eventually(lambda: self.records(lb) == (0, 0), 10, "they have gone")


class Mosquitto(harness.FleetTest):
    def test_publish_and_subscribe_over_both_versions(self):
        broker = Broker(self.scope).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)]).start()
        for version in ("tlsv1.2", "tlsv1.3"):
            for qos in (0, 1, 2):
                topic = "%s/%d" % (version, qos)
                options = [*tls_options(lb), "--tls-version", version, "-q", str(qos)]
                subscriber = MosquittoSub(lb.tls, *options, "-t", topic + "/#")
                self.addCleanup(subscriber.close)
                subscriber.wait_subscribed()
                lines = ["%s %d" % ("x" * (n % 500), n) for n in range(2000)]
                mosquitto_pub(lb.tls, *options, "-t", topic + "/t", lines=lines)
                self.assertEqual(subscriber.wait(len(lines)), ["%d 0 %s/t %s" % (qos, topic, l) for l in lines])

    def test_large_messages(self):
        broker = Broker(self.scope).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)]).start()
        path = self.scope.path("payload")
        payload = "0123456789abcdef" * 50000
        with open(path, "w") as f:
            f.write(payload)
        subscriber = MosquittoSub(lb.tls, *tls_options(lb), "-q", "1", "-t", "large")
        self.addCleanup(subscriber.close)
        subscriber.wait_subscribed()
        for _ in range(5):
            mosquitto_pub(lb.tls, *tls_options(lb), "-q", "1", "-t", "large", "-f", path)
        self.assertEqual(subscriber.wait(5), ["1 0 large " + payload] * 5)


if __name__ == "__main__":
    harness.main()
