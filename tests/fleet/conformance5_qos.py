"""Conformance, MQTT 5.0: acknowledgements, QoS, redelivery, order, flow control (chapters 3.4-3.7, 4.3-4.6 and 4.9)."""
import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import MALFORMED, PROTOCOL_ERROR, Conformance5


class QosTests(Conformance5):
    def pair(self, qos=2, **fields):
        topic = self.unique("q/")
        return topic, self.subscriber((topic, qos), **fields), self.client()

    def test_qos_0(self):
        topic, client, publisher = self.pair()
        publisher.publish(topic, "x", 0)
        self.proves("MQTT-4.3.1-1")
        client.expect(m.PUBLISH, qos=0, dup=False, payload=b"x")
        self.assert_quiet(client)

    def test_qos_1_takes_an_unused_id(self):
        topic, client, publisher = self.pair(1)
        publisher.publish(topic, "first", 1)
        first = client.expect(m.PUBLISH)
        for _ in range(3):
            publisher.publish(topic, "next", 1)
            self.proves("MQTT-4.3.2-1")
            self.assertNotEqual(client.expect_message(topic, "next", 1).pid, first.pid)

    def test_qos_1_is_sent_without_dup(self):
        topic, client, publisher = self.pair(1)
        publisher.publish(topic, "x", 1)
        self.proves("MQTT-4.3.2-2")
        client.expect(m.PUBLISH, qos=1, dup=False)

    def unacknowledged(self, qos):
        """A message that a session was sent and didn't acknowledge comes again; (name, first, second)."""
        name, topic = self.unique("s"), self.unique("q/")
        client = self.durable(name)
        client.subscribe((topic, qos))
        self.client().publish(topic, "x", qos)
        first = client.expect(m.PUBLISH, qos=qos)
        client.abort()
        client = self.durable(name)
        return client, first, client.expect(m.PUBLISH, qos=qos, payload=b"x")

    def test_qos_1_is_open_until_puback(self):
        client, first, second = self.unacknowledged(1)
        self.proves("MQTT-4.3.2-3")
        self.assertEqual(second.pid, first.pid)
        client.send(m5.ack(m.PUBACK, second.pid))
        self.assert_quiet(client)
        client.leave()
        self.assert_quiet(self.durable(client.client_id))

    def test_qos_1_is_acknowledged(self):
        topic, client, publisher = self.pair(1)
        publisher.send(m5.publish(topic, "x", 1, 4711))
        self.proves("MQTT-4.3.2-4")
        publisher.expect(m.PUBACK, pid=4711, reason=0)
        client.expect_message(topic, "x", 1)

    def test_qos_1_id_is_free_after_puback(self):
        topic, client, publisher = self.pair(1)
        for n in range(3):
            publisher.send(m5.publish(topic, "n%d" % n, 1, 7, dup=n == 2))
            publisher.expect(m.PUBACK, pid=7)
            self.proves("MQTT-4.3.2-5")
            client.expect_message(topic, "n%d" % n, 1)

    def test_qos_2_takes_an_unused_id(self):
        topic, client, publisher = self.pair()
        publisher.publish(topic, "first", 2)
        first = client.expect(m.PUBLISH)
        client.send(m5.ack(m.PUBREC, first.pid))
        client.expect(m.PUBREL)
        for _ in range(3):
            publisher.publish(topic, "next", 2)
            self.proves("MQTT-4.3.3-1")
            self.assertNotEqual(client.expect_message(topic, "next", 2).pid, first.pid)

    def test_qos_2_is_sent_without_dup(self):
        topic, client, publisher = self.pair()
        publisher.publish(topic, "x", 2)
        self.proves("MQTT-4.3.3-2")
        client.expect(m.PUBLISH, qos=2, dup=False)

    def test_qos_2_is_open_until_pubrec(self):
        client, first, second = self.unacknowledged(2)
        self.proves("MQTT-4.3.3-3")
        self.assertEqual((second.pid, second.dup), (first.pid, True))

    def test_pubrec_is_answered_with_pubrel(self):
        topic, client, publisher = self.pair()
        publisher.publish(topic, "x", 2)
        pid = client.expect(m.PUBLISH).pid
        for reason in (None, 0x00, 0x10):
            client.send(m5.ack(m.PUBREC, pid, reason))
            self.proves("MQTT-4.3.3-4")
            client.expect(m.PUBREL, pid=pid, reason=0)

    def test_pubrel_is_open_until_pubcomp(self):
        name, topic = self.unique("s"), self.unique("q/")
        client = self.durable(name)
        client.subscribe((topic, 2))
        self.client().publish(topic, "x", 2)
        pid = client.expect(m.PUBLISH).pid
        client.send(m5.ack(m.PUBREC, pid))
        client.expect(m.PUBREL, pid=pid)
        client.abort()
        client = self.durable(name)
        self.proves("MQTT-4.3.3-5", "MQTT-4.3.3-6")
        client.expect(m.PUBREL, pid=pid)  # and not PUBLISH
        client.send(m5.ack(m.PUBCOMP, pid))
        self.assert_quiet(client)
        client.leave()
        self.assert_quiet(self.durable(name))

    def test_qos_2_is_acknowledged(self):
        topic, client, publisher = self.pair()
        publisher.send(m5.publish(topic, "x", 2, 4711))
        self.proves("MQTT-4.3.3-8")
        publisher.expect(m.PUBREC, pid=4711, reason=0)

    def test_qos_2_repeated_before_pubrel_is_one_message(self):
        topic, client, publisher = self.pair()
        for dup in (False, True, True):
            publisher.send(m5.publish(topic, "one", 2, 5, dup=dup))
            self.proves("MQTT-4.3.3-10")
            self.assertLess(publisher.expect(m.PUBREC, pid=5).reason, 0x80)
        publisher.send(m5.ack(m.PUBREL, 5))
        publisher.expect(m.PUBCOMP, pid=5, reason=0)
        client.expect_message(topic, "one", 2)
        self.assert_quiet(client)

    def test_pubrel_is_answered_with_pubcomp(self):
        topic, client, publisher = self.pair()
        publisher.send(m5.publish(topic, "x", 2, 5))
        publisher.expect(m.PUBREC, pid=5)
        publisher.send(m5.ack(m.PUBREL, 5))
        self.proves("MQTT-4.3.3-11")
        publisher.expect(m.PUBCOMP, pid=5, reason=0)

    def test_qos_2_id_is_free_after_pubcomp(self):
        topic, client, publisher = self.pair()
        for n in range(3):
            publisher.send(m5.publish(topic, "n%d" % n, 2, 5, dup=n == 2))
            publisher.expect(m.PUBREC, pid=5)
            publisher.send(m5.ack(m.PUBREL, 5))
            publisher.expect(m.PUBCOMP, pid=5)
            self.proves("MQTT-4.3.3-12")
            client.expect_message(topic, "n%d" % n, 2)

    def test_pubrel_of_an_unknown_id(self):
        client = self.client()
        client.send(m5.ack(m.PUBREL, 99))
        client.expect(m.PUBCOMP, pid=99, reason=0x92)

    def test_pubrec_of_an_unknown_id(self):
        client = self.client()
        client.send(m5.ack(m.PUBREC, 99))
        client.expect(m.PUBREL, pid=99, reason=0x92)

    def test_a_failed_pubrec_ends_the_exchange(self):
        """A reason of 0x80 and above: no PUBREL, no redelivery, and the id is free."""
        name, topic, publisher = self.unique("s"), self.unique("q/"), self.client()
        client = self.durable(name, props={"receive_maximum": 1})
        client.subscribe((topic, 2))
        publisher.publish(topic, "refused", 2)
        client.send(m5.ack(m.PUBREC, client.expect(m.PUBLISH, payload=b"refused").pid, 0x97))
        publisher.publish(topic, "next", 2)
        self.proves("MQTT-4.4.0-2")
        client.expect_message(topic, "next", 2)
        client.leave()
        self.assert_quiet(self.durable(name))

    def test_a_failed_puback_ends_the_exchange(self):
        name, topic, publisher = self.unique("s"), self.unique("q/"), self.client()
        client = self.durable(name, props={"receive_maximum": 1})
        client.subscribe((topic, 1))
        publisher.publish(topic, "refused", 1)
        client.send(m5.ack(m.PUBACK, client.expect(m.PUBLISH).pid, 0x83, {"reason_string": "no", "user_property": ("a", "b")}))
        publisher.publish(topic, "next", 1)
        client.expect_message(topic, "next", 1)
        client.leave()
        self.assert_quiet(self.durable(name))

    def test_acknowledgements_in_every_form(self):
        """Without a reason, without properties, and with both."""
        topic, client, publisher = self.pair()
        props = {"reason_string": "why", "user_property": [("a", "1"), ("a", "2")]}
        for reason, more in ((None, None), (0, None), (0, {}), (0, props)):
            publisher.publish(topic, "1", 1)
            client.send(m5.ack(m.PUBACK, client.expect(m.PUBLISH).pid, reason, more))
            publisher.publish(topic, "2", 2)
            pid = client.expect(m.PUBLISH).pid
            client.send(m5.ack(m.PUBREC, pid, reason, more))
            client.expect(m.PUBREL, pid=pid)
            client.send(m5.ack(m.PUBCOMP, pid, reason, more))
            publisher.send(m5.publish(topic, "3", 2, 3))
            publisher.expect(m.PUBREC, pid=3)
            publisher.send(m5.ack(m.PUBREL, 3, reason, more))
            publisher.expect(m.PUBCOMP, pid=3, reason=0)
            client.expect_message(topic, "3", 2)

    def test_undefined_reasons_are_refused(self):
        cases = {m.PUBACK: 0x01, m.PUBREC: 0x92, m.PUBREL: 0x10, m.PUBCOMP: 0x83}
        for kind, reason in cases.items():
            with self.subTest(m.NAMES[kind]):
                self.refused(m5.ack(kind, 1, reason, {}), PROTOCOL_ERROR, MALFORMED)

    def test_answers_fit_into_the_packet_size(self):
        client, topic = self.client(props={"maximum_packet_size": 20}), self.unique("n/")
        wrong = {"payload_format": 1}  # for a payload that isn't UTF-8: there is something to say about it
        client.send(m5.publish(topic, b"\xff", 1, 1, props=wrong))
        self.proves("MQTT-3.4.2-2", "MQTT-3.4.2-3")
        self.assertLessEqual(client.expect(m.PUBACK, reason=0x99).size, 20)
        client.send(m5.publish(topic, b"\xff", 2, 2, props=wrong))
        self.proves("MQTT-3.5.2-2", "MQTT-3.5.2-3")
        self.assertLessEqual(client.expect(m.PUBREC, reason=0x99).size, 20)
        client.send(m5.ack(m.PUBREC, 999))
        self.proves("MQTT-3.6.2-2", "MQTT-3.6.2-3")
        self.assertLessEqual(client.expect(m.PUBREL).size, 20)
        client.send(m5.ack(m.PUBREL, 999))
        self.proves("MQTT-3.7.2-2", "MQTT-3.7.2-3")
        self.assertLessEqual(client.expect(m.PUBCOMP).size, 20)

    def test_reasons_are_defined_ones(self):
        topic, client, publisher = self.pair()
        nobody = self.unique("nobody/")
        self.proves("MQTT-3.4.2-1")
        self.assertEqual([publisher.publish(t, "x", 1) for t in (topic, nobody)], [0, 0x10])
        self.refused_reasons(m.PUBACK, 0x01, 0x7F, 0x82, 0x92, 0xFF)
        self.proves("MQTT-3.5.2-1")
        self.assertEqual([publisher.publish(t, "x", 2) for t in (topic, nobody)], [0, 0x10])
        self.refused_reasons(m.PUBREC, 0x01, 0x7F, 0x82, 0x92, 0xFF)
        client.expect_message(topic, "x", 1)
        pid = client.expect(m.PUBLISH).pid
        client.send(m5.ack(m.PUBREC, pid))
        self.proves("MQTT-3.6.2-1")
        self.assertEqual(client.expect(m.PUBREL, pid=pid).reason, 0)
        self.refused_reasons(m.PUBREL, 0x01, 0x10, 0x80, 0x91, 0x97, 0xFF)
        client.send(m5.ack(m.PUBCOMP, pid) + m5.ack(m.PUBREL, 7))
        self.proves("MQTT-3.7.2-1")
        self.assertEqual(client.expect(m.PUBCOMP, pid=7).reason, 0x92)
        self.refused_reasons(m.PUBCOMP, 0x01, 0x10, 0x80, 0x91, 0x97, 0xFF)

    def refused_reasons(self, kind, *reasons):
        """Of a client; the broker's are looked at by mqtt5_raw."""
        for reason in reasons:
            self.refused(m5.ack(kind, 7, reason), MALFORMED, PROTOCOL_ERROR)

    def test_pubrel_flags(self):
        for flags in (0, 1, 3, 6, 10):
            self.proves("MQTT-3.6.1-1")
            self.refused(m.packet(m.PUBREL, flags, b"\0\1"), MALFORMED)

    def test_messages_are_added_to_every_session(self):
        topic, names = self.unique("q/"), [self.unique("s") for _ in range(3)]
        for name in names:
            with self.durable(name) as client:
                client.subscribe((topic, 1))
                client.leave()
        live = self.subscriber((topic, 1))
        self.client().publish(topic, "for all", 1)
        self.proves("MQTT-4.5.0-1")
        for client in [live] + [self.durable(name) for name in names]:
            client.expect_message(topic, "for all", 1)

    def test_open_packets_come_again_only_at_a_new_connection(self):
        name, topic, publisher = self.unique("s"), self.unique("q/"), self.client()
        client = self.durable(name)
        client.subscribe((topic, 2))
        for n in range(4):
            publisher.publish(topic, "n%d" % n, 1 + n % 2)
        first = [client.expect(m.PUBLISH) for _ in range(4)]
        client.send(m5.ack(m.PUBREC, first[1].pid))
        client.expect(m.PUBREL)
        self.assert_quiet(client)  # nothing again on this connection
        client.abort()
        client = self.durable(name)
        again = [client.recv() for _ in range(4)]
        self.proves("MQTT-4.4.0-1")
        self.assertEqual(sorted((p.kind, p.pid) for p in again),
                         sorted([(m.PUBLISH, first[i].pid) for i in (0, 2, 3)] + [(m.PUBREL, first[1].pid)]))

    def test_order_of_a_publisher(self):
        topic, client, publisher = self.pair()
        self.proves("MQTT-4.6.0-5")
        for qos in (0, 1, 2):
            publisher.publish_many(((topic, "n%d" % n) for n in range(300)), qos)
            self.assertEqual([g.payload for g in client.collect(300)], [b"n%d" % n for n in range(300)])

    def test_every_topic_is_ordered(self):
        base = self.unique("q/")
        client, publisher = self.subscriber((base + "/#", 1)), self.client()
        publisher.publish_many((("%s/%d" % (base, n % 7), "%d" % n) for n in range(210)), 1)
        got = client.collect(210)
        self.proves("MQTT-4.6.0-6")
        for topic in range(7):
            self.assertEqual([int(g.payload) for g in got if g.topic.endswith("/%d" % topic)], list(range(topic, 210, 7)))

    def test_repeats_come_in_order_and_before_new_ones(self):
        name, topic, publisher = self.unique("s"), self.unique("q/"), self.client()
        client = self.durable(name)
        client.subscribe((topic, 2))
        for n in range(10):
            publisher.publish(topic, "n%d" % n, 1 + n % 2)
        for _ in range(10):
            client.expect(m.PUBLISH)
        client.abort()
        for n in range(10, 20):
            publisher.publish(topic, "n%d" % n, 1 + n % 2)
        got = self.durable(name).collect(20)
        self.proves("MQTT-4.6.0-1")
        self.assertEqual([g.payload for g in got], [b"n%d" % n for n in range(20)])

    def test_acknowledgements_come_in_order(self):
        topic, client, publisher = self.pair()
        publisher.send(b"".join(m5.publish(topic, "x", 1, pid) for pid in range(1, 51)))
        self.proves("MQTT-4.6.0-2")
        self.assertEqual([publisher.expect(m.PUBACK).pid for _ in range(50)], list(range(1, 51)))
        publisher.send(b"".join(m5.publish(topic, "x", 2, pid) for pid in range(1, 51)))
        self.proves("MQTT-4.6.0-3")
        self.assertEqual([publisher.expect(m.PUBREC).pid for _ in range(50)], list(range(1, 51)))

    def test_pubrels_come_in_order(self):
        topic, client, publisher = self.pair()
        publisher.publish_many(((topic, "x") for _ in range(20)), 2)
        pids = [client.expect(m.PUBLISH).pid for _ in range(20)]
        client.send(b"".join(m5.ack(m.PUBREC, pid) for pid in pids))
        self.proves("MQTT-4.6.0-4")
        self.assertEqual([client.expect(m.PUBREL).pid for _ in range(20)], pids)


