"""Sessions, wills and messages of 5.0 that have their time, in a fleet: on other brokers, and past kill -9."""
import time

import harness
import mqtt5_raw as m5
from harness import eventually, pace, stays
from services import Fleet, metric

LEASE_S = 2
NOBODY = 0x10


class Sessions5(harness.FleetTest):
    @staticmethod
    def build(holder):
        # A route that nobody uses any more counts as somebody while it lingers.
        holder.fleet = Fleet(holder.scope, brokers=3,
                             broker_config={"fleet": {"lease": "%ds" % LEASE_S, "beat_interval": "400ms",
                                                      "route_linger": "300ms"}})

    def client(self, broker, name=None, **fields):
        client = m5.Client.connected(self.fleet[broker].address, name or self.unique("c"), timeout=15, **fields)
        self.addCleanup(client.close)
        return client

    def durable(self, broker, name, expiry=600, **fields):
        return self.client(broker, name, clean=False, props={"session_expiry": expiry}, **fields)

    def watched(self, delay, expiry=600):
        """(topic, a watcher of it at broker 2, the name of a client at broker 0 with a will for it)."""
        topic, name = self.unique("will/"), self.unique("d")
        watcher = self.client(2)
        watcher.subscribe((topic, 1))
        self.durable(0, name, expiry, will=m5.Will(topic, "gone", 1, will_delay=delay))
        return topic, watcher, name

    def test_a_will_waits_also_when_its_broker_dies(self):
        topic, watcher, _ = self.watched(2)
        start = time.monotonic()
        self.fleet[0].kill()
        watcher.expect_message(topic, "gone", 1, timeout=15)
        took = time.monotonic() - start
        self.assertTrue(LEASE_S + 1.8 <= took <= 2 * LEASE_S + 6, took)
        stays(watcher.is_quiet, 1, "that it comes once")

    def test_a_session_that_goes_on_elsewhere_has_no_will(self):
        topic, watcher, name = self.watched(3)
        other_topic, other_watcher, other = self.watched(3)
        self.fleet[0].kill()
        self.assertTrue(self.durable(1, name).session_present)  # before that broker counts as dead
        pace(LEASE_S + 2)
        self.assertTrue(self.durable(1, other).session_present)  # while the will waits
        stays(lambda: watcher.is_quiet() and other_watcher.is_quiet(), 4, "that neither comes")

    def test_a_clean_start_elsewhere_brings_the_will(self):
        topic, watcher, name = self.watched(300)
        self.fleet[0].kill()
        back = self.client(1, name)
        self.assertFalse(back.session_present)
        back.publish(topic, "back", 1)
        watcher.expect_message(topic, "gone", 1)
        watcher.expect_message(topic, "back", 1)

    def test_a_will_comes_with_the_end_of_its_session(self):
        topic, watcher, name = self.watched(300, expiry=1)
        self.fleet[0].kill()
        watcher.expect_message(topic, "gone", 1, timeout=15)
        self.assertFalse(self.durable(1, name).session_present)

    def test_disconnect_says_how_long_a_session_lasts(self):
        shorter, longer, ended = (self.unique("d") for _ in range(3))
        self.durable(0, shorter).leave(props={"session_expiry": 1})
        self.durable(0, longer, expiry=1).leave(props={"session_expiry": 0xFFFFFFFF})
        self.durable(0, ended).leave(props={"session_expiry": 0})
        self.assertFalse(self.durable(1, ended).session_present)
        self.fleet[0].kill()
        pace(1.2)
        self.assertFalse(self.durable(1, shorter).session_present)
        self.assertTrue(self.durable(2, longer).session_present)

    def test_who_asks_for_no_session_ends_the_one_that_is_there(self):
        name, topic = self.unique("d"), self.unique("t/")
        with self.durable(0, name) as client:
            client.subscribe((topic, 1))
            client.leave()
        self.client(0).publish(topic, "x", 1)
        passing = self.client(1, name, clean=False)
        self.assertTrue(passing.session_present)
        passing.expect_message(topic, "x", 1)
        after = self.durable(2, name)  # it takes the client over, with which that session ends
        self.assertFalse(after.session_present)
        eventually(lambda: self.client(0).publish(topic, "x", 1) == NOBODY, 5, "nobody is there")

    def test_what_has_expired_in_a_queue_is_not_sent_after_a_death(self):
        name, topic = self.unique("d"), self.unique("t/")
        client = self.durable(0, name)
        client.subscribe((topic, 1))
        self.fleet[0].kill()
        publisher = self.client(1)
        publisher.publish(topic, "expires", 1, props={"message_expiry": 1})
        publisher.publish(topic, "stays", 1, props={"message_expiry": 100})
        pace(1.5)
        client = self.durable(2, name)
        client.expect_message(topic, "stays", 1)
        self.assertEqual(metric(self.fleet[2].metrics(), "flotilla_fleet_expired_total"), 1)

    def test_an_expired_retained_value_is_gone_from_redis(self):
        topic = self.unique("r/")
        self.client(0).publish(topic, "x", 1, retain=True, props={"message_expiry": 1})
        reader = self.client(1)
        reader.subscribe((topic, 1))
        reader.expect_message(topic, "x", 1)
        self.fleet[0].kill()
        buckets = ["fl:{t%d}:v" % n for n in range(16)]
        eventually(lambda: not any(self.fleet.redis.command("HEXISTS", b, topic) for b in buckets), 10, "it is removed")
        late = self.client(2)
        late.subscribe((topic, 1))
        stays(late.is_quiet, 0.3, "that there is no value")

    def test_nobody_is_said_only_of_the_whole_fleet(self):
        topic, name = self.unique("t/"), self.unique("d")
        publisher = self.client(0)
        for qos in (1, 2):
            self.assertEqual(publisher.publish(topic, "x", qos), NOBODY)
        with self.durable(1, name) as client:
            client.subscribe((topic, 1))
            client.leave()
        for qos in (1, 2):
            self.assertEqual(publisher.publish(topic, "x", qos), 0)
        self.client(2, name)  # clean: that session is gone
        eventually(lambda: publisher.publish(topic, "x", 1) == NOBODY, 5, "nobody is there any more")
        online = self.client(2)
        online.subscribe((topic, 0))
        self.assertEqual(publisher.publish(topic, "x", 1), 0)
        online.expect_message(topic, "x")


if __name__ == "__main__":
    harness.main()
