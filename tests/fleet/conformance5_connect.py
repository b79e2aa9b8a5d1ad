"""Conformance, MQTT 5.0: CONNECT, CONNACK, sessions, takeover (chapters 3.1, 3.2, 4.1 and 4.2)."""
import struct

import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import FOREVER, MALFORMED, PROTOCOL_ERROR, Conformance5

TWICE = {"session_expiry": 5, "receive_maximum": 5, "maximum_packet_size": 500, "topic_alias_maximum": 5,
         "request_problem_information": 1, "request_response_information": 1, "authentication_method": "m",
         "authentication_data": b"d"}


def head(flags, level=5, keepalive=60, props=b"\0"):
    return m.text("MQTT") + bytes([level, flags]) + struct.pack("!H", keepalive) + props


def twice(name, value):
    data = m5.one_property(name, value) * 2
    return m.remaining_length(len(data)) + data


class ConnectTests(Conformance5):
    def test_a_reliable_stream_is_all_it_takes(self):
        client = self.raw()
        for byte in m5.connect(self.unique("bytes"), props={"user_property": ("one", "by one")}) + m.PINGREQ_BYTES:
            client.send(bytes([byte]))
        self.proves("MQTT-4.2.0-1")
        client.expect(m.CONNACK, reason=0)
        client.expect(m.PINGRESP)

    def test_first_packet_is_connect(self):
        packets = [m5.publish("a", "b"), m5.subscribe(1, ("a", 0)), m5.unsubscribe(1, "a"), m.PINGREQ_BYTES, m5.disconnect(),
                   m5.ack(m.PUBACK, 1), m5.ack(m.PUBREL, 1), m5.auth(0x18, {"authentication_method": "m"})]
        for data in packets:
            with self.subTest(m.NAMES[data[0] >> 4]):
                client = self.raw()
                client.send(data)
                self.proves("MQTT-3.1.0-1", "MQTT-3.14.0-1")
                client.expect_closed()  # without DISCONNECT: nothing was accepted yet

    def test_second_connect(self):
        self.proves("MQTT-3.1.0-2")
        self.refused(m5.connect("other"), PROTOCOL_ERROR)

    def test_protocol_name(self):
        for name in ("MQTX", "mqtt", "MQIsdp", "", "HTTP"):
            with self.subTest(name):
                self.proves("MQTT-3.1.2-1")
                self.refused_connect(m5.connect("x", name=name), 0x84, 0x01, 0x81, silent=True)

    def test_protocol_version(self):
        for level in (0, 1, 2, 6, 7, 0x85, 255):
            with self.subTest(level):
                self.proves("MQTT-3.1.2-2")
                self.refused_connect(m5.connect("x", level=level), 0x84, 0x01, silent=True)

    def test_reserved_flag(self):
        self.proves("MQTT-3.1.2-3")
        self.refused_connect(m.packet(m.CONNECT, 0, head(0x03) + m.text("x")), MALFORMED, silent=True)

    def test_clean_start_discards_the_session(self):
        name, topic = self.unique("s"), self.unique("t/")
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.leave()
        self.client().publish(topic, "lost", 1)
        client = self.durable(name, clean=True)
        self.proves("MQTT-3.1.2-4")
        self.assert_quiet(client)

    def test_without_clean_start_the_session_goes_on(self):
        name, topic = self.unique("s"), self.unique("t/")
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.leave()
        self.client().publish(topic, "kept", 1)
        client = self.durable(name)
        self.proves("MQTT-3.1.2-5")
        client.expect_message(topic, "kept", 1)

    def test_without_clean_start_and_session_one_begins(self):
        topic = self.unique("t/")
        client = self.durable(self.unique("s"))
        client.subscribe((topic, 1))
        self.client().publish(topic, "live", 1)
        self.proves("MQTT-3.1.2-6")
        self.assertFalse(client.session_present)
        client.expect_message(topic, "live", 1)

    def test_will_fields_must_be_there(self):
        cases = {"nothing": b"", "no topic": b"\0", "no payload": b"\0" + m.text("w"), "no properties": m.text("w") + m.text("p")}
        for name, tail in cases.items():
            with self.subTest(name):
                self.proves("MQTT-3.1.2-9")
                self.refused_connect(m.packet(m.CONNECT, 0, head(0x06) + m.text("x") + tail), MALFORMED, PROTOCOL_ERROR, silent=True)

    def test_will_qos_without_a_will(self):
        for qos in (1, 2):
            self.proves("MQTT-3.1.2-11")
            self.refused_connect(m5.connect("x", flags=0x02 | qos << 3), MALFORMED, silent=True)

    def test_will_qos_3(self):
        will = m5.Will("w", "p")
        self.proves("MQTT-3.1.2-12")
        self.refused_connect(m5.connect("x", will=will, flags=0x06 | 0x18), MALFORMED, silent=True)

    def test_will_retain_without_a_will(self):
        self.proves("MQTT-3.1.2-13")
        self.refused_connect(m5.connect("x", flags=0x22), MALFORMED, silent=True)

    def test_user_name_without_its_flag(self):
        self.proves("MQTT-3.1.2-16")
        self.refused_connect(m5.connect("x", username="u", flags=0x02), MALFORMED, silent=True)

    def test_user_name_flag_without_a_name(self):
        self.proves("MQTT-3.1.2-17")
        self.refused_connect(m5.connect("x", flags=0x82), MALFORMED, silent=True)

    def test_password_without_its_flag(self):
        self.proves("MQTT-3.1.2-18")
        self.refused_connect(m5.connect("x", username="u", password="p", flags=0x82), MALFORMED, silent=True)

    def test_password_flag_without_a_password(self):
        self.proves("MQTT-3.1.2-19")
        self.refused_connect(m5.connect("x", username="u", flags=0xC2), MALFORMED, silent=True)

    def test_password_without_a_user_name_is_allowed(self):
        self.client(password=b"\0\xffsecret").ping()

    def test_no_problem_information_unless_wanted(self):
        """0: reason strings and user properties come in CONNACK, PUBLISH and DISCONNECT only."""
        client, topic = self.client(props={"request_problem_information": 0}), self.unique("t/")
        wrong = {"payload_format": 1}  # for a payload that isn't UTF-8: there is something to say about it
        client.send(m5.subscribe(1, (topic, 0)) + m5.unsubscribe(2, "none") + m5.publish("none/" + topic, "x", 1, 3) +
                    m5.publish(topic, b"\xff", 1, 4, props=wrong) + m5.publish(topic, b"\xff", 2, 5, props=wrong) +
                    m5.ack(m.PUBREL, 6))
        kinds = (m.SUBACK, m.UNSUBACK, m.PUBACK, m.PUBACK, m.PUBREC, m.PUBCOMP)
        answers = [client.expect(kind) for kind in kinds]
        self.assertEqual([a.reason for a in answers[3:]], [0x99, 0x99, 0x92])
        self.proves("MQTT-3.1.2-29")
        self.assertEqual([a.props for a in answers], [{}] * len(kinds))
        self.client().publish(topic, "x", 1, props={"user_property": ("k", "v")})
        self.assertEqual(client.expect_message(topic, "x").user, [("k", "v")])

    def test_payload_in_this_order(self):
        topic, name = self.unique("w/"), self.unique("order")
        watcher = self.subscriber((topic, 1))
        client = self.client(name, will=m5.Will(topic, "the payload", 1), username="the user", password="the password")
        other = self.client(name, username="the user")
        self.proves("MQTT-3.1.3-1", "MQTT-3.1.3-3")
        watcher.expect_message(topic, "the payload", 1)
        client.expect_disconnect(0x8E)
        other.ping()

    def test_the_client_id_names_the_session(self):
        topic, names = self.unique("t/"), [self.unique("one"), self.unique("two")]
        for n, name in enumerate(names):
            with self.durable(name) as client:
                client.subscribe(("%s/%d" % (topic, n), 1))
                client.leave()
        publisher = self.client()
        for n in (0, 1):
            publisher.publish("%s/%d" % (topic, n), "for %d" % n, 1)
        self.proves("MQTT-3.1.3-2")
        for n, name in reversed(list(enumerate(names))):
            client = self.durable(name)
            client.expect_message("%s/%d" % (topic, n), "for %d" % n, 1)
            self.assert_quiet(client)

    def test_texts_of_connect_are_utf8(self):
        bad = b"a\xff\xfe"
        self.proves("MQTT-3.1.3-4")
        self.refused_connect(m5.connect(bad), MALFORMED, 0x85, silent=True)
        self.proves("MQTT-3.1.3-11")
        self.refused_connect(m5.connect("x", will=m5.Will(bad, "p")), MALFORMED, 0x90, silent=True)
        self.proves("MQTT-3.1.3-12")
        self.refused_connect(m5.connect("x", username=bad), MALFORMED, silent=True)
        self.proves()
        for name in (b"\xed\xa0\x80", b"a\0b", b"\xc0\xaf"):
            self.refused_connect(m5.connect(name), MALFORMED, 0x85, silent=True)

    def test_ids_of_1_to_23_letters_and_digits(self):
        letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        self.proves("MQTT-3.1.3-5")
        for name in ["a", "Z", "0"] + [letters[i:i + 23] for i in range(0, 40, 13)]:
            self.client(name).ping()

    def test_no_id_gets_one(self):
        first, second = self.client(""), self.client("")
        self.proves("MQTT-3.1.3-6", "MQTT-3.2.2-16")
        names = [c.connack.props["assigned_client_id"] for c in (first, second)]
        self.assertNotEqual(names[0], names[1])
        self.assertNotIn("", names)

    def test_an_assigned_id_is_an_id(self):
        topic = self.unique("t/")
        with self.client("", clean=True, props={"session_expiry": 60}) as client:
            client.subscribe((topic, 1))
            client.leave()
        self.client().publish(topic, "kept", 1)
        self.proves("MQTT-3.1.3-7")
        self.assertNotEqual(client.client_id, "")
        self.durable(client.client_id).expect_message(topic, "kept", 1)

    def test_no_id_and_no_clean_start_gets_one_or_0x85(self):
        client = self.raw()
        client.send(m5.connect("", clean=False))
        answer = client.expect(m.CONNACK)
        self.assertIn(answer.reason, (0, 0x85))
        self.assertEqual("assigned_client_id" in answer.props, answer.reason == 0)

    def test_an_id_may_be_refused(self):
        self.proves("MQTT-3.1.3-8")
        self.refused_connect(m5.connect("i" * 2000), 0x85)  # longer than limits.max_client_id_length

    def test_a_connect_that_is_too_large(self):
        self.refused_connect(m5.connect("i" * 65535), 0x95, silent=True)  # longer than limits.max_connect_size

    def test_connect_is_checked(self):
        cases = {
            "no properties": head(2)[:-1], "cut properties": head(2)[:-1] + b"\x05\x11", "no id": head(2),
            "flags": None, "unknown property": head(2, props=b"\x02\x7e\0") + m.text("x"),
            "property of PUBLISH": head(2, props=b"\x03\x23\0\1") + m.text("x"),
            "bytes behind the end": head(2) + m.text("x") + b"more",
        }
        for name, body in cases.items():
            with self.subTest(name):
                data = m.packet(m.CONNECT, 0, body) if body else b"\x11" + m5.connect("x")[1:]
                self.proves("MQTT-3.1.4-1")
                self.refused_connect(data, MALFORMED, PROTOCOL_ERROR, silent=True)

    def test_properties_that_connect_may_not_have(self):
        cases = {"%s twice" % name: m5.connect("x", props=twice(name, value)) for name, value in TWICE.items()}
        cases.update({
            "receive maximum 0": m5.connect("x", props={"receive_maximum": 0}),
            "maximum packet size 0": m5.connect("x", props={"maximum_packet_size": 0}),
            "problem information 2": m5.connect("x", props={"request_problem_information": 2}),
            "response information 2": m5.connect("x", props={"request_response_information": 2}),
            "authentication data alone": m5.connect("x", props={"authentication_data": b"d"}),
            "payload format 2 of a will": m5.connect("x", will=m5.Will("w", "p", payload_format=2)),
        })
        for name, data in cases.items():
            with self.subTest(name):
                self.refused_connect(data, PROTOCOL_ERROR, silent=True)

    def test_takeover(self):
        for first, second in ((False, False), (True, False), (False, True), (True, True)):
            name = self.unique("take")
            old = self.durable(name, clean=first)
            old.ping()
            new = self.durable(name, clean=second)
            self.proves("MQTT-3.1.4-3")
            old.expect_disconnect(0x8E)
            new.ping()

    def test_clean_start_is_done_before_the_answer(self):
        name = self.unique("s")
        self.proves("MQTT-3.1.4-4")
        for clean, present in ((False, False), (False, True), (True, False), (False, True), (True, False), (True, False)):
            with self.durable(name, clean=clean) as client:
                self.assertEqual(client.session_present, present)
                client.leave()

    def test_success_is_0(self):
        client = self.raw()
        client.send(m5.connect(self.unique("ok")))
        self.proves("MQTT-3.1.4-5", "MQTT-3.2.0-1")
        self.assertEqual(client.recv().reason, 0)
        client.ping()

    def test_nothing_behind_a_refused_connect_counts(self):
        topic = self.unique("t/")
        watcher, client = self.subscriber((topic, 1)), self.raw()
        client.send(m5.connect("x", props={"receive_maximum": 0}) + m5.publish(topic, "no", 1, 1))
        client.drain_until_closed()
        self.proves("MQTT-3.1.4-6")
        self.assert_quiet(watcher)

    def test_packets_may_follow_connect_at_once(self):
        client, topic = self.raw(), self.unique("pipe/")
        client.send(m5.connect(self.unique("id")) + m5.subscribe(1, (topic, 1)) + m5.publish(topic, "one", 1, 7) + m.PINGREQ_BYTES)
        client.expect(m.CONNACK, reason=0)
        self.assertEqual({client.recv().kind for _ in range(4)}, {m.SUBACK, m.PUBACK, m.PUBLISH, m.PINGRESP})


