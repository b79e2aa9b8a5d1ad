"""How many connections an address or a user may have, how fast an address may connect, and how long messages live."""
import subprocess
import time

import harness
import mqtt_raw as m
from harness import eventually
from services import Broker, metric, program


def proxy_header(address, port=4711):
    """PROXY v1 of a client behind a trusted proxy."""
    return b"PROXY TCP4 %s 127.0.0.1 %d 1883\r\n" % (address.encode(), port)


def limited(holder, trusted=(), **limits):
    broker = Broker(holder.scope, config={"limits": limits})
    broker.config["listeners"][0]["trusted_proxies"] = list(trusted) or ["192.0.2.0/24"]
    broker.reconfigure()
    return broker.start()


def refused(broker, reason):
    return metric(broker.metrics(), "flotilla_broker_connections_refused_total", reason=reason) or 0


class Pace(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = limited(holder, max_publish_rate=20)

    def test_who_is_faster_is_slowed_down_and_loses_nothing(self):
        watcher = self.broker.connect("w")
        self.addCleanup(watcher.close)
        watcher.subscribe(("t", 0))
        publisher = self.broker.connect("p")
        self.addCleanup(publisher.close)
        start = time.monotonic()
        for i in range(60):
            publisher.send(m.publish("t", b"%d" % i))
        got = watcher.collect(60, timeout=20)
        took = time.monotonic() - start
        self.assertEqual([p.payload for p in got], [b"%d" % i for i in range(60)])
        self.assertGreater(took, 1.5)  # 20 at once, 40 at 20 per second
        self.assertGreater(metric(self.broker.metrics(), "flotilla_broker_publish_pauses_total"), 0)


class Addresses(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = limited(holder, max_connections_per_address=2)

    def test_one_more_is_closed_until_one_goes(self):
        first = self.broker.connect("a")
        second = self.broker.connect("b")
        self.addCleanup(second.close)
        with self.broker.open() as third:
            third.expect_closed()
        self.assertEqual(refused(self.broker, "max_connections_per_address"), 1)
        first.disconnect()

        def let_in():
            try:
                self.broker.connect("c").close()
                return True
            except (OSError, AssertionError):
                return False
        eventually(let_in, 5, "there is room again")


class BehindAProxy(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = limited(holder, trusted=["127.0.0.0/8"], max_connections_per_address=1)

    def come(self, address):
        client = self.broker.open()
        self.addCleanup(client.close)
        client.send(proxy_header(address) + m.connect(self.unique("c")))
        return client

    def test_addresses_count_by_themselves(self):
        self.come("198.51.100.1").expect(m.CONNACK)
        self.come("198.51.100.2").expect(m.CONNACK)
        self.come("198.51.100.1").expect_closed()

    def test_the_proxys_own_never_counts(self):
        for i in range(5):
            client = self.broker.connect("own-%d" % i)
            self.addCleanup(client.close)


class Speed(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = limited(holder, max_connect_rate=5)

    def test_a_seconds_worth_comes_at_once_and_more_later(self):
        taken = 0
        start = time.monotonic()
        for i in range(20):
            with self.broker.open() as client:
                try:
                    client.send(m.connect("c%d" % i))
                    client.expect(m.CONNACK)
                    taken += 1
                except (OSError, AssertionError):
                    pass
        took = time.monotonic() - start
        self.assertGreaterEqual(taken, 5)
        self.assertLessEqual(taken, 5 + 5 * took + 1)
        self.assertEqual(refused(self.broker, "max_connect_rate"), 20 - taken)


class Users(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = limited(holder, max_connections_per_user=1)
        passwords = holder.scope.path("passwd")
        open(passwords, "w").close()
        for name in ("alice", "bob"):
            subprocess.run([program("mosquitto_passwd"), "-b", passwords, name, "secret"], check=True, timeout=30)
        holder.broker.stop()
        holder.broker.reconfigure(auth={"anonymous": False, "password_file": passwords})
        holder.broker.start()

    def come(self, client_id, name):
        client = self.broker.open()
        self.addCleanup(client.close)
        client.send(m.connect(client_id, username=name, password="secret"))
        return client, client.expect(m.CONNACK).return_code

    def test_one_more_is_refused_and_another_user_is_not(self):
        first, code = self.come("a1", "alice")
        self.assertEqual(code, 0)
        self.assertEqual(self.come("a2", "alice")[1], 3)
        self.assertEqual(self.come("b1", "bob")[1], 0)
        self.assertEqual(refused(self.broker, "max_connections_per_user"), 1)
        first.ping()

    def test_taking_over_is_no_second_one(self):
        first, _ = self.come("a1", "alice")
        _, code = self.come("a1", "alice")
        self.assertEqual(code, 0)
        first.expect_closed()
        _, code = self.come("a1", "alice")
        self.assertEqual(code, 0)


class ClientIds(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config={
            "mqtt": {"allow_empty_client_id": False, "client_id_prefixes": ["car-", "phone-"]}}).start()

    def code_of(self, client_id, **fields):
        with self.broker.open() as client:
            client.send(m.connect(client_id, **fields))
            return client.expect(m.CONNACK).return_code

    def test_ids_begin_with_a_prefix(self):
        self.assertEqual(self.code_of("car-1"), 0)
        self.assertEqual(self.code_of("phone-"), 0)
        self.assertEqual(self.code_of("bus-1"), 2)
        self.assertEqual(self.code_of("car"), 2)

    def test_none_is_made(self):
        self.assertEqual(self.code_of("", clean=True), 2)


class Retained(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config={
            "mqtt": {"retain": "downgrade"}, "limits": {"max_message_expiry": "1s"}}).start()

    def test_the_flag_is_taken_off(self):
        client = self.broker.connect("c")
        self.addCleanup(client.close)
        client.subscribe(("t", 1))
        publisher = self.broker.connect("p")
        self.addCleanup(publisher.close)
        publisher.publish("t", "x", 1, retain=True)
        self.assertFalse(client.expect(m.PUBLISH).retain)
        late = self.broker.connect("late")
        self.addCleanup(late.close)
        late.subscribe(("t", 1))
        late.ping()  # nothing came before it

    def test_a_message_that_waits_expires(self):
        client = self.broker.connect("sub", clean=False)
        client.subscribe(("e", 1))
        client.disconnect()
        publisher = self.broker.connect("pub")
        self.addCleanup(publisher.close)
        publisher.publish("e", "old", 1)
        time.sleep(1.2)  # its life
        publisher.publish("e", "new", 1)
        client = self.broker.connect("sub", clean=False)
        self.addCleanup(client.close)
        self.assertEqual(client.expect(m.PUBLISH).payload, b"new")


if __name__ == "__main__":
    harness.main()
