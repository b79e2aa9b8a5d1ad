"""Redis reaches its maxmemory, and has room again later."""
import re

import harness
import mqtt_raw as m
from harness import eventually
from services import Fleet, http, metric


class Full(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={"limits": {"max_queued_messages": 50}})

    def full(self, yes):
        self.fleet.redis.command("CONFIG", "SET", "maxmemory", "1mb" if yes else "0")

    def open(self, broker, client_id, **fields):
        client = broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def test_a_broker_that_started_meanwhile_is_reached_afterwards(self):
        a, b = self.fleet
        b.term()
        self.full(True)
        mark = len(b.log())
        b.start(wait=False)
        b.wait_log("redis_link_up link=commands", 10, mark)
        b.wait_log("OOM|node_ready", 10, mark)
        self.full(False)
        b.wait_ready()
        subscriber = self.open(b, "s")
        subscriber.subscribe(("t", 1))
        self.open(a, "p").publish("t", "x", 1)
        subscriber.expect_message("t", "x", 1)

    def test_queues_are_drained_and_publishes_held_meanwhile(self):
        a, b = self.fleet
        self.open(b, "s", clean=False).subscribe(("t", 1))
        self.open(b, "other", clean=False).disconnect()
        publisher = self.open(a, "p")
        for n in range(50):
            publisher.publish("t", "%d" % n, 1)
        self.full(True)
        subscriber = self.open(a, "s", clean=False)  # takes over, too
        self.assertEqual([g.payload for g in subscriber.collect(50)], [b"%d" % n for n in range(50)])
        held = [self.open(broker, "p%d" % n, clean=False) for n, broker in enumerate((a, b))]
        for n, client in enumerate(held):
            client.send(m.publish("t", "held", 1, 1) + m.publish("t", "behind it", 1 + n, 2))
        for broker in self.fleet:
            broker.wait_log("redis_full used=[1-9][0-9]* maxmemory=1048576", 5)
            status, body = http(broker.admin_port, "/readyz")
            self.assertEqual(status, 503)
            self.assertIn("Redis is full", body)
            self.assertEqual(metric(broker.metrics(), "flotilla_redis_full"), 1)
        for client in held:  # neither acknowledged nor closed, and what else it says is heard
            client.ping()
        self.full(False)
        for client, second in zip(held, (m.PUBACK, m.PUBREC)):
            client.expect(m.PUBACK, pid=1)
            client.expect(second, pid=2)
        for broker in self.fleet:
            broker.wait_log("redis_has_room", 5)
            eventually(lambda: broker.ready(), 5)
            self.assertEqual(broker.log().count("redis_full"), 1)
        self.assertEqual(sorted(g.payload for g in subscriber.collect(4)), [b"behind it"] * 2 + [b"held"] * 2)

    def test_a_full_queue_is_named_once_until_it_was_read(self):
        a, b = self.fleet
        self.open(a, "away", clean=False).subscribe(("q", 1))
        self.open(a, "away", clean=False).disconnect()
        publisher = self.open(b, "p")
        publisher.publish_many([("q", "%d" % n) for n in range(60)], qos=1)
        b.wait_log("queue_full client_id=away topic=q messages=50", 5)
        self.assertEqual(b.log().count("queue_full"), 1)
        self.assertEqual(metric(b.metrics(), "flotilla_fleet_queue_dropped_total"), 10)
        reader = self.open(a, "away", clean=False)
        self.assertEqual(len(reader.collect(50)), 50)
        reader.ping()
        reader.disconnect()
        publisher.publish_many([("q", "%d" % n) for n in range(60)], qos=1)
        eventually(lambda: b.log().count("queue_full") == 2, 5)

    def test_wills_come_afterwards(self):
        a, b = self.fleet
        b.term()  # so that the node which failed is the one that tries again
        self.open(a, "offline", clean=False).subscribe(("will", 1))
        self.open(a, "offline", clean=False).disconnect()
        watcher = self.open(a, "w")
        watcher.subscribe(("will", 1))
        client = self.open(a, "c", will=m.Will("will", "gone", 1))
        self.full(True)
        client.abort()
        a.wait_log("client_closed client_id=c")
        eventually(lambda: self.fleet.redis.command("EVAL", "return #redis.call('KEYS', '*dw:c')", "0") == 1, 5)
        a.wait_log("redis_full", 5)  # its publishing is refused
        self.full(False)
        watcher.expect_message("will", "gone", 1, timeout=20)
        self.open(a, "offline", clean=False).expect_message("will", "gone", 1)


