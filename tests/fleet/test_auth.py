"""Password file as mosquitto_passwd writes it, ACL file in mosquitto's format, who may be anonymous."""
import signal
import subprocess

import harness
import mqtt_raw as m
from harness import Process, binary, eventually, free_port
from services import STANDIN_BROKER, Broker, Fleet, metric, program

REFUSED = (4, 5)


def make_passwords(scope):
    path = scope.path("passwd")
    open(path, "w").close()
    for name, password in (("alice", "secret"), ("bob", "p\u00e4ss w\u00f6rd"), ("carol", "c")):
        subprocess.run([program("mosquitto_passwd"), "-b", path, name, password], check=True, timeout=30)
    sha512 = scope.path("passwd-old")
    open(sha512, "w").close()
    done = subprocess.run([program("mosquitto_passwd"), "-H", "sha512", "-b", sha512, "old", "style"], timeout=30)
    if done.returncode == 0:
        with open(sha512) as f, open(path, "a") as out:
            out.write(f.read())
    return path


ACL = """# before the first user: for anonymous clients
topic read public/#
topic $SYS/#
topic write inbox/anonymous

user alice
topic alice/#
topic write inbox/bob
topic deny alice/secret/#

user bob
topic read inbox/bob

pattern readwrite home/%u/#
pattern write client/%c/out
pattern readwrite shared/+/x
"""


class Passwords(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config={
            "auth": {"anonymous": False, "password_file": make_passwords(holder.scope)}}).start()

    def answer(self, **fields):
        with self.broker.open() as client:
            client.send(m.connect(self.unique("c"), **fields))
            code = client.expect(m.CONNACK).return_code
            if code:
                client.expect_closed()
            else:
                client.ping()
            return code

    def test_right_passwords(self):
        self.assertEqual(self.answer(username="alice", password="secret"), 0)
        self.assertEqual(self.answer(username="bob", password="p\u00e4ss w\u00f6rd"), 0)
        self.assertEqual(self.answer(username="carol", password="c"), 0)

    def test_the_older_sha512_form(self):
        self.assertEqual(self.answer(username="old", password="style"), 0)

    def test_wrong_ones(self):
        for name, password in (("alice", "Secret"), ("alice", ""), ("alice", "secret "), ("nobody", "secret"),
                               ("", "secret"), ("Alice", "secret"), ("carol", "secret"), ("old", "styl")):
            self.assertIn(self.answer(username=name, password=password), REFUSED, name)
        self.assertIn(self.answer(username="alice"), REFUSED)
        self.assertIn(self.answer(), REFUSED)

    def test_a_refused_client_does_not_take_over(self):
        client = self.broker.connect("victim", username="alice", password="secret")
        self.addCleanup(client.close)
        with self.broker.open() as thief:
            thief.send(m.connect("victim", username="alice", password="wrong"))
            self.assertIn(thief.expect(m.CONNACK).return_code, REFUSED)
        client.ping()


