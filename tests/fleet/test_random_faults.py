"""Random faults from a seed, under load, and then the promises are checked.

Publishers and subscribers hop between brokers while brokers are killed, paused and drained, Redis is paused and
restarted, and single links between them are cut, or held back for a while and then cut or let go. The seed is printed;
run one again with FLOTILLA_FAULTS_SEED=n, for FLOTILLA_FAULTS_SECONDS, and with FLOTILLA_FAULTS_ONLY=kill,hop,... only.
With FLOTILLA_FAULTS_HICCUPS=1 each broker's link to Redis is held back for 1 to 5 s again and again, beside all else.
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
from device import Device, Load, StatusWatch, difference
from harness import eventually, pace
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

    def dial(self):
        up = [b for b in self.fleet if b.running() and not b.stopped] or list(self.fleet)
        with self.lock:
            broker = self.rng.choice(up)
        client = m.Client(broker.address)
        with self.lock:
            self.clients = [c for c in self.clients if c.sock.fileno() >= 0] + [client]
        return client

    def sleepy_dial(self):
        pace(self.rng.random() * 1.5)
        return self.dial()

    def cut(self):
        """One connection ends without DISCONNECT."""
        with self.lock:
            clients = [c for c in self.clients if c.sock.fileno() >= 0]
            if clients:
                try:
                    self.rng.choice(clients).sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Probe(threading.Thread):
    """Clean subscribers that come and go: what is published after their SUBACK must reach them while they are
    connected, in order, at QoS 2 once; and a retained value isn't older than the last one that was acknowledged."""

    def __init__(self, roads, load, keeper):
        super().__init__(daemon=True)
        self.roads, self.load, self.keeper = roads, load, keeper
        self.ending, self.problems, self.rounds, self.complete = False, [], 0, 0
        self.start()

    def run(self):
        while not self.ending and not self.problems:
            client = None
            try:
                client = self.roads.dial()
                self.subscribe_and_check(client)
            except (m.Closed, m.TimedOut, OSError):
                pass
            except BaseException as e:
                self.problems.append("%s: %s" % (type(e).__name__, e))
            finally:
                if client is not None:
                    client.close()
            pace(0.05)

    def counts(self):
        return {topic: self.load.counts[topic] for _, topic, _ in self.load.publishers}

    def subscribe_and_check(self, client):
        client.send(m.connect("", keepalive=10))
        if client.expect(m.CONNACK, timeout=10).return_code != 0:
            return
        self.rounds += 1
        kept = len(self.keeper.acked["keep"])
        messages, out = [], bytearray()
        client.send(m.subscribe(1, ("load/+/+", 2), ("keep", 1)))
        granted = False
        end = time.monotonic() + 0.5 + self.roads.rng.random() * 2
        first, last, closed = None, None, False
        while True:
            now = time.monotonic()
            if last is None and now > end and granted:
                last = self.counts()
                end = now + 20
            seen = {}
            for p in messages:
                seen.setdefault(p.topic, set()).add(p.payload)
            if last is not None and all(b"%d" % (n - 1) in seen.get(t, ()) for t, n in last.items()):
                self.complete += 1
                break
            if now > end:
                break
            try:
                client.fill(min(end, now + 0.05))
            except m.TimedOut:
                continue
            except m.Closed:
                closed = True
                break
            for got in client.packets:
                if got.kind == m.SUBACK:
                    granted, first = True, self.counts()
                    if any(code > 2 for code in got.granted):
                        return
                else:
                    client.react(got, messages, out)
            client.packets = []
            if out:
                client.send(out)
                out = bytearray()
        if granted:
            self.check(messages, kept, first, last, closed)

    def check(self, messages, kept, first, last, closed):
        for _, topic, qos in self.load.publishers:
            got = [int(p.payload) for p in messages if p.topic == topic]
            if qos == 1:  # what was sent before the subscription may come again, behind what came since
                got = [n for n in dict.fromkeys(got) if n >= got[0]]
            if got != sorted(set(got)):
                self.problems.append("%s: order broken or repeated: %s" % (topic, got))
            late = [n for n in got if n >= first[topic]]
            if late != list(range(first[topic], first[topic] + len(late))):
                self.problems.append("%s: holes behind SUBACK at %d: %s" % (topic, first[topic], late))
            if not closed and last is not None and last[topic] > first[topic] and late[-1:] < [last[topic] - 1]:
                self.problems.append("%s: connected for 20 s more and %d to %d didn't come (have %s)" % (
                    topic, first[topic], last[topic] - 1, late[-3:]))
        values = [int(p.payload) for p in messages if p.topic == "keep"]
        retained = [int(p.payload) for p in messages if p.topic == "keep" and p.retain]
        if retained and retained[0] < kept - 1:
            self.problems.append("retained %d, although %d was acknowledged before SUBSCRIBE: %s" % (
                retained[0], kept - 1, values))
        if values != sorted(values):
            self.problems.append("retained and live values go back: %s" % values)

    def finish(self):
        self.ending = True
        self.join(30)
        if self.problems:
            raise AssertionError("; ".join(self.problems))


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


