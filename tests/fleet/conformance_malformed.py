"""Conformance: malformed packets each end exactly one connection (MQTT 3.1.1 clause 4.8)."""
import struct

import mqtt_raw as m
import services
from conformance_base import Conformance

P = m.packet


def pid(n):
    return struct.pack("!H", n)


# Sent before CONNECT.
BEFORE_CONNECT = {
    "reserved type 0": b"\x00\x00",
    "reserved type 15": b"\xf0\x00",
    "connect with flags": b"\x11" + m.connect("x")[1:],
    "length of five bytes": b"\x10\xff\xff\xff\xff\x01",
    "length that ends in a sixth byte": b"\x10\x80\x80\x80\x80\x80\x01",
    "connect without a body": P(m.CONNECT, 0),
    "connect cut in the name": P(m.CONNECT, 0, b"\0\x04MQ"),
    "connect cut after the name": P(m.CONNECT, 0, m.text("MQTT")),
    "connect cut in keep alive": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\x02\x00"),
    "connect without an id": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\x02\x00\x3c"),
    "id longer than the packet": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\x02\x00\x3c\x00\x10abc"),
    "will topic missing": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\x06\x00\x3c" + m.text("x")),
    "will payload missing": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\x06\x00\x3c" + m.text("x") + m.text("w")),
    "user name missing": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\x82\x00\x3c" + m.text("x")),
    "password missing": P(m.CONNECT, 0, m.text("MQTT") + b"\x04\xc2\x00\x3c" + m.text("x") + m.text("u")),
    "id with NUL": m.connect(b"a\x00b"),
    "id that isn't UTF-8": m.connect(b"a\xff\xfe"),
    "id with a surrogate": m.connect(b"\xed\xa0\x80"),
    "id in overlong form": m.connect(b"\xc0\xaf"),
    "user name that isn't UTF-8": m.connect("x", username=b"\xc3\x28"),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls": bytes.fromhex("16030100b8010000b40303") + b"\x55" * 60,
}
# Sent on a connection that is up.
AFTER_CONNECT = {
    "reserved type 0": b"\x00\x00",
    "reserved type 15": b"\xf0\x00",
    "length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "connack to a broker": P(m.CONNACK, 0, b"\0\0"),
    "suback to a broker": P(m.SUBACK, 0, b"\0\1\0"),
    "unsuback to a broker": P(m.UNSUBACK, 0, b"\0\1"),
    "pingresp to a broker": P(m.PINGRESP, 0),
    "publish with QoS 3": P(m.PUBLISH, 6, m.text("a") + pid(1) + b"x"),
    "publish with QoS 0 and DUP": P(m.PUBLISH, 8, m.text("a") + b"x"),
    "publish without a topic": P(m.PUBLISH, 0),
    "publish cut in the topic": P(m.PUBLISH, 0, b"\x00\x05ab"),
    "publish QoS 1 without an id": P(m.PUBLISH, 2, m.text("a")),
    "publish QoS 1 with half an id": P(m.PUBLISH, 2, m.text("a") + b"\0"),
    "publish QoS 1 with id 0": P(m.PUBLISH, 2, m.text("a") + pid(0)),
    "publish QoS 2 with id 0": P(m.PUBLISH, 4, m.text("a") + pid(0)),
    "publish topic that isn't UTF-8": P(m.PUBLISH, 0, m.text(b"\xff\xfe") + b"x"),
    "publish topic with NUL": P(m.PUBLISH, 0, m.text(b"a\0b") + b"x"),
    "publish topic with a surrogate": P(m.PUBLISH, 0, m.text(b"a\xed\xbf\xbf") + b"x"),
    "publish topic in overlong form": P(m.PUBLISH, 0, m.text(b"\xe0\x80\xaf") + b"x"),
    "publish topic beyond U+10FFFF": P(m.PUBLISH, 0, m.text(b"\xf4\x90\x80\x80") + b"x"),
    "puback with flags": P(m.PUBACK, 2, pid(1)),
    "puback without an id": P(m.PUBACK, 0),
    "puback with one byte": P(m.PUBACK, 0, b"\1"),
    "pubrec with flags": P(m.PUBREC, 1, pid(1)),
    "pubrel without its flags": P(m.PUBREL, 0, pid(1)),
    "pubrel without an id": P(m.PUBREL, 2),
    "pubcomp with flags": P(m.PUBCOMP, 4, pid(1)),
    "subscribe without its flags": P(m.SUBSCRIBE, 0, pid(1) + m.text("a") + b"\0"),
    "subscribe without filters": P(m.SUBSCRIBE, 2, pid(1)),
    "subscribe without an id": P(m.SUBSCRIBE, 2),
    "subscribe with id 0": P(m.SUBSCRIBE, 2, pid(0) + m.text("a") + b"\0"),
    "subscribe without a QoS": P(m.SUBSCRIBE, 2, pid(1) + m.text("a")),
    "subscribe with QoS 3": P(m.SUBSCRIBE, 2, pid(1) + m.text("a") + b"\3"),
    "subscribe with reserved bits": P(m.SUBSCRIBE, 2, pid(1) + m.text("a") + b"\x81"),
    "subscribe cut in the second filter": P(m.SUBSCRIBE, 2, pid(1) + m.text("a") + b"\0\0\5b"),
    "subscribe filter that isn't UTF-8": P(m.SUBSCRIBE, 2, pid(1) + m.text(b"\x80") + b"\0"),
    "unsubscribe without its flags": P(m.UNSUBSCRIBE, 0, pid(1) + m.text("a")),
    "unsubscribe without filters": P(m.UNSUBSCRIBE, 2, pid(1)),
    "unsubscribe with id 0": P(m.UNSUBSCRIBE, 2, pid(0) + m.text("a")),
    "unsubscribe with an empty filter": P(m.UNSUBSCRIBE, 2, pid(1) + m.text("")),
    "unsubscribe cut": P(m.UNSUBSCRIBE, 2, pid(1) + b"\0\5a"),
    "pingreq with flags": P(m.PINGREQ, 1),
    "pingreq with a body": P(m.PINGREQ, 0, b"x"),
    "disconnect with flags": P(m.DISCONNECT, 1),
    "disconnect with a body": P(m.DISCONNECT, 0, b"\0"),
    "auth in 3.1.1": P(15, 0, b"\0\0"),
}
# Points in which brokers in use are more lenient than the specification.
LENIENT = {"publish with QoS 0 and DUP", "pingreq with a body", "disconnect with a body", "disconnect with flags",
           "pingreq with flags", "puback with flags", "pubrec with flags", "pubcomp with flags", "suback to a broker",
           "unsuback to a broker", "pingresp to a broker", "unsubscribe with an empty filter",
           "publish topic with a surrogate"}