class ConnackTests(Conformance5):
    def test_one_connack(self):
        client = self.raw()
        client.send(m5.connect(self.unique("one")) + m.PINGREQ_BYTES + m5.disconnect())
        self.proves("MQTT-3.2.0-2")
        self.assertEqual([p.kind for p in client.drain_until_closed()], [m.CONNACK, m.PINGRESP])

    def test_flags_but_session_present_are_0(self):
        name = self.unique("f")
        for first in (0, 1):
            with self.durable(name) as client:
                self.proves("MQTT-3.2.2-1")
                self.assertEqual(client.connack.body[0], first)
                client.leave()

    def test_no_session_with_clean_start(self):
        name = self.unique("f")
        self.durable(name).leave()
        self.proves("MQTT-3.2.2-2")
        self.assertFalse(self.durable(name, clean=True).session_present)

    def test_session_present_says_if_there_was_one(self):
        name = self.unique("f")
        self.proves("MQTT-3.2.2-3")
        self.assertFalse(self.durable(name).session_present)
        self.assertTrue(self.durable(name).session_present)

    def test_no_session_when_refused(self):
        name = self.unique("f")
        self.durable(name).leave()
        answer = self.refused_connect(m5.connect(name, clean=False, props={"receive_maximum": 0}), PROTOCOL_ERROR)
        self.proves("MQTT-3.2.2-6")
        self.assertFalse(answer.session_present)
        self.assertTrue(self.durable(name).session_present)

    def test_a_refusal_ends_the_connection(self):
        client = self.raw()
        client.send(m5.connect("x", props={"maximum_packet_size": 0}))
        client.expect(m.CONNACK, reason=PROTOCOL_ERROR)
        self.proves("MQTT-3.2.2-7")
        client.expect_closed()

    def test_reasons_are_defined_ones(self):
        bad = [m5.connect("x", props={"receive_maximum": 0}), m5.connect("x", will=m5.Will("w/#", "p")),
               m5.connect("x", props={"authentication_method": self.unique("unknown")}), m5.connect("i" * 2000),
               m5.connect(b"\xff"), m5.connect("x", flags=0x22)]
        for data in bad:
            client = self.raw()
            client.send(data)
            self.proves("MQTT-3.2.2-8")
            for answer in client.drain_until_closed():
                self.assertIn(answer.reason, m5.REASONS[m.CONNACK])

    def test_will_topic_with_wildcards(self):
        for topic in ("a/+", "#", ""):
            with self.subTest(topic):
                self.refused_connect(m5.connect("x", will=m5.Will(topic, "p")), 0x90, MALFORMED, PROTOCOL_ERROR, silent=True)

    def test_qos_2_and_retain_are_there_by_default(self):
        props = self.client().connack.props
        self.assertNotIn("maximum_qos", props)
        self.assertNotEqual(props.get("retain_available"), 0)
        self.assertNotEqual(props.get("wildcard_available"), 0)
        self.assertNotEqual(props.get("subscription_ids_available"), 0)

    def test_the_session_expiry_of_the_client_holds(self):
        for seconds in (0, 5, 86400):
            self.assertNotIn("session_expiry", self.client(props={"session_expiry": seconds}).connack.props)

    def test_a_broker_may_cut_the_session_expiry(self):
        """limits.session_expiry; then it says so."""
        client = self.client(props={"session_expiry": FOREVER})
        self.assertGreater(client.connack.props.get("session_expiry", FOREVER), 86400)

    def test_a_packet_size_that_no_connack_fits_into(self):
        """Then nothing can be said."""
        client = self.raw()
        client.send(m5.connect("", props={"maximum_packet_size": 4}))
        client.expect_closed()

    def test_connack_fits_into_the_packet_size(self):
        """Neither a reason string nor a user property makes it too large; what must be in it, is."""
        client = self.client("", props={"maximum_packet_size": 80, "request_response_information": 1})
        self.proves("MQTT-3.2.2-19", "MQTT-3.2.2-20")
        self.assertLessEqual(client.connack.size, 80)
        self.assertIn("assigned_client_id", client.connack.props)


