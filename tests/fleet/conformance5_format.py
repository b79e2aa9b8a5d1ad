"""Conformance, MQTT 5.0: data representation, packet format, topics, errors (chapters 1, 2, 4.7 and 4.13)."""
import struct

import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import MALFORMED, PROTOCOL_ERROR, Conformance5

BAD_TEXTS = {"stray byte": b"a\xff", "surrogate": b"\xed\xa0\x80", "overlong": b"\xc0\xaf", "beyond U+10FFFF": b"\xf4\x90\x80\x80",
             "cut": b"\xe6\xb5"}


def with_text(value):
    """Each text that a client may send once it is connected, with this value: name and packet."""
    return {
        "topic": m5.publish(value, "x"),
        "content type": m5.publish("a", "x", props={"content_type": value}),
        "response topic": m5.publish("a", "x", props={"response_topic": value}),
        "filter of SUBSCRIBE": m5.subscribe(1, (value, 0)),
        "filter of UNSUBSCRIBE": m5.unsubscribe(1, value),
        "reason string of DISCONNECT": m5.disconnect(0, {"reason_string": value}),
        "name of a user property": m5.publish("a", "x", props={"user_property": (value, "v")}),
        "value of a user property": m5.publish("a", "x", props={"user_property": ("k", value)}),
    }


