"""A device that keeps to the protocol over reconnects: a durable session, publishing and receiving.

It is what a good client library with persistence does: unacknowledged publishes are sent again with
DUP and the same packet id after a reconnect, PUBRELs are repeated, and packet ids received at QoS 2
are remembered. Its records let a test say what was lost, repeated or reordered.
"""
import collections
import random
import threading
import time

import mqtt_raw as m
from harness import eventually, pace, stays

RETRY_PAUSE = 0.1
CONNACK_TIMEOUT = 15.0


class Device(threading.Thread):
    """dial() opens a connection (a raw Client before CONNECT).

    status_topic: the device says "online <n>" there (QoS 1) after the CONNACK of its n-th attempt,
    which had "offline <n>" (QoS 2) as its will; `accepted` lists the attempts with a CONNACK, without those that
    ended before it could say anything; `confirmed` has those whose "online" was acknowledged while they lasted.
    """

    def __init__(self, dial, client_id, subscriptions=(), status_topic=None, keepalive=3, window=20, start=True):
        super().__init__(daemon=True)
        self.dial, self.client_id, self.subscriptions = dial, client_id, list(subscriptions)
        self.status_topic, self.keepalive, self.window = status_topic, keepalive, window
        self.outbox = collections.deque()
        self.inflight = collections.OrderedDict()  # pid -> [topic, payload, qos, released]
        self.next_pid = 0
        self.acked = collections.defaultdict(list)  # topic -> payloads
        self.received = collections.defaultdict(list)  # topic -> payloads, in order of arrival
        self.arrivals = 0
        self.last_arrival = 0.0
        self.open_in2 = set()
        self.subscribed = False
        self.attempts, self.accepted, self.confirmed = 0, [], set()
        self.connects, self.losses, self.problems = 0, 0, []
        self.online = threading.Event()
        self.ending = False
        self.failure = None
        if start:
            self.start()

    # what tests call

    def publish(self, topic, payload, qos):
        self.outbox.append((topic, payload if isinstance(payload, bytes) else payload.encode(), qos))

    def wait_online(self, timeout=20):
        if not self.online.wait(timeout):
            raise AssertionError("%s isn't online; %s" % (self.client_id, self.failure))
        return self

    def idle(self):
        return not self.outbox and not self.inflight

    def state(self):
        return "%s (%s, connects %d, losses %d, outbox %d, inflight %s, %s)" % (
            self.client_id, "online" if self.online.is_set() else "offline", self.connects, self.losses,
            len(self.outbox), [(p, e[2], e[3]) for p, e in list(self.inflight.items())[:3]], self.failure)

    def finish(self, timeout=15):
        """DISCONNECT and the end of the thread."""
        self.ending = True
        self.join(timeout)
        if self.is_alive():
            raise AssertionError("%s doesn't end" % self.client_id)
        if self.problems:
            raise AssertionError("%s: %s" % (self.client_id, self.problems))

    def crash(self):
        """Ends without DISCONNECT and doesn't come back."""
        self.ending = "crash"
        self.join(15)

    # the life of the connection

    def run(self):
        while not self.ending:
            client = None
            try:
                client = self.dial()
                self.session(client)
            except (m.Closed, m.TimedOut, OSError) as e:
                self.failure = e
                if self.online.is_set():
                    self.losses += 1
                    self.online.clear()
            except BaseException as e:
                self.problems.append(repr(e))
                self.ending = True
            finally:
                if client is not None:
                    client.close()
            if not self.ending:
                pace(RETRY_PAUSE + random.random() * RETRY_PAUSE)

    def session(self, client):
        self.attempts += 1
        n = self.attempts
        will = m.Will(self.status_topic, "offline %d" % n, 2) if self.status_topic else None
        client.send(self.connect_bytes(will))
        answer = client.expect(m.CONNACK, timeout=CONNACK_TIMEOUT)
        self.greeted(answer)
        self.connects += 1
        self.accepted.append(n)
        if self.connects > 1 and not answer.session_present:
            self.problems.append("the session was lost at attempt %d" % n)
        out = bytearray()
        for pid, (topic, payload, qos, released) in self.inflight.items():
            out += m.ack(m.PUBREL, pid) if released else self.publish_bytes(topic, payload, qos, pid, dup=True)
        if self.status_topic:
            self.forget_unsaid()
            self.outbox.appendleft((self.status_topic, b"online %d" % n, 1))
        if not self.subscribed and self.subscriptions:
            out += self.subscribe_bytes()
        else:
            self.subscribed = True
            self.online.set()
        if out:
            client.send(out)
        self.talk(client)

    # what device5.py says in another way

    def connect_bytes(self, will):
        return m.connect(self.client_id, clean=False, keepalive=self.keepalive, will=will)

    def greeted(self, connack):
        if connack.return_code != 0:
            raise m.Closed("refused with %d" % connack.return_code)

    def subscribe_bytes(self):
        return m.subscribe(65535, *self.subscriptions)

    def publish_bytes(self, topic, payload, qos, pid, dup=False):
        return m.publish(topic, payload, qos, pid, dup=dup)

    def more(self, out):
        """What else is to be sent now."""

    # the conversation

    def forget_unsaid(self):
        """What was never sent would come behind the newer one."""
        while self.outbox and self.outbox[0][0] == self.status_topic:
            self.accepted.remove(int(self.outbox.popleft()[1].split()[1]))

    def talk(self, client):
        last_sent = last_heard = time.monotonic()
        pinged = False
        while True:
            if self.ending and (self.ending == "crash" or not self.inflight):
                if self.ending != "crash":
                    client.disconnect()
                return
            out = bytearray()
            while self.outbox and len(self.inflight) < self.window and not self.ending:
                topic, payload, qos = self.outbox.popleft()
                pid = self.take_pid() if qos else None
                if qos:
                    self.inflight[pid] = [topic, payload, qos, False]
                out += self.publish_bytes(topic, payload, qos, pid)
            self.more(out)
            now = time.monotonic()
            if now - last_sent > self.keepalive / 3 and not pinged:
                out += m.PINGREQ_BYTES
                pinged = True
            if out:
                client.send(out)
                last_sent = now
            if now - last_heard > self.keepalive * 1.5:
                raise m.TimedOut("nothing heard for %.1f s" % (now - last_heard))
            try:
                client.fill(now + 0.05)
            except m.TimedOut:
                continue
            last_heard, out = time.monotonic(), bytearray()
            for got in client.packets:
                if got.kind == m.PINGRESP:
                    pinged = False
                self.handle(got, out)
            client.packets = []
            pinged = pinged and last_heard - last_sent < self.keepalive
            if out:
                client.send(out)
                last_sent = last_heard

    def take_pid(self):
        while True:
            self.next_pid = self.next_pid % 65000 + 1
            if self.next_pid not in self.inflight:
                return self.next_pid

    def handle(self, got, out):
        if got.kind == m.PUBLISH:
            if got.qos == 1:
                out += m.ack(m.PUBACK, got.pid)
            elif got.qos == 2:
                out += m.ack(m.PUBREC, got.pid)
                if got.pid in self.open_in2:
                    return
                self.open_in2.add(got.pid)
            self.received[got.topic].append(got.payload)
            self.arrivals += 1
            self.last_arrival = time.monotonic()
        elif got.kind == m.PUBREL:
            self.open_in2.discard(got.pid)
            out += m.ack(m.PUBCOMP, got.pid)
        elif got.kind == m.PUBREC:
            if got.pid in self.inflight:
                self.inflight[got.pid][3] = True
            out += m.ack(m.PUBREL, got.pid)
        elif got.kind in (m.PUBACK, m.PUBCOMP):
            entry = self.inflight.pop(got.pid, None)
            if entry is not None:
                self.acked[entry[0]].append(entry[1])
                if entry[0] == self.status_topic and entry[1] == b"online %d" % self.attempts:
                    self.confirmed.add(self.attempts)
        elif got.kind == m.SUBACK:
            if any(code > 2 for code in got.granted):
                self.problems.append("subscribe refused: %s" % got.granted)
            self.subscribed = True
            self.online.set()
        elif got.kind != m.PINGRESP:
            self.problems.append("unexpected %r" % got)


