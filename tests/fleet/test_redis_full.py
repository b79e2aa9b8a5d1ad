"""Redis reaches its maxmemory, and has room again later."""
import time

import harness
import mqtt_raw as m
from harness import eventually
from services import Fleet


class Full(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2)

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

    def test_queues_are_drained_and_publishes_refused_meanwhile(self):
        a, b = self.fleet
        self.open(b, "s", clean=False).subscribe(("t", 1))
        self.open(b, "other", clean=False).disconnect()
        publisher = self.open(a, "p")
        for n in range(50):
            publisher.publish("t", "%d" % n, 1)
        self.full(True)
        subscriber = self.open(a, "s", clean=False)  # takes over, too
        self.assertEqual([g.payload for g in subscriber.collect(50)], [b"%d" % n for n in range(50)])
        refused = self.open(a, "p2")
        refused.send(m.publish("t", "refused", 1, 1))
        refused.expect_closed()
        eventually(lambda: self.open(a, "p3").ping() is None, 5)
        self.full(False)
        self.open(b, "p4").publish("t", "after", 1)
        subscriber.expect_message("t", "after", 1)

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
        time.sleep(0.5)  # its publishing is refused
        self.full(False)
        watcher.expect_message("will", "gone", 1, timeout=20)
        self.open(a, "offline", clean=False).expect_message("will", "gone", 1)


if __name__ == "__main__":
    harness.main()
