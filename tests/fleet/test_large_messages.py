"""Large messages from one broker to subscribers of another one that slept meanwhile."""
import os

import harness
from services import Fleet

COUNT, SIZE = 60, 1 << 20
PATIENCE_S = 80  # Redis syncs all of it, each time, to a disk that others use, too


class LargeMessages(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, lease="80s")  # the sleep is no death

    def publish_while_the_other_sleeps(self, subscriber):
        a, b = self.fleet
        payload = os.urandom(SIZE)
        publisher = a.connect("p", timeout=PATIENCE_S)
        self.addCleanup(publisher.close)
        self.addCleanup(subscriber.close)
        subscriber.subscribe(("large/#", 1))
        before = b.memory_kb()
        b.stop()
        publisher.publish_many((("large/%d" % n, payload) for n in range(COUNT)), qos=1, window=20,
                               timeout=PATIENCE_S)
        b.cont()
        got = subscriber.collect(COUNT, PATIENCE_S)
        self.assertEqual([g.topic for g in got], ["large/%d" % n for n in range(COUNT)])
        self.assertTrue(all(g.payload == payload for g in got))
        return (b.memory_kb() - before) // 1024

    def test_a_clean_session_costs_the_memory_of_a_few_at_a_time(self):
        megabytes = self.publish_while_the_other_sleeps(self.fleet[1].connect("s"))
        if "asan" not in self.fleet[1].argv[0]:
            self.assertLess(megabytes, 40)

    def test_a_durable_session_reads_its_queue_without_stalling_redis(self):
        redis = self.fleet.redis
        redis.command("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "10000")
        self.publish_while_the_other_sleeps(self.fleet[1].connect("s", clean=False))
        fetches = [e for e in redis.command("SLOWLOG", "GET", "10000") if e[3][0].upper() == b"EVALSHA" and
                   len(e[3]) == 9 and e[3][8] == b"262144"]
        self.assertTrue(fetches)
        self.assertLess(sorted(e[2] for e in fetches)[len(fetches) // 2], 20000, "us, the median")


if __name__ == "__main__":
    harness.main()
