"""SCRAM-SHA-256 as a method of 5.0's enhanced authentication: at CONNECT and again, right and wrong."""
import signal
import time

import harness
import mqtt5_raw as m5
import mqtt_raw as m
import passwords
import scram
from scram import AGAIN, METHOD, Exchange
from services import Broker, metric

NOT_AUTHORIZED, PROTOCOL_ERROR = 0x87, 0x82


class Scram(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        lines = [scram.line("ann", "secret"), scram.line("bob", "builder"), scram.line("J\u00fcrg", "gr\u00fcezi"),
                 scram.line("a,b=c", "odd"), passwords.line("plain", "x")]
        holder.broker = Broker(holder.scope, config={"auth": {
            "anonymous": False, "methods": [METHOD], "login_timeout": "20s",
            "password_file": holder.scope.write("passwd", "".join(lines))}}).start()

    def open(self):
        client = m5.Client(self.broker.address, timeout=20)
        self.addCleanup(client.close)
        return client

    def begun(self, exchange, **fields):
        """A connection that was sent its challenge, and that."""
        client = self.open()
        client.send(scram.connect(self.unique("c"), exchange.first, **fields))
        return client, self.challenge(client)

    def challenge(self, client):
        got = client.expect(m5.AUTH, reason=scram.CONTINUE)
        self.assertEqual(got.props["authentication_method"], METHOD)
        return got.props["authentication_data"]

    def accepted(self, user, password, **options):
        exchange = Exchange(user, password, **options)
        client, challenge = self.begun(exchange)
        client.send(scram.says(exchange.final(challenge)))
        answer = client.expect(m.CONNACK, reason=0)
        exchange.verify(answer.props["authentication_data"])
        return client

    def assert_refused(self, client):
        got = client.expect(m.CONNACK)
        self.assertEqual(got.reason, NOT_AUTHORIZED)
        self.assertNotIn("authentication_data", got.props)
        client.expect_closed()

    def refused(self, exchange, change=lambda data: data):
        client, challenge = self.begun(exchange)
        client.send(scram.says(change(exchange.final(challenge))))
        self.assert_refused(client)

    # --- at CONNECT

    def test_the_right_password(self):
        for user, password in (("ann", "secret"), ("bob", "builder"), ("J\u00fcrg", "gr\u00fcezi"), ("a,b=c", "odd")):
            self.accepted(user, password).ping()

    def test_a_name_in_another_form_is_the_same_user(self):
        self.accepted("Ju\u0308rg", "gr\u00fcezi").ping()

    def test_the_user_is_who_proved_it_and_not_who_connect_names(self):
        exchange = Exchange("ann", "secret")
        client, challenge = self.begun(exchange, username="bob")
        client.send(scram.says(exchange.final(challenge)))
        client.expect(m.CONNACK, reason=0)
        self.again(client, Exchange("ann", "secret"))  # as ann it may go on
        client.expect(m5.AUTH, reason=0)

    def test_a_wrong_password(self):
        self.refused(Exchange("ann", "Secret"))
        self.refused(Exchange("ann", ""))
        self.refused(Exchange("bob", "secret"))

    def test_an_unknown_user_is_asked_the_same_each_time(self):
        def asked(user):
            exchange = Exchange(user, "secret")
            client, challenge = self.begun(exchange)
            client.send(scram.says(exchange.final(challenge)))
            self.assert_refused(client)
            return exchange.salt, exchange.iterations
        nobody, other = asked("nobody"), asked("nobody2")
        self.assertEqual(asked("nobody"), nobody)
        self.assertNotEqual(nobody[0], other[0])
        self.assertEqual({nobody[1], other[1], asked("plain")[1]}, {4096})
        self.assertEqual({len(nobody[0]), len(other[0])}, {16})

    def test_a_user_without_keys_is_as_one_who_is_not_known(self):
        self.refused(Exchange("plain", "x"))

    def test_a_proof_that_was_overheard_is_good_for_nothing(self):
        exchange = Exchange("ann", "secret")
        client, challenge = self.begun(exchange)
        proof = exchange.final(challenge)
        client.send(scram.says(proof))
        client.expect(m.CONNACK, reason=0)
        again = Exchange("ann", "secret", nonce=exchange.nonce)
        self.refused(again, lambda _: proof)
        self.assertNotEqual(again.server_nonce, exchange.server_nonce)

    def test_channel_binding(self):
        self.accepted("ann", "secret", header="y,,")
        client = self.open()
        client.send(scram.connect(self.unique("c"), Exchange("ann", "secret", header="p=tls-exporter,,").first))
        self.assert_refused(client)
        cheat = Exchange("ann", "secret")  # somebody in between has changed the flag
        client = self.open()
        client.send(scram.connect(self.unique("c"), b"y" + cheat.first[1:]))
        client.send(scram.says(cheat.final(self.challenge(client))))
        self.assert_refused(client)

    def test_what_is_no_message(self):
        for first in (b"x", b"n,,n=ann", b"n,,m=x,n=ann,r=abc", b"n,a=bob,n=ann,r=abc", b"\xff", b"n,,n=a\0b,r=abc",
                      b"n,,n=ann,r=" + b"x" * 2000):
            client = self.open()
            client.send(scram.connect(self.unique("c"), first))
            self.assert_refused(client)
        for change in (lambda d: b"", lambda d: d[:-1], lambda d: d + b",x=y", lambda d: d.replace(b"c=biws", b"c=eSws"),
                       lambda d: b"x" * 2000, lambda d: d.replace(b",p=", b",x=y,p=")):
            self.refused(Exchange("ann", "secret"), change)

    def test_the_client_may_say_nothing_in_connect(self):
        exchange, client = Exchange("ann", "secret"), self.open()
        client.send(scram.connect(self.unique("c"), None))
        got = client.expect(m5.AUTH, reason=scram.CONTINUE)
        self.assertNotIn("authentication_data", got.props)
        client.send(scram.says(exchange.first))
        client.send(scram.says(exchange.final(self.challenge(client))))
        exchange.verify(client.expect(m.CONNACK, reason=0).props["authentication_data"])

    def test_what_comes_behind_the_proof_waits_for_connack(self):
        exchange = Exchange("ann", "secret")
        client, challenge = self.begun(exchange)
        client.send(scram.says(exchange.final(challenge)) + m.PINGREQ_BYTES)
        client.expect(m.CONNACK, reason=0)
        client.expect(m.PINGRESP)

    def test_a_plain_password_of_the_same_user(self):
        for password, reason in (("secret", 0), ("Secret", None), ("secret", 0)):
            client = self.open()
            client.send(m5.connect(self.unique("c"), username="ann", password=password))
            got = client.expect(m.CONNACK)
            self.assertEqual(got.reason == 0, reason == 0, got)
        with self.broker.open() as old:
            old.send(m.connect(self.unique("c"), username="bob", password="builder"))
            self.assertEqual(old.expect(m.CONNACK).return_code, 0)

    # --- again (4.12.1)

    def again(self, client, exchange, change=lambda data: data):
        client.send(scram.says(exchange.first, AGAIN))
        client.send(scram.says(change(exchange.final(self.challenge(client)))))

    def test_again(self):
        client = self.accepted("ann", "secret")
        for _ in range(3):
            exchange = Exchange("ann", "secret")
            self.again(client, exchange)
            exchange.verify(client.expect(m5.AUTH, reason=0).props["authentication_data"])
        client.ping()

    def test_again_with_a_wrong_password(self):
        client = self.accepted("ann", "secret")
        self.again(client, Exchange("ann", "wrong"))
        client.expect_disconnect(NOT_AUTHORIZED)

    def test_again_as_another_user(self):
        client = self.accepted("ann", "secret")
        self.again(client, Exchange("bob", "builder"))
        client.expect_disconnect(NOT_AUTHORIZED)

    def test_again_with_another_method(self):
        client = self.accepted("ann", "secret")
        client.send(scram.says(Exchange("ann", "secret").first, AGAIN, "X-MIRROR"))
        client.expect_disconnect(PROTOCOL_ERROR, 0x8C)

    def test_again_with_a_proof_of_before(self):
        client = self.accepted("ann", "secret")
        exchange, kept = Exchange("ann", "secret"), []
        self.again(client, exchange, lambda data: kept.append(data) or data)
        client.expect(m5.AUTH, reason=0)
        self.again(client, Exchange("ann", "secret", nonce=exchange.nonce), lambda _: kept[0])
        client.expect_disconnect(NOT_AUTHORIZED)


class ScramTimes(harness.FleetTest):
    """What takes its time, and what changes."""

    def broker_with(self, lines, **auth):
        self.file = self.scope.write("passwd", "".join(lines))
        broker = Broker(self.scope, config={"auth": {"anonymous": False, "methods": [METHOD], "password_file": self.file, **auth}})
        broker.reconfigure(listeners=[{"bind": "127.0.0.1:%d" % broker.port}])  # trusted proxies have no address
        return broker.start()

    def begun(self, broker, exchange):
        client = m5.Client(broker.address, timeout=30)
        self.addCleanup(client.close)
        client.send(scram.connect(self.unique("c"), exchange.first))
        return client, client.expect(m5.AUTH).props["authentication_data"]

    def attempt(self, broker, user, password):
        """(reason, seconds) of CONNACK, from the proof on."""
        exchange = Exchange(user, password)
        client, challenge = self.begun(broker, exchange)
        proof = exchange.final(challenge)
        start = time.monotonic()
        client.send(scram.says(proof))
        return client.expect(m.CONNACK).reason, time.monotonic() - start

    def test_guessing_is_as_slow_as_with_passwords(self):
        """The file has a costly hash: a wrong proof is answered after the time that it would take."""
        costly = passwords.line("other", "x", passwords.COSTLY)
        broker = self.broker_with([scram.line("ann", "secret"), costly], login_timeout="30s")
        reason, prompt = self.attempt(broker, "ann", "secret")
        self.assertEqual(reason, 0)
        least = min(passwords.cpu_seconds(passwords.COSTLY) for _ in range(3)) / 3
        reason, took = self.attempt(broker, "ann", "wrong")
        self.assertEqual(reason, NOT_AUTHORIZED)
        self.assertGreater(took, least)
        reason, took = self.attempt(broker, "nobody", "wrong")
        self.assertEqual(reason, NOT_AUTHORIZED)
        self.assertGreater(took, least)
        reason, took = self.attempt(broker, "ann", "secret")  # both have failed: no faster than a guess
        self.assertEqual(reason, 0)
        self.assertGreater(took, least)
        self.assertGreater(metric(broker.metrics(), "flotilla_broker_logins_total", how="settled"), 3)
        self.assertEqual(metric(broker.metrics(), "flotilla_broker_logins_total", how="hashed"), 0)

    def test_who_leaves_while_it_waits_is_forgotten(self):
        costly = passwords.line("other", "x", passwords.COSTLY)
        broker = self.broker_with([scram.line("ann", "secret"), costly], login_timeout="30s")
        for n in range(5):
            exchange = Exchange("ann", "wrong")
            client, challenge = self.begun(broker, exchange)
            client.send(scram.says(exchange.final(challenge)))
            client.abort() if n % 2 else client.close()
        self.assertEqual(self.attempt(broker, "ann", "secret")[0], 0)

    def test_an_exchange_has_its_time(self):
        broker = self.broker_with([scram.line("ann", "secret")], login_timeout="500ms")
        client, _ = self.begun(broker, Exchange("ann", "secret"))
        client.expect_closed(timeout=5)
        exchange = Exchange("ann", "secret")
        client, challenge = self.begun(broker, exchange)
        client.send(scram.says(exchange.final(challenge)))
        client.expect(m.CONNACK, reason=0)
        late = Exchange("ann", "secret")
        client.send(scram.says(late.first, AGAIN))
        challenge = client.expect(m5.AUTH).props["authentication_data"]
        harness.pace(0.7)
        client.send(scram.says(late.final(challenge)))
        client.expect_disconnect(NOT_AUTHORIZED)

    def test_a_reload_in_the_middle(self):
        """The proof is for the old password, and the new one counts."""
        broker = self.broker_with([scram.line("ann", "secret")], login_timeout="20s")
        exchange = Exchange("ann", "secret")
        client, challenge = self.begun(broker, exchange)
        self.scope.write("passwd", scram.line("ann", "other"))
        broker.signal(signal.SIGHUP)
        broker.wait_log("auth_reloaded")
        client.send(scram.says(exchange.final(challenge)))
        self.assertEqual(client.expect(m.CONNACK).reason, NOT_AUTHORIZED)
        self.assertEqual(self.attempt(broker, "ann", "other")[0], 0)

    def test_another_password_closes_who_came_with_the_old_one(self):
        broker = self.broker_with([scram.line("ann", "secret"), scram.line("bob", "builder")])
        clients = []
        for user, password in (("ann", "secret"), ("bob", "builder")):
            exchange = Exchange(user, password)
            client, challenge = self.begun(broker, exchange)
            client.send(scram.says(exchange.final(challenge)))
            client.expect(m.CONNACK, reason=0)
            clients.append(client)
        self.scope.write("passwd", scram.line("ann", "other") + scram.line("bob", "builder"))
        broker.signal(signal.SIGHUP)
        clients[0].drain_until_closed(timeout=5)
        clients[1].ping()

    def test_a_method_that_is_not_allowed(self):
        broker = self.broker_with([scram.line("ann", "secret")], methods=[])
        client = m5.Client(broker.address)
        self.addCleanup(client.close)
        client.send(scram.connect("c", Exchange("ann", "secret").first))
        self.assertEqual(client.expect(m.CONNACK).reason, 0x8C)


if __name__ == "__main__":
    harness.main()
