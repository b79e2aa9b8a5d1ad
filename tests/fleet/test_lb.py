"""The load balancer's flows: half-close, back-pressure, TLS."""
import socket
import ssl
import threading
import time

import harness
import mqtt_raw as m
from harness import eventually, settled
from lb_case import RAW, FlowCase, exchange
from services import LoadBalancer
from upstream import echo, read_all


class Flows(FlowCase, harness.FleetTest):
    def test_half_close_of_the_client_is_passed_on(self):
        def handler(sock):
            data = read_all(sock)
            sock.sendall(b"got %d" % len(data))
        lb = self.balancer(self.upstream(handler))
        for size in (0, 5, 200000):
            sock = self.open(lb, tls=False)
            sock.sendall(b"x" * size)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(sock), b"got %d" % size)

    def test_half_close_of_the_server_is_passed_on(self):
        seen = []

        def handler(sock):
            sock.sendall(b"bye")
            sock.shutdown(socket.SHUT_WR)
            rest = read_all(sock)
            if rest:  # not a check
                seen.append(rest)
        lb = self.balancer(self.upstream(handler), backend={"health_check": {"type": "none"}})
        for tls in (False, True):
            sock = self.open(lb, tls)
            sock.sendall(b"hello")
            self.assertEqual(read_all(sock), b"bye")
            if not tls:
                sock.sendall(b" and more" * 1000)
            sock.close()
            eventually(lambda: seen, 10, "the server got the rest")
            self.assertEqual(seen.pop(), b"hello" + (b"" if tls else b" and more" * 1000))

    def test_half_close_through_tls(self):
        """close_notify from the client ends only its direction."""
        def handler(sock):
            data = read_all(sock)
            sock.sendall(b"got %d" % len(data))
        lb = self.balancer(self.upstream(handler))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talker = lb.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        sock = m.open_socket(lb.tls)
        self.addCleanup(sock.close)

        def pump(action):
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    data = sock.recv(65536)
                    if not data:
                        incoming.write_eof()
                    incoming.write(data)
        pump(talker.do_handshake)
        pump(lambda: talker.write(b"y" * 3000))
        try:
            talker.unwrap()
        except ssl.SSLWantReadError:
            pass
        sock.sendall(outgoing.read())
        got = b""
        while not got.endswith(b"got 3000"):
            data = sock.recv(65536)
            self.assertTrue(data, "closed after %r" % got)
            incoming.write(data)
            try:
                got += talker.read(65536)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                break
        self.assertEqual(got, b"got 3000")

    def test_nothing_is_lost_when_the_server_closes_after_much_data(self):
        payload = bytes(range(256)) * 20000

        def handler(sock):
            if sock.recv(1):
                sock.sendall(payload)
                done.set()
        lb = self.balancer(self.upstream(handler))
        for tls in (False, True):
            done = threading.Event()
            sock = self.open(lb, tls)
            sock.sendall(b"!")
            done.wait(0.3)  # the server is done and closed before we start to read, if buffers allow
            self.assertEqual(read_all(sock), payload)

    def test_bulk_both_ways_at_once(self):
        lb = self.balancer(self.upstream(echo))
        payload = bytes(range(251)) * 40000
        for tls in (False, True):
            sock = self.open(lb, tls)
            self.assertTrue(exchange(sock, payload) == payload)

    def test_small_messages_back_and_forth(self):
        lb = self.balancer(self.upstream(echo))
        for tls in (False, True):
            sock = self.open(lb, tls)
            for n in range(2000):
                message = b"%d" % n
                sock.sendall(message)
                self.assertEqual(read_all(sock, len(message)), message)

    def test_a_slow_reader_holds_back_the_writer_and_costs_little_memory(self):
        sent = [0]

        def handler(sock):
            if not sock.recv(1):
                return  # a check
            sock.settimeout(60)
            chunk, count = b"z" * 65536, sent
            while count[0] < 200 * 1024 * 1024:
                sock.sendall(chunk)
                count[0] += len(chunk)
        lb = self.balancer(self.upstream(handler))
        memory = lb.memory_kb()
        for tls in (False, True):
            sent = [0]
            sock = self.open(lb, tls)
            sock.sendall(b"!")
            # the amount stands still once all buffers on the way are full
            eventually(lambda: sent[0] > 0, 10, "the writer writes")
            settled(lambda: sent[0], what="the writer")
            self.assertLess(sent[0], 60 * 1024 * 1024)
            self.assertLess(lb.memory_kb() - memory, 20 * 1024)
            wanted = sent[0] + 20 * 1024 * 1024  # and it goes on when the reader does
            self.assertEqual(len(read_all(sock, wanted)), wanted)
            sock.close()

    def test_a_reset_of_one_side_ends_the_other(self):
        ended = []

        def handler(sock):
            sock.sendall(b"hi")
            try:
                ended.append(read_all(sock))
            except OSError:
                ended.append(b"reset")
        lb = self.balancer(self.upstream(handler), backend={"health_check": {"type": "none"}})
        for tls in (False, True):
            sock = self.open(lb, tls)
            sock.sendall(b"x")
            self.assertEqual(read_all(sock, 2), b"hi")
            client = m.Client.__new__(m.Client)
            client.sock = sock
            client.abort()
            eventually(lambda: ended, 10, "the server saw the end")
            ended.clear()
        eventually(lambda: sum(lb.connections().values()) == 0, 10, "no flow is left")


