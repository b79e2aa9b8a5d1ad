"""A broker or its link to Redis stands still for longer than others wait: what it writes late does nothing."""
import re
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from harness import eventually
from services import Broker, Redis


class LateWrites(harness.FleetTest):
    """`a` goes to Redis through a proxy, `b` and `d` directly. The lease is longer than any pause here."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxy = LinkProxy(holder.redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(holder.scope, "a", holder.proxy, lease="10s").start()
        holder.b, holder.d = [Broker(holder.scope, name, holder.redis, lease="10s").start() for name in "bd"]

    def open(self, broker, client_id, **fields):
        client = broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def watch(self):
        watcher = self.open(self.d, "watcher", clean=False)
        watcher.subscribe(("t/#", 1))
        return watcher

    def payloads(self, watcher, last):
        """What came up to this message."""
        return [g.payload.decode() for g in watcher.collect(lambda all: all and all[-1].payload == last, timeout=8)]

    def retained(self, topic):
        got = []
        for broker in (self.a, self.b, self.d):
            client = self.open(broker, self.unique("reader"))
            client.subscribe((topic, 1))
            got.append(client.collect(1, timeout=5)[0].payload)
        return got

    def a_goes_on(self):
        self.proxy.release()
        if self.a.stopped:
            self.a.cont()
        self.a.wait_log("clients_taken", 5)

    def check_publishes(self, pause, qos):
        watcher = self.watch()
        publisher = self.open(self.a, "p", clean=False)
        publisher.publish("t/x", b"v0", 1, retain=True)
        pause()
        publisher.send(m.publish("t/x", b"v1", qos, 7 if qos else None, retain=True))
        again = self.open(self.b, "p", clean=False)
        again.publish("t/x", b"v1 again", 1, retain=True)
        again.publish("t/x", b"v2", 1, retain=True)
        self.a_goes_on()
        publisher.expect_closed()
        again.publish("t/end", b"end", 1)
        self.assertEqual(self.payloads(watcher, b"end"), ["v0", "v1 again", "v2", "end"])
        self.assertEqual(self.retained("t/x"), [b"v2"] * 3)
        again.ping()

    def test_a_retained_value_doesnt_go_back_when_its_broker_stood_still(self):
        self.check_publishes(self.a.stop, 1)

    def test_a_retained_value_doesnt_go_back_when_the_link_was_held(self):
        self.check_publishes(self.proxy.hold, 1)

    def test_qos_2_and_its_message_ids(self):
        self.check_publishes(self.proxy.hold, 2)

    def test_a_retained_value_of_qos_0_doesnt_go_back(self):
        publisher = self.open(self.a, "p")
        publisher.publish("t/x", b"v0", 1, retain=True)
        self.proxy.hold()
        publisher.send(m.publish("t/x", b"v1", 0, None, retain=True))
        again = self.open(self.b, "p")
        again.publish("t/x", b"v2", 1, retain=True)
        self.a_goes_on()
        publisher.expect_closed()
        self.assertEqual(self.retained("t/x"), [b"v2"] * 3)

    def test_a_retained_value_doesnt_go_back_over_a_restart_of_redis(self):
        watcher = self.watch()
        publisher = self.open(self.a, "p", clean=False)
        publisher.publish("t/x", b"v0", 1, retain=True)
        self.proxy.hold()
        self.redis.kill()
        publisher.send(m.publish("t/x", b"v1", 1, 7, retain=True))
        self.proxy.cut()
        self.redis.start()
        self.b.wait_ready()
        again = self.open(self.b, "p", clean=False, timeout=10)
        again.publish("t/x", b"v2", 1, retain=True)
        self.a_goes_on()
        publisher.expect_closed()
        self.a.wait_ready()
        again.publish("t/end", b"end", 1)
        self.assertEqual(self.payloads(watcher, b"end"), ["v0", "v2", "end"])
        self.assertEqual(self.retained("t/x"), [b"v2"] * 3)

    def test_what_others_publish_at_the_silent_broker_is_neither_lost_nor_reordered(self):
        watcher = self.watch()
        bystander, publisher = self.open(self.a, "bystander"), self.open(self.a, "p")
        self.proxy.hold()
        for n in range(4):
            bystander.send(m.publish("t/b", b"%d" % n, 1, n + 1))
            publisher.send(m.publish("t/p", b"late %d" % n, 1, n + 1))
        again = self.open(self.b, "p")
        self.a_goes_on()
        for n in range(4):
            bystander.expect(m.PUBACK, pid=n + 1)
        bystander.publish("t/end", b"end", 1)
        self.assertEqual(self.payloads(watcher, b"end"), ["0", "1", "2", "3", "end"])
        bystander.ping()
        again.ping()

    def test_a_will_that_a_silent_broker_took_isnt_retained_over_online(self):
        watcher = self.watch()
        will = m.Will("t/state", b"offline", 1, True)
        client = self.open(self.a, "c", will=will)
        self.proxy.hold_link("commands", "replies")
        client.abort()
        eventually(lambda: self.redis.command("KEYS", "*:dw:c"), 5, "the will is taken")
        again = self.open(self.b, "c", will=will)
        again.publish("t/state", b"online", 1, retain=True)
        self.proxy.release_link("commands", "replies")
        self.a.wait_log("clients_taken", 5)
        self.open(self.a, "other").publish("t/end", b"end", 1)
        self.assertEqual(self.payloads(watcher, b"end"), ["offline", "online", "end"])
        self.assertEqual(self.retained("t/state"), [b"online"] * 3)

    def test_a_will_that_is_published_once_more_isnt_retained_over_what_came_since(self):
        """Its publisher died between publishing and clearing it: whoever finds it due publishes it again."""
        watcher = self.watch()
        client = self.open(self.a, "c", clean=False, will=m.Will("t/state", b"offline", 1, True))
        session = self.redis.command("KEYS", "*:s:c")[0]
        will, epoch = [self.redis.command("HGET", session, field) for field in ("w", "epoch")]
        client.abort()
        watcher.expect_message("t/state", b"offline", 1)
        self.open(self.b, "p").publish("t/state", b"maintenance", 1, retain=True)
        watcher.expect_message("t/state", b"maintenance", 1)
        left = session.replace(b":s:", b":dw:")
        eventually(lambda: not self.redis.command("EXISTS", left), 5, "the will is cleared")
        self.redis.command("HSET", left, "epoch", epoch, "taker", "", "will", will)
        self.redis.command("ZADD", session.split(b":s:")[0] + b":due", 1, "wc")
        eventually(lambda: not self.redis.command("EXISTS", left), 10, "it is published again")
        self.assertEqual(self.retained("t/state"), [b"maintenance"] * 3)

    def test_a_claim_that_was_answered_late_isnt_made_again(self):
        self.open(self.a, "c", clean=False).disconnect()
        self.proxy.hold_link("commands", "replies")
        late = self.a.open()
        self.addCleanup(late.close)
        late.send(m.connect("c", clean=True))
        eventually(lambda: any(b"owner" in self.redis.command("HKEYS", key) and self.redis.command("HGET", key, "owner")
                               for key in self.redis.command("KEYS", "*:s:c")), 5, "a has claimed")
        again = self.open(self.b, "c", clean=False)
        again.subscribe(("t/c", 1))
        self.proxy.release_link("commands", "replies")
        self.a.wait_log("clients_taken", 5)
        late.drain_until_closed(5)
        for broker in (self.a, self.d):
            self.open(broker, "p").publish("t/c", b"x", 1)
        self.assertEqual(len(again.collect(2, timeout=5)), 2)
        again.ping()

    def test_nobody_has_two_connections_although_the_claimer_between_fell_silent(self):
        """d has the client; a claims it and falls silent before it asks d; b claims from a."""
        first = self.open(self.d, "c", clean=False)
        self.proxy.hold_link("commands", "replies")
        late = self.a.open()
        self.addCleanup(late.close)
        owner = lambda: [self.redis.command("HGET", key, "owner") for key in self.redis.command("KEYS", "*:s:c")]
        before = owner()
        late.send(m.connect("c", clean=False))
        eventually(lambda: owner() != before, 5, "a has claimed")
        again = self.open(self.b, "c", clean=False)
        first.expect_closed(timeout=1)
        self.proxy.release_link("commands", "replies")
        late.drain_until_closed(5)
        again.ping()

    def test_a_failover_after_kill_9_takes_less_than_two_seconds(self):
        client = self.open(self.a, "c", clean=False, will=m.Will("t/gone", b"gone", 1))
        watcher = self.watch()
        self.a.kill()
        began = time.monotonic()
        self.open(self.b, "c", clean=False)
        self.assertLess(time.monotonic() - began, 2)
        watcher.expect_message("t/gone", b"gone", 1)
        client.close()


class WithoutTheRightToKill(harness.FleetTest):
    """The brokers' Redis user may not close connections: who claims waits for the lease."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.redis.command("ACL", "SETUSER", "default", "-client|kill")
        holder.a, holder.b = [Broker(holder.scope, name, holder.redis, lease="3s").start() for name in "ab"]

    def test_the_lease_is_waited_for_and_the_log_says_why(self):
        self.a.wait_log(re.escape("+client|kill"), 5)
        client = self.a.connect("c", clean=False)
        self.addCleanup(client.close)
        self.a.stop()
        again = self.b.connect("c", clean=False, timeout=15)
        self.addCleanup(again.close)
        again.ping()
        self.a.cont()
        client.expect_closed(timeout=10)
        again.ping()


if __name__ == "__main__":
    harness.main()