class FormatTests(Conformance5):
    def test_texts_are_utf8(self):
        for kind, value in BAD_TEXTS.items():
            for place, data in with_text(value).items():
                with self.subTest("%s in %s" % (kind, place)):
                    self.proves("MQTT-1.5.4-1")
                    self.refused(data, MALFORMED)

    def test_no_text_has_a_null_character(self):
        for place, data in with_text(b"a\0b").items():
            with self.subTest(place):
                self.proves("MQTT-1.5.4-2")
                # A topic or filter is also said to be an invalid one.
                self.refused(data, MALFORMED, *((0x90, 0x8F) if "topic" in place or "filter" in place else ()))

    def test_byte_order_marks_stay(self):
        topic = self.unique("\ufeffbom/") + "\ufeff"
        client = self.subscriber((topic, 1))
        self.client().publish(topic, b"\xef\xbb\xbfx", 1, props={"content_type": "\ufefftext", "user_property": ("\ufeff", "\ufeff")})
        got = client.expect_message(topic, b"\xef\xbb\xbfx", 1)
        self.proves("MQTT-1.5.4-3")
        self.assertEqual(got.topic.encode()[:3] + got.topic.encode()[-3:], b"\xef\xbb\xbf" * 2)
        self.assertEqual(got.props, {"content_type": "\ufefftext", "user_property": [("\ufeff", "\ufeff")]})

    def test_lengths_take_the_fewest_bytes(self):
        """The parser fails for a property length or identifier that isn't the shortest; here they go around each step."""
        publisher = self.client()
        for identifier in (1, 127, 128, 16383, 16384, 2097151, 2097152, 268435455):
            client, topic = self.client(), self.unique("v/")
            client.subscribe((topic, 1), props={"subscription_id": identifier})
            for size in (0, 110, 130, 16370, 16390):
                publisher.publish(topic, "", 1, props={"correlation_data": b"c" * size})
                raw = self.raw_publish(client)
                self.proves("MQTT-1.5.5-1")
                self.assertEqual(raw.subscription_ids, [identifier])
                self.assertEqual(len(raw.props["correlation_data"]), size)
        for longer in (b"\x30\x85\x00\x00\x01a\x00x",  # the remaining length of a PUBLISH
                       b"\x30\x06\x00\x01a\x80\x00x",  # its property length
                       b"\x82\x0a\x00\x01\x03\x0b\x81\x00\x00\x01a\x00"):  # a subscription identifier
            self.refused(longer, MALFORMED)

    def raw_publish(self, client):
        """The next PUBLISH, whose remaining length must have been the shortest."""
        while not client.packets:
            data = client.sock.recv(1 << 16)
            self.assertTrue(data, "closed")
            client.buffer += data
            if len(client.buffer) > 5:
                reader = m5.Reader(bytes(client.buffer[1:5]))
                reader.variable()
            client.packets.extend(m.take_packets(client.buffer, client.make_packet))
        got = client.packets.pop(0)
        self.assertEqual(got.kind, m.PUBLISH)
        client.send(m5.ack(m.PUBACK, got.pid))
        return got

    def test_both_texts_of_a_pair_are_utf8(self):
        for pair in (("k", b"\xff"), (b"\xff", "v"), (b"\0", "v")):
            with self.subTest(pair):
                self.proves("MQTT-1.5.7-1")
                self.refused(m5.subscribe(1, ("a", 0), props={"user_property": pair}), MALFORMED)

    def test_reserved_flags_are_as_listed(self):
        packets = [m5.subscribe(1, ("a", 0)), m5.unsubscribe(1, "a"), m.PINGREQ_BYTES, m.DISCONNECT_BYTES,
                   m5.ack(m.PUBACK, 1), m5.ack(m.PUBREC, 1), m5.ack(m.PUBREL, 1), m5.ack(m.PUBCOMP, 1), m5.auth(0)]
        for data in packets:
            for bit in (1, 2, 4, 8):
                with self.subTest("%s, bit %d" % (m.NAMES[data[0] >> 4], bit)):
                    self.proves("MQTT-2.1.3-1")
                    self.refused(bytes([data[0] ^ bit]) + data[1:], MALFORMED)

    def test_qos_0_has_no_packet_id(self):
        topic = self.unique("id/")
        client = self.subscriber((topic, 2))
        self.client().publish(topic, "abc", 0)
        got = client.expect(m.PUBLISH)
        self.proves("MQTT-2.2.1-2")
        self.assertEqual(got.body, m.text(topic) + b"\0" + b"abc")

    def test_packet_id_0_is_refused(self):
        for data in (m5.publish("a", "x", 1, 0), m5.publish("a", "x", 2, 0), m5.subscribe(0, ("a", 0)), m5.unsubscribe(0, "a")):
            with self.subTest(m.NAMES[data[0] >> 4]):
                self.proves("MQTT-2.2.1-3")
                self.refused(data, MALFORMED, PROTOCOL_ERROR)

    def test_packet_ids_on_their_way_differ(self):
        topic = self.unique("id/")
        client = self.subscriber((topic, 2))
        self.client().publish_many(((topic, "%d" % n) for n in range(20)), 1)
        self.client().publish_many(((topic, "%d" % n) for n in range(20)), 2)
        pids = [client.expect(m.PUBLISH).pid for _ in range(40)]
        self.proves("MQTT-2.2.1-4")
        self.assertEqual((len(set(pids)), 0 in pids), (40, False))

    def test_acknowledgements_carry_the_packet_id(self):
        topic, publisher = self.unique("id/"), self.client()
        client = self.subscriber((topic, 2))
        self.proves("MQTT-2.2.1-5")
        for pid in (1, 77, 256, 65535):
            publisher.send(m5.publish(topic, "x", 1, pid))
            publisher.expect(m.PUBACK, pid=pid)
            client.expect_message(topic, "x", 1)
            publisher.send(m5.publish(topic, "x", 2, pid))
            publisher.expect(m.PUBREC, pid=pid)
            publisher.send(m5.ack(m.PUBREL, pid))
            publisher.expect(m.PUBCOMP, pid=pid)
            got = client.expect(m.PUBLISH, qos=2)
            client.send(m5.ack(m.PUBREC, got.pid))
            client.expect(m.PUBREL, pid=got.pid)
            client.send(m5.ack(m.PUBCOMP, got.pid))

    def test_suback_and_unsuback_carry_the_packet_id(self):
        client = self.client()
        self.proves("MQTT-2.2.1-6")
        for pid in (1, 300, 65535):
            client.send(m5.subscribe(pid, ("a", 0)))
            client.expect(m.SUBACK, pid=pid)
            client.send(m5.unsubscribe(pid, "a"))
            client.expect(m.UNSUBACK, pid=pid)

    def test_no_properties_are_a_length_of_0(self):
        client, topic = self.client(), self.unique("none/")
        client.send(m5.subscribe(5, (topic, 1)))
        answer = client.expect(m.SUBACK)
        self.client().publish(topic, "x", 1)
        got = client.expect(m.PUBLISH)
        self.proves("MQTT-2.2.2-1")
        self.assertEqual(answer.body, b"\0\x05" + b"\0" + b"\1")
        self.assertEqual(got.body, m.text(topic) + struct.pack("!H", got.pid) + b"\0" + b"x")

    def test_first_byte_and_length(self):
        """What no statement with a number says by itself, and 4.13 does."""
        cases = {"type 0": b"\x00\x00", "length of five bytes": b"\x30\xff\xff\xff\xff\x01",
                 "CONNACK": m.packet(m.CONNACK, 0, b"\0\0\0"), "SUBACK": m.packet(m.SUBACK, 0, b"\0\1\0\0"),
                 "UNSUBACK": m.packet(m.UNSUBACK, 0, b"\0\1\0\0"), "PINGRESP": m.packet(m.PINGRESP, 0)}
        for name, data in cases.items():
            with self.subTest(name):
                self.refused(data, MALFORMED, PROTOCOL_ERROR)