class SessionTests(Conformance5):
    def test_a_session_is_kept_while_connected(self):
        name, topic = self.unique("s"), self.unique("t/")
        client = self.client(name, props={"session_expiry": 0})
        client.subscribe((topic, 1))
        publisher = self.client()
        self.proves("MQTT-4.1.0-1")
        for n in range(5):
            publisher.publish(topic, "%d" % n, 1)
            client.expect_message(topic, "%d" % n, 1)

    def test_a_session_is_kept_behind_the_connection(self):
        name, topic = self.unique("s"), self.unique("t/")
        client = self.durable(name)
        client.subscribe((topic, 2))
        client.send(m5.publish(topic + "/elsewhere", "x", 2, 9))
        client.expect(m.PUBREC, pid=9)
        client.abort()
        self.client().publish(topic, "while away", 2)
        client = self.durable(name)
        self.proves("MQTT-3.1.2-23")
        self.assertTrue(client.session_present)
        client.expect_message(topic, "while away", 2)
        client.send(m5.ack(m.PUBREL, 9))
        client.expect(m.PUBCOMP, pid=9, reason=0)

    def test_without_an_expiry_the_session_ends_with_its_connection(self):
        for props in ({}, {"session_expiry": 0}):
            name, topic = self.unique("s"), self.unique("t/")
            with self.client(name, props=props) as client:
                client.subscribe((topic, 1))
                client.leave()
            self.client().publish(topic, "lost", 1)
            client = self.client(name, clean=False, props=props)
            self.assertFalse(client.session_present)
            self.assert_quiet(client)

    def test_disconnect_may_change_the_expiry(self):
        topic, kept, ended = self.unique("t/"), self.unique("s"), self.unique("s")
        for name, first, last in ((kept, 60, FOREVER), (ended, 60, 0)):
            client = self.durable(name, expiry=first)
            client.subscribe((topic, 1))
            client.leave(props={"session_expiry": last})
        self.client().publish(topic, "one", 1)
        client = self.durable(kept)
        self.assertTrue(client.session_present)
        client.expect_message(topic, "one", 1)
        self.assertFalse(self.durable(ended).session_present)

    def test_disconnect_may_not_begin_an_expiry(self):
        name = self.unique("s")
        client = self.client(name)
        self.refused(m5.disconnect(0, {"session_expiry": 30}), PROTOCOL_ERROR, client=client)
        self.assertFalse(self.client(name, clean=False).session_present)

    def test_sessions_of_both_versions_are_the_same(self):
        name, topic, publisher = self.unique("both"), self.unique("t/"), self.client()
        client = self.old_client(name, clean=False)
        client.subscribe((topic, 1))
        client.disconnect()
        publisher.publish(topic, "one", 1, props={"user_property": ("k", "v")})
        client = self.durable(name)
        self.assertTrue(client.session_present)
        self.assertEqual(client.expect_message(topic, "one", 1).user, [("k", "v")])
        client.leave()
        publisher.publish(topic, "two", 1, props={"user_property": ("k", "v")})
        client = self.old_client(name, clean=False)
        self.assertTrue(client.session_present)
        client.expect_message(topic, "two", 1)
