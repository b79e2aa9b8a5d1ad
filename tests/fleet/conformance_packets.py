"""Conformance: packets by the rules for each of them, one statement at a time (MQTT 3.1.1, chapters 1.5, 2 and 3)."""
import mqtt_raw as m
from conformance_base import Conformance
from conformance_malformed import pid


def head(flags, level=4):
    return m.text("MQTT") + bytes([level, flags]) + b"\0\x3c"


class FormatTests(Conformance):
    def ends(self, data, client=None):
        client = client or self.client()
        client.send(data)
        client.expect_closed()

    def with_text(self, value):
        return (m.publish(value, "x"), m.subscribe(1, (value, 0)), m.unsubscribe(1, value))

    def test_texts_are_utf8(self):
        for value in (b"a\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe6\xb5"):
            for data in self.with_text(value):
                self.proves("MQTT-1.5.3-1")
                self.ends(data)

    def test_no_null_characters(self):
        for data in self.with_text(b"a\0b"):
            self.proves("MQTT-1.5.3-2")
            self.ends(data)

    def test_byte_order_marks_stay(self):
        topic = self.unique("\ufeffbom/") + "\ufeff"
        client = self.client()
        client.subscribe((topic, 1))
        self.client().publish(topic, b"\xef\xbb\xbfx", 1)
        self.proves("MQTT-1.5.3-3")
        client.expect_message(topic, b"\xef\xbb\xbfx", 1)

    def test_reserved_flags(self):
        packets = [m.subscribe(1, ("a", 0)), m.unsubscribe(1, "a"), m.PINGREQ_BYTES, m.ack(m.PUBACK, 1), m.ack(m.PUBREC, 1),
                   m.ack(m.PUBREL, 1), m.ack(m.PUBCOMP, 1)]
        for data in packets:
            for bit in (1, 2, 4, 8):
                with self.subTest("%s, bit %d" % (m.NAMES[data[0] >> 4], bit)):
                    self.proves("MQTT-2.2.2-1", "MQTT-2.2.2-2")
                    self.ends(bytes([data[0] ^ bit]) + data[1:])

    def test_packet_id_0(self):
        for data in (m.publish("a", "x", 1, 0), m.publish("a", "x", 2, 0), m.subscribe(0, ("a", 0)), m.unsubscribe(0, "a")):
            self.proves("MQTT-2.3.1-1")
            self.ends(data)

    def test_qos_0_has_no_packet_id(self):
        client, publisher, topic = self.client(), self.client(), self.unique("id/")
        client.subscribe((topic, 2))
        publisher.publish(topic, "abc", 0)
        self.proves("MQTT-2.3.1-5")
        self.assertEqual(client.expect(m.PUBLISH).body, m.text(topic) + b"abc")

    def test_acknowledgements_carry_the_packet_id(self):
        client, publisher, topic = self.client(), self.client(), self.unique("id/")
        client.subscribe((topic, 2))
        self.proves("MQTT-2.3.1-6")
        for n in (1, 256, 65535):
            publisher.send(m.publish(topic, "x", 1, n) + m.publish(topic, "x", 2, n - 1 or 2))
            publisher.expect(m.PUBACK, pid=n)
            publisher.expect(m.PUBREC, pid=n - 1 or 2)
            publisher.send(m.ack(m.PUBREL, n - 1 or 2))
            publisher.expect(m.PUBCOMP, pid=n - 1 or 2)
            client.expect_message(topic, "x", 1)
            got = client.expect(m.PUBLISH, qos=2)
            client.send(m.ack(m.PUBREC, got.pid))
            client.expect(m.PUBREL, pid=got.pid)
            client.send(m.ack(m.PUBCOMP, got.pid))

    def test_suback_and_unsuback_carry_the_packet_id(self):
        client = self.client()
        for n in (1, 300, 65535):
            client.send(m.subscribe(n, ("a", 0)) + m.unsubscribe(n, "a"))
            answers = [client.recv(), client.recv()]
            self.proves("MQTT-2.3.1-7")
            self.assertEqual([(p.kind, p.pid) for p in answers], [(m.SUBACK, n), (m.UNSUBACK, n)])

    def test_fields_of_a_will(self):
        for tail in (b"", m.text("w")):
            client = self.raw()
            client.send(m.packet(m.CONNECT, 0, head(0x06) + m.text("x") + tail))
            self.proves("MQTT-3.1.2-9", "MQTT-3.2.2-6")
            client.expect_closed()  # no return code is for this

    def ends_before_connack(self, data):
        client = self.raw()
        client.send(data)
        self.assertEqual(client.drain_until_closed(), [])

    def test_user_name_and_its_flag(self):
        self.proves("MQTT-3.1.2-18")
        self.ends_before_connack(m.connect("x", username="u", flags=0x02))
        self.proves("MQTT-3.1.2-19")
        self.ends_before_connack(m.connect("x", flags=0x82))

    def test_password_and_its_flag(self):
        self.proves("MQTT-3.1.2-20")
        self.ends_before_connack(m.connect("x", username="u", password="p", flags=0x82))
        self.proves("MQTT-3.1.2-21")
        self.ends_before_connack(m.connect("x", username="u", flags=0xC2))

    def test_texts_of_connect_are_utf8(self):
        bad = b"a\xff\xfe"
        self.proves("MQTT-3.1.3-4")
        self.ends_with_no_session(m.connect(bad))
        self.proves("MQTT-3.1.3-10")
        self.ends_with_no_session(m.connect("x", will=m.Will(bad, "p")))
        self.proves("MQTT-3.1.3-11")
        self.ends_with_no_session(m.connect("x", username=bad))

    def ends_with_no_session(self, data):
        client = self.raw()
        client.send(data)
        got = client.drain_until_closed()
        self.assertTrue(all(p.kind == m.CONNACK and p.return_code != 0 for p in got), got)

    def test_payload_of_connect_in_this_order(self):
        topic, name = self.unique("w/"), self.unique("order")
        watcher = self.client()
        watcher.subscribe((topic, 1))
        client = self.client(name, will=m.Will(topic, "the payload", 1), username="the user", password="the password")
        self.client(name, username="the user").ping()
        self.proves("MQTT-3.1.3-1", "MQTT-3.1.3-3")
        watcher.expect_message(topic, "the payload", 1)
        client.expect_closed()

    def test_the_client_id_names_the_session(self):
        topic, names = self.unique("t/"), [self.unique("one"), self.unique("two")]
        for n, name in enumerate(names):
            with self.durable(name) as client:
                client.subscribe(("%s/%d" % (topic, n), 1))
                client.disconnect()
        publisher = self.client()
        for n in (0, 1):
            publisher.publish("%s/%d" % (topic, n), "for %d" % n, 1)
        self.proves("MQTT-3.1.3-2")
        for n, name in reversed(list(enumerate(names))):
            client = self.durable(name)
            client.expect_message("%s/%d" % (topic, n), "for %d" % n, 1)
            self.assert_quiet(client)

    def test_ids_of_1_to_23_letters_and_digits(self):
        letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        self.proves("MQTT-3.1.3-5")
        for name in ["a", "Z", "0"] + [letters[i:i + 23] for i in range(0, 40, 13)]:
            self.client(name).ping()

    def test_an_id_may_be_refused(self):
        client = self.raw()
        client.send(m.connect("i" * 2000))  # longer than limits.max_client_id_length
        self.proves("MQTT-3.1.3-9")
        client.expect(m.CONNACK, return_code=2)
        client.expect_closed()

    def test_nothing_behind_a_refused_connect_counts(self):
        topic = self.unique("t/")
        watcher, client = self.client(), self.raw()
        watcher.subscribe((topic, 1))
        client.send(m.connect("", clean=False) + m.publish(topic, "no", 1, 1))
        client.drain_until_closed()
        self.proves("MQTT-3.1.4-5")
        self.assert_quiet(watcher)

    def test_no_session_present_in_a_refusal(self):
        name = self.unique("s")
        self.durable(name).disconnect()
        client = self.raw()
        client.send(m.connect(name, clean=False, level=6, name="MQTT"))
        self.proves("MQTT-3.2.2-4")
        client.expect(m.CONNACK, return_code=1, session_present=False)


