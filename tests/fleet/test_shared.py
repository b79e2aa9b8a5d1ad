"""Shared subscriptions: with one broker, and with three of which each has a member."""
import time

import harness
import mqtt5_raw as m5
import mqtt_raw as m
from harness import eventually, pace
from services import Broker, Fleet, metric
from shared_case import SharedCase, gather, read

SHARED = {"redispatch_after": "1s", "queue_alias": True,
          "groups": [{"name": "kept", "filter": "kept/+", "keep": "1h"}]}
CONFIG = {"shared": SHARED, "limits": {"max_inflight": 10}}


class Cases(SharedCase):
    """For any store, and members anywhere."""

    def test_each_message_goes_to_one_member(self):
        for qos in (0, 1, 2):
            with self.subTest(qos=qos):
                topic = self.unique("t/")
                members = [self.member("$share/g/" + topic, i, qos) for i in range(3)]
                self.publisher(1).publish_many(self.numbers(topic, 90), qos)
                got = gather(members, 90)
                self.assert_exactly(got, 90)
                self.assertTrue(all(got), "all members got something: %s" % [len(g) for g in got])
                self.assert_nothing(*members)

    def test_a_group_is_one_subscriber_among_others(self):
        base = self.unique("t/")
        plain = self.member(base + "/#", 0)
        first = [self.member("$share/one/" + base + "/+", i) for i in (0, 1)]
        second = [self.member("$share/two/" + base + "/+", i) for i in (1, 2)]
        self.publisher(2).publish_many(self.numbers(base + "/x", 30), 1)
        self.assert_exactly(gather([plain], 30), 30)
        self.assert_exactly(gather(first, 30), 30)
        self.assert_exactly(gather(second, 30), 30)

    def test_the_qos_is_each_members_own(self):
        topic = self.unique("t/")
        members = {qos: self.member("$share/g/" + topic, qos, qos) for qos in (0, 1, 2)}
        self.publisher(0).publish_many(self.numbers(topic, 30), 2)
        seen = 0
        deadline = time.monotonic() + 20
        while seen < 30:
            self.assertLess(time.monotonic(), deadline)
            for qos, client in members.items():
                try:
                    client.fill(time.monotonic() + 0.003)
                except m.TimedOut:
                    pass
                new, out = [], bytearray()
                for packet in client.packets:
                    client.react(packet, new, out)
                client.packets = []
                if out:
                    client.send(out)
                self.assertEqual({p.qos for p in new} - {qos}, set())
                seen += len(new)

    def test_retained_values_are_not_sent(self):
        topic = self.unique("t/")
        self.publisher(0).publish(topic, "1", 1, retain=True)
        member = self.member("$share/g/" + topic, 1)
        self.assert_nothing(member)
        self.publisher(2).publish(topic, "2", 1, retain=True)
        self.assertFalse(member.expect_message(topic, "2", 1).retain)

    def test_bad_names_are_refused(self):
        client = self.publisher(0)
        for bad in ("$share//a", "$share/+/a", "$share/#", "$share/g", "$share/g/"):
            with self.subTest(filter=bad):
                self.assertEqual(client.subscribe((bad, 1)), [0x80])

    def test_nobody_reaches_a_group_by_its_name(self):
        topic = self.unique("t/")
        member = self.member("$share/g/" + topic, 0)
        self.publisher(1).publish("$share/g/" + topic, "1", 1)
        self.assert_nothing(member)

    def test_who_unsubscribes_is_no_member(self):
        topic = self.unique("t/")
        stays_, goes = (self.member("$share/g/" + topic, i) for i in (0, 1))
        goes.unsubscribe("$share/g/" + topic)
        self.publisher(2).publish_many(self.numbers(topic, 20), 1)
        self.assert_exactly(gather([stays_], 20), 20)
        self.assert_nothing(goes)

    def test_a_full_member_is_passed_over(self):
        topic = self.unique("t/")
        idle, busy = (self.member("$share/g/" + topic, i) for i in (0, 1))
        publisher = self.publisher(2)
        publisher.publish_many(self.numbers(topic, 100), 1)
        read(idle, unread := [], ack=False, seconds=0.2)
        got = gather([busy], 90)
        self.assertLessEqual(len(unread), 10, "its window")
        self.assertEqual(len(got[0]), 100 - len(unread))
        self.assertEqual(sorted(got[0] + unread), list(range(100)))

    def test_what_a_clean_member_leaves_goes_to_the_next(self):
        topic = self.unique("t/")
        first = self.member("$share/g/" + topic, 0)
        self.publisher(2).publish_many(self.numbers(topic, 30), 1)
        read(first, unacknowledged := [], ack=False, seconds=0.5)
        self.assertEqual(unacknowledged, list(range(10)))
        second = self.member("$share/g/" + topic, 1)
        got = gather([second], 20)
        self.assert_exactly(got, 20, first=10)
        first.abort()
        back = [second.expect(m.PUBLISH, timeout=10) for _ in range(10)]
        self.assertEqual([int(p.payload) for p in back], list(range(10)))
        self.assertEqual({p.dup for p in back}, {False}, "for this member it is new")

    def test_qos_2_that_was_sent_ends_with_a_clean_member(self):
        topic = self.unique("t/")
        first = self.member("$share/g/" + topic, 0, 2)
        self.publisher(2).publish_many(self.numbers(topic, 20), 2)
        read(first, sent := [], ack=False, seconds=0.5)
        self.assertEqual(sent, list(range(10)))
        second = self.member("$share/g/" + topic, 1, 2)
        self.assert_exactly(gather([second], 10), 10, first=10)
        first.abort()
        self.assert_nothing(second, seconds=1.0)

    def test_messages_wait_for_a_session_that_is_away(self):
        topic, name = self.unique("t/"), self.unique("d")
        self.member("$share/g/" + topic, 0, 2, name, clean=False).disconnect()
        for qos in (1, 2):
            self.publisher(1).publish_many(self.numbers(topic, 20, first=20 * (qos - 1)), qos)
        back = self.at(2).connect(name, clean=False)
        self.addCleanup(back.close)
        self.assert_exactly(gather([back], 40), 40)

    def test_a_group_without_members_gets_nothing(self):
        topic = self.unique("t/")
        self.member("$share/g/" + topic, 0).disconnect()
        self.publisher(1).publish_many(self.numbers(topic, 5), 1)
        member = self.member("$share/g/" + topic, 2)
        self.publisher(1).publish_many(self.numbers(topic, 5, first=5), 1)
        self.assert_exactly(gather([member], 5), 5, first=5)

    def test_a_group_of_the_configuration_keeps_messages(self):
        topic = self.unique("kept/")
        self.publisher(1).publish_many(self.numbers(topic, 20), 1)
        member = self.member("$share/kept/kept/+", 2, 1)
        self.assert_exactly(gather([member], 20), 20)
        member.disconnect()
        self.publisher(0).publish_many(self.numbers(topic, 20, first=20), 1)
        self.assert_exactly(gather([self.member("$share/kept/kept/+", 1, 1)], 20), 20, first=20)

    def test_a_durable_member_that_leaves_gives_back_what_it_was_not_sent(self):
        topic, name = self.unique("t/"), self.unique("d")
        first = self.member("$share/g/" + topic, 0, 1, name, clean=False)
        self.publisher(2).publish_many(self.numbers(topic, 30), 1)
        read(first, sent := [], ack=False, seconds=0.5)
        self.assertEqual(sent, list(range(10)))
        first.abort()
        second = self.member("$share/g/" + topic, 1)
        self.assert_exactly(gather([second], 20), 20, first=10)
        again = gather([second], 10, timeout=10)  # after redispatch_after
        self.assert_exactly(again, 10)

    def test_a_durable_member_that_comes_back_goes_on(self):
        for qos in (1, 2):
            with self.subTest(qos=qos):
                topic, name = self.unique("t/"), self.unique("d")
                first = self.member("$share/g/" + topic, 0, qos, name, clean=False)
                self.publisher(2).publish_many(self.numbers(topic, 10), qos)
                read(first, sent := [], ack=False, seconds=0.5)
                self.assertEqual(sent, list(range(10)))
                first.abort()
                back = self.at(1).connect(name, clean=False)
                self.addCleanup(back.close)
                got = [back.expect(m.PUBLISH, qos=qos) for _ in range(10)]
                self.assertEqual([(int(p.payload), p.dup) for p in got], [(n, True) for n in range(10)])

    def test_qos_2_that_was_sent_to_a_session_waits_for_it(self):
        topic, name = self.unique("t/"), self.unique("d")
        first = self.member("$share/g/" + topic, 0, 2, name, clean=False)
        second = self.member("$share/g/" + topic, 1, 2)
        second.close()
        self.publisher(2).publish_many(self.numbers(topic, 5), 2)
        read(first, sent := [], ack=False, seconds=0.5)
        first.abort()
        second = self.member("$share/g/" + topic, 1, 2)
        self.assert_nothing(second, seconds=2.0)
        back = self.at(2).connect(name, clean=False)
        self.addCleanup(back.close)
        self.assertEqual(gather([back], 5), [sent])
        self.assertEqual(sent, list(range(5)))

    def test_the_alias_for_queues(self):
        topic = self.unique("t/")
        members = [self.member("$queue/" + topic, i) for i in (0, 1)]
        self.publisher(2).publish_many(self.numbers(topic, 30), 1)
        self.assert_exactly(gather(members, 30), 30)

    def client5(self, i, **fields):
        client = m5.Client.connected(self.at(i).address, self.unique("v"), **fields)
        self.addCleanup(client.close)
        return client

    def test_options_and_identifiers_of_5_0_are_each_members_own(self):
        topic = self.unique("t/")
        plain, published = self.client5(0), self.client5(1, clean=False, props={"session_expiry": 600})
        plain.subscribe(("$share/g/" + topic, 1), props={"subscription_id": 7})
        published.subscribe(("$share/g/" + topic, m5.options(1, as_published=True)), props={"subscription_id": 8})
        for n in range(20):
            self.publisher(2).publish(topic, "%d" % n, 1, retain=True)
        seen = []
        for client, ident, retain in ((plain, 7, False), (published, 8, True)):
            try:
                while True:
                    got = client.expect(m.PUBLISH, timeout=1)
                    client.send(m.ack(m.PUBACK, got.pid))
                    self.assertEqual((got.subscription_ids, got.retain), ([ident], retain))
                    seen.append(int(got.payload))
            except m.TimedOut:
                pass
        self.assertEqual(sorted(seen), list(range(20)))

    def test_no_local_is_a_protocol_error(self):
        client = self.client5(0)
        client.send(m5.subscribe(1, ("$share/g/t", m5.options(1, no_local=True))))
        self.assertEqual(client.expect(m.DISCONNECT).reason, 0x82)
        client.expect_closed()

    def test_bad_names_end_a_client_of_5_0(self):
        for bad in ("$share//a", "$share/+/a", "$share/g"):
            with self.subTest(filter=bad):
                client = self.client5(0)
                client.send(m5.subscribe(1, (bad, 1)))
                self.assertEqual(client.expect(m.DISCONNECT).reason, 0x8F)
                client.expect_closed()

    def test_a_reason_code_finishes_a_message(self):
        topic = self.unique("t/")
        client = self.client5(0)
        client.subscribe(("$share/g/" + topic, 2))
        self.publisher(1).publish(topic, "1", 1)
        self.publisher(1).publish(topic, "2", 2)
        for kind in (m.PUBACK, m.PUBREC):
            got = client.expect(m.PUBLISH)
            client.send(m5.ack(kind, got.pid, 0x83))
        client.ping()
        client.close()
        self.assert_nothing(self.member("$share/g/" + topic, 1, 2), seconds=0.5)

    def test_what_expires_is_not_given_out(self):
        topic = self.unique("kept/")
        publisher = self.client5(0)
        publisher.publish(topic, "1", 1, props={"message_expiry": 1})
        publisher.publish(topic, "2", 1, props={"message_expiry": 100})
        pace(1.3)  # until the first one is over
        self.assertEqual(gather([self.member("$share/kept/kept/+", 1)], 1), [[2]])

    def test_a_will_goes_to_one_member(self):
        topic = self.unique("t/")
        members = [self.member("$share/g/" + topic, i) for i in (0, 1)]
        self.publisher(2, will=m.Will(topic, "7", 1)).abort()
        self.assertEqual(sum(gather(members, 1), []), [7])
        self.assert_nothing(*members)


class OneBroker(Cases, harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config=CONFIG).start()

    def at(self, i):
        return self.broker

    def test_round_robin(self):
        for qos in (0, 1, 2):
            with self.subTest(qos=qos):
                topic = self.unique("t/")
                members = [self.member("$share/g/" + topic, i, qos) for i in range(3)]
                publisher = self.publisher()
                publisher.publish_many(self.numbers(topic, 30), qos, window=1)
                self.assertEqual([len(g) for g in gather(members, 30)], [10, 10, 10])

    def test_nobody_with_room_is_counted(self):
        topic, before = self.unique("kept/"), metric(
            self.broker.metrics(), "flotilla_broker_messages_dropped_total", reason="share_nobody")
        self.publisher().publish_many(self.numbers(topic, 3), 0)
        eventually(lambda: metric(self.broker.metrics(), "flotilla_broker_messages_dropped_total",
                                  reason="share_nobody") == before + 3)


class ThreeBrokers(Cases, harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, broker_config=CONFIG)

    def at(self, i):
        return self.fleet[i % 3]


del Cases

if __name__ == "__main__":
    harness.main()
