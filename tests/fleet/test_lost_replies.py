"""A script was run and its answer never came: the connection was cut, or the broker died."""
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from harness import eventually
from services import Broker, Fleet, Redis, metric


class LostReplies(harness.FleetTest):
    """Three brokers; what Redis answers to `a` can be held back."""

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxy = LinkProxy(holder.redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(holder.scope, "a", holder.proxy, lease="3s").start()
        holder.b, holder.d = [Broker(holder.scope, name, holder.redis, lease="3s").start() for name in "bd"]

    def open(self, broker, client_id, **fields):
        client = broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def keys(self, pattern):
        return self.redis.command("KEYS", pattern)

    def hold_answers(self):
        self.proxy.hold_link("commands", "replies")

    def test_wills_of_clean_sessions_come_once_and_soon(self):
        watcher = self.open(self.b, "watcher")
        watcher.subscribe(("will/+", 2))
        clients = [self.open(self.a, "c%d" % n, will=m.Will("will/%d" % n, "gone", n)) for n in range(3)]
        self.hold_answers()
        for client in clients:
            client.abort()
        eventually(lambda: len(self.keys("*:dw:c*")) == 3, 5, "the wills are taken")
        began = time.monotonic()
        self.proxy.cut()
        self.proxy.release_link("commands", "replies")
        got = watcher.collect(3, timeout=8)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(sorted(g.topic for g in got), ["will/0", "will/1", "will/2"])
        eventually(lambda: not self.keys("*:dw:c*"), 5, "the wills are cleared")
        watcher.ping()

    def end_session_at_the_death_of_a(self):
        """The session of `s` with a subscription to t/# ends, and no log entry says so."""
        self.open(self.a, "s", clean=False).subscribe(("t/#", 1))
        self.open(self.a, "s", clean=False).disconnect()
        self.hold_answers()
        last = self.a.open()  # who has gone claims nothing
        self.addCleanup(last.close)
        last.send(m.connect("s", clean=True))
        eventually(lambda: not self.keys("*:f:s"), 5, "the session ended")
        self.a.kill()
        self.proxy.cut()
        self.proxy.release_link("commands", "replies")
        eventually(lambda: any("node_reaped" in b.log() for b in (self.b, self.d)), 15, "one of the others reaps it")

    def test_a_new_session_has_nothing_of_an_ended_one_whose_end_nobody_told(self):
        self.end_session_at_the_death_of_a()
        again = self.open(self.b, "s", clean=False)
        self.assertFalse(again.session_present)
        again.subscribe(("other", 1))
        for broker in (self.b, self.d):
            self.open(broker, "p").publish("t/x", "not for it", 1)
            self.open(broker, "p").publish("other", "for it", 1)
        self.assertEqual([g.topic for g in again.collect(2)], ["other", "other"])
        again.ping()

    def test_the_end_is_told_in_the_end_although_nobody_comes_back(self):
        mark = self.subscriptions()
        self.end_session_at_the_death_of_a()
        self.assertGreater(self.subscriptions(), mark)
        eventually(lambda: self.subscriptions() == mark, 25, "nobody knows its subscription")
        eventually(lambda: not self.due(), 5, "nothing is left to be said")

    def subscriptions(self):
        return max(metric(b.metrics(), "flotilla_broker_subscriptions") for b in (self.b, self.d))

    def due(self):
        return [key for key in self.keys("*:due") if self.redis.command("ZCARD", key)]


class Ends(harness.FleetTest):
    """Sessions that end in all ways leave nothing, neither in Redis nor at the brokers."""

    @staticmethod
    def build(holder):
        config = {"fleet": {"lease": "3s", "beat_interval": "400ms", "route_linger": "0s"},
                  "limits": {"session_expiry": "1s"}}
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config=config)

    def test_nothing_is_left(self):
        a, b = self.fleet
        for n in range(40):
            with a.connect("e%d" % n, clean=False) as client:
                client.subscribe(("t/%d" % n, 1))
        for n in range(0, 40, 2):  # the others expire
            b.connect("e%d" % n, clean=True).disconnect()
        for pattern in ("*:s:*", "*:f:*", "*:q:*", "*:due", "*:dir"):
            eventually(lambda: not self.fleet.redis.command("KEYS", pattern), 10, "no %s" % pattern)
        for broker in self.fleet:
            eventually(lambda: metric(broker.metrics(), "flotilla_broker_subscriptions") == 0, 5, broker.name)


if __name__ == "__main__":
    harness.main()
