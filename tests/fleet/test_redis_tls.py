"""Redis by TLS (rediss://): whom the broker believes, what it shows, and users of Redis' ACLs."""
import socket
import subprocess
import unittest

import harness
from harness import eventually, free_port
from services import Broker, Certificates, Redis, metric, program


def has_tls():
    """Debian's redis-server is linked with OpenSSL; others may not be."""
    linked = subprocess.run(["ldd", program("redis-server")], capture_output=True, text=True)
    return "libssl" in linked.stdout


class RedisCase:
    def redis(self, auth_clients="no", identity="redis"):
        certificates = Certificates(self.scope)
        self.certificates, self.tls_port = certificates, free_port()
        certificate, key = certificates.server(identity)
        return Redis(self.scope, options=[
            "--tls-port", str(self.tls_port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file",
            certificates.ca, "--tls-auth-clients", auth_clients]).start()

    def url(self, host="localhost", login=""):
        return "rediss://%s%s:%d/0" % (login, host, self.tls_port)

    def broker(self, redis, name="broker", url=None, tls=None):
        settings = {"url": url or self.url(), "reconnect_max": "100ms"}
        if tls is not False:
            settings["tls"] = {"ca": self.certificates.ca, **(tls or {})}
        return Broker(self.scope, name, redis=redis, config={"redis": settings})

    def refused(self, broker, reason):
        """It starts, says why, and doesn't get ready."""
        broker.start(wait=False)
        broker.wait_log("redis_link_down.*" + reason)
        self.assertFalse(broker.ready())
        broker.kill()


@unittest.skipUnless(has_tls(), "redis-server without TLS")
class Links(RedisCase, harness.FleetTest):
    def test_two_brokers_by_tls_and_one_plain_are_one_fleet(self):
        redis = self.redis()
        brokers = [self.broker(redis, "one").start(), self.broker(redis, "two", self.url("127.0.0.1")).start(),
                   Broker(self.scope, "plain", redis=redis).start()]
        with brokers[0].connect("s") as subscriber:
            subscriber.subscribe(("t", 1))
            for n, broker in enumerate(brokers[1:]):
                with broker.connect("p%d" % n) as publisher:
                    publisher.publish("t", b"%d" % n * 300000, 1)
                self.assertEqual(subscriber.collect(1)[0].payload, b"%d" % n * 300000)

    def test_another_authority_is_not_believed(self):
        redis = self.redis()
        self.refused(self.broker(redis, "system", tls=False), "certificate: ")

    def test_another_name_is_not_believed(self):
        redis = self.redis()
        self.refused(self.broker(redis, tls={"server_name": "redis.example"}), "hostname mismatch")
        self.broker(redis, "right", tls={"server_name": "localhost"}).start()

    def test_a_client_certificate_is_shown(self):
        redis = self.redis("yes")
        broker = self.broker(redis, "none")
        self.refused(broker, "certificate required")
        certificate, key = self.certificates.server("client")
        with self.broker(redis, "shown", tls={"certificate": certificate, "key": key}).start().connect("c") as client:
            client.publish("t", "x", 1)

    def test_it_comes_back_after_redis_was_away(self):
        redis = self.redis()
        broker = self.broker(redis).start()
        with broker.connect("c", clean=False) as client:
            client.subscribe(("t", 1))
            redis.restart()
            eventually(lambda: len(broker.log().split("redis_link_up")) > 6, 20, "its links are up again")
            client.publish("other", "x", 1)

    def test_a_server_that_says_nothing_has_its_time(self):
        redis = self.redis()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            broker = self.broker(redis, url="rediss://127.0.0.1:%d" % silent.getsockname()[1])
            broker.config["redis"]["connect_timeout"] = "300ms"
            broker.reconfigure()
            self.refused(broker, "TLS handshake timed out")

    def test_a_plain_server_is_named_so(self):
        redis = self.redis()
        self.refused(self.broker(redis, url="rediss://127.0.0.1:%d" % redis.port), "isn't TLS|closed by peer|timed out")


@unittest.skipUnless(has_tls(), "redis-server without TLS")
class Checked(RedisCase, harness.FleetTest):
    def check(self, broker):
        done = subprocess.run([*broker.argv, "--check"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_files_and_a_plain_url_are_named(self):
        redis = self.redis()
        self.assertIn("redis.tls: ca '/nowhere/ca.pem': No such file",
                      self.check(self.broker(redis, tls={"ca": "/nowhere/ca.pem"})))
        self.assertIn("begins with rediss://", self.check(self.broker(redis, url=redis.url)))


class Users(RedisCase, harness.FleetTest):
    COMMANDS = ["~fl:*", "&fl:*", "+@all", "-@admin", "+client|id", "+client|kill", "+client|reply", "+client|setname"]

    def served(self, redis, url, password_file=None):
        settings = {"url": url}
        if password_file:
            settings["password_file"] = password_file
        broker = Broker(self.scope, redis=redis, config={"redis": settings}).start()
        with broker.connect("c") as client:
            client.publish("t", "x", 1)
        eventually(lambda: any(b"user=fleet" in line for line in redis.command("CLIENT", "LIST").splitlines()), 5,
                   "it is there as its user")
        self.assertNotIn("p@ss", broker.log())
        broker.term()

    def test_an_acl_user_logs_in(self):
        redis = Redis(self.scope).start()
        redis.command("ACL", "SETUSER", "fleet", "on", ">p@ss:w/rd", *self.COMMANDS)
        self.served(redis, "redis://fleet:p%%40ss%%3Aw%%2Frd@127.0.0.1:%d/0" % redis.port)
        self.served(redis, "redis://fleet:@127.0.0.1:%d/0" % redis.port, self.scope.write("password", "p@ss:w/rd\n"))

    def test_a_wrong_password_is_refused(self):
        redis = Redis(self.scope).start()
        redis.command("ACL", "SETUSER", "fleet", "on", ">right", *self.COMMANDS)
        broker = Broker(self.scope, redis=redis, config={"redis": {"url": "redis://fleet:wrong@127.0.0.1:%d/0" % redis.port}})
        broker.start(wait=False)
        broker.wait_log("redis_link_down.*WRONGPASS")
        self.assertFalse(broker.ready())

    @unittest.skipUnless(has_tls(), "redis-server without TLS")
    def test_both_at_once(self):
        redis = self.redis()
        redis.command("ACL", "SETUSER", "fleet", "on", ">p@ss", *self.COMMANDS)
        broker = self.broker(redis, url=self.url(login="fleet:p%40ss@")).start()
        with broker.connect("c") as client:
            client.publish("t", "x", 1)


if __name__ == "__main__":
    harness.main()
