"""Rule 4, link: after a reconnect what was unanswered comes again, in order, and does nothing twice."""

import os

import harness
import mqtt_raw as m
from device import Device, difference
from harness import background, eventually, pace
from rule_case import RuleCase


class Link(RuleCase, harness.FleetTest):
    def cut_under_load(self, *held):
        subscriber = Device(lambda: m.Client(self.b.address), self.unique("s"), [("l/#", 2)]).wait_online()
        publishers = [Device(lambda: m.Client(self.a.address), self.unique("p"), keepalive=10).wait_online()
                      for _ in range(2)]
        count = 400
        for n in range(count):
            for qos, p in enumerate(publishers, 1):
                p.publish("l/%d" % qos, "%d" % n, qos)
            if n % 50 == 25:
                if held:
                    self.proxy.hold(*held)
                    pace(0.15)
                self.proxy.cut()
                self.proxy.release()
            pace(0.004)
        eventually(lambda: all(p.idle() for p in publishers), 40, "all acknowledged")
        wanted = [b"%d" % n for n in range(count)]
        eventually(lambda: all(subscriber.received["l/%d" % q][-1:] == wanted[-1:] for q in (1, 2)), 20, "all delivered")
        for qos in (1, 2):
            got = subscriber.received["l/%d" % qos]
            if qos == 1:  # which may be repeated
                got = list(dict.fromkeys(got))
            self.assertTrue(got == wanted, "QoS %d: %s" % (qos, "" if got == wanted else difference(wanted, got)))
        for d in publishers + [subscriber]:
            self.assertEqual(d.losses, 0)
            d.finish()

    def test_a_cut_link_is_replayed_in_order(self):
        self.cut_under_load()

    def test_replay_of_what_was_done_already_repeats_nothing(self):
        """The replies are lost, so the commands were executed and come again."""
        self.cut_under_load("replies")

    def test_requests_that_never_arrived_are_sent_again(self):
        self.cut_under_load("requests")

    def test_flushed_scripts_are_loaded_in_order(self):
        subscriber, publisher = self.connect(self.b, "s4", clean=False), self.connect(self.a)
        subscriber.subscribe(("n/#", 1))
        reading = background(subscriber.collect, 500)
        sending = background(publisher.publish_many, [("n/x", "%d" % n) for n in range(500)], 1, 30)
        while not sending.done():
            self.redis.command("SCRIPT", "FLUSH")
            pace(0.05)
        sending.result()
        self.assertEqual([g.payload for g in reading.result(20)], [b"%d" % n for n in range(500)])

    def refuse_some(self, refuse, accept):
        """Redis refuses some calls of broker a and does those behind them, before a reads the first answer. Meanwhile
        broker b writes into the same queue."""
        rounds, some = 5, 4
        subscriber = Device(lambda: m.Client(self.b.address), self.unique("s"), [("e/#", 1)]).wait_online()
        a, b = self.connect(self.a), self.connect(self.b)
        wanted = ["%d" % n for n in range(2 * rounds * some)]
        other = background(b.publish_many, [("e/b", n) for n in wanted * 10], 1, 1)
        pids = iter(range(1, 1000))
        numbers = iter(wanted)

        def send_some():
            for _ in range(some):
                a.send(m.publish("e/a", next(numbers), 1, next(pids)))
                pace(0.01)  # a turn each
            pace(0.1)
        for _ in range(rounds):
            self.proxy.hold("replies")
            refuse()
            send_some()
            accept()
            send_some()
            self.proxy.release()
            for _ in range(2 * some):
                a.expect(m.PUBACK)
        other.result()
        eventually(lambda: all(subscriber.received["e/" + t][-1:] == [wanted[-1].encode()] for t in "ab"), 20, "all came")
        got = [n.decode() for n in dict.fromkeys(subscriber.received["e/a"])]
        self.assertTrue(got == wanted, "" if got == wanted else difference(wanted, got))
        subscriber.finish()

    def test_what_is_refused_for_a_while_comes_before_what_is_behind_it(self):
        def replicas(needed):
            return lambda: self.redis.command("CONFIG", "SET", "min-replicas-to-write", needed)
        self.refuse_some(replicas("1"), replicas("0"))

    def test_what_misses_its_script_comes_before_what_is_behind_it(self):
        """Another broker finds out sooner, and loads the scripts."""
        folder = os.path.join(harness.ROOT, "broker", "fleet", "scripts")
        scripts = [open(os.path.join(folder, name)).read() for name in os.listdir(folder) if name.endswith(".lua")]

        def load():
            for text in scripts:
                self.redis.command("SCRIPT", "LOAD", text)
        self.refuse_some(lambda: self.redis.command("SCRIPT", "FLUSH"), load)

    def test_retained_is_not_set_back_by_a_replay(self):
        a, b = self.connect(self.a), self.connect(self.b)
        a.publish("r/x", "old", 1, retain=True)
        self.proxy.hold("replies")
        a.send(m.publish("r/x", "newer", 1, 5, retain=True))
        stored = lambda: [self.redis.command("HGET", key, "r/x") for key in self.redis.command("KEYS", "fl:{t*}:v")]
        eventually(lambda: b"newer" in stored()[0], 10, "it is stored")
        b.publish("r/x", "newest", 1, retain=True)
        self.proxy.cut()
        self.proxy.release()
        a.expect(m.PUBACK, pid=5)
        reader = self.connect(self.b)
        reader.subscribe(("r/x", 1))
        reader.expect_message("r/x", "newest", 1, retain=True)


if __name__ == "__main__":
    harness.main()