P = m5.property_bytes


def field(name, value, times=1):
    return m.remaining_length(times * len(m5.one_property(name, value))) + times * m5.one_property(name, value)


class ErrorTests(Conformance5):
    def test_malformed_packets(self):
        head = b"\0\1a"
        cases = {
            "PUBLISH without a property length": m.packet(m.PUBLISH, 0, head),
            "PUBLISH with a property length beyond its end": m.packet(m.PUBLISH, 0, head + b"\x05\x01"),
            "PUBLISH with a cut property": m.packet(m.PUBLISH, 0, head + b"\x01\x02"),
            "PUBLISH with an unknown property": m.packet(m.PUBLISH, 0, head + b"\x02\x7e\x00"),
            "PUBLISH with a property of CONNECT": m.packet(m.PUBLISH, 0, head + field("receive_maximum", 3)),
            "property length of five bytes": m.packet(m.PUBLISH, 0, head + b"\xff\xff\xff\xff\x01"),
            "PUBLISH with QoS 3": m.packet(m.PUBLISH, 6, head + b"\0\1\0x"),
            "PUBLISH with QoS 0 and DUP": m.packet(m.PUBLISH, 8, head + b"\0x"),
            "SUBSCRIBE with a property of PUBLISH": m5.subscribe(1, ("a", 0), props={"topic_alias": 1}),
            "SUBSCRIBE without options": m.packet(m.SUBSCRIBE, 2, b"\0\1\0\0\1a"),
            "UNSUBSCRIBE with a subscription identifier": m5.unsubscribe(1, "a", props={"subscription_id": 1}),
            "PUBACK without a packet id": m.packet(m.PUBACK, 0, b"\0"),
            "PUBACK with bytes behind its end": m.packet(m.PUBACK, 0, b"\0\1\0\0x"),
            "PUBREL with a cut property": m.packet(m.PUBREL, 2, b"\0\1\0\5\x1f"),
            "PINGREQ with a body": m.packet(m.PINGREQ, 0, b"\0"),
            "DISCONNECT with a property of CONNACK": m5.disconnect(0, {"assigned_client_id": "x"}),
            "DISCONNECT with bytes behind its end": m.packet(m.DISCONNECT, 0, b"\0\0x"),
        }
        for name, data in cases.items():
            with self.subTest(name):
                self.proves("MQTT-4.13.1-1")
                # A property in a packet that it isn't for may be seen as malformed or as a protocol error.
                self.refused(data, *((MALFORMED, PROTOCOL_ERROR) if "of " in name or "identifier" in name else (MALFORMED,)))

    def test_protocol_errors(self):
        once = {"payload_format": 1, "message_expiry": 5, "content_type": "t", "response_topic": "r", "correlation_data": b"c",
                "topic_alias": 1}
        cases = {"PUBLISH with %s twice" % name: m5.publish("a", "x", props=field(name, value, 2)) for name, value in once.items()}
        cases.update({
            "PUBLISH with a payload format 2": m5.publish("a", "x", props={"payload_format": 2}),
            "SUBSCRIBE with an identifier twice": m5.subscribe(1, ("a", 0), props=field("subscription_id", 5, 2)),
            "SUBSCRIBE with identifier 0": m5.subscribe(1, ("a", 0), props={"subscription_id": 0}),
            "SUBSCRIBE with QoS 3": m5.subscribe(1, ("a", 3)),
            "SUBSCRIBE with retain handling 3": m5.subscribe(1, ("a", 0x30)),
            "DISCONNECT with session expiry twice": m5.disconnect(0, field("session_expiry", 5, 2)),
            "DISCONNECT with a reason string twice": m5.disconnect(0, field("reason_string", "x", 2)),
            "PUBACK with a reason string twice": m5.ack(m.PUBACK, 1, 0, field("reason_string", "x", 2)),
        })
        for name, data in cases.items():
            with self.subTest(name):
                self.refused(data, PROTOCOL_ERROR)

    def test_what_ends_one_connection_ends_no_other(self):
        topic = self.unique("other/")
        other = self.subscriber((topic, 1))
        client = self.client()
        client.send(b"\0\0")
        self.proves("MQTT-4.13.2-1")
        got = client.drain_until_closed()
        self.assertEqual([p.kind for p in got], [m.DISCONNECT])
        self.assertGreaterEqual(got[0].reason, 0x80)
        self.client().publish(topic, "still", 1)
        other.expect_message(topic, "still", 1)

    def test_packets_before_the_bad_one_count(self):
        topic = self.unique("before/")
        watcher, client = self.subscriber((topic, 1)), self.client()
        client.send(m5.publish(topic, "good", 1, 1) + b"\xf0\x00" + m5.publish(topic, "after", 1, 2))
        watcher.expect_message(topic, "good", 1)
        client.expect_disconnect(MALFORMED, PROTOCOL_ERROR)
        self.assert_quiet(watcher)


