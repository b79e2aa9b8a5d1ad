"""ACL files made up at random, with hostile names, asked in a real broker and compared with a model of their own.

The rules change while everybody is connected, and between a publish and its delivery. Where mosquitto is installed the
model itself is checked: what it says of mosquitto's own way is what mosquitto does.
"""
import os
import random
import signal
import time

import acl_model
import harness
import mqtt_raw as m
from acl_model import READ, WRITE
from harness import Process, eventually, free_port
from services import STANDIN_BROKER, Broker, Fleet, program

ADMIN = "admin"
# (user name, client id), each id once
ASKERS = [(None, "c1"), ("ann", "+"), ("+", "a"), ("#", "b"), ("a/b", "ann"), ("$dev", "#"), ("bob", "a/b"), ("", "c2"),
          ("%c", "bob#"), ("ann", "$dev")]
LISTED = ["ann", "bob", "a/b", "+", "$dev", "%c"]
WIDE = ("#", "$dev/#")
ALL = "pattern readwrite #\npattern readwrite $dev/#\n"


def drain(client):
    """What has come until the answer to a ping, as (topic, payload)."""
    got = []
    client.send(m.PINGREQ_BYTES)
    while True:
        packet = client.recv()
        if packet.kind == m.PINGRESP:
            return got
        if packet.kind == m.PUBLISH:
            if packet.qos == 1:
                client.send(m.ack(m.PUBACK, packet.pid))
            got.append((packet.topic, bytes(packet.payload).decode()))


def publish(client, topic, payload, qos=1, retain=False):
    pid = client.pid() if qos else None
    client.send(m.publish(topic, payload, qos, pid, retain))
    if qos:
        client.await_pid(m.PUBACK, pid)


class MatrixCase:
    SEED = 20261201

    @staticmethod
    def build(holder):
        holder.acl = holder.scope.write("acl", ALL)
        holder.auth = {"anonymous": True, "acl_file": holder.acl, "subscribe": "always"}
        holder.broker = Broker(holder.scope, config={"auth": holder.auth}).start()
        holder.brokers = [holder.broker]

    def setUp(self):
        super().setUp()
        self.rng = random.Random(self.SEED)
        self.count = 0

    def use(self, text):
        self.scope.write("acl", text)
        for broker in self.brokers:
            mark = len(broker.log())
            broker.signal(signal.SIGHUP)
            broker.wait_log("auth_reloaded", start=mark)

    def make(self):
        return acl_model.make(self.rng, LISTED, ADMIN)

    def topics(self, count):
        found = []
        while len(found) < count:
            topic = acl_model.make_topic(self.rng)
            if topic not in found:
                found.append(topic)
        return found

    def client(self, who, **fields):
        """The administrator is at the last broker, all others at the first."""
        broker = self.brokers[-1] if who[0] == ADMIN else self.broker
        client = broker.connect(who[1], username=who[0], **fields)
        self.addCleanup(client.close)
        return client

    def allows(self, model, who, topic, wanted):
        self.count += 1
        return model.allows(who[0], who[1], topic, wanted)

    def check(self, model, who, got, expected):
        if sorted(got) != sorted(expected):
            self.fail("%r got %r, and not %r, with\n%s" % (
                who, sorted(set(got) - set(expected)), sorted(set(expected) - set(got)), model.text))

    def await_messages(self, model, who, client, expected):
        """They come bit by bit; and then nothing else."""
        got, end = [], time.monotonic() + 10
        while len(got) < len(expected) and time.monotonic() < end:
            got += drain(client)
        got += drain(client) + drain(client)
        self.check(model, who, got, expected)


