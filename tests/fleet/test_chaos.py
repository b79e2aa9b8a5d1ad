"""Faults drawn by lot, one after another and together, under load; the promises hold all the same.

FLOTILLA_CHAOS_SECONDS and FLOTILLA_CHAOS_SEED make it longer and different.
"""
import os
import random
import time

import harness
import mqtt_raw as m
from device import Load, StatusWatch
from harness import pace
from services import Fleet

SECONDS = float(os.environ.get("FLOTILLA_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("FLOTILLA_CHAOS_SEED", "1"))


class Chaos(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True)

    def test_faults_by_lot(self):
        rng, lb = random.Random(SEED), self.fleet.lb
        watch = StatusWatch(lambda: m.Client(lb.plain))
        load = Load(lambda: m.Client(lb.plain), rate=20)
        load.wait_progress()
        story, end = [], time.monotonic() + SECONDS
        faults = [self.kill_broker, self.freeze_broker, self.drain_broker, self.freeze_redis, self.restart_redis,
                  self.kick_pubsub, self.kick_all, self.flush_scripts]
        try:
            while time.monotonic() < end:
                for fault in rng.sample(faults, rng.choice((1, 1, 2))):
                    story.append("%s %s" % (fault.__name__, fault(rng)))
                    load.run_for(rng.uniform(0.1, 1.5))
                self.mend()
            self.mend()
            load.wait_progress()
            load.stop()
            load.verify()
            watch.verify(load.devices, drained=True)
            load.finish()
            watch.device.finish()
        except BaseException:
            print("seed %d: %s" % (SEED, ", ".join(story)))
            raise

    def mend(self):
        """Everything that was stopped or killed runs again."""
        if self.fleet.redis.stopped:
            self.fleet.redis.cont()
        for broker in self.fleet:
            if not broker.running():
                broker.start(wait=False)
            elif broker.stopped:
                broker.cont()
        for broker in self.fleet:
            broker.wait_ready()

    def kill_broker(self, rng):
        broker = rng.choice([b for b in self.fleet])
        broker.kill()
        return broker.name

    def freeze_broker(self, rng):
        broker = rng.choice([b for b in self.fleet])
        if not broker.running() or broker.stopped:
            return "-"
        broker.stop()
        seconds = rng.choice((0.5, 1.5, 4.0))
        pace(seconds)
        broker.cont()
        return "%s %.1f" % (broker.name, seconds)

    def drain_broker(self, rng):
        broker = rng.choice([b for b in self.fleet])
        if not broker.running() or broker.stopped or self.fleet.redis.stopped:
            return "-"
        broker.term()
        return broker.name

    def freeze_redis(self, rng):
        seconds = rng.choice((0.5, 2.5, 6.0))
        self.fleet.redis.stop()
        pace(seconds)
        self.fleet.redis.cont()
        return "%.1f" % seconds

    def restart_redis(self, rng):
        self.fleet.redis.kill()
        seconds = rng.choice((0.0, 1.0))
        pace(seconds)
        self.fleet.redis.start()
        return "%.1f" % seconds

    def kick_pubsub(self, rng):
        self.fleet.redis.kick_pubsub()
        return ""

    def kick_all(self, rng):
        self.fleet.redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return ""

    def flush_scripts(self, rng):
        self.fleet.redis.command("SCRIPT", "FLUSH")
        return ""


if __name__ == "__main__":
    harness.main()
