"""Promise 2: what was acknowledged survives `kill -9` of any broker, and Redis' failures as far as `durability` says.

Brokers die or freeze under the load of durable clients that reconnect through the load balancer. `durability: replica`
is tried with a real replica that is paused, gone, promoted; `durability: disk` with Redis' settings right and wrong and
changed while the broker runs."""
import re
import time

import harness
import mqtt_raw as m
from chaos import ChaosProxy
from device import Load, StatusWatch
from harness import background, eventually, pace, settled, stays
from services import Broker, Fleet, Redis, metric

AT_ONCE = ("--repl-diskless-sync-delay", "0")


def through(lb, tls=False):
    if tls:
        return lambda: m.Client(lb.tls, tls=lb.context)
    return lambda: m.Client(lb.plain)


class BrokersDie(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True)

    def start_load(self, tls=False, **options):
        self.watch = StatusWatch(through(self.fleet.lb))
        self.load = Load(through(self.fleet.lb, tls), **options)
        self.load.wait_progress()

    def settle(self):
        self.load.wait_progress()
        self.load.stop()
        self.load.verify()
        self.watch.verify(self.load.devices)
        self.load.finish()
        self.watch.device.finish()

    def test_kill_9_of_a_broker(self):
        self.start_load(tls=True)
        self.load.run_for(2)
        self.fleet[0].kill()
        self.load.run_for(4)
        self.assertGreater(self.load.losses(), 0)
        self.settle()

    def test_kill_9_of_one_after_the_other_with_restarts(self):
        self.start_load(rate=25)
        for broker in self.fleet:
            self.load.run_for(1)
            broker.kill()
            self.load.run_for(2)
            broker.start()
        self.fleet.lb.wait_up({"b0", "b1", "b2"})
        self.settle()

    def test_kill_9_of_two_at_once(self):
        self.start_load(rate=25)
        self.load.run_for(1)
        self.fleet[0].kill()
        self.fleet[2].kill()
        self.load.run_for(4)
        self.settle()

    def test_kill_9_and_a_restart_at_once(self):
        """The new process at the old address is another node: nothing of the old one is its own."""
        self.start_load(rate=25)
        self.load.run_for(1)
        for _ in range(3):
            self.fleet[1].kill()
            self.fleet[1].start()
            self.load.run_for(1)
        self.settle()

    def test_sigstop_for_10_s_and_sigcont(self):
        self.start_load()
        self.load.run_for(1)
        self.fleet[0].stop()
        self.load.run_for(10)
        self.load.wait_progress()
        self.fleet[0].cont()
        self.load.run_for(2)
        self.fleet[0].wait_ready()
        self.settle()

    def test_sigstop_shorter_than_the_lease_harms_nobody(self):
        self.start_load(rate=25)
        for broker in self.fleet:
            broker.stop()
            self.load.run_for(0.8)
            broker.cont()
            self.load.run_for(1)
        self.assertEqual(self.load.losses(), 0)
        self.settle()


def replica_of(scope, master, name):
    return Redis(scope, name, ("--replicaof", "127.0.0.1", str(master.port), *AT_ONCE)).start()


class Publisher:
    """Publishes numbers to "t/<n % 3>" (retained, too) with a window, in a thread; what was acknowledged is in `acked`.
    After the end of its connection it comes back and publishes again what wasn't."""

    def __init__(self, address, qos, window=20):
        self.address, self.qos, self.window = address, qos, window
        self.next, self.open, self.acked, self.done = 1, {}, [], False
        self.future = background(self.run)

    def run(self):
        while not self.done or self.open:
            try:
                with m.Client.connected(self.address, "publisher", clean=False) as client:
                    for pid in sorted(self.open):
                        client.send(self.packet(pid, dup=True))
                    while not self.done or self.open:
                        self.step(client)
            except (m.Closed, m.TimedOut, AssertionError, OSError):
                pace(0.1)

    def packet(self, pid, dup=False):
        n = self.open[pid]
        return m.publish("t/%d" % (n % 3), "%d" % n, self.qos, pid, retain=True, dup=dup)

    def step(self, client):
        while len(self.open) < self.window and not self.done:
            pid = (self.next - 1) % 60000 + 1
            self.open[pid] = self.next
            self.next += 1
            client.send(self.packet(pid))
        if not client.packets:
            client.fill(time.monotonic() + 30)
        for got in client.packets:
            if got.kind == m.PUBREC:
                client.send(m.ack(m.PUBREL, got.pid))
            elif got.kind in (m.PUBACK, m.PUBCOMP) and got.pid in self.open:
                self.acked.append(self.open.pop(got.pid))
        client.packets.clear()

    def wait_acked(self, count, timeout=20):
        eventually(lambda: len(self.acked) >= count, timeout, "%d acknowledged" % count)

    def stop(self):
        self.done = True
        self.future.result(timeout=30)


