"""Conformance, MQTT 5.0: SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT, request and response (chapters 3.8-3.14, 4.10)."""
import struct

import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import MALFORMED, PROTOCOL_ERROR, Conformance5


class SubscribeTests(Conformance5):
    def test_flags(self):
        for flags in (0, 1, 3, 6, 10):
            self.proves("MQTT-3.8.1-1")
            self.refused(bytes([m.SUBSCRIBE << 4 | flags]) + m5.subscribe(1, ("a", 0))[1:], MALFORMED)

    def test_filters_are_utf8(self):
        self.proves("MQTT-3.8.3-1")
        self.refused(m5.subscribe(1, ("ok", 0), (b"a\xff", 0)), MALFORMED)

    def test_no_filter(self):
        self.proves("MQTT-3.8.3-2")
        self.refused(m5.subscribe(1), PROTOCOL_ERROR)

    def test_no_local(self):
        for client in (self.client(), self.durable(self.unique("s"))):
            topic = self.unique("n/")
            other = self.subscriber((topic, 2))
            client.subscribe((topic, m5.options(2, no_local=True)))
            self.proves("MQTT-3.8.3-3")
            for qos in (0, 1, 2):
                client.publish(topic, "mine", qos)
                other.expect_message(topic, "mine", qos)
            self.assert_quiet(client)
            self.client().publish(topic, "another's", 1)
            client.expect_message(topic, "another's", 1)

    def test_no_local_of_a_session_that_was_away(self):
        """Its own messages don't wait for it, and neither does its own retained message come live."""
        topic, name = self.unique("n/"), self.unique("s")
        with self.durable(name) as client:
            client.subscribe((topic, m5.options(1, no_local=True)))
            client.publish(topic, "mine", 1, retain=True)
            client.leave()
        self.client().publish(topic, "another's", 1)
        client = self.durable(name)
        client.expect_message(topic, "another's", 1)
        self.assert_quiet(client)

    def test_no_local_of_one_of_two_filters(self):
        topic, client = self.unique("n/"), self.client()
        client.subscribe((topic, m5.options(2, no_local=True)), (topic + "/#", 1))
        client.send(m5.publish(topic, "mine", 0))
        client.expect_message(topic, "mine", 0)
        self.assert_quiet(client)

    def test_reserved_options(self):
        for bits in (0x40, 0x80, 0xC0):
            self.proves("MQTT-3.8.3-5")
            self.refused(m5.subscribe(1, ("a", bits)), MALFORMED)

    def test_is_answered(self):
        client = self.client()
        client.send(m5.subscribe(77, ("a", 0)))
        self.proves("MQTT-3.8.4-1", "MQTT-3.8.4-2")
        client.expect(m.SUBACK, pid=77)

    def test_the_same_filter_replaces(self):
        client, publisher, topic = self.client(), self.client(), self.unique("s/")
        for qos in (0, 2, 1):
            self.assertEqual(client.subscribe((topic, qos)), [qos])
            publisher.publish(topic, "once", 2)
            self.proves("MQTT-3.8.4-3")
            client.expect_message(topic, "once", qos)
        self.assert_quiet(client)

    def test_replacing_loses_nothing(self):
        client, publisher, topic = self.client(), self.client(), self.unique("s/")
        publisher.publish(topic + "/kept", "retained", 1, retain=True)
        client.subscribe((topic + "/#", 1))
        client.expect_message(topic + "/kept", "retained", 1, retain=True)
        publisher.send(b"".join(m5.publish(topic, "n%d" % n, 1, n + 1) for n in range(60)))
        for pid in range(30):
            client.send(m5.subscribe(1000 + pid, (topic + "/#", m5.options(1, retain_handling=0 if pid == 15 else 2))))
        got, subacks, retained = [], 0, 0
        while len(got) < 60 or subacks < 30 or not retained:
            p = client.recv()
            if p.kind == m.SUBACK:
                subacks += 1
            else:
                client.send(m5.ack(m.PUBACK, p.pid))
                if p.retain:
                    retained += 1
                else:
                    got.append(p.payload)
        self.proves("MQTT-3.8.4-4")
        self.assertEqual((got, retained), ([b"n%d" % n for n in range(60)], 1))

    def test_many_filters_in_one_packet(self):
        client, publisher, topic = self.client(), self.client(), self.unique("s/")
        filters = [("%s/%d" % (topic, n), n % 3) for n in range(60)]
        self.proves("MQTT-3.8.4-5")
        self.assertEqual(client.subscribe(*filters), [n % 3 for n in range(60)])
        for n in (0, 31, 59):
            publisher.publish("%s/%d" % (topic, n), "x", 2)
            client.expect_message("%s/%d" % (topic, n), "x", n % 3)

    def test_a_code_for_each_filter(self):
        client, topic = self.client(), self.unique("s/")
        codes = client.subscribe((topic, 2), (topic, 1), (topic + "/+", 0))
        self.proves("MQTT-3.8.4-6")
        self.assertEqual(len(codes), 3)
        self.proves("MQTT-3.8.4-7")
        self.assertEqual(codes, [2, 1, 0])

    def test_delivered_at_the_lower_of_both_qos(self):
        publisher = self.client()
        for granted in (0, 1, 2):
            topic = self.unique("s/")
            clients = self.client(), self.durable(self.unique("s"))
            for client in clients:
                client.subscribe((topic, granted))
            for qos in (0, 1, 2):
                publisher.publish(topic, "at %d" % qos, qos)
                for client in clients:
                    self.proves("MQTT-3.8.4-8")
                    client.expect_message(topic, "at %d" % qos, min(qos, granted))

    def test_suback_fits_into_the_packet_size(self):
        client = self.client(props={"maximum_packet_size": 40})
        client.send(m5.subscribe(1, ("a/b", 0), ("$share/g", 0)))
        self.proves("MQTT-3.9.2-1", "MQTT-3.9.2-2")
        self.assertLessEqual(client.recv().size, 40)

    def test_codes_come_in_order(self):
        client, topic = self.client(), self.unique("s/")
        filters = [(topic + "/%d" % n, (n * 7 + n // 3) % 3) for n in range(20)]
        self.proves("MQTT-3.9.3-1", "MQTT-3.9.3-2")
        self.assertEqual(client.subscribe(*filters), [qos for _, qos in filters])

    def test_user_properties_and_identifiers_of_all_sizes(self):
        client, topic = self.client(), self.unique("s/")
        for identifier in (1, 268435455):
            self.assertEqual(client.subscribe((topic, 0), props={"subscription_id": identifier,
                                                                  "user_property": [("a", "b"), ("a", "c")]}), [0])


class UnsubscribeTests(Conformance5):
    def test_flags(self):
        for flags in (0, 1, 3, 6, 10):
            self.proves("MQTT-3.10.1-1")
            self.refused(bytes([m.UNSUBSCRIBE << 4 | flags]) + m5.unsubscribe(1, "a")[1:], MALFORMED)

    def test_filters_are_utf8(self):
        self.proves("MQTT-3.10.3-1")
        self.refused(m5.unsubscribe(1, "ok", b"\xff"), MALFORMED)

    def test_no_filter(self):
        self.proves("MQTT-3.10.3-2")
        self.refused(m5.unsubscribe(1), PROTOCOL_ERROR)

    def test_names_the_filter_exactly(self):
        client, publisher, topic = self.client(), self.client(), self.unique("u/")
        client.subscribe((topic + "/a", 1))
        self.assertEqual(client.unsubscribe(topic + "/+", topic + "/A", topic + "/a/"), [0x11] * 3)
        publisher.publish(topic + "/a", "still", 1)
        client.expect_message(topic + "/a", "still", 1)
        self.proves("MQTT-3.10.4-1")
        self.assertEqual(client.unsubscribe(topic + "/a"), [0])
        self.assertEqual(client.unsubscribe(topic + "/a"), [0x11])

    def test_nothing_is_added_any_more(self):
        client, publisher, topic = self.client(), self.client(), self.unique("u/")
        client.subscribe((topic, 2))
        client.unsubscribe(topic)
        for qos in (0, 1, 2):
            publisher.publish(topic, "no", qos)
        self.proves("MQTT-3.10.4-2")
        self.assert_quiet(client)

    def test_what_was_begun_is_finished(self):
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
        client.send(m5.ack(m.PUBACK, again[0].pid) + m5.ack(m.PUBREC, again[1].pid))
        client.expect(m.PUBREL, pid=again[1].pid)

    def test_is_answered(self):
        client = self.client()
        client.send(m5.unsubscribe(300, "never/subscribed"))
        self.proves("MQTT-3.10.4-4", "MQTT-3.10.4-5")
        client.expect(m.UNSUBACK, pid=300)

    def test_many_filters_in_one_packet(self):
        client, publisher, topic = self.client(), self.client(), self.unique("u/")
        filters = ["%s/%d" % (topic, n) for n in range(10)]
        client.subscribe(*((f, 1) for f in filters))
        self.proves("MQTT-3.10.4-6")
        self.assertEqual(client.unsubscribe(*filters[:9]), [0] * 9)
        for f in filters:
            publisher.publish(f, "x", 1)
        client.expect_message(filters[9], "x", 1)
        self.assert_quiet(client)

    def test_unsuback_fits_into_the_packet_size(self):
        client = self.client(props={"maximum_packet_size": 25})
        client.send(m5.unsubscribe(1, "none"))
        self.proves("MQTT-3.11.2-1", "MQTT-3.11.2-2")
        self.assertLessEqual(client.expect(m.UNSUBACK).size, 25)

    def test_codes_come_in_order(self):
        client, topic = self.client(), self.unique("u/")
        client.subscribe((topic + "/a", 0), (topic + "/c", 0))
        self.proves("MQTT-3.11.3-1", "MQTT-3.11.3-2")
        self.assertEqual(client.unsubscribe(topic + "/a", topic + "/b", topic + "/c", topic + "/a"), [0, 0x11, 0, 0x11])


class DisconnectTests(Conformance5):
    def test_ping(self):
        client = self.client()
        self.proves("MQTT-3.12.4-1")
        for _ in range(3):
            client.ping()

    def test_flags(self):
        for flags in (1, 2, 4, 8):
            self.proves("MQTT-3.14.1-1")
            self.refused(bytes([m.DISCONNECT << 4 | flags, 0]), MALFORMED)

    def test_reasons_are_defined_ones(self):
        """Of a client, too: an undefined one, and one that only servers send, are errors."""
        for reason in (0x03, 0x05, 0x10, 0x7F, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, *range(0x9A, 0xA4), 0xFF):
            with self.subTest(reason):
                self.proves("MQTT-3.14.2-1")
                self.refused(m5.disconnect(reason), PROTOCOL_ERROR, MALFORMED)

    def test_no_session_expiry_from_the_server(self):
        name = self.unique("s")
        old = self.durable(name, expiry=100)
        self.durable(name, expiry=50)
        self.proves("MQTT-3.14.2-2")
        self.assertNotIn("session_expiry", old.expect_disconnect(0x8E).props)

    def test_fits_into_the_packet_size(self):
        self.proves("MQTT-3.14.2-3", "MQTT-3.14.2-4")
        for size in (40, 50, 80):
            client = self.client(props={"maximum_packet_size": size})
            client.send(m5.subscribe(1))
            for got in client.drain_until_closed():
                self.assertLessEqual(got.size, size)

    def test_nothing_comes_behind_it(self):
        name, topic = self.unique("s"), self.unique("t/")
        old = self.durable(name)
        old.subscribe((topic, 0))
        publisher = self.client()
        publisher.publish(topic, "before", 1)
        self.durable(name)
        publisher.publish(topic, "after", 1)
        got = old.drain_until_closed()
        self.proves("MQTT-3.14.4-1", "MQTT-3.14.4-2")
        self.assertEqual([p.kind for p in got], [m.PUBLISH, m.DISCONNECT])

    def test_of_a_client_closes_the_connection(self):
        for data in (m.DISCONNECT_BYTES, m5.disconnect(0), m5.disconnect(4), m5.disconnect(0, {"reason_string": "bye"}),
                     m5.disconnect(0x81), m5.disconnect(0, {"user_property": [("a", "b")]})):
            client = self.client()
            client.send(data)
            client.expect_closed()

    def test_nothing_behind_it_is_read(self):
        topic = self.unique("t/")
        watcher, client = self.subscriber((topic, 1)), self.client()
        client.send(m5.disconnect() + m5.publish(topic, "late", 1, 1))
        client.expect_closed()
        self.assert_quiet(watcher)


class RequestTests(Conformance5):
    """Request and response (4.10): three messages' worth of properties, carried by the broker."""

    def test_request_and_response(self):
        requests, answers = self.unique("requests/"), self.unique("answers/")
        server, client = self.subscriber((requests, 1)), self.subscriber((answers, 1))
        client.publish(requests, "2+2", 1, props={"response_topic": answers, "correlation_data": struct.pack("!I", 7)})
        request = server.expect_message(requests, "2+2", 1)
        server.publish(request.props["response_topic"], "4", 1, props={"correlation_data": request.props["correlation_data"]})
        self.assertEqual(client.expect_message(answers, "4", 1).props, {"correlation_data": struct.pack("!I", 7)})

    def test_response_information(self):
        """May be left out; if it is sent, it is a topic's beginning."""
        info = self.client(props={"request_response_information": 1}).connack.props.get("response_information")
        if info is not None:
            self.assertNotEqual(info, "")
