"""Rule 10, flows: a server that fails is replaced before its client notices; a failed check closes no flow."""
import socket
import ssl
import struct
import subprocess
import threading
import time

import harness
import mqtt_raw as m
from harness import eventually, free_port, stays
from lb_case import RAW, FlowCase
from services import Broker, LoadBalancer
from upstream import echo, read_all


class Flows(FlowCase, harness.FleetTest):
    def test_a_refused_server_is_retried_unnoticed(self):
        good = [self.upstream(echo), self.upstream(echo)]
        bad = self.upstream(echo)
        lb = self.balancer(good[0], bad, good[1], backend={
            "health_check": dict(RAW["health_check"], interval="30s", fast_interval="30s")})
        lb.wait_up({"s0", "s1", "s2"})
        bad.close()
        for n in range(12):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"ping%d" % n)
            self.assertEqual(read_all(sock, len(b"ping%d" % n)), b"ping%d" % n)
        self.assertEqual(lb.states()["s1"], "down")

    def test_a_server_that_closes_before_its_first_byte_is_replaced(self):
        good = self.upstream(echo)
        lb = self.balancer(self.upstream(lambda sock: sock.recv(1)), good)
        for n in range(6):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"x" * 5000)
            self.assertEqual(read_all(sock, 5000), b"x" * 5000)

    def test_a_server_that_resets_before_its_first_byte_is_replaced(self):
        def reset(sock):
            if sock.recv(1):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        lb = self.balancer(self.upstream(reset), self.upstream(echo))
        for n in range(6):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"x" * 15000)  # all of it is held
            self.assertEqual(read_all(sock, 15000), b"x" * 15000)

    def test_what_is_held_is_sent_again_once_and_first(self):
        """To one other server; what the client sends meanwhile comes behind it."""
        got = []

        def ends(sock):
            got.append(read_all(sock, 5))
        lb = self.balancer(self.upstream(ends), self.upstream(ends), self.upstream(ends), backend={
            "retries": 1, "health_check": {"type": "none"}})
        sock = self.open(lb, tls=False)
        sock.sendall(b"first")
        self.assertEqual(sock.recv(1), b"")
        self.assertEqual(got, [b"first"] * 2)
        lb = self.balancer(self.upstream(lambda sock: sock.recv(1)), self.upstream(echo), name="second")
        for n in range(4):
            sock = self.open(lb, tls=False)
            for part in (b"one ", b"two ", b"three"):
                sock.sendall(part)
            self.assertEqual(read_all(sock, 13), b"one two three")

    def test_a_silent_server_is_replaced(self):
        """A paused broker still accepts through its backlog."""
        good = self.upstream(echo)
        silent = self.upstream(lambda sock: read_all(sock))
        lb = self.balancer(silent, good, backend={"first_byte_timeout": "700ms"})
        for n in range(2):
            sock = self.open(lb, tls=n % 2 == 0)
            sock.sendall(b"hello")
            self.assertEqual(read_all(sock, 5), b"hello")

    def test_no_server_up_a_flow_waits_and_is_served(self):
        port = free_port()
        lb = LoadBalancer(self.scope, [("s0", ("127.0.0.1", port))], backend=dict(
            RAW, queue_timeout="8s")).start(wait=False)
        eventually(lambda: lb.states()["s0"] == "down", 10, "s0 is down")
        sock = self.open(lb, tls=False)
        sock.sendall(b"early")
        late = self.upstream(echo, port=port)
        self.assertEqual(read_all(sock, 5), b"early")
        self.assertGreaterEqual(late.accepted, 1)

    def test_no_server_up_a_flow_is_closed_after_queue_timeout(self):
        lb = LoadBalancer(self.scope, [("s0", ("127.0.0.1", free_port()))], backend=dict(
            RAW, queue_timeout="600ms")).start(wait=False)
        eventually(lambda: lb.states()["s0"] == "down", 10, "s0 is down")
        sock = self.open(lb, tls=False)
        start = time.monotonic()
        try:
            self.assertEqual(sock.recv(1), b"")
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - start, 5)

    def test_a_handshake_waits_while_no_server_is_up(self):
        port = free_port()
        lb = LoadBalancer(self.scope, [("s0", ("127.0.0.1", port))], backend=dict(
            RAW, queue_timeout="20s")).start(wait=False)
        eventually(lambda: lb.states()["s0"] == "down", 10, "s0 is down")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talker = lb.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            talker.do_handshake()
        client = m.Client(lb.tls)
        self.addCleanup(client.close)
        client.send(outgoing.read())
        stays(client.is_quiet, 1, "that the handshake isn't answered")
        self.assertEqual(bytes(client.buffer), b"")
        self.upstream(echo, port=port)
        eventually(lambda: not client.is_quiet() or client.buffer, 10, "it is answered once a server is up")

    def test_one_end_of_a_flow_is_passed_on_and_the_other_has_its_time(self):
        ended, over = [], threading.Event()
        self.addCleanup(over.set)

        def says_nothing_more(sock):
            if sock.recv(1):
                sock.sendall(b"hi")
                ended.append(read_all(sock))
                over.wait(10)  # and keeps its own side open
        lb = self.balancer(self.upstream(says_nothing_more), backend={"half_close_timeout": "700ms"})
        sock = self.open(lb, tls=False)
        sock.sendall(b"x")
        self.assertEqual(read_all(sock, 2), b"hi")
        sock.shutdown(socket.SHUT_WR)
        begin = time.monotonic()
        try:
            self.assertEqual(sock.recv(1), b"")
        except ConnectionResetError:
            pass
        took = time.monotonic() - begin
        self.assertEqual(ended, [b""])
        self.assertGreater(took, 0.6)
        self.assertLess(took, 5)

    def test_tickets_allow_no_early_data(self):
        lb = self.balancer(self.upstream(echo))
        path = self.scope.path("session.pem")
        client = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % lb.tls_port, "-tls1_3", "-CAfile",
                                   lb.certificates.ca, "-sess_out", path], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def ticket():
            with open(path) as f:
                return "END SSL SESSION" in f.read()
        try:
            eventually(ticket, 10, "a ticket came")
        finally:
            client.kill()
            client.communicate()
        text = subprocess.run(["openssl", "sess_id", "-in", path, "-noout", "-text"], capture_output=True, text=True,
                              check=True, timeout=30).stdout
        self.assertRegex(text, r"TLSv1\.3")
        self.assertRegex(text, r"Max Early Data: 0\b")

    def test_frozen_broker_goes_down_and_its_flows_are_kept(self):
        brokers = [Broker(self.scope, "b%d" % i).start() for i in range(2)]
        lb = LoadBalancer(self.scope, [("b%d" % i, b.address) for i, b in enumerate(brokers)]).start()
        clients = [lb.connect(self.unique("c"), tls=False) for _ in range(4)]
        brokers[0].stop()
        eventually(lambda: lb.states()["b0"] == "down", 10, "b0 is down")
        brokers[0].cont()
        eventually(lambda: lb.states()["b0"] == "up", 10, "b0 is up")
        for c in clients:
            c.ping()
            c.close()


if __name__ == "__main__":
    harness.main()