class Replica(harness.FleetTest):
    """Redis, its replica, and two brokers that reach whichever of them `proxy` points at."""

    @staticmethod
    def build(holder):
        holder.master = Redis(holder.scope, "master", AT_ONCE).start()
        holder.replica = replica_of(holder.scope, holder.master, "replica")
        holder.addCleanup(holder.replica.kill)  # one that has just synchronised refuses to end
        eventually(lambda: b"master_link_status:up" in holder.replica.command("INFO", "replication") and
                   all(b"aof_rewrite_%s:0" % word in holder.replica.command("INFO", "persistence")
                       for word in (b"scheduled", b"in_progress")), 10, "replication")
        holder.proxy = ChaosProxy(holder.master.port)
        holder.scope.cleanups.append(holder.proxy.close)
        config = {"fleet": {"lease": "4s", "beat_interval": "500ms", "durability": "replica"}}
        holder.a, holder.b = [Broker(holder.scope, name, holder.proxy, config) for name in "ab"]
        for broker in (holder.a, holder.b):
            broker.start()

    def open(self, broker, client_id, **fields):
        client = broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def promote(self):
        """The replica is the one Redis now; it gets a replica of its own."""
        self.replica.command("REPLICAOF", "NO", "ONE")
        self.addCleanup(replica_of(self.scope, self.replica, "second").kill)
        self.proxy.target = self.replica.port
        self.proxy.cut()

    def waits_for_replica(self):
        """A WAIT has come to Redis and isn't answered."""
        return re.search(rb" flags=b .* cmd=wait", self.master.command("CLIENT", "LIST"))

    def missing(self, broker):
        return metric(broker.metrics(), "flotilla_redis_replica_missing")

    def test_acknowledged_is_what_the_replica_has(self):
        subscriber, publisher = self.open(self.a, "s", clean=False), self.open(self.b, "p")
        subscriber.subscribe(("t/#", 2))
        subscriber.disconnect()
        for n in range(30):
            publisher.publish("t/%d" % n, "value", 1 + n % 2, retain=n % 3 == 0)
            keys = self.replica.command("EVAL", "return #redis.call('XRANGE', redis.call('KEYS', '*:q:s')[1], '-', '+')",
                                        "0")
            self.assertEqual(keys, n + 1)

    def test_nothing_is_acknowledged_while_it_is_paused(self):
        live, publisher = self.open(self.a, "live"), self.open(self.b, "p")
        live.subscribe(("t", 1))
        self.replica.stop()
        publisher.send(m.publish("t", "one", 1, 1) + m.publish("t", "two", 2, 2) + m.publish("none", "", 1, 3))
        stays(lambda: publisher.ping() is None, 4, interval=0.1)  # which would find an acknowledgement
        self.b.wait_log("replica_missing", 1)
        self.assertEqual(self.missing(self.b), 1)
        began = time.monotonic()
        with self.b.connect("new", clean=False) as newcomer:  # who doesn't publish isn't kept waiting
            newcomer.subscribe(("other", 1))
            publisher.publish("other", "zero")
            newcomer.expect_message("other", "zero")
        self.assertLess(time.monotonic() - began, 3)
        self.replica.cont()
        got = [publisher.recv(timeout=5) for _ in range(3)]
        self.assertEqual([(g.kind, g.pid) for g in got], [(m.PUBACK, 1), (m.PUBREC, 2), (m.PUBACK, 3)])
        self.assertEqual([g.payload for g in live.collect(2)], [b"one", b"two"])
        self.b.wait_log("replica_back", 5)
        eventually(lambda: self.missing(self.b) == 0, 5, "the metric says so")

    def test_nothing_is_acknowledged_while_it_is_gone(self):
        publisher = self.open(self.b, "p")
        self.replica.kill()
        publisher.send(m.publish("t", "one", 1, 1))
        stays(lambda: publisher.ping() is None, 2.5, interval=0.1)
        mark = len(self.a.log())
        self.a.term()
        self.a.start()
        self.a.wait_log("replica_missing", 5, mark)  # a broker that starts now says so before anybody publishes
        self.replica.start()
        publisher.expect(m.PUBACK, 10, pid=1)

    def check_failover(self, qos):
        with self.a.connect("s", clean=False) as subscriber:
            subscriber.subscribe(("t/#", qos))
            subscriber.disconnect()
        publisher = Publisher(self.b.address, qos)
        publisher.wait_acked(100)
        self.replica.stop()  # from now on the replica lacks something
        acked = settled(lambda: len(publisher.acked), what="the publisher")
        stays(lambda: len(publisher.acked) == acked, 1.5, "that nothing is acknowledged")
        self.master.kill()
        self.replica.cont()
        self.promote()
        publisher.wait_acked(acked + 100)
        publisher.stop()
        eventually(lambda: self.a.readyz() == 200, 15, "ready again")
        with self.a.connect("s", clean=False) as subscriber:
            self.assertTrue(subscriber.session_present)
            got = subscriber.collect(lambda seen: {int(g.payload) for g in seen} >= set(publisher.acked), timeout=20)
        if qos == 2:
            self.assertEqual(sorted(int(g.payload) for g in got), sorted({int(g.payload) for g in got}))
        with self.b.connect("r") as reader:
            reader.subscribe(("t/#", 1))
            for value in reader.collect(3, timeout=5):
                of_topic = [n for n in publisher.acked if n % 3 == int(value.topic[2:])]
                self.assertGreaterEqual(int(value.payload), max(of_topic), value.topic)

    def test_what_was_acknowledged_at_qos_1_survives_the_death_of_redis(self):
        self.check_failover(1)

    def test_what_was_acknowledged_at_qos_2_survives_the_death_of_redis(self):
        self.check_failover(2)

    def test_what_only_the_dead_one_had_is_not_acknowledged_by_the_next(self):
        """Redis has answered everything but WAIT when it dies."""
        with self.a.connect("s", clean=False) as subscriber:
            subscriber.subscribe(("t/#", 1))
            subscriber.disconnect()
        publisher = self.open(self.b, "p")
        publisher.publish("t/first", "x", 1)
        self.replica.stop()
        publisher.send(m.publish("t/second", "x", 1, 2, retain=True))
        eventually(lambda: self.master.command("EVAL", "return redis.call('XLEN', redis.call('KEYS', '*:q:s')[1])",
                                               "0") == 2, 5, "the message is queued")
        eventually(self.waits_for_replica, 5, "a broker asks for the replica")
        self.master.kill()
        # A replica whose connection ended while it was stopped may still take what is in its socket: not so here.
        self.replica.kill()
        self.replica.start()
        self.promote()
        acknowledged = True
        try:
            publisher.expect(m.PUBACK, 15, pid=2)
        except m.Closed:
            acknowledged = False
        queued = self.replica.command("EVAL", "return redis.call('XLEN', redis.call('KEYS', '*:q:s')[1])", "0")
        self.assertEqual(queued, 2 if acknowledged else queued)
        if acknowledged:
            self.a.wait_ready()
            with self.a.connect("r") as reader:
                reader.subscribe(("t/second", 1))
                reader.expect_message("t/second", "x", 1, retain=True)


