"""Rule 12, shared subscriptions: what a group's messages survive when members, brokers and sessions go."""
import random
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from device import Device
from harness import eventually, pace
from services import Broker, Fleet, Redis, metric
from shared_case import SharedCase, gather, read

CONFIG = {"shared": {"redispatch_after": "2s"}, "limits": {"max_inflight": 20}}


class Shared(SharedCase, harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.fleet = Fleet(self.scope, brokers=3, broker_config=CONFIG)
        self.topic = self.unique("t/")
        self.group = "$share/g/" + self.topic

    def at(self, i):
        return self.fleet[i % 3]

    def device(self, name, brokers, qos):
        def dial():
            return random.choice([b for b in brokers if b.running()]).open(timeout=3)
        d = Device(dial, name, [(self.group, qos)] if qos is not None else ())
        self.addCleanup(d.crash)
        return d

    def devices(self, count, qos, brokers=None):
        made = [self.device("d%d" % i, brokers or [self.fleet[i % 3]], qos) for i in range(count)]
        for d in made:
            d.wait_online()
        return made

    def received(self, devices):
        return sorted(int(p) for d in devices for p in list(d.received[self.topic]))

    def await_all(self, devices, count, timeout=60):
        try:
            eventually(lambda: set(self.received(devices)) == set(range(count)), timeout, "all %d are there" % count)
        except AssertionError:
            missing = sorted(set(range(count)) - set(self.received(devices)))
            raise AssertionError("missing %d: %s; %s" % (
                len(missing), missing[:20], [d.state() for d in devices])) from None

    # one broker's end

    def test_what_a_killed_brokers_clean_members_had_goes_to_others(self):
        dead = self.member(self.group, 0)
        self.publisher(2).publish_many(self.numbers(self.topic, 50), 1)
        read(dead, had := [], ack=False, seconds=0.5)
        self.assertEqual(len(had), 20)
        alive = self.member(self.group, 1)
        self.assert_exactly(gather([alive], 30), 30, first=20)
        self.fleet[0].kill()
        self.assert_exactly(gather([alive], 20, timeout=20), 20)

    def test_qos_2_of_a_killed_brokers_clean_members_ends_and_is_counted(self):
        dead = self.member(self.group, 0, 2)
        self.publisher(2).publish_many(self.numbers(self.topic, 20), 2)
        read(dead, had := [], ack=False, seconds=0.5)
        self.assertEqual(len(had), 20)
        alive = self.member(self.group, 1, 2)
        self.fleet[0].kill()

        def ended():
            return sum(metric(self.fleet[i].metrics(), "flotilla_fleet_share_ended_total") for i in (1, 2))
        eventually(lambda: ended() == 20, 20, "the messages have ended")
        self.assert_nothing(alive, seconds=0.5)

    def test_a_durable_members_messages_wait_for_it_when_its_broker_dies(self):
        member = self.member(self.group, 0, 2, "dur", clean=False)
        other = self.member(self.group, 1, 2)
        other.unsubscribe(self.group)
        self.publisher(2).publish_many(self.numbers(self.topic, 20), 2)
        read(member, sent := [], ack=False, seconds=0.5)
        self.assertEqual(sent, list(range(20)))
        other.subscribe((self.group, 2))
        self.fleet[0].kill()
        self.assert_nothing(other, seconds=6.0)
        back = self.at(2).connect("dur", clean=False, timeout=15)
        self.addCleanup(back.close)
        self.assertEqual(gather([back], 20), [sent])

    def test_qos_1_of_a_durable_member_goes_on_after_a_while_when_its_broker_dies(self):
        member = self.member(self.group, 0, 1, "dur", clean=False)
        self.publisher(2).publish_many(self.numbers(self.topic, 20), 1)
        read(member, sent := [], ack=False, seconds=0.5)
        self.assertEqual(sent, list(range(20)))
        other = self.member(self.group, 1, 1)
        self.fleet[0].kill()
        self.assert_exactly(gather([other], 20, timeout=20), 20)

    def test_messages_are_kept_while_all_brokers_with_members_are_dead(self):
        self.member(self.group, 0, 1, "dur", clean=False)
        self.fleet[0].kill()
        self.publisher(2).publish_many(self.numbers(self.topic, 30), 1)
        back = self.at(1).connect("dur", clean=False, timeout=15)
        self.addCleanup(back.close)
        self.assert_exactly(gather([back], 30, timeout=20), 30)

    def test_an_ended_sessions_qos_1_goes_to_others_and_its_qos_2_ends(self):
        for qos in (1, 2):
            with self.subTest(qos=qos):
                topic, name = self.unique("e/"), self.unique("d")
                member = self.member("$share/g/" + topic, 0, qos, name, clean=False)
                self.publisher(2).publish_many(self.numbers(topic, 20), qos)
                read(member, sent := [], ack=False, seconds=0.5)
                self.assertEqual(len(sent), 20)
                other = self.member("$share/g/" + topic, 1, qos)
                member.abort()
                self.at(2).connect(name, clean=True, timeout=15).disconnect()
                if qos == 1:
                    self.assert_exactly(gather([other], 20, timeout=20), 20)
                else:
                    self.assert_nothing(other, seconds=6.0)

    # many, under load

    def under_load(self, qos, disturb, members=6, count=1200):
        """Durable members that reconnect anywhere, and a publisher at a broker that stays."""
        devices = self.devices(members, qos, self.fleet.brokers)
        publisher = self.device("pub", [self.fleet[2]], None).wait_online()
        for n in range(count):
            publisher.publish(self.topic, "%d" % n, qos)
            if n % 100 == 50:
                disturb(n // 100, devices)
            pace(0.004)
        eventually(publisher.idle, 60, "the publisher is through")
        self.await_all(devices, count)
        pace(3)  # what might come twice
        return self.received(devices)

    def test_without_a_fault_each_goes_to_one_member(self):
        for qos in (1, 2):
            with self.subTest(qos=qos):
                self.topic = self.unique("t/")
                self.group = "$share/g/" + self.topic
                members = [self.member(self.group, i, qos) for i in range(6)]
                self.publisher(1).publish_many(self.numbers(self.topic, 3000), qos)
                self.assert_exactly(gather(members, 3000, timeout=60), 3000)
                self.assert_nothing(*members)

    def test_members_are_killed(self):
        for qos in (1, 2):
            with self.subTest(qos=qos):
                self.topic = self.unique("t/")
                self.group = "$share/g/" + self.topic
                got = self.under_load_with_aborts(qos)
                if qos == 2:
                    self.assertEqual(got, list(range(600)))

    def under_load_with_aborts(self, qos, count=600):
        clients = {}

        def dial(name):
            clients[name] = random.choice(self.fleet.brokers).open(timeout=3)
            return clients[name]
        names = [self.unique("k") for _ in range(6)]
        devices = [Device(lambda n=n: dial(n), n, [(self.group, qos)]) for n in names]
        for d in devices:
            self.addCleanup(d.crash)
            d.wait_online()
        publisher = self.device(self.unique("pub"), [self.fleet[2]], None).wait_online()
        for n in range(count):
            publisher.publish(self.topic, "%d" % n, qos)
            if n % 20 == 10:
                clients[random.choice(names)].abort()
            pace(0.004)
        eventually(publisher.idle, 60, "the publisher is through")
        self.await_all(devices, count)
        pace(3)
        return self.received(devices)

    def test_clean_members_of_killed_brokers_lose_nothing_at_qos_1(self):
        """They come back anywhere; each message comes to one of them at least."""
        got, count = set(), 900
        members = [None] * 6

        def come(i):
            try:
                client = random.choice([b for b in self.fleet.brokers if b.running() and b.ready()]).connect(
                    "clean%d" % i, timeout=5)
                client.subscribe((self.group, 1))
                members[i] = client
            except (AssertionError, OSError):
                members[i] = None

        def serve():
            for i, client in enumerate(members):
                if client is None:
                    come(i)
                    continue
                new = []
                try:
                    read(client, new, seconds=0.001)
                except m.Closed:
                    client.close()
                    members[i] = None
                got.update(new)
        self.member(self.group, 2, 1, "keeper", clean=False).disconnect()
        publisher = self.device("pub", [self.fleet[2]], None).wait_online()
        for n in range(count):
            publisher.publish(self.topic, "%d" % n, 1)
            if n in (200, 500):
                self.fleet[n // 500].kill()
            if n in (400, 700):
                self.fleet[n // 700].start(wait=False)
            serve()
        deadline = time.monotonic() + 60
        while got != set(range(count)) and time.monotonic() < deadline:
            serve()
        self.assertEqual(sorted(set(range(count)) - got), [])
        for client in filter(None, members):
            client.close()

    def test_brokers_are_killed(self):
        def disturb(step, devices):
            if step in (2, 6):
                self.fleet[step // 4].kill()
            elif step in (5, 9):
                self.fleet[step // 6].start(wait=False)
        got = self.under_load(2, disturb)
        self.assertEqual(got, list(range(1200)))

    def test_a_broker_is_frozen(self):
        def disturb(step, devices):
            if step == 2:
                self.fleet[0].stop()
            elif step == 9:
                self.fleet[0].cont()
        got = self.under_load(2, disturb)
        self.assertEqual(got, list(range(1200)))

    def test_brokers_are_drained(self):
        def disturb(step, devices):
            if step in (2, 6):
                self.fleet[step // 4].signal(15)
            elif step in (5, 9):
                b = self.fleet[step // 6]
                b.wait()
                b.start(wait=False)
        got = self.under_load(2, disturb)
        self.assertEqual(got, list(range(1200)))


class LostAnswers(SharedCase, harness.FleetTest):
    """Two brokers; what Redis answers to the first one can be held back."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxy = LinkProxy(holder.redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.brokers = [Broker(holder.scope, name, redis, CONFIG, lease="4s").start()
                          for name, redis in (("a", holder.proxy), ("b", holder.redis))]

    def at(self, i):
        return self.brokers[i]

    def test_a_copy_whose_answer_is_lost_isnt_given_to_another_member_too(self):
        topic, group = "t/1", "$share/g/t/1"
        self.member(group, 0, 2, "dur", clean=False)
        self.proxy.hold_replies_from(b"\0d2 ")  # what is noted of a message, in the call that copies it
        self.publisher(1).publish(topic, "7", 2)
        eventually(lambda: any(self.redis.command("XLEN", k) for k in self.redis.command("KEYS", "fl:*:q:dur")), 5,
                   "it is in the member's queue")
        other = self.member(group, 1, 2)
        back = self.at(1).connect("dur", clean=False, timeout=15)
        self.addCleanup(back.close)
        back.expect(m.PUBLISH, payload="7")
        self.proxy.cut()
        self.proxy.release()
        self.at(0).wait_log("clients_taken")
        self.assert_nothing(other, seconds=6.0)
        self.assert_nothing(back)

    def test_what_was_taken_with_a_lost_answer_doesnt_stay_with_a_member_that_came_back_elsewhere(self):
        topic, group = "t/1", "$share/g/t/1"
        self.member(group, 0, 2, "dur", clean=False)
        eventually(lambda: self.redis.command("KEYS", "fl:{g*}:l:*"), 5, "it has looked for what may wait")
        self.proxy.hold_replies_from(b" dur\r\n")  # the note of what it takes
        self.publisher(1).publish(topic, "7", 2)
        eventually(lambda: self.redis.command("KEYS", "fl:{g*}:t:*"), 5, "it is taken")
        back = self.at(1).connect("dur", clean=False, timeout=15)
        self.addCleanup(back.close)
        self.proxy.cut()
        self.proxy.release()
        self.assertEqual(gather([back], 1, timeout=10), [[7]])
        self.assert_nothing(back, seconds=3)


if __name__ == "__main__":
    harness.main()