class MalformedTests(Conformance):
    def assert_ends(self, client, name, allowed=()):
        try:
            got = client.drain_until_closed(timeout=10)
        except m.TimedOut:
            self.fail("%s: the connection was left open" % name)
        self.assertTrue(all(p.kind in allowed for p in got), "%s: %r" % (name, got))

    def test_before_connect(self):
        control, topic = self.client(), self.unique("control/")
        control.subscribe((topic, 1))
        for name, data in BEFORE_CONNECT.items():
            with self.subTest(name):
                client = self.raw()
                client.send(data)
                self.assert_ends(client, name, (m.CONNACK,) if name.startswith("id ") else ())
        control.ping()
        self.client().publish(topic, "alive", 1)
        control.expect_message(topic, "alive", 1)

    def test_after_connect(self):
        control, topic = self.client(), self.unique("control/")
        control.subscribe((topic, 1))
        for name, data in AFTER_CONNECT.items():
            if services.STANDIN_BROKER and name in LENIENT:
                continue
            with self.subTest(name):
                client = self.client()
                client.send(data)
                self.proves("MQTT-4.8.0-1")
                self.assert_ends(client, name)
                control.ping()
        self.client().publish(topic, "alive", 1)
        control.expect_message(topic, "alive", 1)

    def test_packets_before_the_bad_one_count(self):
        watcher, topic = self.client(), self.unique("before/")
        watcher.subscribe((topic, 1))
        client = self.client()
        client.send(m.publish(topic, "good", 1, 1) + b"\xf0\x00" + m.publish(topic, "after", 1, 2))
        watcher.expect_message(topic, "good", 1)
        got = client.drain_until_closed()
        self.assertTrue(all(p.kind == m.PUBACK and p.pid == 1 for p in got), got)
        self.assert_quiet(watcher)

    def test_a_packet_cut_by_the_end_of_the_connection(self):
        control = self.client()
        whole = m.publish("cut", "x" * 300, 1, 1)
        for end in (1, 2, 3, 5, 50, len(whole) - 1):
            client = self.client()
            client.send(whole[:end])
            client.close()
        control.ping()