class Load:
    """Publishers at QoS 1 and 2, each with its topic load/<qos>/<i>, and durable subscribers to all."""

    def __init__(self, dial, publishers=3, subscribers=2, rate=40, prefix="load", status=True, subscriber_dial=None):
        self.prefix, self.rate = prefix, rate
        self.counts = collections.Counter()
        self.subscribers = [
            Device(subscriber_dial or dial, "%s-sub%d" % (prefix, i), [(prefix + "/+/+", 2)],
                   self.status_topic("sub%d" % i) if status else None) for i in range(subscribers)]
        self.publishers = []
        for qos in (1, 2):
            for i in range(publishers):
                name = "pub%d-%d" % (qos, i)
                device = Device(dial, "%s-%s" % (prefix, name), (), self.status_topic(name) if status else None)
                self.publishers.append((device, "%s/%d/%d" % (prefix, qos, i), qos))
        self.devices = self.subscribers + [p[0] for p in self.publishers]
        for device in self.devices:
            device.wait_online()
        self.running = True
        self.thread = threading.Thread(target=self.pump, daemon=True)
        self.thread.start()

    def status_topic(self, name):
        return "%s-status/%s-%s" % (self.prefix, self.prefix, name)

    def pump(self):
        next_at = time.monotonic()
        while self.running:
            for device, topic, qos in self.publishers:
                if len(device.outbox) < 1000:
                    device.publish(topic, "%d" % self.counts[topic], qos)
                    self.counts[topic] += 1
            next_at += 1.0 / self.rate
            pace(next_at - time.monotonic())

    def run_for(self, seconds):
        """Load goes on for so long; fails at once when a device broke a rule."""
        def obeyed():
            for device in self.devices:
                if device.problems:
                    raise AssertionError("%s: %s" % (device.client_id, device.problems))
            return True
        stays(obeyed, seconds, interval=0.1)

    def wait_progress(self, timeout=30):
        """Each publisher gets another acknowledgement, each subscriber another message."""
        acked = [len(d.acked[t]) for d, t, _ in self.publishers]
        arrivals = [s.arrivals for s in self.subscribers]

        def stuck():
            return ([d.state() for (d, t, _), n in zip(self.publishers, acked) if len(d.acked[t]) <= n] +
                    [s.state() for s, n in zip(self.subscribers, arrivals) if s.arrivals <= n])
        try:
            eventually(lambda: not stuck(), timeout)
        except AssertionError:
            raise AssertionError("stuck after %.0f s: %s" % (timeout, "; ".join(stuck()))) from None

    def stop(self, timeout=40):
        """No new messages; waits until all are acknowledged and all are delivered."""
        self.running = False
        self.thread.join()
        eventually(lambda: all(d.idle() for d, _, _ in self.publishers), timeout, "all publishes acknowledged")

        def delivered():
            return all(s.received[topic] and s.received[topic][-1] == b"%d" % (self.counts[topic] - 1)
                       for s in self.subscribers for _, topic, _ in self.publishers)
        try:
            eventually(delivered, timeout, "all messages delivered")
        except AssertionError as e:
            self.verify()
            raise e

    def verify(self):
        """Nothing lost, QoS 2 never repeated, order kept. Call after stop()."""
        for s in self.subscribers:
            for _, topic, qos in self.publishers:
                wanted = [b"%d" % n for n in range(self.counts[topic])]
                got = s.received[topic]
                if qos == 1:
                    got = list(dict.fromkeys(got))
                if got != wanted:
                    raise AssertionError("%s on %s: %s" % (s.client_id, topic, difference(wanted, got)))

    def finish(self):
        for device in self.devices:
            device.finish()

    def losses(self):
        return sum(d.losses for d in self.devices)