class FlowTests(Conformance5):
    def full(self, most, qos=1, connect=None):
        """A client that was sent as many messages as it takes at once, of eight; (topic, client, packet ids)."""
        topic = self.unique("f/")
        client = (connect or self.client)(self.unique("full"), props={"receive_maximum": most})
        client.subscribe((topic, 2))
        self.client().publish_many(((topic, "n%d" % n) for n in range(8)), qos)
        pids = [client.expect(m.PUBLISH, payload="n%d" % n).pid for n in range(most)]
        client.ping()  # a PUBLISH too many would come first
        return topic, client, pids

    def test_no_more_than_the_client_takes(self):
        for most in (1, 3):
            for qos in (1, 2):
                for connect in (self.client, self.durable):
                    self.proves("MQTT-3.3.4-9")
                    self.full(most, qos, connect)

    def test_an_acknowledgement_lets_the_next_one_come(self):
        topic, client, pids = self.full(2)
        client.send(m5.ack(m.PUBACK, pids[1]))
        self.proves("MQTT-4.9.0-1")
        client.expect(m.PUBLISH, payload="n2")
        client.ping()

    def test_qos_2_counts_until_pubcomp(self):
        topic, client, (pid,) = self.full(1, 2)
        client.send(m5.ack(m.PUBREC, pid))
        client.expect(m.PUBREL, pid=pid)
        self.proves("MQTT-4.9.0-2")
        client.ping()
        client.send(m5.ack(m.PUBCOMP, pid))
        client.expect(m.PUBLISH, payload="n1")
        client.ping()

    def test_everything_else_goes_on(self):
        topic, client, pids = self.full(1)
        other = self.unique("f/")
        self.proves("MQTT-3.3.4-10", "MQTT-4.9.0-3")
        self.assertEqual(client.subscribe((other, 0)), [0])
        client.publish(other, "QoS 0 doesn't count", 0)
        client.expect_message(other, "QoS 0 doesn't count")
        self.assertEqual(client.publish(self.unique("nobody/"), "x", 2), 0x10)
        self.assertEqual(client.unsubscribe(other), [0])

    def test_the_window_of_a_session_is_that_of_the_connection(self):
        name, topic = self.unique("s"), self.unique("f/")
        client = self.durable(name, props={"receive_maximum": 5})
        client.subscribe((topic, 1))
        self.client().publish_many(((topic, "n%d" % n) for n in range(10)), 1)
        for n in range(5):
            client.expect(m.PUBLISH, payload="n%d" % n)
        client.ping()
        client.abort()
        client = self.durable(name, props={"receive_maximum": 2})
        self.assertEqual([client.expect(m.PUBLISH).payload for _ in range(2)], [b"n0", b"n1"])
        client.ping()

    def test_all_come_in_the_end(self):
        topic, client, pids = self.full(3)
        client.send(b"".join(m5.ack(m.PUBACK, pid) for pid in pids))
        self.assertEqual([g.payload for g in client.collect(5)], [b"n%d" % n for n in range(3, 8)])
        self.assert_quiet(client)

    def test_a_client_keeps_to_the_maximum_of_the_broker(self):
        """Open QoS 2 messages up to the maximum are taken, one more ends the connection."""
        client, topic = self.client(), self.unique("nobody/")
        most = client.connack.props.get("receive_maximum", 65535)
        if most < 5000:
            client.send(b"".join(m5.publish(topic, "x", 2, pid) for pid in range(1, most + 1)))
            for pid in range(1, most + 1):
                client.expect(m.PUBREC, pid=pid, reason=0x10)
            self.proves("MQTT-3.3.4-7")
            self.refused(m5.publish(topic, "x", 2, most + 1), 0x93, client=client)


