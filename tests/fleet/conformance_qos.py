"""Conformance: QoS flows, sessions, redelivery, order (MQTT 3.1.1 clauses 3.3-3.7, 4.1, 4.3-4.6)."""
import mqtt_raw as m
from conformance_base import Conformance


class QosTests(Conformance):
    def test_delivered_at_the_lower_of_both_qos(self):
        publisher = self.client()
        for granted in (0, 1, 2):
            subscribers, topic = (self.client(), self.durable(self.unique("s"))), self.unique("qos/")
            for subscriber in subscribers:
                self.assertEqual(subscriber.subscribe((topic, granted)), [granted])
            for qos in (0, 1, 2):
                publisher.publish(topic, "at %d" % qos, qos)
                for subscriber in subscribers:
                    self.proves("MQTT-3.8.4-6")
                    subscriber.expect_message(topic, "at %d" % qos, min(qos, granted), retain=False)

    def test_publisher_is_served_its_own_message(self):
        for qos in (0, 1, 2):
            client, topic = self.client(), self.unique("own/")
            client.subscribe((topic, qos))
            pid = client.pid()
            client.send(m.publish(topic, "mine", qos, pid))
            client.open_in2.clear()
            acks, got = 0, []
            while not got or acks < qos or client.open_in2:
                p = client.recv()
                if p.kind in (m.PUBACK, m.PUBREC, m.PUBCOMP) and p.pid == pid and p.kind != m.PUBREL:
                    acks += 1
                    if p.kind == m.PUBREC:
                        client.send(m.ack(m.PUBREL, pid))
                else:
                    out = bytearray()
                    client.react(p, got, out)
                    if out:
                        client.send(out)
            self.assertEqual([g.payload for g in got], [b"mine"])

    def test_empty_payload(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("empty/")
        subscriber.subscribe((topic, 2))
        for qos in (0, 1, 2):
            publisher.publish(topic, b"", qos)
            subscriber.expect_message(topic, b"", qos)

    def test_payload_sizes_around_the_length_limits(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("size/")
        subscriber.subscribe((topic, 1))
        for size in (1, 100, 127, 128, 129, 16000, 16383, 16384, 16400, 70000, 200000):
            publisher.publish(topic, b"z" * size, 1)
            subscriber.expect_message(topic, b"z" * size, 1)

    def test_large_payloads(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("large/")
        subscriber.subscribe((topic, 2))
        payload = bytes(range(256)) * 3900
        for qos in (0, 1, 2):
            publisher.publish(topic, payload, qos)
            subscriber.expect_message(topic, payload, qos)

    def test_many_packets_in_one_segment(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("burst/")
        subscriber.subscribe((topic, 1))
        publisher.send(b"".join(m.publish(topic, "n%d" % i, 1, i + 1) for i in range(1000)))
        got = subscriber.collect(1000)
        self.proves("MQTT-4.6.0-5")
        self.assertEqual([g.payload for g in got], [b"n%d" % i for i in range(1000)])
        self.proves("MQTT-4.6.0-2")
        self.assertEqual([publisher.expect(m.PUBACK).pid for _ in range(1000)], list(range(1, 1001)))

    def test_qos0_burst_in_order(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("burst/")
        subscriber.subscribe((topic, 0))
        publisher.publish_many((topic, "n%d" % i) for i in range(3000))
        self.assertEqual([g.payload for g in subscriber.collect(3000)], [b"n%d" % i for i in range(3000)])

    def test_qos2_repeat_before_pubrel_is_one_message(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("once/")
        subscriber.subscribe((topic, 2))
        publisher.send(m.publish(topic, "one", 2, 5))
        publisher.expect(m.PUBREC, pid=5)
        publisher.send(m.publish(topic, "one", 2, 5, dup=True))
        publisher.expect(m.PUBREC, pid=5)
        publisher.send(m.ack(m.PUBREL, 5))
        self.proves("MQTT-4.3.3-2")
        publisher.expect(m.PUBCOMP, pid=5)
        subscriber.expect_message(topic, "one", 2)
        self.assert_quiet(subscriber)

    def test_qos2_packet_id_is_free_again_after_pubcomp(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("again/")
        subscriber.subscribe((topic, 2))
        for n in range(3):
            publisher.send(m.publish(topic, "n%d" % n, 2, 5))
            publisher.expect(m.PUBREC, pid=5)
            publisher.send(m.ack(m.PUBREL, 5))
            publisher.expect(m.PUBCOMP, pid=5)
            self.proves("MQTT-2.3.1-3")
            subscriber.expect_message(topic, "n%d" % n, 2)
        self.assert_quiet(subscriber)

    def test_qos1_packet_id_is_free_again_after_puback(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("again/")
        subscriber.subscribe((topic, 1))
        for n in range(3):
            publisher.send(m.publish(topic, "n%d" % n, 1, 65535))
            self.proves("MQTT-4.3.2-2")
            publisher.expect(m.PUBACK, pid=65535)
            subscriber.expect_message(topic, "n%d" % n, 1)

    def test_pubrel_is_answered_always(self):
        client = self.client()
        for pid in (1, 77, 65535):
            client.send(m.ack(m.PUBREL, pid))
            client.expect(m.PUBCOMP, pid=pid)

    def test_acknowledgements_of_nothing_do_no_harm(self):
        client = self.client()
        for kind in (m.PUBACK, m.PUBCOMP):
            client.send(m.ack(kind, 4321))
        client.ping()

    def test_dup_of_the_publisher_is_not_passed_on(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("dup/")
        subscriber.subscribe((topic, 1))
        publisher.send(m.publish(topic, "x", 1, 3, dup=True))
        publisher.expect(m.PUBACK, pid=3)
        self.proves("MQTT-3.3.1-3")
        self.assertFalse(subscriber.expect(m.PUBLISH, topic=topic).dup)

    def test_out_of_order_acknowledgements(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("ooo/")
        subscriber.subscribe((topic, 1))
        for n in range(5):
            publisher.publish(topic, "n%d" % n, 1)
        pids = [subscriber.expect(m.PUBLISH).pid for _ in range(5)]
        self.assertEqual(len(set(pids)), 5)
        for pid in (pids[3], pids[0], pids[4], pids[2], pids[1]):
            subscriber.send(m.ack(m.PUBACK, pid))
        publisher.publish(topic, "last", 1)
        subscriber.expect_message(topic, "last", 1)

    def test_window_opens_as_acknowledgements_come(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("window/")
        subscriber.subscribe((topic, 1))
        publisher.publish_many(((topic, "n%d" % n) for n in range(500)), 1)
        got = subscriber.collect(500)
        self.proves("MQTT-4.6.0-6")
        self.assertEqual([g.payload for g in got], [b"n%d" % n for n in range(500)])
        self.assert_quiet(subscriber)


class SessionTests(Conformance):
    def test_messages_wait_for_a_durable_session_in_order(self):
        name, topic, publisher = self.unique("d"), self.unique("wait/"), self.client()
        with self.durable(name) as client:
            client.subscribe((topic, 2))
            client.disconnect()
        for n in range(60):
            publisher.publish(topic, "n%d" % n, 1 + n % 2)
        client = self.durable(name)
        self.assertTrue(client.session_present)
        got = client.collect(60)
        self.proves("MQTT-3.1.2-5")
        self.assertEqual([g.payload for g in got], [b"n%d" % n for n in range(60)])
        self.assertEqual([g.qos for g in got], [1 + n % 2 for n in range(60)])
        self.assertFalse(any(g.dup for g in got))
        self.assert_quiet(client)

    def test_a_thousand_messages_wait(self):
        name, topic, publisher = self.unique("d"), self.unique("wait/"), self.client()
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.disconnect()
        publisher.publish_many(((topic, "n%d" % n) for n in range(1000)), 1)
        got = self.durable(name).collect(1000)
        self.assertEqual([g.payload for g in got], [b"n%d" % n for n in range(1000)])

    def test_nothing_waits_for_a_clean_session(self):
        name, topic, publisher = self.unique("c"), self.unique("gone/"), self.client()
        with self.client(name) as client:
            client.subscribe((topic, 1))
            client.disconnect()
        publisher.publish(topic, "lost", 1)
        client = self.client(name)
        client.subscribe((topic, 1))
        self.assert_quiet(client)

    def test_clean_session_ends_the_durable_one(self):
        name, topic, publisher = self.unique("d"), self.unique("gone/"), self.client()
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.disconnect()
        publisher.publish(topic, "lost", 1)
        with self.client(name) as client:
            self.assert_quiet(client)
            client.disconnect()
        publisher.publish(topic, "lost too", 1)
        client = self.durable(name)
        self.proves("MQTT-3.1.2-6")
        self.assertFalse(client.session_present)
        self.assert_quiet(client)

    def test_subscriptions_outlive_the_connection(self):
        name, topic, publisher = self.unique("d"), self.unique("kept/"), self.client()
        with self.durable(name) as client:
            client.subscribe((topic + "/+", 1), (topic + "/x/#", 2), (topic + "/none", 0))
            client.unsubscribe(topic + "/none")
            client.disconnect()
        client = self.durable(name)
        publisher.publish(topic + "/a", "1", 2)
        publisher.publish(topic + "/x/y/z", "2", 2)
        self.proves("MQTT-3.1.2-4")
        client.expect_message(topic + "/a", "1", 1)
        client.expect_message(topic + "/x/y/z", "2", 2)
        self.assert_quiet(client)

    def test_unsubscribed_while_away_is_impossible_but_before_counts(self):
        name, topic, publisher = self.unique("d"), self.unique("un/"), self.client()
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.unsubscribe(topic)
            client.disconnect()
        publisher.publish(topic, "lost", 1)
        client = self.durable(name)
        self.assertTrue(client.session_present)
        self.assert_quiet(client)

    def test_unacknowledged_qos1_comes_again_with_dup_and_the_same_id(self):
        name, topic, publisher = self.unique("d"), self.unique("re/"), self.client()
        client = self.durable(name)
        client.subscribe((topic, 1))
        for n in range(5):
            publisher.publish(topic, "n%d" % n, 1)
        first = [client.expect(m.PUBLISH) for _ in range(5)]
        client.send(m.ack(m.PUBACK, first[1].pid))
        client.ping()
        client.abort()
        publisher.publish(topic, "n5", 1)
        client = self.durable(name)
        again = client.collect(5)
        self.assertEqual([g.payload for g in again], [b"n0", b"n2", b"n3", b"n4", b"n5"])
        self.proves("MQTT-2.3.1-4")
        self.assertEqual([g.pid for g in again[:4]], [first[i].pid for i in (0, 2, 3, 4)])
        self.proves("MQTT-4.3.2-1")
        self.assertEqual([g.dup for g in again], [True] * 4 + [False])
        self.assert_quiet(client)

    def test_unreceived_qos2_comes_again_with_dup_and_the_same_id(self):
        name, topic, publisher = self.unique("d"), self.unique("re/"), self.client()
        client = self.durable(name)
        client.subscribe((topic, 2))
        publisher.publish(topic, "x", 2)
        first = client.expect(m.PUBLISH, qos=2, dup=False)
        client.abort()
        client = self.durable(name)
        self.proves("MQTT-3.3.1-1")
        again = client.expect(m.PUBLISH, qos=2, dup=True, payload=b"x", pid=first.pid)
        client.send(m.ack(m.PUBREC, again.pid))
        client.expect(m.PUBREL, pid=first.pid)
        client.send(m.ack(m.PUBCOMP, first.pid))
        self.assert_quiet(client)

    def test_received_qos2_continues_with_pubrel(self):
        name, topic, publisher = self.unique("d"), self.unique("re/"), self.client()
        client = self.durable(name)
        client.subscribe((topic, 2))
        publisher.publish(topic, "x", 2)
        pid = client.expect(m.PUBLISH, qos=2).pid
        client.send(m.ack(m.PUBREC, pid))
        client.expect(m.PUBREL, pid=pid)
        client.abort()
        client = self.durable(name)
        self.proves("MQTT-4.3.3-1")
        client.expect(m.PUBREL, pid=pid)
        client.send(m.ack(m.PUBCOMP, pid))
        self.assert_quiet(client)
        client.abort()
        client = self.durable(name)
        self.assert_quiet(client)

    def test_incoming_qos2_survives_the_publishers_reconnect(self):
        name, topic, subscriber = self.unique("d"), self.unique("in2/"), self.client()
        subscriber.subscribe((topic, 2))
        client = self.durable(name)
        client.send(m.publish(topic, "x", 2, 11))
        client.expect(m.PUBREC, pid=11)
        client.abort()
        client = self.durable(name)
        self.assertTrue(client.session_present)
        client.send(m.publish(topic, "x", 2, 11, dup=True))
        client.expect(m.PUBREC, pid=11)
        client.send(m.ack(m.PUBREL, 11))
        self.proves("MQTT-4.1.0-1")
        client.expect(m.PUBCOMP, pid=11)
        subscriber.expect_message(topic, "x", 2)
        self.assert_quiet(subscriber)
        client.send(m.publish(topic, "y", 2, 11))
        client.expect(m.PUBREC, pid=11)
        client.send(m.ack(m.PUBREL, 11))
        client.expect(m.PUBCOMP, pid=11)
        subscriber.expect_message(topic, "y", 2)

    def test_pubrel_after_reconnect_is_answered(self):
        name, topic = self.unique("d"), self.unique("rel/")
        client = self.durable(name)
        client.send(m.publish(topic, "x", 2, 12))
        client.expect(m.PUBREC, pid=12)
        client.abort()
        client = self.durable(name)
        client.send(m.ack(m.PUBREL, 12))
        client.expect(m.PUBCOMP, pid=12)

    def test_repeats_come_in_order_and_before_new_messages(self):
        name, topic, publisher = self.unique("d"), self.unique("order/"), self.client()
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

    def test_takeover_hands_the_unacknowledged_over(self):
        name, topic, publisher = self.unique("d"), self.unique("over/"), self.client()
        old = self.durable(name)
        old.subscribe((topic, 1))
        for n in range(3):
            publisher.publish(topic, "n%d" % n, 1)
        pids = [old.expect(m.PUBLISH).pid for _ in range(3)]
        new = self.durable(name)
        self.assertTrue(new.session_present)
        got = new.collect(3)
        self.proves("MQTT-4.4.0-1")
        self.assertEqual([(g.payload, g.pid, g.dup) for g in got],
                         [(b"n%d" % n, pids[n], True) for n in range(3)])
        old.expect_closed()

    def test_pids_of_two_directions_are_independent(self):
        client, topic = self.client(), self.unique("both/")
        client.subscribe((topic, 1))
        other = self.client()
        other.publish(topic, "to client", 1)
        pid = client.expect(m.PUBLISH).pid
        client.send(m.publish("elsewhere", "from client", 1, pid))
        client.expect(m.PUBACK, pid=pid)
        client.send(m.ack(m.PUBACK, pid))
        client.ping()

    def test_durable_session_gets_live_messages_too(self):
        client, publisher, topic = self.durable(self.unique("d")), self.client(), self.unique("live/")
        client.subscribe((topic, 2))
        for qos in (0, 1, 2):
            publisher.publish(topic, "q%d" % qos, qos)
            self.proves("MQTT-4.1.0-2")
            client.expect_message(topic, "q%d" % qos, qos)