def difference(wanted, got):
    """In words: what is missing, repeated, in the wrong place."""
    counts = collections.Counter(got)
    missing = [w for w in wanted if w not in counts]
    repeated = [v for v, n in counts.items() if n > 1]
    unknown = [v for v in counts if v not in set(wanted)]
    text = "wanted %d, got %d" % (len(wanted), len(got))
    for name, values in (("missing", missing), ("repeated", repeated), ("unknown", unknown)):
        if values:
            text += "; %s %d: %s%s" % (name, len(values), values[:10], "..." if len(values) > 10 else "")
    if not missing and not repeated and not unknown:
        at = next(i for i, (w, g) in enumerate(zip(wanted, got)) if w != g)
        text += "; order broken at %d: %s" % (at, got[max(0, at - 2):at + 6])
    return text


class StatusWatch:
    """Reads all status topics at QoS 2 and checks each device's story: online 1, offline 1, online 2, ..."""

    def __init__(self, dial, prefix="load"):
        self.device = Device(dial, prefix + "-watch", [(prefix + "-status/#", 2)]).wait_online()

    def verify(self, devices, timeout=20, drained=False):
        """Who came back has had its will published once, before it came back; others not at all.

        The will of an attempt that got no CONNACK may be published or not: the broker may have
        accepted it and died before it could say so (and the load balancer may have taken the same
        attempt to the next broker). An "online" that wasn't acknowledged before its connection ended was perhaps
        lost, and comes again behind the will. drained: brokers were told to end, whose
        clients' wills aren't published when they come back soon.
        """
        def told():
            return all(b"online %d" % d.accepted[-1] in self.device.received[d.status_topic] for d in devices)
        eventually(told, timeout, "the watcher saw everybody online")
        for d in devices:
            heard, wanted, early = self.device.received[d.status_topic], [], set()
            for n in d.accepted:
                online, offline = b"online %d" % n, b"offline %d" % n
                if n not in d.confirmed and offline in heard[:heard.index(online) if online in heard else 0]:
                    early.add(offline)
                    wanted += [offline, online]
                else:
                    wanted += [online, offline]
            if wanted[-1:] == [b"offline %d" % d.accepted[-1]]:
                wanted.pop()
            got, unanswered = [], collections.Counter()
            for status in heard:
                word, n = status.split()
                if word == b"offline" and b"online " + n not in got and status not in early:
                    unanswered[status] += 1
                elif not (word == b"online" and status in got):  # QoS 1 may repeat
                    got.append(status)
            if drained:
                wanted = [w for w in wanted if w.startswith(b"online") or w in got]
            if got != wanted or any(count > 2 for count in unanswered.values()):
                raise AssertionError("%s (accepted attempts %s of %d): wanted %s, got %s" % (
                    d.client_id, d.accepted, d.attempts, wanted, self.device.received[d.status_topic]))