class SizeTests(Conformance5):
    def test_too_large_for_one_is_dropped_for_that_one(self):
        topic, name, publisher = self.unique("z/"), self.unique("s"), self.client()
        props = {"maximum_packet_size": 200, "receive_maximum": 1}
        small, session = self.client(props=props), self.durable(name, props=props)
        large = self.subscriber((topic, 2))
        small.subscribe((topic, 2))
        session.subscribe((topic, 2))
        for qos in (0, 1, 2):
            publisher.publish(topic, "x" * 300, qos)
            publisher.publish(topic, "fits", qos)
            large.expect_message(topic, "x" * 300, qos)
            large.expect_message(topic, "fits", qos)
            self.proves("MQTT-3.1.2-25")
            for client in (small, session):
                client.expect_message(topic, "fits", qos)  # its window of one isn't taken by what was dropped
        session.leave()
        self.assert_quiet(self.durable(name))

    def test_the_limit_is_that_of_the_whole_packet(self):
        topic, publisher = self.unique("z/"), self.client()
        size = 2 + 2 + len(topic) + 1 + 100
        client = self.client(props={"maximum_packet_size": size})
        client.subscribe((topic, 0))
        publisher.publish(topic, "y" * 101, 1)
        publisher.publish(topic, "y" * 100, 1)
        self.proves("MQTT-3.1.2-24")
        self.assertEqual(client.expect_message(topic, "y" * 100).size, size)

    def test_properties_count(self):
        topic, publisher = self.unique("z/"), self.client()
        client = self.client(props={"maximum_packet_size": 200})
        client.subscribe((topic, 1))
        publisher.publish(topic, "no", 1, props={"user_property": ("k", "v" * 200)})
        publisher.publish(topic, "yes", 1, props={"user_property": ("k", "v")})
        client.expect_message(topic, "yes", 1)

    def test_what_waited_and_what_is_kept(self):
        topic, name, publisher = self.unique("z/"), self.unique("s"), self.client()
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.leave()
        publisher.publish(topic + "/kept", "x" * 300, 1, retain=True)
        publisher.publish(topic, "x" * 300, 1)
        publisher.publish(topic, "fits", 1)
        client = self.durable(name, props={"maximum_packet_size": 200})
        client.expect_message(topic, "fits", 1)
        client.subscribe((topic + "/#", 1))
        self.assert_quiet(client)