class Tls(FlowCase, harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.server = self.upstream(echo)
        self.lb = self.balancer(self.server)

    def handshake(self, minimum, maximum, lb=None):
        lb = lb or self.lb
        context = m.tls_context(lb.certificates.ca, minimum, maximum)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with m.open_socket(lb.tls, context) as sock:
            return sock.version()

    def test_1_2_and_1_3(self):
        v = ssl.TLSVersion
        self.assertEqual(self.handshake(v.TLSv1_2, v.TLSv1_2), "TLSv1.2")
        self.assertEqual(self.handshake(v.TLSv1_3, v.TLSv1_3), "TLSv1.3")
        for version in (v.TLSv1_2, v.TLSv1_3):
            context = m.tls_context(self.lb.certificates.ca, version, version)
            with m.open_socket(self.lb.tls, context) as sock:
                payload = b"v" * 100000
                self.assertEqual(exchange(sock, payload), payload)

    def test_older_ones_are_refused(self):
        v = ssl.TLSVersion
        for version in (v.TLSv1, v.TLSv1_1):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.handshake(version, version)

    def test_min_version_1_3(self):
        lb = LoadBalancer(self.scope, [("s0", self.server.address)], name="lb13", backend=RAW)
        config = lb.settings()
        config["listeners"][1]["tls"]["min_version"] = "1.3"
        lb.extra = {"listeners": config["listeners"]}
        lb.write()
        lb.start()
        v = ssl.TLSVersion
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.handshake(v.TLSv1_2, v.TLSv1_2, lb)
        self.assertEqual(self.handshake(v.TLSv1_2, v.TLSv1_3, lb), "TLSv1.3")

    def test_sessions_resume(self):
        context = m.tls_context(self.lb.certificates.ca, maximum=ssl.TLSVersion.TLSv1_2)
        with m.open_socket(self.lb.tls, context) as sock:
            session = sock.session
        reused = 0
        for _ in range(6):  # whichever worker gets it
            raw = socket.create_connection(self.lb.tls, timeout=10)
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as sock:
                reused += sock.session_reused
        self.assertEqual(reused, 6)

    def test_a_handshake_that_never_ends_is_ended(self):
        lb = LoadBalancer(self.scope, [("s0", self.server.address)], name="lbslow", backend=RAW)
        config = lb.settings()
        config["listeners"][1]["handshake_timeout"] = "700ms"
        lb.extra = {"listeners": config["listeners"]}
        lb.write()
        lb.start()
        client = m.Client(lb.tls)
        self.addCleanup(client.close)
        start = time.monotonic()
        client.send(b"\x16\x03\x01\x02\x00\x01")
        try:
            while client.sock.recv(1000):
                pass
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - start, 5)


if __name__ == "__main__":
    harness.main()
