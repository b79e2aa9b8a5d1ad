"""Faults drawn by lot from a seed, for the tests that play them while something goes on.

The seed is printed; run one again with FLOTILLA_FAULTS_SEED=n, for FLOTILLA_FAULTS_SECONDS, and with
FLOTILLA_FAULTS_ONLY=kill,hop,... only. With FLOTILLA_FAULTS_HICCUPS=1 each broker's link to Redis is held back for 1 to
5 s again and again, beside all else.
"""
import os
import random
import socket
import sys
import threading
import time

import harness
import mqtt_raw as m
from chaos import ChaosProxy
from harness import pace
from services import Fleet

SECONDS = float(os.environ.get("FLOTILLA_FAULTS_SECONDS", "8"))
LONG = SECONDS > 8  # links are held back for longer in runs that somebody looks at
HICCUPS = os.environ.get("FLOTILLA_FAULTS_HICCUPS", "") == "1"
FAULTS = [f for f in os.environ.get("FLOTILLA_FAULTS_ONLY", "").split(",") if f]
LINKS = ("commands", "beats", "inbox", "log", "channel")


class Roads:
    """Ways to the brokers that take connections; the connections can be cut."""

    def __init__(self, fleet, rng):
        self.fleet, self.rng, self.lock = fleet, rng, threading.Lock()
        self.clients = []

    def dial(self, make=m.Client):
        up = [b for b in self.fleet if b.running() and not b.stopped] or list(self.fleet)
        with self.lock:
            broker = self.rng.choice(up)
        client = make(broker.address)
        with self.lock:
            self.clients = [c for c in self.clients if c.sock.fileno() >= 0] + [client]
        return client

    def sleepy_dial(self, make=m.Client):
        pace(self.rng.random() * 1.5)
        return self.dial(make)

    def cut(self):
        """One connection ends without DISCONNECT."""
        with self.lock:
            clients = [c for c in self.clients if c.sock.fileno() >= 0]
            if clients:
                try:
                    self.rng.choice(clients).sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def hiccup(link, rng, shortest, longest):
    """Nothing passes for a while; then it all does, or none of it."""
    link.hold(*rng.choice(((), (), ("requests",), ("replies",))))
    pace(rng.uniform(shortest, longest))
    if rng.random() < 0.4:
        link.cut()
    link.release()


class Hiccups(threading.Thread):
    """One broker's link to Redis, which stands still again and again."""

    def __init__(self, link, rng):
        super().__init__(daemon=True)
        self.link, self.rng, self.ending = link, rng, threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(self.rng.uniform(1, 8)):
            hiccup(self.link, self.rng, 1, 5)

    def finish(self):
        self.ending.set()
        self.join()


class FaultsCase:
    """A test says in scene() what goes on, in obeyed() what must hold all the time, and in verify() what must have held
    when the faults are over."""

    @classmethod
    def config(cls):
        return {}

    @classmethod
    def build(cls, holder):
        fleet = {"lease": "2s", "beat_interval": "400ms", "route_linger": "2s"}
        holder.fleet = Fleet(holder.scope, brokers=3, redis_options=("--enable-debug-command", "local"),
                             link=ChaosProxy, broker_config={"fleet": fleet, **holder.config()})
        holder.scope.cleanups += [link.close for link in holder.fleet.links]

    def scene(self):
        raise NotImplementedError

    def obeyed(self):
        raise NotImplementedError

    def verify(self):
        raise NotImplementedError

    def play(self, seed):
        sys.stderr.write("[seed %d] " % seed)
        sys.stderr.flush()
        self.rng = random.Random(seed)
        self.roads = Roads(self.fleet, random.Random(seed + 1))
        self.scene()
        self.played = []
        hiccups = [Hiccups(link, random.Random(seed + 2 + i)) for i, link in enumerate(self.fleet.links) if HICCUPS]
        try:
            self.disturb()
            for h in hiccups:
                h.finish()
            for broker in self.fleet:
                broker.wait_ready()
            self.verify()
        except AssertionError as e:
            raise AssertionError("seed %d: %s\nfaults: %s" % (seed, e, ", ".join(self.played))) from e

    def disturb(self):
        names = FAULTS or [n[6:] for n in dir(self) if n.startswith("fault_")]
        names += [] if FAULTS else ["hop"] * 4 + ["links"] * 3 + ["hiccup"] * (3 if LONG else 2)
        begin = time.monotonic()
        while time.monotonic() < begin + SECONDS:
            name = self.rng.choice(names)
            self.played.append("%.1f %s" % (time.monotonic() - begin, name))
            getattr(self, "fault_" + name)()
            harness.stays(self.obeyed, self.rng.choice((0.05, 0.3, 1)), interval=0.1)

    def test_fixed_seed(self):
        self.play(int(os.environ.get("FLOTILLA_FAULTS_SEED", "1")))

    def test_random_seed(self):
        if "FLOTILLA_FAULTS_SEED" in os.environ:
            self.skipTest("a seed is given")
        self.play(random.randrange(1 << 30))

    # faults; each leaves the fleet as it was, sooner or later

    def broker(self):
        return self.rng.choice(self.fleet.brokers)

    def fault_hop(self):
        for _ in range(self.rng.randrange(1, 6)):
            self.roads.cut()

    def fault_kill(self):
        broker = self.broker()
        broker.kill()
        pace(self.rng.choice((0, 0.3, 1)))
        broker.start(wait=False)

    def fault_term(self):
        broker = self.broker()
        if broker.ready():
            broker.term(20)
            broker.start(wait=False)

    def fault_pause(self):
        self.paused(self.broker(), self.rng.uniform(0.1, 1.4))

    def fault_sleep(self):
        """Longer than the lease: it is declared dead meanwhile."""
        self.paused(self.broker(), 3.5)

    def fault_redis_pause(self):
        self.paused(self.fleet.redis, self.rng.choice((0.2, 1, 2.5)))

    def fault_redis_restart(self):
        self.fleet.redis.restart()

    def fault_redis_away(self):
        self.fleet.redis.kill()
        pace(1.5)
        self.fleet.redis.start()

    def fault_redis_sleep(self):
        self.fleet.redis.command("DEBUG", "SLEEP", "%.1f" % self.rng.uniform(0.1, 2.2))

    def fault_scripts(self):
        self.fleet.redis.command("SCRIPT", "FLUSH")

    def fault_links(self):
        """One kind of link of all brokers, or of one."""
        name, only_one = self.rng.choice(LINKS), self.rng.random() < 0.5
        found = [dict(w.split("=", 1) for w in line.split()) for line in
                 self.fleet.redis.command("CLIENT", "LIST").decode().splitlines()]
        ids = [c["id"] for c in found if c.get("name", "").endswith(name)]
        for client in self.rng.sample(ids, min(len(ids), 1 if only_one else 9)):
            try:
                self.fleet.redis.command("CLIENT", "KILL", "ID", client)
            except AssertionError:
                pass  # gone meanwhile

    def fault_hiccup(self):
        """Between one broker and Redis."""
        hiccup(self.rng.choice(self.fleet.links), self.rng, 0.4, 3 if LONG else 1.5)

    def fault_all_links(self):
        self.fleet.redis.command("CLIENT", "KILL", "TYPE", self.rng.choice(("normal", "pubsub")), "SKIPME", "yes")

    def paused(self, process, seconds):
        if process.running():
            process.stop()
            pace(seconds)
            process.cont()