@harness.unittest.skipUnless(os.path.exists(program("mosquitto")), "mosquitto isn't installed")
class TheModel(harness.FleetTest):
    """Against mosquitto. It closes who publishes what it may not (2.0.11), so each message has a connection."""
    ASKERS = [(None, "c1"), ("ann", "c2"), ("bob", "c3"), ("a/b", "c4"), ("$dev", "c5"), ("", "c6"), ("+", "c7"), ("ann", "x#")]
    FILES = 15

    def setUp(self):
        super().setUp()
        self.acl, self.address = self.scope.write("acl", ALL), ("127.0.0.1", free_port())
        conf = self.scope.write("mosquitto.conf", "allow_anonymous true\nacl_file %s\nmax_inflight_messages 2000\nuser root\n"
                                "listener %d 127.0.0.1\n" % (self.acl, self.address[1]))
        self.program = Process(self.scope, "mosquitto", [program("mosquitto"), "-c", conf]).start()
        eventually(lambda: m.Client(self.address).close() or True, 20, "it listens")

    def use(self, text):
        mark = len(self.program.log())
        self.scope.write("acl", text)
        self.program.signal(signal.SIGHUP)
        self.program.wait_log("Reloading config", start=mark)
        harness.pace(0.2)

    def client(self, user, client_id):
        return m.Client.connected(self.address, client_id, username=user)

    def check_writing(self, model, topics):
        expected = []
        with self.client(ADMIN, "observer") as observer:
            observer.subscribe(*[(f, 1) for f in WIDE])
            for topic in topics:
                for who in self.ASKERS:
                    with self.client(*who) as client:
                        try:
                            publish(client, topic, who[1])
                            client.ping()
                        except m.Closed:
                            pass
                    if model.allows(*who, topic, WRITE, True) and model.allows(ADMIN, "observer", topic, READ, True):
                        expected.append((topic, who[1]))
            self.assertEqual(sorted(drain(observer)), sorted(expected), model.text)

    def check_reading(self, model, topics):
        sent = [t for t in topics if model.allows(ADMIN, "admin", t, WRITE, True)]
        readers = [(who, self.client(*who)) for who in self.ASKERS]
        with self.client(ADMIN, "admin") as admin:
            for _, client in readers:
                client.subscribe(*[(f, 1) for f in WIDE])
            for topic in sent:
                publish(admin, topic, "x")
        for who, client in readers:
            self.assertEqual(sorted(t for t, _ in drain(client)), sorted(t for t in sent if model.allows(*who, t, READ, True)),
                             (who, model.text))
            client.close()

    def test_it_is_what_mosquitto_does(self):
        rng = random.Random(3)
        for _ in range(self.FILES):
            model = acl_model.make(rng, LISTED, ADMIN)
            self.use(model.text)
            topics = [acl_model.make_topic(rng) for _ in range(8)]
            self.check_writing(model, topics)
            self.check_reading(model, topics)


@harness.unittest.skipIf(STANDIN_BROKER, "mosquitto closes who publishes what it may not: see TheModel")
class Matrix(MatrixCase, harness.FleetTest):
    shared = True

    def publishers(self):
        return [(who, self.client(who)) for who in ASKERS] + [((ADMIN, "admin"), self.client((ADMIN, "admin")))]

    def run_files(self, files, topics_each, qos, filters_of):
        clients = self.publishers()
        for at, (_, client) in enumerate(clients):
            codes = client.subscribe(*[(f, qos) for f in filters_of(at)])
            self.assertEqual(codes, [qos] * len(WIDE))
        for _ in range(files):
            model = self.make()
            self.use(model.text)
            sent = []
            for topic in self.topics(topics_each):
                for at, (who, client) in enumerate(clients):
                    payload = "%d" % at
                    publish(client, topic, payload, qos)
                    if self.allows(model, who, topic, WRITE):
                        sent.append((topic, payload))
            for _, client in clients:  # all publishes have been handled then
                client.send(m.PINGREQ_BYTES)
                client.await_pid(m.PINGRESP, None)
            for who, client in clients:
                self.check(model, who, drain(client), [s for s in sent if self.allows(model, who, s[0], READ)])

    def test_publish_and_receive(self):
        self.run_files(12, 8, 1, lambda at: WIDE)  # 88 messages are less than a window
        self.assertGreater(self.count, 2000)

    def test_shared_subscriptions(self):
        """Each is the only member of its groups."""
        self.run_files(6, 8, 0, lambda at: ["$share/g%d/%s" % (at, f) for f in WIDE])
        self.assertGreater(self.count, 1000)


