"""Who is let in by which source: tokens, Argon2id, chains of sources, for all listeners or for one."""
import signal
import subprocess
import time

import harness
import mqtt5_raw as m5
import mqtt_raw as m
import passwords
import test_proxy_protocol as proxy
import tokens
import yamlout
from harness import binary, free_port
from services import Broker, LoadBalancer, metric

BAD = (4, 5, 0x86, 0x87)
# "password"; of the Argon2 project's own tests
ARGON2 = "anna:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n"


def claims(user="dev1", seconds=60, **more):
    return dict({"sub": user, "exp": int(time.time()) + seconds}, **more)


class TokenCase:
    """A broker with a password file and three keys."""

    @staticmethod
    def build(holder):
        holder.keys = tokens.Keys(holder.scope)
        holder.users = holder.scope.write("passwd", passwords.line("bob", "builder") + ARGON2)
        auth = {"anonymous": False, "password_file": holder.users,
                "jwt": {"keys": holder.keys.config, "issuer": "tests", "audience": "flotilla", "leeway": "0"}}
        holder.broker = Broker(holder.scope, config={"auth": auth}).start()

    def good(self, user="dev1", seconds=60, **more):
        return claims(user, seconds, **dict({"iss": "tests", "aud": ["flotilla", "others"]}, **more))

    def answer(self, password, username=None, version=5):
        """The reason code of CONNACK; 0: it is let in, and answers."""
        module = m5 if version == 5 else m
        client = (m5.Client if version == 5 else m.Client)(self.broker.address)
        with client:
            client.send(module.connect(self.unique("c"), username=username, password=password))
            packet = client.expect(m.CONNACK)
            code = packet.reason if version == 5 else packet.return_code
            if code == 0:
                client.ping()
            else:
                client.expect_closed()
            return code


