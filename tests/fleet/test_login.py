"""Hashing passwords stands in nobody's way, and a reload asks again about who is connected."""
import signal
import subprocess
import time

import harness
import mqtt_raw as m
import passwords
from harness import background, binary, eventually, pace
from services import Broker, Redis, metric

OK, BUSY, BAD, REFUSED = 0, 3, 4, 5


class LoginTest:
    def broker_with(self, lines, name="broker", redis=None, **auth):
        """lines: of the password file. A machine that is busy with other tests may take its time."""
        self.file = self.scope.write("passwd", "".join(lines))
        auth = {"login_timeout": "60s", "bad_login": BAD, **auth}
        broker = Broker(self.scope, name, redis, {"auth": {"anonymous": True, "password_file": self.file, **auth}})
        broker.reconfigure(listeners=[{"bind": "127.0.0.1:%d" % broker.port}])  # trusted proxies have no address
        return broker.start()

    def client(self, broker, name, **fields):
        client = broker.connect(name, **fields)
        self.addCleanup(client.close)
        return client

    def begin(self, broker, user, password, **fields):
        """A connection that has sent its CONNECT."""
        client = broker.open(timeout=60, **fields)
        self.addCleanup(client.close)
        client.send(m.connect(self.unique("c"), username=user, password=password))
        return client

    def code(self, broker, user, password, **fields):
        client = self.begin(broker, user, password, **fields)
        code = client.expect(m.CONNACK).return_code
        client.close()
        return code

    def logins(self, broker, how):
        return metric(broker.metrics(), "flotilla_broker_logins_total", how=how)

    def reload(self, broker, lines, done="auth_reloaded"):
        mark = len(broker.log())
        self.scope.write("passwd", "".join(lines))
        broker.signal(signal.SIGHUP)
        broker.wait_log(done, start=mark)


class Pings:
    """A bystander that pings until it is asked for its longest wait."""

    def __init__(self, client):
        self.client, self.over, self.worst = client, False, 0.0
        self.end = background(self.run)

    def run(self):
        while not self.over:
            start = time.monotonic()
            self.client.ping(timeout=30)
            self.worst = max(self.worst, time.monotonic() - start)
            pace(0.01)

    def longest(self):
        self.over = True
        self.end.result()
        return self.worst


class Guesses(LoginTest, harness.FleetTest):
    """Wrong passwords for a costly hash slow down wrong passwords only."""

    def test_nobody_waits_and_nobody_is_declared_dead(self):
        redis = Redis(self.scope).start()
        lines = [passwords.line("anna", "right", passwords.COSTLY)]
        brokers = [self.broker_with(lines, "broker%d" % n, redis) for n in range(2)]
        pings = Pings(self.client(brokers[0], "bystander"))
        guesses = [self.begin(brokers[0], "anna", "wrong %d" % n) for n in range(40)]
        self.assertEqual({g.expect(m.CONNACK).return_code for g in guesses[:6]}, {BAD})
        self.assertLess(pings.longest(), 0.5)
        self.assertEqual(self.logins(brokers[0], "unknown_user"), 0)
        for broker in brokers:
            self.assertNotRegex(broker.log(), "node_dead|start_over")

    def test_the_right_password_gets_in_meanwhile(self):
        """Of the same user and from the same address; of another one behind it; from elsewhere."""
        anna = passwords.line("anna", "right", passwords.COSTLY)
        bob = passwords.line("bob", "right", passwords.COSTLY)
        broker = self.broker_with([anna, bob, passwords.as_user("carl", bob)], hash_threads=1)
        for n in range(60):
            self.begin(broker, "anna", "wrong %d" % n)
        for user, source in (("anna", None), ("bob", None), ("carl", "127.0.0.2")):
            before = self.logins(broker, "hashed")
            self.assertEqual(self.code(broker, user, "right", source=source), OK)
            self.assertLessEqual(self.logins(broker, "hashed") - before, 4, user)
        self.assertGreater(metric(broker.metrics(), "flotilla_broker_logins_waiting"), 10)

    def test_users_that_do_not_exist_take_as_long_and_cost_nothing(self):
        broker = self.broker_with([passwords.line("anna", "right", passwords.COSTLY)])

        self.assertEqual(self.code(broker, "anna", "wrong", source="127.0.0.2"), BAD)
        start = time.monotonic()
        self.assertEqual(self.code(broker, "nobody", "wrong", source="127.0.0.3"), BAD)
        took = time.monotonic() - start
        # On a busy machine a hash may take long, but never less than what it needs of a core.
        self.assertGreater(took, min(passwords.cpu_seconds(passwords.COSTLY) for _ in range(3)) / 3)
        hashed = self.logins(broker, "hashed")
        for n in range(200):
            self.begin(broker, "nobody %d" % n, "x")
        self.assertEqual(self.code(broker, "anna", "right"), OK)
        self.assertEqual(self.logins(broker, "hashed"), hashed + 1)

    def test_too_many_are_told_so_at_once(self):
        lines = [passwords.line("anna", "right", passwords.COSTLY)]
        broker = self.broker_with(lines, max_waiting_logins=3, hash_threads=1)
        codes = [c.expect(m.CONNACK).return_code for c in [self.begin(broker, "anna", "wrong %d" % n) for n in range(20)]]
        self.assertGreater(codes.count(BUSY), 10)
        self.assertGreater(metric(broker.metrics(), "flotilla_broker_connections_refused_total", reason="login_busy"), 10)
        broker.wait_log("client_refused.*login_busy")

    def test_who_waits_too_long_is_told_so(self):
        lines = [passwords.line("anna", "right", passwords.COSTLY)]
        broker = self.broker_with(lines, login_timeout="300ms", hash_threads=1)
        clients = [self.begin(broker, "anna", "wrong %d" % n) for n in range(20)]
        start = time.monotonic()
        codes = [c.expect(m.CONNACK).return_code for c in clients]
        self.assertLess(time.monotonic() - start, 10)
        self.assertGreater(codes.count(BUSY), 10)

    def test_who_goes_away_is_not_hashed(self):
        lines = [passwords.line("anna", "right", passwords.COSTLY)]
        broker = self.broker_with(lines, hash_threads=1)
        for n in range(30):
            client = self.begin(broker, "anna", "wrong %d" % n)
            client.abort() if n % 2 else client.close()
        eventually(lambda: metric(broker.metrics(), "flotilla_broker_logins_waiting") == 0, 30, "nobody waits")
        self.assertLessEqual(self.logins(broker, "hashed"), 3)

    def test_a_long_password_is_right_too(self):
        broker = self.broker_with([passwords.line("anna", "x" * 1000)])
        self.assertEqual([self.code(broker, "anna", "x" * n) for n in (1000, 999, 1000)], [OK, BAD, OK])

    def test_what_comes_behind_a_connect_waits_for_it(self):
        broker = self.broker_with([passwords.line("anna", "right", passwords.COSTLY)])
        watcher = self.client(broker, "watcher")
        watcher.subscribe(("t", 0))
        client = broker.open(timeout=60)
        self.addCleanup(client.close)
        client.send(m.connect("impatient", username="anna", password="right") + m.publish("t", "1"))
        client.send(m.publish("t", "2") + m.subscribe(1, ("u", 0)))
        self.assertEqual(client.expect(m.CONNACK).return_code, OK)
        client.expect(m.SUBACK, pid=1)
        watcher.expect_message("t", "1")
        watcher.expect_message("t", "2")