class PacketTests(Conformance):
    def ends(self, data):
        client = self.client()
        client.send(data)
        client.expect_closed()

    def test_qos_0_has_no_dup(self):
        client, publisher, topic = self.client(), self.client(), self.unique("t/")
        client.subscribe((topic, 0))
        for payload, qos in (("x", 1), ("y", 0)):
            publisher.send(m.publish(topic, payload, qos, 5, dup=qos == 1))
            self.proves("MQTT-3.3.1-2", "MQTT-4.3.1-1")
            client.expect(m.PUBLISH, payload=payload, qos=0, dup=False)

    def test_qos_3(self):
        self.proves("MQTT-3.3.1-4")
        self.ends(m.packet(m.PUBLISH, 6, m.text("a") + pid(1) + b"x"))

    def test_topic_comes_first_and_is_utf8(self):
        self.proves("MQTT-3.3.2-1")
        self.ends(m.packet(m.PUBLISH, 0, b"\0\7a"))
        self.ends(m.publish(b"a\xff", "x"))

    def test_answers_follow_the_qos(self):
        publisher, watcher, topic = self.client(), self.client(), self.unique("t/")
        watcher.subscribe((topic, 0))
        publisher.send(m.publish(topic, "0") + m.PINGREQ_BYTES)
        self.proves("MQTT-3.3.4-1")
        publisher.expect(m.PINGRESP)
        publisher.send(m.publish(topic, "1", 1, 1))
        publisher.expect(m.PUBACK, pid=1)
        publisher.send(m.publish(topic, "2", 2, 2))
        publisher.expect(m.PUBREC, pid=2)

    def test_a_retained_message_of_qos_0_replaces(self):
        publisher, topic = self.client(), self.unique("r/")
        publisher.publish(topic, "one", 1, retain=True)
        publisher.publish(topic, "two", 0, retain=True)
        publisher.ping()
        client = self.client()
        client.subscribe((topic, 1))
        self.proves("MQTT-3.3.1-7")
        client.expect_message(topic, "two", 0, retain=True)

    def test_an_empty_message_is_not_retained(self):
        client, topic = self.client(), self.unique("r/")
        self.client().publish(topic, "", 1, retain=True)
        client.subscribe((topic, 1))
        self.proves("MQTT-3.3.1-11")
        self.assert_quiet(client)

    def test_pubrel_flags(self):
        for flags in (0, 1, 3, 6, 10):
            self.proves("MQTT-3.6.1-1")
            self.ends(m.packet(m.PUBREL, flags, pid(1)))

    def test_subscribe_flags(self):
        for flags in (0, 1, 3, 6, 10):
            self.proves("MQTT-3.8.1-1")
            self.ends(m.packet(m.SUBSCRIBE, flags, pid(1) + m.text("a") + b"\0"))

    def test_subscribe_payload(self):
        self.proves("MQTT-3.8.3-1")
        self.ends(m.subscribe(1, ("ok", 0), (b"a\xff", 0)))
        self.proves("MQTT-3.8.3-3")
        self.ends(m.subscribe(1))
        for options in (3, 4, 0x40, 0x80):
            self.proves("MQTT-3.8.3-4")
            self.ends(m.subscribe(1, ("a", options)))

    def test_subscribe_is_answered(self):
        client = self.client()
        client.send(m.subscribe(77, ("a", 0)))
        self.proves("MQTT-3.8.4-1", "MQTT-3.8.4-2")
        client.expect(m.SUBACK, pid=77)

    def test_subscribing_again_loses_nothing(self):
        client, publisher, topic = self.client(), self.client(), self.unique("s/")
        publisher.publish(topic + "/kept", "retained", 1, retain=True)
        client.subscribe((topic + "/#", 1))
        client.expect_message(topic + "/kept", "retained", 1, retain=True)
        publisher.send(b"".join(m.publish(topic, "n%d" % n, 1, n + 1) for n in range(60)))
        client.send(m.subscribe(1000, (topic + "/#", 1)))
        got, subacks, retained = [], 0, 0
        while len(got) < 60 or subacks < 1 or retained < 1:
            p = client.recv()
            if p.kind == m.SUBACK:
                subacks += 1
                continue
            client.send(m.ack(m.PUBACK, p.pid))
            if p.retain:
                retained += 1
            else:
                got.append(p.payload)
        self.proves("MQTT-3.8.4-3")
        self.assertEqual((got, retained), ([b"n%d" % n for n in range(60)], 1))

    def test_a_refused_filter_gets_0x80(self):
        client, topic = self.client(), self.unique("s/")
        self.proves("MQTT-3.9.3-2")
        self.assertEqual(client.subscribe((topic, 2), ("/".join("a" * 2000), 1), (topic, 0)), [2, 0x80, 0])

    def test_unsubscribe_flags(self):
        for flags in (0, 1, 3, 6, 10):
            self.proves("MQTT-3.10.1-1")
            self.ends(m.packet(m.UNSUBSCRIBE, flags, pid(1) + m.text("a")))

    def test_unsubscribe_payload(self):
        self.proves("MQTT-3.10.3-1")
        self.ends(m.unsubscribe(1, "ok", b"\xff"))
        self.proves("MQTT-3.10.3-2")
        self.ends(m.unsubscribe(1))

    def test_what_was_begun_is_finished_behind_unsubscribe(self):
        name, topic, publisher = self.unique("s"), self.unique("u/"), self.client()
        client = self.durable(name)
        client.subscribe((topic, 2))
        publisher.publish(topic, "one", 1)
        publisher.publish(topic, "two", 2)
        first = [client.expect(m.PUBLISH) for _ in range(2)]
        client.unsubscribe(topic)
        client.abort()
        client = self.durable(name)
        again = [client.expect(m.PUBLISH) for _ in range(2)]
        self.proves("MQTT-3.10.4-3")
        self.assertEqual([(p.pid, p.payload) for p in again], [(p.pid, p.payload) for p in first])

    def test_unsubscribe_is_answered(self):
        client = self.client()
        client.send(m.unsubscribe(300, "never/subscribed"))
        self.proves("MQTT-3.10.4-4", "MQTT-3.10.4-5")
        client.expect(m.UNSUBACK, pid=300)

    def test_many_filters_of_unsubscribe(self):
        client, publisher, topic = self.client(), self.client(), self.unique("u/")
        filters = ["%s/%d" % (topic, n) for n in range(10)]
        client.subscribe(*((f, 1) for f in filters))
        client.unsubscribe(*filters[:9])
        for f in filters:
            publisher.publish(f, "x", 1)
        self.proves("MQTT-3.10.4-6")
        client.expect_message(filters[9], "x", 1)

    def test_ping(self):
        client = self.client()
        self.proves("MQTT-3.12.4-1")
        client.ping()

    def test_disconnect_flags(self):
        """As after any other violation, the will is published."""
        for flags in (1, 2, 4, 8):
            topic = self.unique("will/")
            watcher = self.client()
            watcher.subscribe((topic, 1))
            client = self.client(will=m.Will(topic, "gone", 1))
            client.send(bytes([m.DISCONNECT << 4 | flags, 0]))
            client.expect_closed()
            self.proves("MQTT-3.14.1-1")
            watcher.expect_message(topic, "gone", 1)

    def test_nothing_behind_disconnect_is_read(self):
        topic = self.unique("t/")
        watcher, client = self.client(), self.client()
        watcher.subscribe((topic, 1))
        client.send(m.DISCONNECT_BYTES + m.publish(topic, "late", 1, 1))
        client.expect_closed()
        self.proves("MQTT-3.14.4-2")
        self.assert_quiet(watcher)

    def test_connect_and_disconnect_at_once(self):
        client = self.raw()
        client.send(m.connect(self.unique("brief")) + m.PINGREQ_BYTES + m.DISCONNECT_BYTES)
        self.assertEqual([p.kind for p in client.drain_until_closed()], [m.CONNACK, m.PINGRESP])

    def test_pubrecs_come_in_order(self):
        publisher, topic = self.client(), self.unique("q/")
        publisher.send(b"".join(m.publish(topic, "x", 2, n) for n in range(1, 51)))
        self.proves("MQTT-4.6.0-3")
        self.assertEqual([publisher.expect(m.PUBREC).pid for _ in range(50)], list(range(1, 51)))

    def test_pubrels_come_in_order(self):
        client, publisher, topic = self.client(), self.client(), self.unique("q/")
        client.subscribe((topic, 2))
        publisher.publish_many(((topic, "x") for _ in range(20)), 2)
        pids = [client.expect(m.PUBLISH).pid for _ in range(20)]
        client.send(b"".join(m.ack(m.PUBREC, n) for n in pids))
        self.proves("MQTT-4.6.0-4")
        self.assertEqual([client.expect(m.PUBREL).pid for _ in range(20)], pids)

    def test_names_and_filters_of_65535_bytes(self):
        topic, client = "l" * 65535, self.client()
        self.proves("MQTT-4.7.3-3")
        self.assertEqual(client.subscribe((topic, 1)), [1])
        self.client().publish(topic, "x", 1)
        client.expect_message(topic, "x", 1)

    def test_nothing_is_normalized(self):
        base, publisher, client = self.unique("n/"), self.client(), self.client()
        client.subscribe((base + "/\u00e9", 1), (base + "/A", 1), (base + "/x y", 1))
        for name in ("/e\u0301", "/a", "/x%20y", "/x y/", "//A", "/A "):
            publisher.publish(base + name, "another", 1)
        publisher.publish(base + "/\u00e9", "the same", 1)
        self.proves("MQTT-4.7.3-4")
        client.expect_message(base + "/\u00e9", "the same", 1)
        self.assert_quiet(client)


class BoundTests(Conformance):
    @staticmethod
    def broker_config(scope):
        return {"limits": {"max_open_qos2": 10},
                "auth": {"anonymous": True, "acl_file": scope.write("acl", "topic read listen/#\ntopic readwrite quiet/#\n")}}

    def test_a_publish_without_rights(self):
        watcher, publisher = self.client(), self.client()
        watcher.subscribe(("listen/x", 1))
        self.proves("MQTT-3.3.5-2")
        for qos in (1, 2):
            publisher.publish("listen/x", "no", qos)
        self.assert_quiet(watcher)

    def test_what_cannot_be_handled_now_ends_the_connection(self):
        client = self.client()
        for n in range(1, 11):
            client.send(m.publish("quiet/x", "x", 2, n))
            client.expect(m.PUBREC, pid=n)
        client.send(m.publish("quiet/x", "x", 2, 11))
        self.proves("MQTT-4.8.0-2")
        client.expect_closed()