class Tokens(TokenCase, harness.FleetTest):
    shared = True

    def test_each_algorithm_and_version(self):
        for by in ("secret", "rsa", "ec"):
            token = self.keys.token(self.good(), by)
            self.assertEqual(self.answer(token), 0, by)
            self.assertEqual(self.answer(token, "dev1"), 0, by)
            self.assertEqual(self.answer(token, "dev1", version=4), 0, by)
            self.assertEqual(self.answer(self.keys.token(self.good(), by, kid=None)), 0, by)

    def test_wrong_ones(self):
        keys, good = self.keys, self.good()
        public = open(self.scope.path("rsa.pem"), "rb").read()
        confused = tokens.first_part({"alg": "HS256", "kid": "rsa"}, good)
        confused += "." + tokens.base64url(tokens.hmac.new(public, confused.encode(), "sha256").digest())
        none = tokens.first_part({"alg": "none"}, good) + "."
        right = keys.token(good, "ec")
        wrong = {
            "forged": right[:-8] + ("A" * 8 if right[-8:] != "A" * 8 else "B" * 8),
            "another user's claims": tokens.first_part({"alg": "ES256", "kid": "ec"}, self.good("admin")) +
                                     right[right.rindex("."):],
            "none": none,
            "none, with kid": tokens.first_part({"alg": "none", "kid": "rsa"}, good) + ".",
            "the public key as a secret": confused,
            "another key's name": keys.token(good, "secret", kid="rsa"),
            "a path as kid": keys.token(good, "secret", kid="../../../../dev/null"),
            "its own file as kid": keys.token(good, "secret", kid=self.scope.path("jwt-secret")),
            "no exp": keys.token({name: value for name, value in good.items() if name != "exp"}),
            "expired": keys.token(self.good(seconds=-5)),
            "not yet": keys.token(self.good(nbf=int(time.time()) + 600)),
            "another issuer": keys.token(self.good(iss="others")),
            "another audience": keys.token(self.good(aud="other")),
            "no name": keys.token(self.good(user="")),
            "crit": keys.token(good, crit=["exp"]),
            "oversized": keys.token(self.good(fill="x" * 9000)),
            "acl that isn't one": keys.token(self.good(acl=["#"])),
        }
        before = metric(self.broker.metrics(), "flotilla_broker_logins_total", how="refused")
        for what, token in wrong.items():
            self.assertIn(self.answer(token), BAD, what)
        self.assertIn(self.answer(right, "dev2"), BAD)
        self.assertIn(self.answer(right[:20]), BAD)
        self.assertEqual(self.answer(right), 0)
        after = metric(self.broker.metrics(), "flotilla_broker_logins_total", how="refused")
        self.assertGreaterEqual(after - before, 12)
        self.broker.wait_log("token_refused")

    def test_it_is_checked_once(self):
        token = self.keys.token(self.good(), "rsa")
        self.assertEqual(self.answer(token), 0)
        hashed = metric(self.broker.metrics(), "flotilla_broker_logins_total", how="hashed")
        for _ in range(20):
            self.assertEqual(self.answer(token), 0)
        self.assertEqual(metric(self.broker.metrics(), "flotilla_broker_logins_total", how="hashed"), hashed)

    def test_its_end_is_the_connections(self):
        with m5.Client.connected(self.broker.address, self.unique("c"),
                                 password=self.keys.token(self.good(seconds=2))) as new:
            with m.Client.connected(self.broker.address, self.unique("c"), username="dev1",
                                    password=self.keys.token(self.good(seconds=2))) as old:
                new.ping()
                new.expect_disconnect(0x87, timeout=10)
                old.expect_closed(timeout=10)

    def test_rights_are_narrowed(self):
        token = self.keys.token(self.good(acl={"pub": ["up"], "sub": ["down/+"]}))
        with m5.Client.connected(self.broker.address, self.unique("c"), password=token) as device, \
                self.broker.connect(self.unique("c"), username="bob", password="builder") as bob:
            device.subscribe(("#", 1))
            bob.subscribe(("up", 0), ("down/1", 0))
            bob.publish("other", b"no")
            bob.publish("down/1", b"yes")
            bob.expect_message("down/1", b"yes")
            self.assertEqual(device.expect(m.PUBLISH).topic, "down/1")
            device.publish("down/1", b"no")
            device.publish("up", b"yes")
            bob.expect_message("up", b"yes")

    def test_passwords_beside_them(self):
        self.assertEqual(self.answer("builder", "bob"), 0)
        self.assertIn(self.answer("wrong", "bob"), BAD)
        self.assertIn(self.answer(self.keys.token(self.good("bob")), "bob"), BAD)  # the file knows bob
        self.assertEqual(self.answer(self.keys.token(self.good("bob"))), 0)
        self.assertEqual(self.answer("password", "anna"), 0)
        self.assertEqual(self.answer("password", "anna", version=4), 0)
        self.assertIn(self.answer("Password", "anna"), BAD)


class Reloads(TokenCase, harness.FleetTest):
    def test_a_removed_key_closes_its_clients(self):
        by_ec, by_rsa = (self.keys.token(self.good(), by) for by in ("ec", "rsa"))
        with m5.Client.connected(self.broker.address, "ec", password=by_ec) as gone, \
                m5.Client.connected(self.broker.address, "rsa", password=by_rsa) as stays:
            config = dict(self.broker.config)
            keys = {name: key for name, key in self.keys.config.items() if name != "ec"}
            config["auth"] = dict(config["auth"], jwt=dict(config["auth"]["jwt"], keys=keys))
            self.broker.reconfigure(**config)
            self.broker.signal(signal.SIGHUP)
            gone.expect_disconnect(0x87)
            stays.ping()
        self.assertIn(self.answer(by_ec), BAD)
        self.assertEqual(self.answer(by_rsa), 0)

    def test_a_bad_key_changes_nothing(self):
        token = self.keys.token(self.good(), "secret")
        with m5.Client.connected(self.broker.address, "c", password=token) as client:
            self.scope.write("jwt-secret", "short")
            self.scope.write("passwd", passwords.line("eve", "builder"))
            self.broker.signal(signal.SIGHUP)
            self.broker.wait_log("auth_reload_failed.*auth.jwt.keys.secret.*jwt-secret.*32 bytes")
            client.ping()
        self.assertEqual(self.answer("builder", "bob"), 0)
        self.assertIn(self.answer("builder", "eve"), BAD)