INVALID_FILTERS = ["a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "a/+b", "a/#b", "##", "++", "a/##", "#+"]


class TopicTests(Conformance5):
    def test_names_have_no_wildcards(self):
        for topic in ("a/+", "#", "a/#", "+", "a+b", "a#"):
            for qos in (0, 1, 2):
                with self.subTest("%s at QoS %d" % (topic, qos)):
                    self.proves("MQTT-4.7.0-1")
                    self.refused(m5.publish(topic, "x", qos, 1), 0x90, MALFORMED, PROTOCOL_ERROR)

    def invalid_filter(self, topic_filter):
        """The filter is refused in its SUBACK, or ends the connection."""
        client = self.client()
        client.send(m5.subscribe(1, (topic_filter, 0)))
        got = client.recv()
        if got.kind == m.SUBACK:
            self.assertEqual(got.granted, [0x8F])
        else:
            self.assertEqual(got.kind, m.DISCONNECT)
            self.assertIn(got.reason, (0x8F, MALFORMED, PROTOCOL_ERROR))

    def test_number_signs_stand_at_the_end(self):
        for topic_filter in (f for f in INVALID_FILTERS if "#" in f):
            with self.subTest(topic_filter):
                self.proves("MQTT-4.7.1-1")
                self.invalid_filter(topic_filter)

    def test_plus_signs_stand_alone(self):
        for topic_filter in (f for f in INVALID_FILTERS if "#" not in f):
            with self.subTest(topic_filter):
                self.proves("MQTT-4.7.1-2")
                self.invalid_filter(topic_filter)

    def test_wildcards_match_by_level(self):
        publisher, base = self.client(), self.unique("w/")
        client = self.subscriber((base + "/+/x", 1), (base + "/deep/#", 1), (base + "//+", 1))
        for name in ("/a/x", "/deep", "/deep/a/b", "//x", "/deep/x"):
            publisher.publish(base + name, "hit", 1)
            client.expect_message(base + name, "hit", 1)
        for name in ("/a/y", "/a/b/x", "/deeper", "", "/"):
            publisher.publish(base + name, "miss", 1)
        self.assert_quiet(client)

    def test_wildcards_in_front_do_not_match_dollar_names(self):
        client, publisher, name = self.client(), self.client(), self.unique("d")
        client.subscribe(("+/" + name, 1), ("+/%s/#" % name, 1))
        publisher.publish("$test/" + name, "hidden", 1)
        publisher.publish("$hidden/" + name, "retained", 1, retain=True)
        self.proves("MQTT-4.7.2-1")
        self.assert_quiet(client, self.subscriber(("+/" + name, 1), ("+/%s/#" % name, 1)))
        client.subscribe(("$test/" + name, 1))
        publisher.publish("$test/" + name, "named", 1)
        client.expect_message("$test/" + name, "named", 1)

    def test_names_and_filters_are_not_empty(self):
        self.proves("MQTT-4.7.3-1")
        self.refused(m5.publish("", "x"), PROTOCOL_ERROR, MALFORMED, 0x90)
        self.invalid_filter("")

    def test_names_and_filters_have_no_null_character(self):
        self.proves("MQTT-4.7.3-2")
        self.refused(m5.publish("a\0b", "x"), MALFORMED, 0x90)
        self.refused(m5.subscribe(1, ("a\0b", 0)), MALFORMED, 0x8F)

    def test_names_and_filters_of_65535_bytes(self):
        topic = "l" * 65535
        client = self.client()
        self.proves("MQTT-4.7.3-3")
        self.assertEqual(client.subscribe((topic, 1)), [1])
        self.client().publish(topic, "x", 1)
        client.expect_message(topic, "x", 1)

    def test_nothing_is_normalized(self):
        base, publisher = self.unique("n/"), self.client()
        client = self.subscriber((base + "/\u00e9", 1), (base + "/A", 1), (base + "/x y", 1))
        for name in ("/e\u0301", "/a", "/x%20y", "/x y/", "//A", "/A "):
            publisher.publish(base + name, "another", 1)
        publisher.publish(base + "/\u00e9", "the same", 1)
        self.proves("MQTT-4.7.3-4")
        client.expect_message(base + "/\u00e9", "the same", 1)
        self.assert_quiet(client)