class Reconnects(LoginTest, harness.FleetTest):
    def test_a_fleet_that_comes_back_costs_one_hash_a_user(self):
        costly = passwords.line("user0", "right", passwords.COSTLY)
        broker = self.broker_with([passwords.as_user("user%d" % n, costly) for n in range(4)])
        for _ in range(2):
            clients = [self.begin(broker, "user%d" % (n % 4), "right") for n in range(500)]
            self.assertEqual({c.expect(m.CONNACK).return_code for c in clients}, {OK})
            for client in clients:
                client.close()
        self.assertEqual(self.logins(broker, "hashed"), 4)
        self.assertGreaterEqual(self.logins(broker, "remembered"), 500)


class Reload(LoginTest, harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.anna, self.bob = passwords.line("anna", "a"), passwords.line("bob", "b")

    def test_users_who_are_gone_or_have_another_password_are_closed(self):
        broker = self.broker_with([self.anna, self.bob, passwords.line("carl", "c")])
        anna = self.client(broker, "anna", username="anna", password="a")
        anyone = self.client(broker, "anyone")
        anna.subscribe(("will/#", 1))
        bob = self.client(broker, "bob", username="bob", password="b", will=m.Will("will/bob", "gone", 1))
        carl = self.client(broker, "carl", username="carl", password="c", clean=False)
        self.reload(broker, [self.anna, passwords.line("carl", "another")])
        bob.expect_closed(timeout=2)
        carl.expect_closed(timeout=2)
        anna.expect_message("will/bob", "gone", 1)
        self.assertEqual(metric(broker.metrics(), "flotilla_broker_connections_closed_total", reason="not_authorized"), 2)
        anna.ping()
        anyone.ping()
        self.assertEqual(self.code(broker, "bob", "b"), BAD)
        self.assertEqual(self.code(broker, "carl", "c"), BAD)
        self.assertEqual(self.code(broker, "carl", "another"), OK)
        self.assertEqual(self.code(broker, "anna", "a"), OK)

    def test_a_will_is_asked_about_again_when_it_is_published(self):
        acl = self.scope.write("acl", "topic #\n\nuser anna\ntopic #\n")
        broker = self.broker_with([self.anna], acl_file=acl)
        watcher = self.client(broker, "watcher")
        watcher.subscribe(("will/#", 1), ("end", 1))
        wills = [self.client(broker, "anna-%s" % topic, username="anna", password="a", will=m.Will("will/" + topic, "gone", 1))
                 for topic in ("mine", "yours")]
        self.scope.write("acl", "topic #\n\nuser anna\ntopic will/mine\n")
        self.reload(broker, [self.anna])
        for client in reversed(wills):
            client.abort()
            eventually(lambda: metric(broker.metrics(), "flotilla_broker_connections") <= 3 - (client is wills[0]), 5, "it is gone")
        watcher.expect_message("will/mine", "gone", 1)
        watcher.ping()
        broker.wait_log("will_denied.*will/yours")

    def test_anonymous_clients_are_closed_when_they_are_let_in_no_more(self):
        broker = self.broker_with([self.anna])
        anna, anyone = self.client(broker, "anna", username="anna", password="a"), self.client(broker, "anyone")
        broker.reconfigure(auth={"anonymous": False, "password_file": self.file})
        self.reload(broker, [self.anna])
        anyone.expect_closed(timeout=2)
        anna.ping()
        with broker.open() as client:
            client.send(m.connect("late"))
            self.assertEqual(client.expect(m.CONNACK).return_code, REFUSED)

    def test_a_password_file_that_is_new_asks_everybody_with_a_name(self):
        broker = Broker(self.scope, config={"auth": {"anonymous": True}}).start()
        anna, anyone = self.client(broker, "anna", username="anna"), self.client(broker, "anyone")
        broker.reconfigure(auth={"anonymous": True, "password_file": self.scope.path("passwd")})
        self.reload(broker, [self.anna])
        anna.expect_closed(timeout=2)
        anyone.ping()

    def test_a_bad_file_closes_nobody_and_is_named(self):
        broker = self.broker_with([self.anna, self.bob])
        bob = self.client(broker, "bob", username="bob", password="b")
        self.reload(broker, [self.anna, "carl:plain\n"],
                    r"auth_reload_failed.*passwd:2: user 'carl': expected a password that mosquitto_passwd has hashed")
        broker.reconfigure(auth={"anonymous": "perhaps", "password_file": self.file})
        self.reload(broker, [self.anna], r"auth_reload_failed.*broker\.yaml:\d+.*anonymous")
        bob.ping()
        self.assertEqual(self.code(broker, "bob", "b"), OK)

    def test_the_last_of_many_signals_counts(self):
        broker = self.broker_with([self.anna])
        filler = [passwords.as_user("user%d" % n, self.bob) for n in range(20000)]
        for n in range(5):
            self.scope.write("passwd", "".join([self.anna, *filler, passwords.as_user("last%d" % n, self.bob)]))
            broker.signal(signal.SIGHUP)
        eventually(lambda: self.code(broker, "last4", "b") == OK, 10, "the last file counts")
        self.assertEqual(self.code(broker, "last3", "b"), BAD)

    def test_a_large_file_stops_nobody(self):
        broker = self.broker_with([self.anna])
        filler = [passwords.as_user("user%d" % n, self.bob) for n in range(200000)]
        pings = Pings(self.client(broker, "anna", username="anna", password="a"))
        self.reload(broker, [self.anna, *filler])
        self.reload(broker, [self.anna, *filler[:1000]])
        self.assertLess(pings.longest(), 0.5)
        self.assertEqual(self.code(broker, "user999", "b"), OK)
        self.assertEqual(self.code(broker, "user1000", "b"), BAD)

    def test_who_is_being_checked_is_checked_by_the_new_file(self):
        costly = passwords.line("dora", "d", passwords.COSTLY)
        broker = self.broker_with([self.anna, costly], hash_threads=1)
        dora = self.begin(broker, "dora", "d")
        eventually(lambda: metric(broker.metrics(), "flotilla_broker_logins_waiting") == 1, 5, "it is hashed", 0.005)
        self.reload(broker, [self.anna])
        self.assertIn(dora.expect(m.CONNACK).return_code, (BAD, REFUSED))


class Check(LoginTest, harness.FleetTest):
    """--check reads the files that the configuration names; a start does, too."""

    def run_broker(self, *options):
        argv = [binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--config", self.scope.path("broker.yaml"), *options]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30)

    def test_wrong_files_are_named(self):
        good = passwords.line("anna", "a")
        acl = self.scope.write("acl", "topic read a\n")
        Broker(self.scope, config={"auth": {"password_file": self.scope.path("passwd"), "acl_file": acl}})
        cases = [(good, "topic read a\n", None), ("\ufeff" + good, "\ufefftopic read a\r\n", None),
                 (good.replace(":", " :", 1), "topic\tread\ta\n", None),
                 (good + good, "", r"passwd:2: user 'anna' is already in line 1"),
                 (good + "x\n", "", r"passwd:2: expected user:password"),
                 (good, "topic reed a\n", r"acl:1: expected read, write, readwrite or deny, got 'reed'")]
        for passwd, rules, wrong in cases:
            with self.subTest(wrong):
                self.scope.write("passwd", passwd)
                self.scope.write("acl", rules)
                done = self.run_broker("--check")
                self.assertEqual(done.returncode, 1 if wrong else 0, done.stderr)
                if wrong:
                    self.assertRegex(done.stderr, wrong)
                    started = self.run_broker()
                    self.assertEqual(started.returncode, 1)
                    self.assertRegex(started.stderr, wrong)


if __name__ == "__main__":
    harness.main()
