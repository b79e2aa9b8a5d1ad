"""Rule 3, turn: nobody starves in a broker's loop, and a node that starts misses no subscription."""
import time

import harness
from harness import background, eventually, pace
from rule_case import RuleCase
from services import Broker


class Turn(RuleCase, harness.FleetTest):
    def test_a_booting_node_misses_no_subscription(self):
        subscriber = self.connect(self.a)
        stop, done = [], [0]

        def subscribe_on():
            while not stop:
                subscriber.subscribe(("boot/%d" % done[0], 1))
                done[0] += 1
            return done[0]
        subscribing = background(subscribe_on)
        late = Broker(self.scope, "late", self.redis).start()
        when_ready = done[0]
        eventually(lambda: done[0] > when_ready + 20, 20, "it subscribes on")
        stop.append(True)
        count = subscribing.result(20)
        self.assertGreater(count, 20)
        publisher = self.connect(late)
        publisher.publish_many((("boot/%d" % n, "%d" % n) for n in range(count)), 1)
        got = subscriber.collect(count)
        self.assertEqual([g.payload for g in got], [b"%d" % n for n in range(count)])

    def test_a_flood_does_not_starve_the_others(self):
        flooder, other = self.connect(self.a), self.connect(self.a)
        sink = self.connect(self.b)
        sink.subscribe(("flood/#", 0))
        reading = background(sink.collect, lambda seen: seen and seen[-1].topic == "flood/end", 60)
        sending = background(flooder.publish_many, [("flood/x", "x" * 200)] * 20000)
        worst = 0.0
        while not sending.done():
            start = time.monotonic()
            other.ping()
            worst = max(worst, time.monotonic() - start)
        self.assertLess(worst, 2.0)
        sending.result()
        end = time.monotonic() + 30
        while not reading.done() and time.monotonic() < end:
            other.publish("flood/end", "end")
            pace(0.2)
        reading.result(5)


if __name__ == "__main__":
    harness.main()
