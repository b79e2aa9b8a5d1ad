"""Promise 3: one client id has one connection in the whole fleet; takeover loses nothing, repeats nothing, reorders
nothing."""
import os
import random
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from device import Device, difference
from harness import background, eventually, pace
from services import Broker, Fleet, Redis

ROUNDS, SEED = int(os.environ.get("FLOTILLA_TEST_ROUNDS", "6")), int(os.environ.get("FLOTILLA_TEST_SEED", "1"))


class Takeover(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def connect(self, broker, name, **fields):
        client = self.fleet[broker].connect(name, **fields)
        self.addCleanup(client.close)
        return client

    def test_the_old_connection_is_closed(self):
        for clean in (True, False):
            name = self.unique("t")
            old = self.connect(0, name, clean=clean)
            start = time.monotonic()
            new = self.connect(1, name, clean=clean)
            old.expect_closed(timeout=5)
            self.assertLess(time.monotonic() - start, 5)
            self.assertEqual(new.session_present, not clean)
            new.ping()

    def test_what_was_unacknowledged_comes_again(self):
        name, topic = self.unique("t"), self.unique("u/")
        old = self.connect(0, name, clean=False)
        old.subscribe((topic, 2))
        publisher = self.connect(2, self.unique("p"))
        for n in range(10):
            publisher.publish(topic, "%d" % n, 1 + n % 2)
        first = [old.expect(m.PUBLISH) for _ in range(10)]
        old.send(m.ack(m.PUBACK, first[0].pid) + m.ack(m.PUBREC, first[1].pid))
        old.expect(m.PUBREL, pid=first[1].pid)
        new = self.connect(1, name, clean=False)
        seen, released = [], []
        while len(seen) < 8 or not released:
            got = new.recv()
            (released if got.kind == m.PUBREL else seen).append(got)
        self.assertEqual([(g.payload, g.pid, g.qos) for g in seen], [(f.payload, f.pid, f.qos) for f in first[2:]])
        self.assertTrue(all(g.dup for g in seen))
        self.assertEqual([g.pid for g in released], [first[1].pid])
        old.expect_closed()

    def test_what_the_old_connection_sent_counts(self):
        """The last publishes of the old connection may still be unread when the new one comes."""
        name, topic = self.unique("t"), self.unique("last/")
        watcher = self.connect(2, self.unique("w"))
        watcher.subscribe((topic, 1))
        old = self.connect(0, name, clean=False)
        old.send(b"".join(m.publish(topic, "%d" % n, 1, n + 1) for n in range(50)))
        new = self.connect(1, name, clean=False)
        answered = {p.pid for p in old.drain_until_closed() if p.kind == m.PUBACK}
        new.send(b"".join(m.publish(topic, "%d" % n, 1, n + 1, dup=True) for n in range(50) if n + 1 not in answered))
        new.publish(topic, "end", 1) if len(answered) == 50 else None
        if len(answered) < 50:
            for n in range(50):
                if n + 1 not in answered:
                    new.expect(m.PUBACK, pid=n + 1)
            new.publish(topic, "end", 1)
        got = [g.payload for g in watcher.collect(lambda seen: seen and seen[-1].payload == b"end")]
        self.assertEqual(list(dict.fromkeys(got)), [b"%d" % n for n in range(50)] + [b"end"])

    def hop(self, qos, count=1500):
        """A subscriber whose id hops from broker to broker, under load."""
        topic, hop = self.unique("hop/"), [0]
        name = self.unique("t")

        def dial():
            hop[0] += 1
            return m.Client(self.fleet[hop[0] % 3].address)
        current = Device(dial, name, [(topic, qos)], start=True).wait_online()
        publisher = self.connect(2, self.unique("p"), clean=False)
        sending = background(publisher.publish_many, [(topic, "%d" % n) for n in range(count)], qos, 5)
        received, open_in2, hops = current.received[topic], current.open_in2, 0
        while not sending.done() or hops < 5:
            # The next connection shares the records of the last one, as a device that reconnects does.
            nxt = Device(dial, name, [(topic, qos)], start=False)
            nxt.received, nxt.subscribed, nxt.connects, nxt.open_in2 = current.received, True, 1, open_in2
            current.ending = "superseded"
            before = current
            before.ending = False
            nxt_client = dial()
            nxt_client.send(m.connect(name, clean=False, keepalive=5))
            # the old one reads on until it is closed; it must not reconnect
            before.dial = self.never
            nxt_client.expect(m.CONNACK, timeout=15, return_code=0, session_present=True)
            eventually(lambda: not before.online.is_set(), 10, "the old connection is closed")
            before.ending = True
            before.join(10)
            nxt.dial = self.first(nxt_client, dial)
            nxt.session = self.attached(nxt)
            nxt.start()
            nxt.wait_online()
            current = nxt
            hops += 1
            pace(0.1)
        sending.result(60)
        eventually(lambda: received and received[-1] == b"%d" % (count - 1), 30, "the last message")
        got = list(received) if qos == 2 else list(dict.fromkeys(received))
        wanted = [b"%d" % n for n in range(count)]
        self.assertEqual(got == wanted, True, difference(wanted, got) if got != wanted else "")
        current.finish()

    @staticmethod
    def never():
        pace(0.2)
        raise OSError("this connection has been taken over")

    @staticmethod
    def first(client, dial):
        given = [client]
        return lambda: given.pop() if given else dial()

    @staticmethod
    def attached(device):
        """For a connection whose CONNACK has been read already."""
        def session(client):
            device.online.set()
            device.session = lambda c: Device.session(device, c)
            device.talk(client)
        return session

    def test_hopping_under_qos_1_load(self):
        self.hop(1)

    def test_hopping_under_qos_2_load(self):
        self.hop(2)

    def test_connects_at_the_same_moment_leave_exactly_one(self):
        for clean in (True, False):
            name = self.unique("race")
            clients = [self.fleet[i % 3].open() for i in range(12)]
            for c in clients:
                self.addCleanup(c.close)
            for c in clients:
                c.send(m.connect(name, clean=clean))
            alive = []
            for c in clients:
                try:
                    c.expect(m.CONNACK, return_code=0)
                    alive.append(c)
                except m.Closed:
                    pass

            def living():
                count = 0
                for c in list(alive):
                    try:
                        c.ping(timeout=10)
                        count += 1
                    except m.Closed:
                        alive.remove(c)
                return count == 1
            eventually(living, 15, "exactly one connection is left")

    def test_the_will_comes_once_and_before_the_connack(self):
        name, topic = self.unique("t"), self.unique("will/")
        watcher = self.connect(2, self.unique("w"))
        watcher.subscribe((topic, 2))
        for n in range(6):
            client = self.connect(n % 3, name, will=m.Will(topic, "offline %d" % n, 2))
            client.publish(topic, "online %d" % n, 2)
        for n in range(6):
            if n:
                watcher.expect_message(topic, "offline %d" % (n - 1), 2)
            watcher.expect_message(topic, "online %d" % n, 2)
        client.disconnect()
        quiet = self.unique("end/")
        watcher.subscribe((quiet, 1))
        self.connect(0, self.unique("p")).publish(quiet, "end", 1)
        watcher.expect_message(quiet, "end", 1)

    def test_clean_connect_on_another_broker_ends_the_session(self):
        name, topic = self.unique("t"), self.unique("c/")
        old = self.connect(0, name, clean=False)
        old.subscribe((topic, 1))
        publisher = self.connect(2, self.unique("p"))
        publisher.publish(topic, "for the old one", 1)
        old.expect(m.PUBLISH)
        new = self.connect(1, name, clean=True)
        self.assertFalse(new.session_present)
        old.expect_closed()
        publisher.publish(topic, "for nobody", 1)
        new.subscribe((topic, 1))
        publisher.publish(topic, "for the new one", 1)
        new.expect_message(topic, "for the new one", 1)


class TakeoverRace(harness.FleetTest):
    """One client id at several brokers at once, while a broker's links to Redis are held back and then cut or let go."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxies = [LinkProxy(holder.redis.port) for _ in range(3)]
        holder.scope.cleanups.extend(p.close for p in holder.proxies)
        holder.brokers = [Broker(holder.scope, "abd"[i], p, lease="10s") for i, p in enumerate(holder.proxies)]
        for broker in holder.brokers:
            broker.start(wait=False)
        for broker in holder.brokers:
            broker.wait_ready()

    def attempt(self, broker, client_id, delay):
        """A connection after some time, whether it is accepted or not."""
        pace(delay)
        client = broker.open(timeout=4)
        client.send(m.connect(client_id, clean=False))
        try:
            client.expect(m.CONNACK)
        except AssertionError:
            client.close()
            return None
        return client

    def answers(self, client):
        try:
            client.ping(timeout=0.5)
            return True
        except AssertionError:
            return False

    def at_most_one_answers(self, clients):
        return sum(self.answers(c) for c in clients if c is not None) <= 1

    def race(self, dice, client_id):
        held = dice.randrange(3)
        order = dice.sample(range(3), 3)
        first = self.attempt(self.brokers[order[0]], client_id, 0)
        attempts = [background(self.attempt, self.brokers[i], client_id, dice.uniform(0, 0.6)) for i in order[1:]]
        pace(dice.uniform(0, 0.3))
        self.proxies[held].hold(*dice.choice([(), ("replies",), ("requests",)]))
        more = background(self.attempt, self.brokers[dice.choice([i for i in range(3) if i != held])], client_id, 0.1)
        pace(dice.uniform(0.2, 2))
        if dice.random() < 0.7:
            self.proxies[held].cut()
        self.proxies[held].release()
        clients = [first, more.result(10)] + [a.result(10) for a in attempts]
        try:
            eventually(lambda: self.at_most_one_answers(clients), 2.5, "one connection of %s is left" % client_id)
            last = self.attempt(self.brokers[dice.randrange(3)], client_id, 0)
            self.assertIsNotNone(last)
            eventually(lambda: self.answers(last) and not any(self.answers(c) for c in clients if c), 2.5, "the last stays")
            last.disconnect()
        finally:
            for c in clients:
                if c is not None:
                    c.close()

    def test_one_connection_is_left_of_a_race_with_a_link_that_is_held_and_cut(self):
        for n in range(ROUNDS):
            with self.subTest(seed=SEED + n):
                self.race(random.Random(SEED + n), "c%d" % n)


if __name__ == "__main__":
    harness.main()