class RandomFaults(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, redis_options=("--enable-debug-command", "local"), link=ChaosProxy,
                             broker_config={"fleet": {"lease": "2s", "beat_interval": "400ms", "route_linger": "2s"}})
        holder.scope.cleanups += [link.close for link in holder.fleet.links]

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

    def keep(self):
        n = 0
        while self.keeping:
            if self.keeper.idle():
                self.keeper.publish("keep", "%d" % n, 2)
                n += 1
            pace(0.02)

    # the test

    def play(self, seed):
        sys.stderr.write("[seed %d] " % seed)
        sys.stderr.flush()
        self.rng = random.Random(seed)
        self.roads = Roads(self.fleet, random.Random(seed + 1))
        self.watch = StatusWatch(self.roads.dial)
        self.load = Load(self.roads.dial, publishers=2, subscribers=1, rate=25)
        self.sleeper = Device(self.roads.sleepy_dial, "sleeper", [("load/+/+", 2)])
        self.keeper = Device(lambda: RetainingClient(self.roads.dial()), "keeper", window=1)
        self.sleeper.wait_online()
        self.keeper.wait_online()
        self.load.wait_progress()
        self.sleeper_from = dict(self.load.counts)
        self.keeping = True
        keeping = threading.Thread(target=self.keep, daemon=True)
        keeping.start()
        probes = [Probe(self.roads, self.load, self.keeper) for _ in range(2)]
        self.played = []
        hiccups = [Hiccups(link, random.Random(seed + 2 + i)) for i, link in enumerate(self.fleet.links) if HICCUPS]
        names = FAULTS or [n[6:] for n in dir(self) if n.startswith("fault_")]
        names += [] if FAULTS else ["hop"] * 4 + ["links"] * 3 + ["hiccup"] * (3 if LONG else 2)
        begin = time.monotonic()
        try:
            while time.monotonic() < begin + SECONDS:
                name = self.rng.choice(names)
                self.played.append("%.1f %s" % (time.monotonic() - begin, name))
                getattr(self, "fault_" + name)()
                self.load.run_for(self.rng.choice((0.05, 0.3, 1)))
                self.check_probes(probes)
            for h in hiccups:
                h.finish()
            for broker in self.fleet:
                broker.wait_ready()
            self.load.wait_progress()
            self.keeping = False
            keeping.join()
            for p in probes:
                p.finish()
            self.load.stop()
            self.load.verify()
            self.check_sleeper()
            self.watch.verify(self.load.devices, drained=any("term" in p for p in self.played))
            self.load.finish()
            for device in (self.sleeper, self.keeper, self.watch.device):
                device.finish()
        except AssertionError as e:
            raise AssertionError("seed %d: %s\nfaults: %s" % (seed, e, ", ".join(self.played))) from e

    def check_probes(self, probes):
        for p in probes:
            if p.problems:
                raise AssertionError("; ".join(p.problems))

    def check_sleeper(self):
        """It subscribed in the middle: what came later is whole."""
        for _, topic, qos in self.load.publishers:
            wanted = [b"%d" % n for n in range(self.sleeper_from[topic], self.load.counts[topic])]

            def got():
                values = [v for v in self.sleeper.received[topic] if int(v) >= self.sleeper_from[topic]]
                return list(dict.fromkeys(values)) if qos == 1 else values
            try:
                eventually(lambda: got() == wanted, 20)
            except AssertionError:
                raise AssertionError("sleeper on %s: %s" % (topic, difference(wanted, got()))) from None

    def test_fixed_seed(self):
        self.play(int(os.environ.get("FLOTILLA_FAULTS_SEED", "1")))

    def test_random_seed(self):
        if "FLOTILLA_FAULTS_SEED" in os.environ:
            self.skipTest("a seed is given")
        self.play(random.randrange(1 << 30))


class RetainingClient:
    """Sends PUBLISHes with the retain flag, if they come one by one."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        return getattr(self.client, name)

    def __setattr__(self, name, value):
        if name == "client":
            object.__setattr__(self, name, value)
        else:
            setattr(self.client, name, value)

    def send(self, data):
        data = bytearray(data)
        if data and data[0] >> 4 == m.PUBLISH:
            data[0] |= 1
        self.client.send(data)


if __name__ == "__main__":
    harness.main()