class Disk(harness.FleetTest):
    config = {"fleet": {"lease": "4s", "beat_interval": "500ms", "durability": "disk"}}

    def start(self, *options):
        self.redis = Redis(self.scope, "redis", options).start()
        self.broker = Broker(self.scope, "broker", self.redis, self.config)
        return self.broker.start(wait=False)

    def expect_refusal(self, needed, was_ready=False):
        self.broker.wait_log("redis_not_durable.*" + needed, 10)
        eventually(lambda: self.broker.readyz() == 503, 5, "it isn't ready")
        if not was_ready:  # it doesn't listen before it is ready for the first time
            self.assertRaises(ConnectionRefusedError, self.broker.open)
            return
        client = self.broker.open()
        self.addCleanup(client.close)
        client.send(m.connect("c"))
        client.expect(m.CONNACK, return_code=3)

    def test_a_redis_that_syncs_every_second_is_not_enough(self):
        self.start("--appendfsync", "everysec")
        self.expect_refusal("appendfsync always")
        self.redis.command("CONFIG", "SET", "appendfsync", "always")
        self.broker.wait_ready()  # by itself

    def test_a_redis_without_append_only_file_is_not_enough(self):
        self.start("--appendonly", "no")
        self.expect_refusal("appendonly yes")
        self.redis.command("CONFIG", "SET", "appendonly", "yes")
        self.broker.wait_ready()

    def test_a_setting_that_is_changed_meanwhile_is_noticed(self):
        self.start().wait_ready()
        self.redis.command("CONFIG", "SET", "appendfsync", "everysec")
        self.expect_refusal("appendfsync always", was_ready=True)

    def test_a_redis_that_does_not_say_is_not_enough(self):
        self.start().wait_ready()
        self.redis.command("ACL", "SETUSER", "default", "-config")
        self.expect_refusal("CONFIG GET to be allowed", was_ready=True)
        self.assertEqual(len(re.findall("redis_link_up link=commands", self.broker.log())), 1)  # it stays connected
        self.redis.command("ACL", "SETUSER", "default", "+config")
        self.broker.wait_ready()

    def test_acknowledged_messages_survive_kill_9_of_redis(self):
        self.start().wait_ready()
        with self.broker.connect("s", clean=False) as subscriber:
            subscriber.subscribe(("t/#", 2))
            subscriber.disconnect()
        publisher = Publisher(self.broker.address, 1)
        for count in (100, 200, 300):
            publisher.wait_acked(count)
            self.redis.restart()
        publisher.wait_acked(400)
        publisher.stop()
        self.broker.wait_ready()
        with self.broker.connect("s", clean=False) as subscriber:
            subscriber.collect(lambda seen: {int(g.payload) for g in seen} >= set(publisher.acked), timeout=20)


if __name__ == "__main__":
    harness.main()
