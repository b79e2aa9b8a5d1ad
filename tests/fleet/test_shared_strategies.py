"""The strategies of shared subscriptions, with one broker and in a fleet."""
import collections
import time

import harness
import mqtt_raw as m
from services import Broker, Fleet
from shared_case import SharedCase, gather, hungry

TOPICS, EACH = 24, 20


class Hashed(SharedCase):
    """Which member gets a message is said by what is hashed; its order is kept."""

    def collect(self, members, count):
        """For each member: (topic, publisher's name in the payload) -> numbers, in their order."""
        got = [collections.defaultdict(list) for _ in members]
        seen, deadline = 0, time.monotonic() + 30
        while seen < count:
            if time.monotonic() > deadline:
                raise m.TimedOut("%d of %d messages" % (seen, count))
            for client, mine in zip(members, got):
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
                for packet in new:
                    name, number = packet.payload.decode().split()
                    mine[packet.topic, name].append(int(number))
                seen += len(new)
        return got

    def publish_all(self, base, publishers, qos):
        for n in range(EACH):
            for name, publisher in publishers.items():
                publisher.publish_many([("%s/%d" % (base, t), "%s %d" % (name, n)) for t in range(TOPICS)], qos)

    def check(self, got, key):
        """Each key is one member's, in order, and each member has some."""
        holder = {}
        for i, mine in enumerate(got):
            self.assertTrue(mine, "member %d got nothing" % i)
            for where, numbers in mine.items():
                self.assertEqual(numbers, sorted(numbers))
                self.assertEqual(holder.setdefault(key(where), i), i)
        return holder

    def await_members(self, text, members):
        """Until each of them has asked for its part. One broker knows that at once."""

    def run_strategy(self, key, publisher_count, qos):
        base = self.unique("t")
        group = "$share/g/%s/+" % base
        members = [self.member(group, i, qos) for i in range(3)]
        publishers = {"p%d" % i: self.publisher(i) for i in range(publisher_count)}
        self.await_members(base, members)
        total = TOPICS * EACH * publisher_count
        self.publish_all(base, publishers, qos)
        before = self.check(self.collect(members, total), key)
        members.pop().disconnect()
        self.publish_all(base, publishers, qos)
        after = self.check(self.collect(members, total), key)
        moved = [k for k in before if before[k] != after[k] and before[k] < 2]
        self.assertEqual(moved, [], "whose member stays stays with it")


class HashTopic(Hashed):
    def test_by_topic(self):
        for qos in (1, 2):
            with self.subTest(qos=qos):
                self.run_strategy(lambda where: where[0], 2, qos)


class HashClient(Hashed):
    def test_by_publisher(self):
        self.run_strategy(lambda where: where[1], 24, 1)


class OneBroker:
    shared = True
    strategy = None

    def at(self, i):
        return self.broker


class Many:
    """Member i is at broker i."""
    shared = True

    def at(self, i):
        return self.fleet[i % 3]

    def await_members(self, text, members):
        harness.eventually(lambda: hungry(self.fleet.redis, text) == len(members), what="all nodes are hungry")


def one(strategy):
    def build(holder):
        holder.broker = Broker(holder.scope, config={"shared": {"strategy": strategy}}).start()
    return staticmethod(build)


def many(strategy):
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, broker_config={"shared": {"strategy": strategy}})
    return staticmethod(build)


class OneByTopic(OneBroker, HashTopic, harness.FleetTest):
    build = one("hash_topic")

    def test_qos_0_by_topic(self):
        base = self.unique("t")
        members = [self.member("$share/g/%s/+" % base, i, 0) for i in range(3)]
        self.publish_all(base, {"p": self.publisher()}, 0)
        self.check(self.collect(members, TOPICS * EACH), lambda where: where[0])


class OneByClient(OneBroker, HashClient, harness.FleetTest):
    build = one("hash_client")


class OneAtRandom(OneBroker, SharedCase, harness.FleetTest):
    build = one("random")

    def test_all_get_some(self):
        for qos in (0, 1):
            with self.subTest(qos=qos):
                topic = self.unique("t/")
                members = [self.member("$share/g/" + topic, i, qos) for i in range(3)]
                self.publisher().publish_many(self.numbers(topic, 90), qos, window=1)
                got = gather(members, 90)
                self.assert_exactly(got, 90)
                self.assertTrue(all(len(g) > 10 for g in got), [len(g) for g in got])
                self.assertNotEqual([len(g) for g in got], [30, 30, 30])


class FleetByTopic(Many, HashTopic, harness.FleetTest):
    build = many("hash_topic")


class FleetByClient(Many, HashClient, harness.FleetTest):
    build = many("hash_client")


class FleetLocal(Many, SharedCase, harness.FleetTest):
    build = many("local")

    def test_members_of_the_publishers_broker_come_first(self):
        for qos in (0, 1):
            with self.subTest(qos=qos):
                topic = self.unique("t/")
                members = [self.member("$share/g/" + topic, i, qos) for i in range(3)]
                if qos > 0:
                    self.await_members(topic, members)
                self.publisher(1).publish_many(self.numbers(topic, 60), qos, window=1)
                got = gather(members, 60)
                self.assert_exactly(got, 60)
                self.assertGreater(len(got[1]), 30 if qos else 59)


if __name__ == "__main__":
    harness.main()
