"""A lone broker with its state in a file (`store:`): killed under load, out of disk, with a file that isn't right."""
import contextlib
import os
import random
import resource
import sqlite3
import subprocess
import time

import harness
import mqtt5_raw as m5
import mqtt_raw as m
from harness import binary, eventually, pace, stays
from services import Broker, http, metric
from store_load import Publisher, Subscriber

KILLS = int(os.environ.get("FLOTILLA_STORE_KILLS", "20"))
SEED = int(os.environ.get("FLOTILLA_STORE_SEED", "1"))
UNBOUNDED = {"max_queued_messages": 10000000, "max_queued_bytes": "1G"}


def broker_with_file(scope, name="broker", sync="always", **config):
    return Broker(scope, name, config=dict({"store": {"file": scope.path("store.db"), "sync": sync},
                                            "limits": UNBOUNDED}, **config))


def restart(broker):
    broker.kill()
    broker.start()


def first_of_each(numbers):
    return list(dict.fromkeys(numbers))


class Killed(harness.FleetTest):
    """What was acknowledged is there; QoS 2 came once; order, retained values, sessions and wills."""

    def test_under_load(self):
        lot = random.Random(SEED)
        broker = broker_with_file(self.scope).start()
        publishers = [Publisher(broker.address, "p1", "load/1", 1), Publisher(broker.address, "p2", "load/2", 2),
                      Publisher(broker.address, "p3", "kept/3", 1, retain=True),
                      Publisher(broker.address, "p4", "kept/4", 2, retain=True)]

        def has_all(got):
            last = {}
            for topic, number, _, _ in got:
                last[topic] = max(number, last.get(topic, -1))
            return all(last.get(p.topic, -1) >= p.numbers - 1 for p in publishers) and \
                last.get("will", -1) >= KILLS - 1
        here = Subscriber(broker.address, "here", has_all)
        away = Subscriber(broker.address, "away", has_all)
        for name in ("here", "away"):
            with broker.connect(name, clean=False) as client:
                client.subscribe(("load/#", 2), ("kept/#", 2), ("will", 2))
                client.disconnect()
        here.connections = away.connections = 1
        for actor in publishers + [here]:
            actor.start()
        for kill in range(KILLS):
            with broker.connect("mortal", clean=True, will=m.Will("will", "%d" % kill, 2)):
                pace(lot.uniform(0.02, 0.4))
                broker.kill()
            broker.start()
        for p in publishers:
            p.finish(60)
        away.start()
        for s in (here, away):
            s.finish(120)
        for s in (here, away):
            for p in publishers:
                numbers = s.numbers(p.topic)
                if p.qos == 2:
                    self.assertEqual(numbers, list(range(p.numbers)), "%s of %s" % (p.topic, s.name_))
                else:
                    self.assertEqual(first_of_each(numbers), list(range(p.numbers)), "%s of %s" % (p.topic, s.name_))
            self.assertEqual(s.numbers("will"), list(range(KILLS)))
        self.assertGreater(sum(p.numbers for p in publishers), 20 * KILLS, "hardly any load")
        with broker.connect("reader") as reader:
            reader.subscribe(("kept/#", 1))
            values = {got.topic: int(got.payload) for got in reader.collect(2)}
        self.assertEqual(values, {p.topic: p.numbers - 1 for p in publishers if p.retain})

    def test_second_loses_a_second_at_most(self):
        broker = broker_with_file(self.scope, sync="second").start()
        lot = random.Random(SEED)
        with broker.connect("away", clean=False) as client:
            client.subscribe(("load", 1), ("end", 1))
            client.disconnect()
        pace(1.5)
        wanted, lost = [], 0
        for life in range(max(3, KILLS // 5)):
            with broker.connect("p%d" % life) as publisher:
                answered, number = {}, life * 1000000
                end = time.monotonic() + lot.uniform(1.2, 2.5)
                while time.monotonic() < end:
                    publisher.publish("load", "%d" % number, 1)
                    answered[number] = time.monotonic()
                    number += 1
                    pace(0.002)
                broker.kill()
                killed = time.monotonic()
            broker.start()
            wanted += [(n, killed - at) for n, at in answered.items()]
        with broker.connect("away", clean=False) as client:
            self.assertTrue(client.session_present)
            with broker.connect("p") as publisher:
                publisher.publish("end", "-1", 1)
            got = {int(g.payload) for g in client.collect(lambda all: all and all[-1].topic == "end")}
        for number, age in wanted:
            if number not in got:
                lost += 1
                self.assertLess(age, 1.0, "message %d was acknowledged %.2f s before the kill" % (number, age))
        self.assertLess(lost, len(wanted) / 2)

    def test_what_5_0_adds_survives(self):
        broker = broker_with_file(self.scope).start()
        with m5.Client.connected(broker.address, "c", clean=False, props={"session_expiry": 3600}) as client:
            client.subscribe(("a/+", m5.options(2, as_published=True)), props={"subscription_id": 7})
            client.subscribe(("a/b", m5.options(1)), props={"subscription_id": 268435455})
        with m5.Client.connected(broker.address, "p") as publisher:
            publisher.publish("a/b", "1", 2, retain=True, props={
                "message_expiry": 1000, "content_type": "x/y", "response_topic": "r", "correlation_data": b"\0\1",
                "user_property": [("k", "v"), ("k", "w")], "payload_format": 1})
            publisher.publish("a/b", "short", 1, props={"message_expiry": 1})
        broker.kill()
        pace(1.2)
        broker.start()
        with m5.Client.connected(broker.address, "c", clean=False, props={"session_expiry": 3600}) as client:
            self.assertTrue(client.session_present)
            got = client.expect(m.PUBLISH)
            self.assertEqual((got.topic, got.payload, got.qos, got.retain, got.dup), ("a/b", b"1", 2, True, False))
            props = dict(got.props)
            self.assertLess(props.pop("message_expiry"), 1000)
            self.assertEqual(sorted(props.pop("subscription_id")), [7, 268435455])
            self.assertEqual(props["content_type"], "x/y")
            self.assertEqual(props["response_topic"], "r")
            self.assertEqual(props["correlation_data"], b"\0\1")
            self.assertEqual(props["user_property"], [("k", "v"), ("k", "w")])
            client.send(m5.ack(m.PUBREC, got.pid))
            client.expect(m.PUBREL, pid=got.pid)
            broker.kill()  # PUBCOMP never came
        broker.start()
        with m5.Client.connected(broker.address, "c", clean=False, props={"session_expiry": 3600}) as client:
            client.expect(m.PUBREL, pid=got.pid)
            client.send(m5.ack(m.PUBCOMP, got.pid))
            client.ping()  # and nothing else comes

    def test_a_message_in_flight_comes_again_as_a_duplicate(self):
        broker = broker_with_file(self.scope).start()
        with broker.connect("c", clean=False) as client:
            client.subscribe(("t", 2))
            with broker.connect("p") as publisher:
                publisher.publish("t", "1", 1)
                publisher.publish("t", "2", 2)
            first, second = client.expect(m.PUBLISH), client.expect(m.PUBLISH)
            restart(broker)
        with broker.connect("c", clean=False) as client:
            for before in (first, second):
                got = client.expect(m.PUBLISH)
                self.assertEqual((got.pid, got.payload, got.qos, got.dup),
                                 (before.pid, before.payload, before.qos, True))

    def test_a_delayed_will_waits_across_a_restart(self):
        broker = broker_with_file(self.scope).start()
        will = m5.Will("w", "bye", 1, will_delay=2)
        watcher = broker.connect("watcher", clean=False)
        self.addCleanup(watcher.close)
        watcher.subscribe(("w", 1))
        with m5.Client.connected(broker.address, "c", clean=False, will=will, props={"session_expiry": 60}) as client:
            client.abort()
        eventually(lambda: metric(broker.metrics(), "flotilla_broker_connections") == 1)
        ended = time.monotonic()
        pace(0.2)
        restart(broker)
        with broker.connect("watcher", clean=False) as client:
            client.expect_message("w", "bye", 1, timeout=10)
        self.assertGreater(time.monotonic() - ended, 1.5)

    def test_an_orderly_end_keeps_everything_and_says_no_will(self):
        for sync in ("always", "second"):
            with self.subTest(sync):
                broker = broker_with_file(self.scope, "b-" + sync, sync)
                broker.config["store"]["file"] = self.scope.path(sync + ".db")
                broker.reconfigure()
                broker.start()
                with broker.connect("c", clean=False) as client:
                    client.subscribe(("t", 1))
                    client.disconnect()
                with broker.connect("p", will=m.Will("t", "will", 1)) as publisher:
                    publisher.publish("t", "1", 1, retain=True)
                    broker.term()
                broker.start()
                with broker.connect("p") as back:  # in time: its will is cancelled
                    back.ping()
                    with broker.connect("c", clean=False) as client:
                        client.expect_message("t", "1", 1)
                        client.ping()
                broker.term()

    def test_shared_subscriptions(self):
        broker = broker_with_file(self.scope).start()
        with broker.connect("member", clean=False) as member:
            member.subscribe(("$share/g/t", 1))
            member.disconnect()
        with broker.connect("p") as publisher:
            publisher.publish_many((("t", "%d" % n) for n in range(50)), 1)
        restart(broker)
        with broker.connect("p") as publisher:
            publisher.publish_many((("t", "%d" % n) for n in range(50, 100)), 1)
        with broker.connect("member", clean=False) as member:
            self.assertTrue(member.session_present)
            self.assertEqual([int(g.payload) for g in member.collect(100)], list(range(100)))


class Disk(harness.FleetTest):
    def limit(self, broker, size):
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_nothing_is_acknowledged_while_the_file_cant_be_written(self):
        broker = broker_with_file(self.scope).start()
        with broker.connect("p", timeout=20) as publisher, broker.connect("q") as other:
            other.subscribe("qos0")
            for n in range(20):
                publisher.publish("t%d" % n, "x" * 2000, 1, retain=True)
            self.limit(broker, 24 * 1024)
            publisher.send(m.publish("t", "last", 1, 999, retain=True))
            eventually(lambda: broker.readyz() == 503, what="not ready")
            self.assertIn("can't be written", http(broker.admin_port, "/readyz")[1])
            broker.wait_log("store_failed")
            stays(publisher.is_quiet, 1.5, "no acknowledgement")
            self.assertGreater(metric(broker.metrics(), "flotilla_store_errors_total"), 0)
            self.assertEqual(metric(broker.metrics(), "flotilla_store_failing"), 1)
            other.publish("qos0", "still")  # needs no disk
            other.expect_message("qos0", "still")
            with self.assertRaisesRegex(AssertionError, "refused with code 3"):
                broker.connect("new", clean=False)
            self.limit(broker, resource.RLIM_INFINITY)
            publisher.expect(m.PUBACK, 10, pid=999)
            broker.wait_log("store_recovered")
            eventually(lambda: broker.readyz() == 200, what="ready again")
        restart(broker)
        with broker.connect("r") as reader:
            reader.subscribe(("t", 0))
            reader.expect_message("t", "last", 0, retain=True)


class File(harness.FleetTest):
    def refuses(self, broker, pattern):
        before = len(broker.log())
        broker.start(wait=False)
        broker.expect_code = 1
        broker.wait()
        broker.wait_log(pattern, start=before)

    def filled(self):
        broker = broker_with_file(self.scope).start()
        with broker.connect("p") as publisher:
            publisher.publish_many((("t/%d" % n, "x" * 100) for n in range(500)), 1, retain=True)
        return broker

    def test_two_brokers_on_one_file(self):
        broker = broker_with_file(self.scope).start()
        other = broker_with_file(self.scope, "other")
        self.refuses(other, "start_failed .*is in use")
        with broker.connect("p") as publisher:
            publisher.publish("t", "1", 1, retain=True)
        broker.kill()
        other.start()
        with other.connect("r") as reader:
            reader.subscribe("t")
            reader.expect_message("t", "1", retain=True)

    def test_a_damaged_file(self):
        broker = self.filled()
        broker.term()
        path = self.scope.path("store.db")
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            f.seek(size // 2 // 4096 * 4096)
            f.write(os.urandom(4096))
        self.refuses(broker, "start_failed .*is damaged.*move both away")
        self.assertEqual(os.path.getsize(path), size)
        with open(path, "wb"):
            pass
        self.refuses(broker, "start_failed .*is empty")
        with open(path, "wb") as f:
            f.write(b"not a database, but long enough to look at" * 100)
        self.refuses(broker, "start_failed .*is damaged")
        os.remove(path)
        broker.start()

    def test_another_version(self):
        broker = self.filled()
        broker.term()
        with contextlib.closing(sqlite3.connect(self.scope.path("store.db"))) as db, db:
            db.execute("PRAGMA user_version = 2")
        self.refuses(broker, "start_failed .*another version of flotilla-broker")

    def test_check(self):
        broker = broker_with_file(self.scope)

        def check():
            return subprocess.run([binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--check", "--config",
                                   self.scope.path("broker.yaml")], capture_output=True, text=True, timeout=30)
        self.assertEqual(check().returncode, 0)
        self.assertFalse(os.path.exists(self.scope.path("store.db")))
        broker.reconfigure(store={"file": self.scope.path("nowhere/store.db")})
        self.assertRegex(check().stderr, "folder can't be written")
        broker.reconfigure(store={"file": self.scope.path("store.db")}, redis={"url": "redis://127.0.0.1:1/0"})
        self.assertRegex(check().stderr, r"broker\.yaml:\d+:\d+: store\.file: not together with redis\.url")
        broker.reconfigure(store={"file": self.scope.path("store.db"), "sync": "often"}, redis={})
        self.assertRegex(check().stderr, r"store\.sync: expected")


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def frame(topic, payload):
    """A retained value of QoS 1 as the file has it (fleet_frame.h)."""
    return (b"\x85" + varint(len(topic)) + topic + varint(len(payload)) + payload + b"\0\0\0\0\0\0\0\1" + varint(1))


class Large(harness.FleetTest):
    VALUES = int(os.environ.get("FLOTILLA_STORE_VALUES", "100000"))

    def test_starts_soon_with_many_retained_values(self):
        broker = broker_with_file(self.scope, limits={"max_memory": "4G"}).start()
        broker.term()
        with contextlib.closing(sqlite3.connect(self.scope.path("store.db"))) as db, db:
            db.executemany("INSERT INTO retained VALUES(?, ?)", (
                (n * 7919, frame(b"site/%d/device/%d/state" % (n % 100, n), b"on, 21.5 degrees, battery 97 %"))
                for n in range(self.VALUES)))
        broker.start()
        with open("/proc/%d/stat" % broker.pid) as f:
            times = f.read().rsplit(")", 1)[1].split()[11:13]
        self.assertLess(sum(map(int, times)) / os.sysconf("SC_CLK_TCK"), 5.0)  # of the CPU: others may run here, too
        log = broker.log()
        self.assertIn("retained=%d " % self.VALUES, log[log.rindex("store_loaded"):])
        with broker.connect("r") as reader:
            reader.subscribe("site/7/device/107/state")
            reader.expect_message("site/7/device/107/state", "on, 21.5 degrees, battery 97 %", retain=True)


if __name__ == "__main__":
    harness.main()
