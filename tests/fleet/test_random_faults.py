"""Random faults from a seed, under load, and then the promises are checked.

Publishers and subscribers hop between brokers while brokers are killed, paused and drained, Redis is paused and
restarted, and single links between them are cut, or held back for a while and then cut or let go. faults.py says how to
run a seed again.
"""
import threading
import time

import harness
import mqtt_raw as m
from device import Device, Load, StatusWatch, difference
from faults import FaultsCase
from harness import eventually, pace


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


class RandomFaults(FaultsCase, harness.FleetTest):
    def scene(self):
        self.watch = StatusWatch(self.roads.dial)
        self.load = Load(self.roads.dial, publishers=2, subscribers=1, rate=25)
        self.sleeper = Device(self.roads.sleepy_dial, "sleeper", [("load/+/+", 2)])
        self.keeper = Device(lambda: RetainingClient(self.roads.dial()), "keeper", window=1)
        self.sleeper.wait_online()
        self.keeper.wait_online()
        self.load.wait_progress()
        self.sleeper_from = dict(self.load.counts)
        self.keeping = True
        self.keeping_thread = threading.Thread(target=self.keep, daemon=True)
        self.keeping_thread.start()
        self.probes = [Probe(self.roads, self.load, self.keeper) for _ in range(2)]

    def keep(self):
        n = 0
        while self.keeping:
            if self.keeper.idle():
                self.keeper.publish("keep", "%d" % n, 2)
                n += 1
            pace(0.02)

    def obeyed(self):
        self.load.run_for(0)
        for p in self.probes:
            if p.problems:
                raise AssertionError("; ".join(p.problems))
        return True

    def verify(self):
        self.load.wait_progress()
        self.keeping = False
        self.keeping_thread.join()
        for p in self.probes:
            p.finish()
        self.load.stop()
        self.load.verify()
        self.check_sleeper()
        self.watch.verify(self.load.devices, drained=any("term" in p for p in self.played))
        self.load.finish()
        for device in (self.sleeper, self.keeper, self.watch.device):
            device.finish()

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
