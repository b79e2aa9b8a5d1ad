"""Conformance, MQTT 5.0: shared subscriptions (chapter 4.8.2)."""
import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import MALFORMED, PROTOCOL_ERROR, Conformance5


class SharedTests(Conformance5):
    def names(self):
        """(topic, filter of a group for it)."""
        topic = self.unique("s/")
        return topic, "$share/%s/%s" % (self.unique("g"), topic)

    def gathered(self, members, count):
        """What the members got together, acknowledged: [messages of the first, ...]; nothing more is on its way."""
        got = [[] for _ in members]

        def take(member, into):
            while not member.is_quiet():
                out = bytearray()
                for packet in member.packets:
                    member.react(packet, into, out)
                member.packets = []
                member.send(out)
            return into
        while sum(len(g) for g in got) < count:
            for member, into in zip(members, got):
                take(member, into)
        for member in members:
            while member.open_in2:
                member.react(member.recv(), [], out := bytearray())
                member.send(out)
        self.assert_quiet(*members)
        return got

    def refused_filter(self, topic_filter):
        client = self.client()
        client.send(m5.subscribe(1, (topic_filter, 1)))
        got = client.recv()
        if got.kind == m.SUBACK:
            self.assertEqual(got.granted, [0x8F])
        else:
            self.assertEqual(got.kind, m.DISCONNECT)
            self.assertIn(got.reason, (0x8F, MALFORMED, PROTOCOL_ERROR))

    def test_each_message_to_one_member(self):
        topic, group = self.names()
        members, publisher = [self.subscriber((group, 1)) for _ in range(3)], self.client()
        publisher.publish_many(((topic, "%d" % n) for n in range(30)), 1)
        got = self.gathered(members, 30)
        self.assertEqual(sorted(int(g.payload) for part in got for g in part), list(range(30)))
        self.assertGreater(sum(bool(g) for g in got), 1, "one member got all: %s" % [len(g) for g in got])

    def test_name_of_the_group(self):
        self.proves("MQTT-4.8.2-1")
        for topic_filter in ("$share//topic", "$share/", "$share//#"):
            self.refused_filter(topic_filter)
        self.assertEqual(self.client().subscribe(("$share/g/" + self.unique("t/"), 1)), [1])

    def test_no_wildcards_in_the_name(self):
        self.proves("MQTT-4.8.2-2")
        for topic_filter in ("$share/a+/topic", "$share/#/topic", "$share/+/topic", "$share/g", "$share/g/", "$share/g/a#"):
            self.refused_filter(topic_filter)
        topic, group = self.names()
        client = self.subscriber((group + "/+/x", 1))
        self.client().publish(topic + "/any/x", "wildcards behind it", 1)
        client.expect_message(topic + "/any/x", "wildcards behind it", 1)

    def test_each_member_has_its_qos(self):
        topic, group = self.names()
        members, publisher = [self.subscriber((group, qos)) for qos in (0, 1, 2)], self.client()
        publisher.publish_many(((topic, "%d" % n) for n in range(60)), 2)
        got = self.gathered(members, 60)
        self.proves("MQTT-4.8.2-3")
        self.assertEqual([{g.qos for g in part} - {qos} for qos, part in enumerate(got)], [set()] * 3)

    def test_qos_2_that_was_begun_is_finished_with_its_member(self):
        topic, group = self.names()
        name, publisher = self.unique("m"), self.client()
        first = self.durable(name)
        first.subscribe((group, 2))
        publisher.publish(topic, "begun", 2)
        begun = first.expect(m.PUBLISH, qos=2)
        other = self.subscriber((group, 2))
        first.abort()
        first = self.durable(name)
        self.proves("MQTT-4.8.2-4")
        first.expect(m.PUBLISH, qos=2, dup=True, pid=begun.pid, payload=b"begun")
        first.send(m5.ack(m.PUBREC, begun.pid))
        first.expect(m.PUBREL, pid=begun.pid)
        first.send(m5.ack(m.PUBCOMP, begun.pid))
        self.assert_quiet(other, first)

    def test_qos_2_that_was_begun_ends_with_its_session(self):
        topic, group = self.names()
        first, publisher = self.subscriber((group, 2)), self.client()
        publisher.publish(topic, "begun", 2)
        first.expect(m.PUBLISH, qos=2)
        other = self.subscriber((group, 2))
        first.leave()
        publisher.publish(topic, "next", 2)
        self.proves("MQTT-4.8.2-5")
        other.expect_message(topic, "next", 2)
        self.assert_quiet(other)

    def test_a_refused_message_goes_to_nobody_else(self):
        for qos, kind in ((1, m.PUBACK), (2, m.PUBREC)):
            topic, group = self.names()
            first, publisher = self.subscriber((group, qos)), self.client()
            publisher.publish(topic, "refused", qos)
            got = first.expect(m.PUBLISH, qos=qos)
            other = self.subscriber((group, qos))
            first.send(m5.ack(kind, got.pid, 0x83))
            first.ping()
            first.leave()
            publisher.publish(topic, "next", qos)
            self.proves("MQTT-4.8.2-6")
            other.expect_message(topic, "next", qos)
            self.assert_quiet(other)

    def test_no_local_is_an_error(self):
        self.proves("MQTT-3.8.3-4")
        self.refused(m5.subscribe(1, ("$share/g/t", m5.options(1, no_local=True))), PROTOCOL_ERROR)

    def test_qos_1_of_a_member_that_goes_comes_to_another(self):
        topic, group = self.names()
        first, publisher = self.subscriber((group, 1)), self.client()
        publisher.publish(topic, "begun", 1)
        first.expect(m.PUBLISH, qos=1)
        other = self.subscriber((group, 1))
        first.abort()
        other.expect_message(topic, "begun", 1)
        self.assert_quiet(other)

    def test_groups_and_plain_subscriptions_each_get_it(self):
        topic = self.unique("s/")
        one, two, plain = (self.subscriber((f % topic, 1)) for f in ("$share/one/%s", "$share/two/%s", "%s"))
        self.client().publish(topic, "x", 1)
        for client in (one, two, plain):
            client.expect_message(topic, "x", 1)
        self.assert_quiet(one, two, plain)

    def test_no_retained_messages(self):
        topic, group = self.names()
        self.client().publish(topic, "kept", 1, retain=True)
        self.assert_quiet(self.subscriber((group, 1)))

    def test_identifiers(self):
        topic, group = self.names()
        client = self.client()
        client.subscribe((group, 1), props={"subscription_id": 8})
        self.client().publish(topic, "x", 1)
        self.assertEqual(client.expect_message(topic, "x", 1).subscription_ids, [8])

    def test_unsubscribe_leaves_the_group(self):
        topic, group = self.names()
        leaver, other, publisher = self.subscriber((group, 1)), self.subscriber((group, 1)), self.client()
        self.assertEqual(leaver.unsubscribe(topic, group, group), [0x11, 0, 0x11])
        publisher.publish_many(((topic, "%d" % n) for n in range(10)), 1)
        self.assertEqual(len(other.collect(10)), 10)
        self.assert_quiet(leaver, other)

    def test_members_of_3_1_1(self):
        topic, group = self.names()
        old, new, publisher = self.old_client(), self.subscriber((group, 1)), self.client()
        self.assertEqual(old.subscribe((group, 1)), [1])
        publisher.publish_many(((topic, "%d" % n) for n in range(20)), 1)
        got = self.gathered([old, new], 20)
        self.assertTrue(all(got), [len(g) for g in got])