class Nearly(harness.FleetTest):
    """Before Redis is full: what one user can put there has bounds of the whole fleet."""
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={
            "limits": {"max_durable_sessions": 20, "max_queued_bytes": "10000G"}})

    def open(self, broker, client_id, **fields):
        client = broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def refused(self, broker, client_id):
        client = broker.open()
        self.addCleanup(client.close)
        client.send(m.connect(client_id, clean=False))
        return client.expect(m.CONNACK).return_code

    def used(self):
        return int(self.fleet.redis.command("INFO", "memory").decode().split("used_memory:")[1].split()[0])

    def test_a_flood_of_sessions_ends_at_the_limit(self):
        for broker in self.fleet:  # they share the room
            eventually(lambda: metric(broker.metrics(), "flotilla_fleet_nodes") == 2, 10)
        codes = [self.refused(self.fleet[n % 2], "flood%d" % n) for n in range(60)]
        self.assertLessEqual(codes.count(0), 21)  # one more than the limit at most
        self.assertEqual(set(codes), {0, 3})
        for broker in self.fleet:
            broker.wait_log("durable_sessions_full .*limit=20 key=limits.max_durable_sessions", 5)
            self.assertGreater(metric(broker.metrics(), "flotilla_fleet_sessions_refused_total"), 0)
        self.assertTrue(self.open(self.fleet[1], "flood0", clean=False).session_present)
        self.open(self.fleet[0], "clean").ping()
        eventually(lambda: metric(self.fleet[0].metrics(), "flotilla_fleet_durable_sessions") == codes.count(0), 10)

    def test_without_maxmemory_half_of_the_machine_is_the_bound(self):
        machine = int(self.fleet.redis.command("INFO", "memory").decode().split("total_system_memory:")[1].split()[0])
        for broker in self.fleet:
            broker.wait_log("store_limit bytes=%d from=.half of the memory" % (machine // 2), 10)
            limit = metric(broker.metrics(), "flotilla_fleet_queue_limit_bytes")
            self.assertLess(machine / 20, limit)  # an eighth of what is left of it
            self.assertLessEqual(limit, machine // 16)

    def test_queues_shrink_and_retained_topics_are_not_kept(self):
        a, b = self.fleet
        used = self.used()
        self.open(a, "full", clean=False).subscribe(("big", 1))
        self.open(a, "full", clean=False).disconnect()
        publisher = self.open(b, "p")
        publisher.publish("kept", "before", 1, retain=True)
        self.fleet.redis.command("CONFIG", "SET", "maxmemory", str(4 * used))
        eventually(lambda: 0 < metric(b.metrics(), "flotilla_fleet_queue_limit_bytes") < used, 10)
        publisher.publish_many((("big", b"x" * 10000) for n in range(1000)), 1)
        b.wait_log("queue_full client_id=full topic=big", 10)
        self.assertEqual(metric(b.metrics(), "flotilla_redis_full"), 0)

        def nearly_full():  # by less than what buffers took of it just now
            self.fleet.redis.command("CONFIG", "SET", "maxmemory", str(self.used() * 6 // 5))
            return re.search("store_nearly_full .*key=limits.max_stored_bytes", b.log())
        eventually(nearly_full, 10)
        publisher.publish("new", "x", 1, retain=True)
        publisher.publish("kept", "after", 1, retain=True)
        b.wait_log("retained_not_kept topic=new", 5)
        self.assertEqual(metric(b.metrics(), "flotilla_fleet_retained_dropped_total"), 1)
        self.fleet.redis.command("CONFIG", "SET", "maxmemory", "0")
        subscriber = self.open(a, "s")
        subscriber.subscribe(("kept", 1), ("new", 1))
        subscriber.expect_message("kept", "after", 1)
        subscriber.ping()


if __name__ == "__main__":
    harness.main()