class LaterCase(MatrixCase):
    """Published while all is allowed, delivered under other rules."""
    shared = True

    def setUp(self):
        super().setUp()
        self.use(ALL)
        self.admin = self.client((ADMIN, "admin"))

    def test_retained_values(self):
        kept = {}
        for n in range(4):
            for topic in self.topics(10):
                kept[topic] = "v%d" % n
                publish(self.admin, topic, kept[topic], retain=True)
            model = self.make()
            self.use(model.text)
            for at, who in enumerate(ASKERS):
                durable = at % 2 == 1
                with self.broker.connect(who[1], username=who[0], clean=not durable) as client:
                    client.send(m.subscribe(1, *[(f, at % 2) for f in WIDE]))
                    client.await_pid(m.SUBACK, 1)
                    self.await_messages(model, who, client, [
                        kv for kv in kept.items() if self.allows(model, who, kv[0], READ)])
                    client.unsubscribe(*WIDE)
            self.use(ALL)
        for topic in kept:
            publish(self.admin, topic, "", retain=True)

    def test_what_waits_in_a_queue(self):
        for _ in range(4):
            for who in ASKERS:
                with self.broker.connect(who[1], username=who[0], clean=False) as client:
                    client.subscribe(*[(f, 1) for f in WIDE])
                    client.disconnect()
            topics = self.topics(10)
            for topic in topics:
                publish(self.admin, topic, "late")
            model = self.make()
            self.use(model.text)
            for who in ASKERS:
                with self.broker.connect(who[1], username=who[0], clean=False) as client:
                    self.await_messages(model, who, client, [
                        (t, "late") for t in topics if self.allows(model, who, t, READ)])
                    client.unsubscribe(*WIDE)
            self.use(ALL)

    def test_wills(self):
        self.admin.subscribe(*[(f, 1) for f in WIDE])
        for topic in self.topics(8):
            dying = [(who, self.client(who, will=m.Will(topic, who[1], 1))) for who in ASKERS]
            model = self.make()
            self.use(model.text)
            closed = lambda: self.broker.log().count("client_closed")
            before = closed()
            for _, client in dying:
                client.abort()
            expected = [(topic, who[1]) for who, _ in dying if self.allows(model, who, topic, WRITE)]
            if not self.allows(model, (ADMIN, "admin"), topic, READ):
                expected = []
            eventually(lambda: closed() >= before + len(dying), 10, "all connections have ended")
            self.await_messages(model, ADMIN, self.admin, expected)
            self.use(ALL)


@harness.unittest.skipIf(STANDIN_BROKER, "a reload has no moment at which it surely holds")
class Later(LaterCase, harness.FleetTest):
    """One broker, and its own memory."""


@harness.unittest.skipIf(STANDIN_BROKER, "a reload has no moment at which it surely holds")
class LaterInAFleet(LaterCase, harness.FleetTest):
    """Through Redis, from another broker."""

    @staticmethod
    def build(holder):
        holder.acl = holder.scope.write("acl", ALL)
        holder.auth = {"anonymous": True, "acl_file": holder.acl, "subscribe": "always"}
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={"auth": holder.auth})
        holder.brokers = [holder.fleet[0], holder.fleet[1]]
        holder.broker = holder.fleet[0]


@harness.unittest.skipIf(STANDIN_BROKER, "keys of our own")
class Answers(harness.FleetTest):
    """What a client is told of what it may not do."""
    shared = True
    RULES = "topic read open/#\ntopic readwrite both/#\n\nuser nobody\n"

    @staticmethod
    def build(holder):
        holder.acl = holder.scope.write("acl", Answers.RULES)
        holder.auth = {"anonymous": True, "acl_file": holder.acl}
        holder.broker = Broker(holder.scope, config={"auth": holder.auth}).start()
        holder.strict = Broker(holder.scope, "strict", config={
            "auth": dict(holder.auth, subscribe="covered", denied_publish="close")}).start()

    def codes(self, broker, *filters, **fields):
        with broker.connect(self.unique("c"), **fields) as client:
            return client.subscribe(*[(f, 1) for f in filters])

    def test_filters(self):
        filters = ("#", "open/x", "open/#", "+/x", "shut/#", "$SYS/#", "$share/g/shut", "$share/g/open/#")
        self.assertEqual(self.codes(self.broker, *filters), [1, 1, 1, 1, 128, 128, 128, 1])
        self.assertEqual(self.codes(self.strict, *filters), [128, 1, 1, 128, 128, 128, 128, 1])
        self.assertEqual(self.codes(self.broker, "#", "open/x", username="nobody"), [128, 128])

    def test_a_client_of_3_1_is_granted_all(self):
        with self.broker.connect(self.unique("c"), level=3) as client:
            self.assertEqual(client.subscribe(("shut/#", 1), ("both/#", 1)), [1, 1])
            client.send(m.publish("both/x", "x", 0))
            client.expect_message("both/x", "x")

    def test_denied_publishes(self):
        with self.broker.connect(self.unique("c")) as client:
            for qos in (0, 1, 2):
                client.publish("open/x", "no", qos)
            client.ping()
        for qos in (0, 1, 2):
            with self.strict.connect(self.unique("c")) as client:
                client.publish("both/x", "yes", qos)
                client.send(m.publish("open/x", "no", qos, 9 if qos else None))
                client.expect_closed()


if __name__ == "__main__":
    harness.main()
