"""Users in Redis: who comes in, and how soon a change is in force on every broker."""
import subprocess
import time

import harness
import mqtt_raw as m
import passwords
from harness import binary, eventually, pace, stays
from services import Broker, Fleet, Redis

OK, UNAVAILABLE = 0, 3
IN_FORCE_S = 2


class UsersTest:
    def passwd(self, *args, status=0, redis=None):
        argv = [binary("FLOTILLA_PASSWD", "broker/passwd", "flotilla-passwd"), "--redis", (redis or self.redis).url, *args]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def put(self, user, password, **options):
        self.passwd("-b", "-I", "101", user, password, **options)

    def client(self, broker, user, password):
        client = broker.connect(self.unique("c"), username=user, password=password)
        self.addCleanup(client.close)
        return client

    def code(self, broker, user, password, timeout=20):
        with broker.open(timeout=timeout) as client:
            client.send(m.connect(self.unique("c"), username=user, password=password))
            return client.expect(m.CONNACK).return_code


class UsersInRedis(UsersTest, harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        users = holder.scope.write("passwd", passwords.line("filed", "of the file"))
        holder.fleet = Fleet(holder.scope, brokers=3, broker_config={
            "auth": {"anonymous": False, "chain": ["file", "redis"], "password_file": users, "login_timeout": "20s"}})
        holder.redis = holder.fleet.redis

    def brokers(self):
        return [self.fleet[n] for n in range(3)]

    def test_right_and_wrong_passwords(self):
        user = self.unique("ann")
        for kind in ("sha512-pbkdf2", "argon2id", "scram-sha-256"):
            self.passwd("-b", "-H", kind, user, kind)
            for broker in self.brokers():
                eventually(lambda: self.code(broker, user, kind) == OK, IN_FORCE_S + 1, "it is in force")
                self.assertNotEqual(self.code(broker, user, "wrong"), OK)
        self.assertNotEqual(self.code(self.fleet[0], self.unique("nobody"), "x"), OK)
        self.assertEqual(self.code(self.fleet[0], "filed", "of the file"), OK)

    def test_the_file_goes_before(self):
        self.put("filed", "of Redis")
        pace(IN_FORCE_S)
        self.assertNotEqual(self.code(self.fleet[0], "filed", "of Redis"), OK)
        self.assertEqual(self.code(self.fleet[0], "filed", "of the file"), OK)

    def test_a_removed_user_is_closed_everywhere(self):
        user, other = self.unique("bob"), self.unique("stays")
        self.put(user, "x")
        self.put(other, "x")
        gone = [self.client(broker, user, "x") for broker in self.brokers()]
        staying = [self.client(broker, other, "x") for broker in self.brokers()]
        self.passwd("-D", user)
        start = time.monotonic()
        for client in gone:
            client.expect_closed(timeout=10)
        self.assertLess(time.monotonic() - start, IN_FORCE_S)
        for broker in self.brokers():
            self.assertNotEqual(self.code(broker, user, "x"), OK)
        for client in staying:
            client.ping()

    def test_another_password_closes_who_came_with_the_old_one(self):
        user = self.unique("carl")
        self.put(user, "old")
        client = self.client(self.fleet[1], user, "old")
        self.put(user, "new")
        client.expect_closed(timeout=IN_FORCE_S)
        self.assertNotEqual(self.code(self.fleet[1], user, "old"), OK)
        self.assertEqual(self.code(self.fleet[1], user, "new"), OK)

    def test_the_same_hash_again_closes_nobody(self):
        user = self.unique("same")
        self.put(user, "x")
        client = self.client(self.fleet[0], user, "x")
        key = "fl:{u}:user:" + user
        hash_ = self.redis.command("HGET", key, "password")
        self.redis.command("HSET", key, "password", hash_)
        self.redis.command("INCR", "fl:{u}:ver")
        stays(lambda: client.ping() is None, IN_FORCE_S, "it stays")

    def test_a_change_by_hand_is_noticed_by_its_number(self):
        """All are in doubt then; who is unchanged stays."""
        user, other = self.unique("dora"), self.unique("stays")
        self.put(user, "x")
        self.put(other, "x")
        gone, staying = self.client(self.fleet[2], user, "x"), self.client(self.fleet[2], other, "x")
        self.redis.command("DEL", "fl:{u}:user:" + user)
        self.redis.command("INCR", "fl:{u}:ver")
        gone.expect_closed(timeout=IN_FORCE_S)
        staying.ping()
        self.assertNotEqual(self.code(self.fleet[2], user, "x"), OK)

    def test_an_unreadable_hash_lets_nobody_in(self):
        user = self.unique("eve")
        self.redis.command("HSET", "fl:{u}:user:" + user, "password", "plain")
        self.assertNotEqual(self.code(self.fleet[0], user, "plain"), OK)
        self.fleet[0].wait_log("user_unreadable")

    def test_the_program(self):
        user = self.unique("prog")
        self.assertEqual(self.passwd("-b", user, "x"), "Adding password for user %s\n" % user)
        self.assertEqual(self.passwd("-b", user, "y"), "Updating password for user %s\n" % user)
        self.assertIn(user, self.passwd("--list").splitlines())
        self.passwd("-b", "--verify", user, "y")
        self.passwd("-b", "--verify", user, "x", status=1)
        self.passwd("-D", user)
        self.passwd("-b", "--verify", user, "y", status=1)
        self.passwd("-D", user)
        self.assertNotIn(user, self.passwd("--list").splitlines())
        self.passwd("-c", "-b", user, "x", status=1)


class RedisAway(UsersTest, harness.FleetTest):
    def start(self):
        self.redis = Redis(self.scope).start()
        self.broker = Broker(self.scope, redis=self.redis, config={
            "auth": {"anonymous": False, "chain": ["redis"], "login_timeout": "20s"}}).start()

    def test_who_is_in_stays_and_nobody_else_comes(self):
        self.start()
        self.put("ann", "x")
        client = self.client(self.broker, "ann", "x")
        self.redis.kill()
        eventually(lambda: self.code(self.broker, "ann", "x", 30) == UNAVAILABLE, 15, "refused")
        client.ping()
        self.redis.start()
        eventually(lambda: self.code(self.broker, "ann", "x", 30) == OK, 20, "let in again")
        client.ping()

    def test_a_change_while_it_was_away_counts(self):
        self.start()
        self.put("ann", "x")
        self.put("bob", "x")
        ann, bob = self.client(self.broker, "ann", "x"), self.client(self.broker, "bob", "x")
        self.broker.stop()
        self.passwd("-D", "ann")
        self.broker.cont()
        ann.expect_closed(timeout=10)
        bob.ping()

    def test_without_redis_there_is_nobody_to_ask(self):
        broker = Broker(self.scope, config={"auth": {"chain": ["redis"]}})
        argv = [*broker.argv]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("redis needs redis.url", done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