class Acl(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        acl = holder.scope.write("acl", ACL)
        holder.broker = Broker(holder.scope, config={
            "auth": {"anonymous": True, "password_file": make_passwords(holder.scope), "acl_file": acl}}).start()

    def client(self, name=None, **fields):
        password = {"alice": "secret", "bob": "p\u00e4ss w\u00f6rd", "carol": "c"}.get(name)
        client = self.broker.connect(fields.pop("client_id", self.unique("c")), username=name, password=password,
                                     **fields)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def publish_or_be_closed(client, topic, **fields):
        """3.3.5: a publish that isn't allowed is acknowledged and dropped, or the connection ends."""
        try:
            client.publish(topic, "x", 1, **fields)
        except m.Closed:
            pass

    def reaches(self, publisher, subscriber, topic):
        """Whether a message on `topic` comes through; both may use shared/end/x."""
        subscriber.send(m.subscribe(9, (topic, 1), ("shared/end/x", 1)))
        codes = subscriber.expect(m.SUBACK, pid=9).granted
        self.assertEqual(codes[1], 1)
        self.publish_or_be_closed(publisher, topic)
        self.client("carol").publish("shared/end/x", "end", 1)
        got = subscriber.collect(lambda seen: seen and seen[-1].topic == "shared/end/x")
        subscriber.unsubscribe(topic, "shared/end/x")
        arrived = [g.topic for g in got[:-1]] == [topic]
        self.assertTrue(arrived or len(got) == 1)
        return arrived

    def test_table(self):
        cases = [
            ("alice", "alice", "alice/x", True), ("alice", "bob", "alice/x", False),
            ("bob", "alice", "alice/x", False), ("alice", "alice", "alice/secret/x", False),
            ("alice", "bob", "inbox/bob", True), ("bob", "bob", "inbox/bob", False),
            ("alice", "alice", "inbox/bob", False), ("carol", "carol", "shared/a/x", True),
            ("alice", "alice", "public/x", False), ("alice", "carol", "alice/x", False),
            ("bob", "bob", "home/bob/light", True), ("bob", "alice", "home/bob/light", False),
            ("alice", "bob", "home/bob/light", False), ("alice", "alice", "elsewhere", False),
            (None, "bob", "inbox/bob", False), (None, None, "public/x", False), (None, "carol", "shared/b/x", True),
        ]
        for publisher, subscriber, topic, wanted in cases:
            with self.subTest("%s to %s on %s" % (publisher, subscriber, topic)):
                self.assertEqual(self.reaches(self.client(publisher), self.client(subscriber), topic), wanted)

    def test_client_id_pattern(self):
        carol = self.client("carol", client_id="device-7")
        carol.publish("client/device-7/out", "ok", 1)
        carol.ping()
        self.publish_or_be_closed(carol, "client/device-8/out")

    def test_will_and_retained_need_the_right_to_write(self):
        watcher = self.client("alice")
        watcher.subscribe(("alice/#", 1))
        self.client("bob", will=m.Will("alice/will", "no", 1)).abort()
        self.publish_or_be_closed(self.client("bob"), "alice/kept", retain=True)
        self.client("alice").publish("alice/ok", "yes", 1)
        watcher.expect_message("alice/ok", "yes", 1)
        late = self.client("alice")
        late.subscribe(("alice/kept", 1))
        late.ping()

    def test_wildcard_subscription_delivers_only_what_may_be_read(self):
        alice = self.client("alice")
        codes = alice.subscribe(("alice/#", 1))
        self.assertEqual(codes, [1])
        other = self.client("alice")
        self.publish_or_be_closed(self.client("alice"), "alice/secret/x")
        other.publish("alice/open", "yes", 1)
        alice.expect_message("alice/open", "yes", 1)


class Anonymous(harness.FleetTest):
    def refused(self, broker):
        with broker.open() as client:
            client.send(m.connect("anyone"))
            self.assertIn(client.expect(m.CONNACK).return_code, REFUSED)

    @harness.unittest.skipIf(STANDIN_BROKER, "configuration of its own")
    def test_a_file_that_does_not_say_so_refuses(self):
        broker = Broker(self.scope, config={"auth": {"anonymous": False}}).start()
        self.refused(broker)
        broker = Broker(self.scope, "other")
        del broker.config["auth"]
        broker.reconfigure()
        broker.start()
        self.refused(broker)

    @harness.unittest.skipIf(STANDIN_BROKER, "configuration of its own")
    def test_without_a_file_loopback_accepts_and_others_refuse(self):
        for bind, wanted in (("127.0.0.1", (0,)), ("0.0.0.0", REFUSED)):
            port, admin = free_port(), free_port()
            p = Process(self.scope, "cli-" + bind, [binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--listen",
                                                    "%s:%d" % (bind, port), "--admin", "127.0.0.1:%d" % admin]).start()
            client = eventually(lambda: m.Client(("127.0.0.1", port)), 10, "it listens")
            client.send(m.connect("anyone"))
            self.assertIn(client.expect(m.CONNACK).return_code, wanted)
            client.close()
            p.term()


class Reload(harness.FleetTest):
    """SIGHUP reads both files again; a bad one changes nothing."""

    @staticmethod
    def build(holder):
        holder.passwords = make_passwords(holder.scope)
        acl = holder.scope.write("acl", ACL)
        holder.broker = Broker(holder.scope, config={
            "auth": {"anonymous": False, "password_file": holder.passwords, "acl_file": acl}}).start()

    def accepted(self, name, password):
        with self.broker.open() as client:
            client.send(m.connect(self.unique("c"), username=name, password=password))
            return client.expect(m.CONNACK).return_code == 0

    def set_password(self, *arguments):
        subprocess.run([program("mosquitto_passwd"), *arguments], check=True, timeout=30)
        self.broker.signal(signal.SIGHUP)

    def test_users_come_and_go(self):
        self.assertFalse(self.accepted("dora", "new"))
        self.set_password("-b", self.passwords, "dora", "new")
        eventually(lambda: self.accepted("dora", "new"), 10, "the new user is let in")
        self.set_password("-D", self.passwords, "carol")
        eventually(lambda: not self.accepted("carol", "c"), 10, "the removed user is refused")

    def test_rules_change_for_connected_clients(self):
        alice = self.broker.connect("a", username="alice", password="secret")
        self.addCleanup(alice.close)
        alice.subscribe(("#", 1))
        self.scope.write("acl", ACL.replace("topic alice/#", "topic fresh/#"))
        self.broker.signal(signal.SIGHUP)

        other = self.broker.connect("b", username="alice", password="secret")
        self.addCleanup(other.close)

        def fresh():
            other.publish("fresh/x", "x", 1)
            return alice.collect(lambda seen: seen, timeout=0.3)
        eventually(fresh, 10, "the new rule holds")

    @harness.unittest.skipIf(STANDIN_BROKER, "mosquitto says it in other words")
    def test_a_bad_file_changes_nothing_and_is_named(self):
        mark = len(self.broker.log())
        self.scope.write("acl", ACL + "topik read x\n")
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log(r"acl.*%d" % (ACL.count("\n") + 1), start=mark)
        alice = self.broker.connect("a", username="alice", password="secret")
        self.addCleanup(alice.close)
        alice.subscribe(("alice/x", 1))
        alice.send(m.publish("alice/x", "x", 1, 9))
        got = {alice.recv().kind for _ in range(2)}
        self.assertEqual(got, {m.PUBACK, m.PUBLISH})


class ClientIds(harness.FleetTest):
    """A client id belongs to the user who has it: on a broker alone, on the same broker of a fleet, on another one."""
    shared = True
    ALICE, BOB = {"username": "alice", "password": "secret"}, {"username": "carol", "password": "c"}

    @staticmethod
    def build(holder):
        holder.auth = {"anonymous": True, "password_file": make_passwords(holder.scope)}
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config={"auth": holder.auth})
        holder.alone = Broker(holder.scope, "alone", config={"auth": holder.auth}).start()
        holder.places = [(holder.alone, holder.alone), (holder.fleet[0], holder.fleet[0]), (holder.fleet[0], holder.fleet[1])]

    def answer(self, broker, client_id, **fields):
        with broker.open() as client:
            client.send(m.connect(client_id, **fields))
            return client.expect(m.CONNACK).return_code

    def check_others_are_refused(self, there, name):
        for fields in (self.BOB, dict(self.BOB, clean=False), {}, {"clean": False}):
            self.assertEqual(self.answer(there, name, will=m.Will("w/" + name, "stolen", 1), **fields), 5)

    def test_a_living_connection_stays(self):
        for here, there in self.places:
            for clean in (True, False):
                name = self.unique("c")
                with here.connect(self.unique("w")) as watcher, \
                        here.connect(name, clean=clean, will=m.Will("w/" + name, "gone", 1), **self.ALICE) as device:
                    watcher.subscribe(("w/" + name, 1))
                    self.check_others_are_refused(there, name)
                    device.ping()
                    device.publish("w/" + name, "alive", 1)
                    watcher.expect_message("w/" + name, "alive", 1)

    def test_a_session_waits_for_its_user(self):
        for here, there in self.places:
            name = self.unique("c")
            with here.connect(name, clean=False, **self.ALICE) as device:
                device.subscribe(("t/" + name, 1))
                device.disconnect()
            with here.connect(self.unique("p")) as publisher:
                publisher.publish("t/" + name, "for alice", 1)
            self.check_others_are_refused(there, name)
            with there.connect(name, clean=False, **self.ALICE) as device:
                self.assertTrue(device.session_present)
                device.expect_message("t/" + name, "for alice", 1)
            self.assertEqual(self.answer(there, name, **self.ALICE), 0)  # a clean one: it ends the session
            eventually(lambda: self.answer(here, name, **self.BOB) == 0)

    def test_shared_and_tied_client_ids(self):
        shared = Broker(self.scope, "shared", config={"auth": dict(self.auth, shared_client_ids=True)}).start()
        with shared.connect("c", clean=False, **self.ALICE) as device:
            with shared.connect("c", clean=False, **self.BOB) as other:
                self.assertTrue(other.session_present)
                device.expect_closed()
        tied = Broker(self.scope, "tied", config={"auth": dict(self.auth, client_id="begins_with_username")}).start()
        for name, code in (("alice", 0), ("alice-phone", 0), ("alicephone", 5), ("bob", 5), ("", 0)):
            self.assertEqual(self.answer(tied, name, **self.ALICE), code, name)
        self.assertEqual(self.answer(tied, "alice"), 5)
        equal = Broker(self.scope, "equal", config={"auth": dict(self.auth, client_id="equals_username")}).start()
        for name, code in (("alice", 0), ("alice-phone", 5)):
            self.assertEqual(self.answer(equal, name, **self.ALICE), code, name)


