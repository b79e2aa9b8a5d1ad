"""Promise 5: a new subscriber on any broker sees the newest retained value, and no older one after it."""
import time

import harness
import mqtt_raw as m
from foreign import MosquittoSub
from harness import background
from services import STANDIN_BROKER, Broker, Fleet

COUNT = 20000


def topic(n):
    return "fleet/%d/vehicle-%d/%s" % (n % 100, n, ("gps", "state")[n % 2])


class TwentyThousand(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={"limits": {"max_subscriptions": COUNT + 1}})
        with holder.fleet[0].connect("setter") as setter:
            setter.publish_many(((topic(n), "value %d" % n) for n in range(COUNT)), 1, window=500, retain=True,
                                timeout=120)
        holder.wanted = {topic(n): b"value %d" % n for n in range(COUNT)}

    def read(self, broker, *filters, wanted):
        with broker.connect(self.unique("reader")) as reader:
            for start in range(0, len(filters), 100):
                pid = reader.pid()
                reader.send(m.subscribe(pid, *[(f, 1) for f in filters[start:start + 100]]))
            messages, subacks, out = [], 0, bytearray()
            deadline = time.monotonic() + 240  # exact filters take some ms each on a busy machine
            while len(messages) < len(wanted) or subacks < (len(filters) + 99) // 100:
                if not reader.packets:
                    reader.fill(deadline)
                for got in reader.packets:
                    if got.kind == m.SUBACK:
                        subacks += 1
                    else:
                        reader.react(got, messages, out)
                reader.packets = []
                reader.send(out)
                out = bytearray()
            reader.subscribe("end/of/it")  # SUBACK comes next: there is nothing more
        self.assertTrue(all(g.retain for g in messages))
        self.assertEqual(len(messages), len(wanted))
        self.assertEqual({g.topic: g.payload for g in messages}, wanted)

    def test_by_exact_filters(self):
        self.read(self.fleet[1], *self.wanted, wanted=self.wanted)

    def test_by_hash(self):
        self.read(self.fleet[1], "fleet/#", wanted=self.wanted)

    def test_by_hash_alone(self):
        self.read(self.fleet[1], "#", wanted=self.wanted)

    def test_by_plus_in_the_middle(self):
        self.read(self.fleet[1], "fleet/+/+/gps", wanted={t: v for t, v in self.wanted.items() if t.endswith("gps")})

    def test_by_prefix_and_plus(self):
        self.read(self.fleet[1], "fleet/7/+/+", wanted={t: v for t, v in self.wanted.items() if t.startswith("fleet/7/")})

    def test_by_leading_plus(self):
        self.read(self.fleet[1], "+/42/#", wanted={t: v for t, v in self.wanted.items() if t.startswith("fleet/42/")})

    def test_by_mosquitto_sub(self):
        reader = MosquittoSub(self.fleet[1].address, "-q", "0", "-t", "fleet/+/+/+")
        self.addCleanup(reader.close)
        lines = reader.wait(COUNT)
        self.assertEqual(sorted(lines), sorted("0 1 %s %s" % (t, v.decode()) for t, v in self.wanted.items()))

    @harness.unittest.skipIf(STANDIN_BROKER, "needs a fleet")
    def test_on_a_broker_that_started_later(self):
        late = Broker(self.scope, self.unique("late"), self.fleet.redis).start()
        self.read(late, "fleet/+/+/state", wanted={t: v for t, v in self.wanted.items() if t.endswith("state")})
        self.read(late, topic(1), topic(2), wanted={topic(1): b"value 1", topic(2): b"value 2"})
        late.term()


class NewestValue(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

    def test_a_subscriber_never_sees_an_older_value_after_a_newer_one(self):
        name, publisher = self.unique("hot/"), self.fleet[0].connect("publisher")
        self.addCleanup(publisher.close)
        publisher.publish(name, "0", 1, retain=True)
        sending = background(publisher.publish_many, [(name, "%d" % n) for n in range(1, 1500)], 1, 10, 60.0, True)
        rounds = 0
        while not sending.done() or rounds < 3:
            with self.fleet[1].connect(self.unique("sub")) as subscriber:
                pid = subscriber.pid()
                subscriber.send(m.subscribe(pid, (name, 1)))
                subscriber.await_pid(m.SUBACK, pid)  # what is live may come before it (3.1.1, 3.8.4)
                got = subscriber.collect(lambda seen: len(seen) >= 20 or (seen and seen[-1].payload == b"1499"))
            values = [int(g.payload) for g in got]
            self.assertTrue(got[0].retain or values[0] > 0)
            self.assertEqual(values, sorted(values), [(int(g.payload), g.retain, g.dup) for g in got])
            # from the first live one on, none is missing
            live = [int(g.payload) for g in got if not g.retain]
            self.assertEqual(live, list(range(live[0], live[-1] + 1)) if live else [])
            self.assertLessEqual(sum(g.retain for g in got), 1)
            rounds += 1
        sending.result()

    def test_acknowledged_then_read_elsewhere(self):
        writer, reader = self.fleet[0].connect("writer"), self.fleet[1].connect("reader")
        self.addCleanup(writer.close)
        self.addCleanup(reader.close)
        for n in range(50):
            writer.publish("rw/value", "%d" % n, 1 + n % 2, retain=True)
            reader.subscribe(("rw/value", 1))
            reader.expect_message("rw/value", "%d" % n, 1, retain=True)
            reader.unsubscribe("rw/value")

    def test_cleared_on_one_is_gone_on_the_other(self):
        writer, other = self.fleet[0].connect("writer2"), self.fleet[1].connect("other")
        self.addCleanup(writer.close)
        self.addCleanup(other.close)
        for n in range(20):
            writer.publish("clear/%d" % n, "x", 1, retain=True)
        for n in range(0, 20, 2):
            other.publish("clear/%d" % n, "", 1, retain=True)
        reader = self.fleet[0].connect("reader3")
        self.addCleanup(reader.close)
        reader.subscribe(("clear/#", 1))
        self.assertEqual(sorted(g.topic for g in reader.collect(10)), sorted("clear/%d" % n for n in range(1, 20, 2)))
        reader.subscribe("clear-end")

    def test_writers_on_both_brokers_agree_in_the_end(self):
        writers = [b.connect(self.unique("w")) for b in self.fleet]
        readers = [b.connect(self.unique("r")) for b in self.fleet]
        for c in writers + readers:
            self.addCleanup(c.close)
        for n in range(40):
            writers[n % 2].publish("turns", "%d" % n, 1, retain=True)
        for r in readers:
            r.subscribe(("turns", 1))
            r.expect_message("turns", "39", 1, retain=True)

    def test_retained_at_qos_0_reaches_the_other_broker(self):
        with self.fleet[0].connect("zero") as writer:
            writer.publish("zero/value", "v", 0, retain=True)
            writer.publish("zero/after", "v", 1, retain=True)
            with self.fleet[1].connect("zero-reader") as reader:
                reader.subscribe(("zero/value", 1))
                reader.expect_message("zero/value", "v", 0, retain=True)


if __name__ == "__main__":
    harness.main()
