"""Conformance: CONNECT, keep alive, DISCONNECT, takeover (MQTT 3.1.1 clauses 3.1, 3.2, 3.12-3.14)."""
import struct
import time

import mqtt_raw as m
from conformance_base import Conformance, not_on_standin
from harness import pace


class ConnectTests(Conformance):
    def test_accepts_3_1_1(self):
        self.proves("MQTT-3.1.4-4")
        self.client(level=4).ping()

    def test_accepts_3_1(self):
        self.client(level=3).ping()

    def test_accepts_5(self):
        client = self.raw()
        client.send(m.packet(m.CONNECT, 0, m.text("MQTT") + bytes([5, 2]) + b"\0\x3c" + b"\0" + m.text("five")))
        answer = client.expect(m.CONNACK)
        self.assertEqual(answer.return_code, 0)
        self.assertFalse(answer.session_present)

    def test_answers_other_levels_with_code_1(self):
        for level in (0, 1, 2, 6, 7, 255):
            with self.subTest(level=level):
                client = self.raw()
                client.send(m.connect("x", level=level, name="MQTT"))
                self.proves("MQTT-3.1.2-2")
                client.expect(m.CONNACK, return_code=1, session_present=False)
                client.expect_closed()

    def test_closes_on_other_protocol_names(self):
        for name in ("MQTX", "mqtt", "MQIsdp ", "", "HTTP"):
            with self.subTest(name=name):
                client = self.raw()
                client.send(m.connect("x", name=name))
                got = client.drain_until_closed()
                self.proves("MQTT-3.1.2-1")
                self.assertTrue(all(p.kind == m.CONNACK and p.return_code == 1 for p in got), got)

    def test_closes_on_bad_connect_flags(self):
        cases = {
            "reserved bit": (0x03, m.text("x")),
            "will QoS 3": (0x02 | 0x04 | 0x18, m.text("x") + m.text("w") + m.text("p")),
            "will QoS without will": (0x02 | 0x08, m.text("x")),
            "will retain without will": (0x02 | 0x20, m.text("x")),
            "password without user name": (0x02 | 0x40, m.text("x") + m.text("p")),
        }
        for name, (flags, tail) in cases.items():
            with self.subTest(name):
                client = self.raw()
                client.send(m.packet(m.CONNECT, 0, m.text("MQTT") + bytes([4, flags]) + b"\0\x3c" + tail))
                self.proves("MQTT-3.1.2-3", "MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-14", "MQTT-3.1.2-15", "MQTT-3.1.2-22")
                client.expect_closed()

    def test_zero_length_id_with_clean_session_gets_a_unique_id(self):
        first, second = self.client(""), self.client("")
        self.assertFalse(first.session_present)
        self.proves("MQTT-3.1.3-6")
        first.ping()
        second.ping()
        first.ping()

    def test_zero_length_id_without_clean_session_is_refused(self):
        client = self.raw()
        client.send(m.connect("", clean=False))
        self.proves("MQTT-3.1.3-7", "MQTT-3.1.3-8")
        client.expect(m.CONNACK, return_code=2, session_present=False)
        self.proves("MQTT-3.2.2-5")
        client.expect_closed()

    def test_accepts_any_client_id(self):
        ids = ["a", "x" * 23, "y" * 24, "z" * 500, "with space", "sla/sh", "br{ace}s", "}", "{", "*?[a-z]", "col:on",
               "k\u00fcche", "\u6d77\u8239\U0001f6a2", "%s%n", "'; --", "#", "+", "$x"]
        for client_id in ids:
            with self.subTest(client_id):
                with self.broker.connect(client_id, clean=False) as client:
                    client.subscribe(("ids/" + "x", 1))
                    client.disconnect()
                with self.broker.connect(client_id, clean=False) as client:
                    self.assertTrue(client.session_present)
                    client.disconnect()
                with self.broker.connect(client_id, clean=True) as client:
                    self.assertFalse(client.session_present)
                    client.disconnect()

    def test_second_connect_ends_the_connection(self):
        client = self.client()
        client.send(m.connect("other"))
        self.proves("MQTT-3.1.0-2")
        client.expect_closed()

    def test_first_packet_must_be_connect(self):
        packets = [m.publish("a", "b"), m.subscribe(1, ("a", 0)), m.unsubscribe(1, "a"), m.PINGREQ_BYTES,
                   m.DISCONNECT_BYTES, m.ack(m.PUBACK, 1), m.ack(m.PUBREL, 1), m.packet(m.CONNACK, 0, b"\0\0"),
                   m.packet(m.SUBACK, 0, b"\0\1\0")]
        for data in packets:
            with self.subTest(m.NAMES[data[0] >> 4]):
                client = self.raw()
                client.send(data)
                self.proves("MQTT-3.1.0-1")
                client.expect_closed()

    def test_everything_in_one_segment_with_connect(self):
        client = self.raw()
        client.send(m.connect("pipelined") + m.subscribe(1, ("pipe/line", 1)) + m.publish("pipe/line", "one", 1, 7) +
                    m.PINGREQ_BYTES)
        self.proves("MQTT-3.2.0-1")
        client.expect(m.CONNACK, return_code=0)
        # 3.8.4: messages may come before the SUBACK.
        got = {client.recv().kind for _ in range(4)}
        self.assertEqual(got, {m.SUBACK, m.PUBACK, m.PUBLISH, m.PINGRESP})

    def test_bytes_one_by_one(self):
        client = self.raw()
        for byte in (m.connect("slow") + m.subscribe(1, ("slow/er", 1)) + m.publish("slow/er", "x" * 150, 1, 2)):
            client.send(bytes([byte]))
        self.proves("MQTT-7.1.1-1")
        client.expect(m.CONNACK, return_code=0)
        got = {client.recv().kind for _ in range(3)}
        self.assertEqual(got, {m.SUBACK, m.PUBACK, m.PUBLISH})

    def test_silence_beyond_one_and_a_half_keep_alive_ends_the_connection(self):
        client = self.client(keepalive=2)
        start = time.monotonic()
        self.proves("MQTT-3.1.2-24")
        client.expect_closed(timeout=8)
        self.assertGreaterEqual(time.monotonic() - start, 2.7)
        self.assertLess(time.monotonic() - start, 4.5)

    def test_keep_alive_is_fed_by_any_packet_and_zero_means_never(self):
        busy, forever = self.client(keepalive=1), self.client(keepalive=0)
        end, pid = time.monotonic() + 3.5, 0
        while time.monotonic() < end:
            pid += 1
            busy.send(m.publish("alive", "x"))
            pace(0.6)
            if pid % 2:
                busy.ping()
        busy.ping()
        forever.ping()

    def test_messages_to_a_silent_client_do_not_feed_its_keep_alive(self):
        silent, topic = self.client(keepalive=1), self.unique("t")
        silent.subscribe(topic)
        publisher = self.client()
        start = time.monotonic()
        while time.monotonic() < start + 6:
            publisher.publish(topic, "x")
            try:
                while True:
                    silent.recv(timeout=0.2)
            except m.TimedOut:
                continue
            except m.Closed:
                return
        self.fail("a client that sends nothing was kept")

    def test_disconnect_ends_the_connection(self):
        client = self.client()
        client.send(m.DISCONNECT_BYTES)
        self.proves("MQTT-3.14.4-1")
        client.expect_closed()

    def test_session_present_follows_the_session(self):
        name = self.unique("sp")
        for clean, present in ((False, False), (False, True), (False, True), (True, False), (True, False),
                               (False, False), (False, True), (True, False)):
            with self.broker.connect(name, clean=clean) as client:
                self.proves("MQTT-3.1.4-3", "MQTT-3.2.2-1", "MQTT-3.2.2-2", "MQTT-3.2.2-3")
                self.assertEqual(client.session_present, present, "clean=%s" % clean)
                client.disconnect()

    def test_takeover_closes_the_old_connection(self):
        for clean in (True, False):
            name = self.unique("take")
            old = self.client(name, clean=clean)
            old.ping()
            new = self.client(name, clean=clean)
            self.proves("MQTT-3.1.4-2")
            old.expect_closed()
            new.ping()

    def test_takeover_again_and_again(self):
        name, clients = self.unique("take"), []
        for _ in range(30):
            clients.append(self.durable(name))
        for old in clients[:-1]:
            old.expect_closed()
        clients[-1].ping()

    def test_takeover_at_the_same_moment_leaves_exactly_one(self):
        name, clients = self.unique("race"), [self.raw() for _ in range(20)]
        for client in clients:
            client.send(m.connect(name, clean=False))
        alive = []
        for client in clients:
            try:
                client.expect(m.CONNACK, return_code=0)
                client.ping()
                alive.append(client)
            except m.Closed:
                pass
        ended = 0
        for client in alive:
            try:
                client.ping()
            except m.Closed:
                ended += 1
        self.assertEqual(len(alive) - ended, 1)

    def test_refused_then_accepted_on_a_new_connection(self):
        client = self.raw()
        client.send(m.connect("", clean=False))
        client.expect(m.CONNACK, return_code=2)
        self.client(self.unique("fresh"), clean=False).ping()

    def test_connect_with_all_fields(self):
        client = self.client(self.unique("all"), will=m.Will("will/all", b"\0\xff", 2, True), username="user",
                             password=b"\x00\x01pass", keepalive=65535)
        self.proves("MQTT-7.0.0-2")
        client.ping()
        client.disconnect()

    def test_connect_longer_than_its_fields_is_malformed(self):
        client = self.raw()
        client.send(m.packet(m.CONNECT, 0, m.text("MQTT") + bytes([4, 2]) + struct.pack("!H", 60) + m.text("x") + b"zz"))
        self.proves("MQTT-3.1.4-1")
        client.expect_closed()