class ClientIdsUnderWay(harness.FleetTest):
    """Redis is slow: a device's CONNECT waits for it, and other users' with the same client id come."""

    def test_a_connecting_that_isnt_answered_yet_stays(self):
        alice, bob = ClientIds.ALICE, ClientIds.BOB
        auth = {"anonymous": True, "password_file": make_passwords(self.scope)}
        fleet = Fleet(self.scope, brokers=1, broker_config={"auth": auth}, lease="30s", beat="1s")
        broker = fleet[0]
        known = lambda: metric(broker.metrics(), "flotilla_broker_logins_total", how="remembered")
        for n, fields in enumerate((alice, bob)):
            broker.connect("warm-up-%d" % n, **fields).close()
        for clean in (True, False):
            name, before = self.unique("c"), known()
            fleet.redis.stop()
            with broker.open() as device, broker.open() as thief, broker.open() as stranger:
                device.send(m.connect(name, clean=clean, **alice))
                eventually(lambda: known() == before + 1, 10, "the device's claim is under way")
                stranger.send(m.connect(name, clean=clean))
                thief.send(m.connect(name, clean=clean, **bob))
                eventually(lambda: known() == before + 2, 10, "the others' CONNECTs were read")
                fleet.redis.cont()
                self.assertEqual(device.expect(m.CONNACK).return_code, 0)
                self.assertEqual(thief.expect(m.CONNACK).return_code, 5)
                self.assertEqual(stranger.expect(m.CONNACK).return_code, 5)
                device.ping()

    def test_who_waits_gets_the_client_id_of_one_that_gives_up(self):
        alice, bob = ClientIds.ALICE, ClientIds.BOB
        auth = {"anonymous": True, "password_file": make_passwords(self.scope)}
        fleet = Fleet(self.scope, brokers=1, broker_config={"auth": auth}, lease="30s", beat="1s")
        broker = fleet[0]
        known = lambda: metric(broker.metrics(), "flotilla_broker_logins_total", how="remembered")
        closed = lambda: metric(broker.metrics(), "flotilla_broker_connections_closed_total", reason="closed_by_peer")
        with broker.connect("c", clean=False, **bob):
            pass
        broker.connect("warm-up", **alice).close()
        before = known(), closed()
        fleet.redis.stop()
        with broker.open() as thief, broker.open() as device:
            thief.send(m.connect("c", clean=False, **alice))
            eventually(lambda: known() == before[0] + 1, 10, "a claim is under way")
            device.send(m.connect("c", clean=False, **bob))
            eventually(lambda: known() == before[0] + 2, 10, "the other's CONNECT was read")
            thief.close()
            eventually(lambda: closed() > before[1], 10, "the first one has gone")
            fleet.redis.cont()
            connack = device.expect(m.CONNACK)
            self.assertEqual((connack.return_code, connack.session_present), (0, True))


if __name__ == "__main__":
    harness.main()