class Listeners(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.keys = tokens.Keys(holder.scope)
        users = holder.scope.write("passwd", passwords.line("bob", "builder"))
        holder.by_file, holder.by_token, holder.by_all = (free_port() for _ in range(3))
        listeners = [{"bind": "127.0.0.1:%d" % holder.by_file, "auth": {"chain": ["file"]}},
                     {"bind": "127.0.0.1:%d" % holder.by_token, "auth": {"chain": ["jwt"], "anonymous": False}},
                     {"bind": "127.0.0.1:%d" % holder.by_all}]
        holder.broker = Broker(holder.scope, config={
            "listeners": listeners,
            "auth": {"anonymous": True, "chain": ["jwt", "file"], "password_file": users,
                     "jwt": {"keys": holder.keys.config}}})
        holder.broker.start()

    def answer(self, port, **fields):
        with m5.Client(("127.0.0.1", port)) as client:
            client.send(m5.connect(self.unique("c"), **fields))
            return client.expect(m.CONNACK).reason

    def test_each_has_its_chain(self):
        token = self.keys.token(claims("dev1"), "ec")
        bob, device, nobody = {"username": "bob", "password": "builder"}, {"password": token}, {}
        for port, who, right in ((self.by_file, bob, True), (self.by_file, nobody, True),
                                 (self.by_token, bob, False), (self.by_token, device, True),
                                 (self.by_token, nobody, False),
                                 (self.by_file, {"username": "dev1", "password": token}, False),
                                 (self.by_all, bob, True), (self.by_all, device, True), (self.by_all, nobody, True)):
            code = self.answer(port, **who)
            self.assertTrue(code == 0 if right else code in BAD, (port, who, code))


class ClientCertificates(harness.FleetTest):
    """Clients come through the load balancer, which verifies, or with a PROXY header that says so."""

    shared = True

    @classmethod
    def build(cls, holder):
        scope = holder.scope
        holder.truck, holder.other = (cls.identity(scope, name) for name in ("truck-17", "other"))
        with open(scope.path("clients.pem"), "w") as authority, open(holder.truck[0]) as truck:
            authority.write(truck.read())
        users = scope.write("passwd", passwords.line("bob", "builder"))
        holder.brokers, holder.balancers = {}, {}
        for kind, require in (("cn", False), ("san_uri", True)):
            broker = Broker(scope, name=kind, config={"auth": {
                "anonymous": False, "password_file": users, "certificate": {"identity": kind, "require": require},
                "acl_file": scope.write("acl", "pattern readwrite %u/#\nuser bob\ntopic #\n")}})
            broker.reconfigure(listeners=[dict(broker.config["listeners"][0], trusted_proxies=["127.0.0.1/32"])])
            holder.brokers[kind] = broker.start()
            holder.balancers[kind] = LoadBalancer(
                scope, [(kind, broker.address)], name="lb-" + kind, workers=1,
                backend={"proxy_certificate": kind != "cn", "health_check": {"type": "tcp", "interval": "500ms"}},
                tls_settings={"client_ca": scope.path("clients.pem"), "client_auth": "optional"}).start()

    @staticmethod
    def identity(scope, name):
        """A certificate that is its own authority."""
        paths = scope.path(name + ".pem"), scope.path(name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=URI:urn:" + name,
                        "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True, timeout=60)
        return paths

    def context(self, kind, certificate):
        context = m.tls_context(self.balancers[kind].certificates.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def answer(self, kind, certificate, **fields):
        """CONNACK's code; None: the load balancer closed."""
        try:
            with m.Client(self.balancers[kind].tls, tls=self.context(kind, certificate)) as client:
                client.send(m.connect(self.unique("c"), **fields))
                return client.expect(m.CONNACK).return_code
        except (OSError, m.Closed):
            return None

    def test_a_verified_name_is_the_user(self):
        for kind, name in (("cn", "truck-17"), ("san_uri", "urn:truck-17")):
            with m.Client.connected(self.balancers[kind].tls, self.unique("c"), tls=self.context(kind, self.truck),
                                    username="bob", password="wrong") as client:
                client.subscribe(name + "/x")
                client.publish(name + "/x", b"mine")  # what the ACL lets this name do
                client.expect_message(name + "/x", b"mine")

    def test_others_are_asked_for_a_password_or_refused(self):
        self.assertEqual(self.answer("cn", None, username="bob", password="builder"), 0)
        self.assertIn(self.answer("cn", None, username="truck-17", password="x"), BAD)
        self.assertIn(self.answer("cn", None), BAD)
        self.assertIn(self.answer("san_uri", None, username="bob", password="builder"), BAD)
        self.assertIsNone(self.answer("cn", self.other))

    def header(self, bits=7, verify=0, name="truck-17"):
        ssl = bytes([bits]) + verify.to_bytes(4, "big") + proxy.tlv(0x22, name.encode())
        return proxy.v2(tlvs=proxy.tlv(0x20, ssl))

    def direct(self, header, source=None):
        try:
            with m.Client(self.brokers["cn"].address, source=source, preamble=header) as client:
                client.send(m.connect(self.unique("c")))
                return client.expect(m.CONNACK).return_code
        except (OSError, m.Closed):
            return None

    def test_what_a_header_must_say(self):
        self.assertEqual(self.direct(self.header()), 0)
        self.assertEqual(self.direct(self.header(bits=3)), 0)  # CERT_CONN
        self.assertEqual(self.direct(self.header(bits=5)), 0)  # CERT_SESS
        self.assertIn(self.direct(self.header(bits=1)), BAD)
        self.assertIn(self.direct(self.header(verify=1)), BAD)
        self.assertIn(self.direct(self.header(name="")), BAD)
        self.assertIn(self.direct(self.header(name="a\0b")), BAD)
        self.assertIsNone(self.direct(self.header(), source="127.0.0.2"))  # not trusted


class Checks(harness.FleetTest):
    """--check names what is wrong."""

    def check(self, auth, *words):
        path = self.scope.write("broker.yaml", yamlout.dump({"listeners": [{"bind": "127.0.0.1:1883"}], "auth": auth}))
        done = subprocess.run([binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--config", path, "--check"],
                              capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_chain_without_its_source(self):
        self.check({"chain": ["jwt"]}, "auth.chain", "jwt needs auth.jwt.keys")
        self.check({"chain": ["file"]}, "auth.chain", "file needs auth.password_file")
        self.check({"chain": ["files"]}, "auth.chain", "a source of identities")
        users = self.scope.write("passwd", passwords.line("bob", "builder"))
        self.check({"chain": ["file", "file"], "password_file": users}, "auth.chain", "twice")

    def test_a_key_that_is_none(self):
        secret = self.scope.write("secret", "short")
        self.check({"jwt": {"keys": {"k": {"algorithm": "HS256", "file": secret}}}}, "auth.jwt.keys.k", secret)
        self.check({"jwt": {"keys": {"k": {"algorithm": "none", "file": secret}}}}, "algorithm", "HS256")
        self.check({"jwt": {"keys": {"k": {"algorithm": "RS256", "file": secret}}}}, "in PEM")

    def test_an_absurd_hash(self):
        users = self.scope.write("passwd", ARGON2.replace("m=256", "m=1048576"))
        self.check({"password_file": users}, users + ":1", "anna", "256 MiB")


if __name__ == "__main__":
    harness.main()
