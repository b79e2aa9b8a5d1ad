"""WebSocket listeners: the upgrade, frames in any shape, how they end, through the load balancer's TLS as wss."""
import random
import signal
import threading
import time

import harness
import mqtt_raw as m
import websocket_raw as w
from harness import eventually
from services import Fleet, LoadBalancer, metric
from test_proxy_protocol import v2
from websocket_broker import WebSocketBroker

PAGE = "https://example.org"


class WebSocketCase:
    shared = True

    def open(self, **options):
        """An upgraded connection."""
        kind = type("WebSocket", (w.WebSocket,), {"options": options})
        client = kind(self.broker.websocket)
        self.addCleanup(client.close)
        return client

    def connected(self, name=None, **fields):
        client = w.WebSocket.connected(self.broker.websocket, name or self.unique(), **fields)
        self.addCleanup(client.close)
        return client

    def plain(self, *filters):
        client = self.broker.connect(self.unique())
        self.addCleanup(client.close)
        if filters:
            client.subscribe(*filters)
        return client

    def refused(self, reason):
        return metric(self.broker.metrics(), "flotilla_broker_connections_refused_total", reason=reason)

    def closed(self, reason):
        return metric(self.broker.metrics(), "flotilla_broker_connections_closed_total", reason=reason)


class Upgrade(WebSocketCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = WebSocketBroker(holder.scope, origins=[PAGE]).start()

    def ask(self, data, address=None):
        """(status, fields) that these bytes are answered by."""
        client = m.Client(address or self.broker.websocket)
        self.addCleanup(client.close)
        client.send(data)
        status, fields, _ = w.read_head(client)
        return status, fields

    def test_granted(self):
        client = self.open(headers=["Sec-WebSocket-Extensions: permessage-deflate", "Origin: " + PAGE])
        self.assertEqual(client.fields["sec-websocket-protocol"], "mqtt")
        self.assertNotIn("sec-websocket-extensions", client.fields)
        client.send(m.connect(self.unique()))
        client.expect(m.CONNACK, return_code=0)
        client.ping()
        old = self.open(protocols="mqttv3.1, mqtt")
        self.assertEqual(old.fields["sec-websocket-protocol"], "mqttv3.1")
        old.send(m.connect(self.unique(), level=3))
        old.expect(m.CONNACK, return_code=0)

    def test_byte_by_byte(self):
        client = m.Client(self.broker.websocket)
        self.addCleanup(client.close)
        data = w.request()
        for i in range(len(data)):
            client.send(data[i:i + 1])
        self.assertEqual(w.read_head(client)[0], 101)

    def test_refused(self):
        cases = [
            ("upgrade", 400, w.request(key="short")), ("upgrade", 400, b"GET /mqtt HTTP/1.1\r\n\r\n\r\n"),
            ("upgrade", 400, w.request() + w.frame(w.BINARY, m.connect("early"))),
            ("upgrade", 400, m.connect("plain")), ("upgrade", 400, b"\x16\x03\x01\x02\x00\x01"),
            ("upgrade", 405, w.request(method="POST")), ("upgrade", 426, w.request(version="8")),
            ("upgrade", 426, b"GET /mqtt HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("upgrade", 431, w.request(headers=["Cookie: " + "a" * 8192])),
            ("upgrade_path", 404, w.request("/")), ("upgrade_origin", 403, w.request(headers=["Origin: http://a"])),
            ("upgrade_subprotocol", 400, w.request(protocols=None)),
            ("upgrade_subprotocol", 400, w.request(protocols="chat")),
        ]
        for reason, status, data in cases:
            with self.subTest(status=status, data=data[:60]):
                before = self.refused(reason)
                got, fields = self.ask(data)
                self.assertEqual(got, status)
                self.assertEqual(fields.get("sec-websocket-version"), "13" if status == 426 else None)
                self.assertEqual(self.refused(reason), before + 1)
        self.broker.wait_log(r"upgrade_refused.*reason=upgrade_origin.*status=403")
        self.assertEqual(self.ask(w.request())[0], 101)

    def test_a_slow_request_has_five_seconds(self):
        client = m.Client(self.broker.websocket)
        self.addCleanup(client.close)
        before, began = self.closed("connect_timeout"), time.monotonic()
        client.send(w.request()[:-4])
        ended = False
        while not ended:
            try:
                client.sock.settimeout(0.3)
                client.sock.sendall(b"a")
                ended = client.sock.recv(100) == b""
            except TimeoutError:
                pass
            except OSError:
                ended = True
            self.assertLess(time.monotonic() - began, 8)
        self.assertGreater(time.monotonic() - began, 4)
        self.assertEqual(self.closed("connect_timeout"), before + 1)

    def test_who_names_pages_is_not_warned_of_others(self):
        self.assertNotIn("any_page_may_connect", self.broker.log())

    def test_mqtts_own_listener_takes_no_request(self):
        client = m.Client(self.broker.address)
        self.addCleanup(client.close)
        client.send(w.request())
        client.expect_closed()


class Proxied(WebSocketCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = WebSocketBroker(
            holder.scope, config={"log": {"level": "debug", "format": "text"}}, proxy_protocol="accept",
            trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"]).start()

    def joined(self, preamble=b"", **options):
        kind = type("WebSocket", (w.WebSocket,), {"options": options})
        client = kind.connected(self.broker.websocket, self.unique(), preamble=preamble)
        self.addCleanup(client.close)
        return client

    def test_a_header_before_the_request(self):
        mark = len(self.broker.log())
        self.joined(v2(source="203.0.113.71"))
        self.broker.wait_log(r"203\.0\.113\.71", start=mark)

    def test_x_real_ip_of_a_trusted_proxy(self):
        mark = len(self.broker.log())
        self.joined(headers=["X-Real-IP: 203.0.113.72"])
        self.broker.wait_log(r"203\.0\.113\.72", start=mark)
        self.joined(v2(source="10.0.0.9"), headers=["X-Real-IP: 2001:db8::73"])
        self.broker.wait_log(r"2001:db8::73", start=mark)

    def test_x_real_ip_of_anyone_else(self):
        mark = len(self.broker.log())
        self.joined(v2(source="203.0.113.74"), headers=["X-Real-IP: 203.0.113.75"])
        self.broker.wait_log(r"203\.0\.113\.74", start=mark)
        self.assertNotIn("203.0.113.75", self.broker.log()[mark:])


class Frames(WebSocketCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = WebSocketBroker(holder.scope).start()

    def test_anonymous_without_origins_is_warned_of(self):
        self.broker.wait_log(r"any_page_may_connect.*listener=127\.0\.0\.1:%d" % self.broker.websocket[1])

    def test_every_qos_to_and_fro(self):
        one, other = self.connected(), self.plain(("to/+", 2))
        one.subscribe(("fro/+", 2))
        for qos in (0, 1, 2):
            one.publish("to/%d" % qos, b"x" * 200, qos)
            other.expect_message("to/%d" % qos, b"x" * 200, qos)
            other.publish("fro/%d" % qos, b"y" * 70000, qos)
            one.expect_message("fro/%d" % qos, b"y" * 70000, qos)

    def test_a_packet_over_many_frames(self):
        topic = self.unique("t")
        watcher, client = self.plain(topic), self.open()
        talk = m.connect(self.unique()) + m.publish(topic, b"split") + m.PINGREQ_BYTES
        for byte in talk:
            client.send(bytes([byte]))
        client.expect(m.CONNACK, return_code=0)
        client.expect(m.PINGRESP)
        watcher.expect_message(topic, b"split")

    def test_a_message_in_fragments_with_pings_between(self):
        topic = self.unique("t")
        watcher, client = self.plain(topic), self.open()
        talk = m.connect(self.unique()) + m.publish(topic, b"fragments") + m.PINGREQ_BYTES
        data = w.frame(w.BINARY, talk[:1], fin=False)
        for byte in talk[1:-1]:
            data += w.frame(w.PING, b"p") + w.frame(w.CONTINUATION, bytes([byte]), fin=False)
        client.send_raw(data + w.frame(w.CONTINUATION, b"", fin=False) + w.frame(w.CONTINUATION, talk[-1:]))
        client.expect(m.CONNACK, return_code=0)
        client.expect(m.PINGRESP)
        watcher.expect_message(topic, b"fragments")
        client.expect_control(w.PONG, b"p")

    def test_many_packets_in_a_frame_and_frames_over_many_segments(self):
        topic, rng = self.unique("t"), random.Random(5)
        watcher, client = self.plain((topic, 0)), self.connected()
        data = b"".join(w.frame(w.BINARY, b"".join(m.publish(topic, b"%d.%d" % (i, k)) for k in range(7)))
                        for i in range(30))
        while data:
            n = rng.choice((1, 2, 3, 5, 100))
            client.send_raw(data[:n])
            data = data[n:]
        for i in range(30):
            for k in range(7):
                watcher.expect_message(topic, b"%d.%d" % (i, k))

    def test_large_messages(self):
        payload = random.Random(1).randbytes(3 << 20)
        one, other = self.connected(), self.connected()
        topic = self.unique("t")
        other.subscribe((topic, 1))
        packet, step = m.publish(topic, payload, 1, 9), 100000
        for at in range(0, len(packet), step):
            last = at + step >= len(packet)
            one.send_raw(w.frame(w.CONTINUATION if at else w.BINARY, packet[at:at + step], fin=last))
        one.expect(m.PUBACK, pid=9)
        other.expect_message(topic, payload, 1)

    def test_a_subscriber_that_reads_late(self):
        topic = self.unique("t")
        late, publisher = self.connected(), self.plain()
        late.subscribe((topic, 1))
        payload = b"z" * 50000
        publisher.publish_many([(topic, b"%06d" % n + payload) for n in range(200)], qos=1, window=50)
        late.send_raw(w.frame(w.PING, b"meanwhile"))
        got = late.collect(200)
        self.assertEqual([g.payload[:6] for g in got], [b"%06d" % n for n in range(200)])
        late.ping()
        late.expect_control(w.PONG, b"meanwhile")

    def test_pings_are_answered(self):
        client = self.connected()
        for payload in (b"", b"hello", b"p" * 125):
            client.send_raw(w.frame(w.PING, payload))
            client.expect_control(w.PONG, payload)
        client.send_raw(w.frame(w.PONG, b"unasked"))
        client.ping()

    def test_violations_end_the_connection_with_their_code(self):
        cases = {
            "no mask": (1002, w.frame(w.BINARY, m.PINGREQ_BYTES, mask=False)),
            "a reserved bit": (1002, w.frame(w.BINARY, m.PINGREQ_BYTES, rsv=4)),
            "an unknown opcode": (1002, w.frame(3, b"x")), "another one": (1002, w.frame(11, b"x")),
            "a continuation of nothing": (1002, w.frame(w.CONTINUATION, m.PINGREQ_BYTES)),
            "a message in a message": (1002, w.frame(w.BINARY, b"\xc0", fin=False) + w.frame(w.BINARY, b"\0")),
            "a long ping": (1002, w.frame(w.PING, b"x" * 126)),
            "a fragmented ping": (1002, w.frame(w.PING, b"x", fin=False)),
            "text": (1003, w.frame(w.TEXT, m.PINGREQ_BYTES)),
            "a close with half a code": (1002, w.frame(w.CLOSE, b"\x03")),
            "a close with a code of nobody": (1002, w.close_frame(1005)),
        }
        for name, (code, data) in cases.items():
            with self.subTest(name):
                before, client = self.closed("malformed"), self.connected()
                client.send_raw(data)
                client.expect_end(code)
                self.assertEqual(self.closed("malformed"), before + 1)

    def test_malformed_mqtt(self):
        client = self.connected()
        client.send(b"\xff\xff")
        client.expect_end(1000)

    def test_a_close_is_answered_with_its_code(self):
        for code in (1000, 1001, 3000, 4999, None):
            with self.subTest(code=code):
                client = self.connected()
                client.send_raw(w.close_frame(code, b"bye" if code else b""))
                client.expect_end(code)

    def test_what_was_sent_before_a_close_counts(self):
        topic = self.unique("t")
        watcher, client = self.plain(topic), self.connected()
        client.send_raw(w.frame(w.BINARY, m.publish(topic, b"last")) + w.close_frame(1000))
        watcher.expect_message(topic, b"last")
        client.expect_end(1000)

    def test_a_close_is_no_disconnect(self):
        topic = self.unique("t")
        watcher = self.plain(topic)
        for data, code, due in ((w.close_frame(1000), 1000, True), (w.frame(w.BINARY, m.DISCONNECT_BYTES), 1000, False),
                                (w.frame(w.BINARY, m.DISCONNECT_BYTES) + w.close_frame(1001), 1001, False)):
            client = self.connected(will=m.Will(topic, "will"))
            client.send_raw(data)
            client.expect_end(code)
            if due:
                watcher.expect_message(topic, b"will")
            else:
                watcher.ping()

    def test_takeover_between_the_two_kinds(self):
        name = self.unique()
        first = self.connected(name)
        second = self.broker.connect(name)
        self.addCleanup(second.close)
        first.expect_end(1000)
        third = self.connected(name)
        second.expect_closed()
        third.ping()


class Flood(WebSocketCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = WebSocketBroker(holder.scope).start()

    def test_pings_without_end_delay_nobody(self):
        bystander, memory = self.plain(), self.broker.memory_kb()
        for _ in range(20):
            bystander.ping()
        stop = threading.Event()
        floods = [self.connected() for _ in range(3)]
        data = b"".join(w.frame(w.PING, b"") for _ in range(20000))
        sent = [0] * len(floods)

        def flood(i):
            floods[i].sock.settimeout(0.2)
            while not stop.is_set():
                try:
                    sent[i] += floods[i].sock.send(data[sent[i] % len(data):])
                except TimeoutError:
                    pass

        threads = [threading.Thread(target=flood, args=(i,), daemon=True) for i in range(len(floods))]
        for t in threads:
            t.start()
        worst, until = 0.0, time.monotonic() + 4
        while time.monotonic() < until:
            began = time.monotonic()
            bystander.ping()
            worst = max(worst, time.monotonic() - began)
        stop.set()
        for t in threads:
            t.join(10)
        self.assertGreater(sum(sent), 1 << 20)
        self.assertLess(worst, 0.5)
        self.assertLess(self.broker.memory_kb() - memory, 40000)


class Drain(harness.FleetTest):
    def test_clients_learn_that_the_broker_goes_away(self):
        broker = WebSocketBroker(self.scope, config={"drain_timeout": "4s"}).start()
        clients = [w.WebSocket.connected(broker.websocket, "c%d" % n) for n in range(10)]
        broker.signal(signal.SIGTERM)
        for c in clients:
            c.expect_end(1001)
        broker.wait(10)


class ThroughTheBalancer(harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.fleet = Fleet(self.scope, brokers=1)
        self.brokers = [WebSocketBroker(self.scope, "w%d" % n, self.fleet.redis, proxy_protocol="require",
                                         trusted_proxies=["127.0.0.0/8"]).start() for n in range(2)]
        check = {"type": "mqtt", "port": self.fleet[0].port, "interval": "500ms", "timeout": "1s", "rise": 1, "fall": 2}
        self.lb = LoadBalancer(self.scope, [(b.name, b.websocket) for b in self.brokers],
                               backend={"health_check": check}, tls_settings={"alpn": "http/1.1"}).start()
        self.lb.context.set_alpn_protocols(["http/1.1"])

    def test_wss_to_a_plain_subscriber_of_another_broker(self):
        watcher = self.fleet[0].connect("watcher")
        self.addCleanup(watcher.close)
        watcher.subscribe(("t/#", 1))
        clients = [w.WebSocket.connected(self.lb.tls, "c%d" % n, tls=self.lb.context) for n in range(4)]
        for n, c in enumerate(clients):
            self.addCleanup(c.close)
            self.assertEqual(c.sock.selected_alpn_protocol(), "http/1.1")
            c.publish("t/%d" % n, b"through", 1)
            watcher.expect_message("t/%d" % n, b"through", 1)
        clients[0].subscribe(("back", 1))
        watcher.publish("back", b"and back", 1)
        clients[0].expect_message("back", b"and back", 1)
        for b in self.brokers:
            self.assertEqual(metric(b.metrics(), "flotilla_broker_clients"), 2)
        clients[0].send_raw(w.close_frame(1000))
        clients[0].expect_end(1000)
        eventually(lambda: sum(metric(b.metrics(), "flotilla_broker_clients") for b in self.brokers) == 3, 10,
                   "one client less")

    def test_ws_through_the_plain_port(self):
        client = w.WebSocket.connected(self.lb.plain, "plain")
        self.addCleanup(client.close)
        client.ping()


if __name__ == "__main__":
    harness.main()
