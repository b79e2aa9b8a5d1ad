"""Conformance, MQTT 5.0: enhanced authentication (chapters 3.15 and 4.12), by the method for tests, X-MIRROR.

Of X-MIRROR the client says its user name, gets a challenge, and says that back to front. `auth.methods` must allow it.
"""
import mqtt5_raw as m5
import mqtt_raw as m
import passwords
from conformance5_base import MALFORMED, PROTOCOL_ERROR, Conformance5

METHOD = "X-MIRROR"
CONTINUE, AGAIN = 0x18, 0x19


def says(reason, data, method=METHOD):
    return m5.auth(reason, {"authentication_method": method, "authentication_data": data})


class AuthTests(Conformance5):
    @staticmethod
    def broker_config(scope):
        users = scope.write("passwd", passwords.line("ann", "x") + passwords.line("bob", "x"))
        return {"auth": {"anonymous": True, "methods": [METHOD], "password_file": users}}

    def begun(self, name=b"ann", **fields):
        """A connection that was sent its challenge, and that."""
        client = self.raw()
        client.send(m5.connect(self.unique("id"), props={"authentication_method": METHOD, "authentication_data": name}, **fields))
        return client, client.expect(m5.AUTH)

    def accepted(self):
        client, challenge = self.begun()
        client.send(says(CONTINUE, challenge.props["authentication_data"][::-1]))
        client.connack = client.expect(m.CONNACK, reason=0)
        return client

    def test_accepted(self):
        client, challenge = self.begun()
        self.proves("MQTT-4.12.0-2", "MQTT-3.15.2-1")
        self.assertEqual(challenge.reason, CONTINUE)
        client.send(says(CONTINUE, challenge.props["authentication_data"][::-1]))
        answer = client.expect(m.CONNACK, reason=0)
        self.proves("MQTT-4.12.0-5")
        self.assertEqual([p.props["authentication_method"] for p in (challenge, answer)], [METHOD, METHOD])
        client.ping()

    def test_an_unknown_method(self):
        self.proves("MQTT-4.12.0-1")
        self.refused_connect(m5.connect("x", props={"authentication_method": "NONE-OF-OURS"}), 0x8C, 0x87)

    def test_an_exchange_may_fail(self):
        client, challenge = self.begun()
        client.send(says(CONTINUE, challenge.props["authentication_data"]))
        self.proves("MQTT-4.12.0-4")
        self.assertEqual(client.expect(m.CONNACK).reason, 0x87)
        client.expect_closed()

    def test_no_method_no_auth(self):
        answer = self.client(username="ann", password="x").connack
        self.proves("MQTT-4.12.0-6")
        self.assertNotIn("authentication_method", answer.props)
        self.assertNotIn("authentication_data", answer.props)

    def test_a_client_without_a_method_sends_no_auth(self):
        for data in (says(CONTINUE, b"x"), says(AGAIN, b"x"), m5.auth(0)):
            self.proves("MQTT-4.12.0-7")
            self.refused(data, PROTOCOL_ERROR, MALFORMED)  # 0x00 is a server's

    def test_only_auth_and_disconnect_until_connack(self):
        for data in (m.PINGREQ_BYTES, m5.publish("a", "x"), m5.subscribe(1, ("a", 0))):
            client, _ = self.begun()
            client.send(data)
            got = client.drain_until_closed()
            self.proves("MQTT-3.1.2-30")
            self.assertIn([(p.kind, p.reason) for p in got], ([(m.CONNACK, PROTOCOL_ERROR)], []))
        client, _ = self.begun()
        client.send(m5.disconnect())
        client.expect_closed()

    def test_a_client_answers_with_continue(self):
        client, challenge = self.begun()
        client.send(says(AGAIN, challenge.props["authentication_data"][::-1]))
        self.proves("MQTT-4.12.0-3")
        got = client.drain_until_closed()
        self.assertIn([(p.kind, p.reason) for p in got], ([(m.CONNACK, PROTOCOL_ERROR)], []))

    def test_the_method_may_not_change(self):
        client, challenge = self.begun()
        client.send(says(CONTINUE, challenge.props["authentication_data"][::-1], "OTHER"))
        got = client.drain_until_closed()
        self.assertIn([(p.kind, p.reason) for p in got], ([(m.CONNACK, PROTOCOL_ERROR)], [(m.CONNACK, 0x8C)], []))

    def test_again(self):
        client, topic = self.accepted(), self.unique("t/")
        for _ in range(2):
            client.send(says(AGAIN, b"ann"))
            challenge = client.expect(m5.AUTH, reason=CONTINUE)
            client.publish(topic, "goes on meanwhile", 1)
            client.send(says(CONTINUE, challenge.props["authentication_data"][::-1]))
            answer = client.expect(m5.AUTH, reason=0)
            self.assertEqual(answer.props["authentication_method"], METHOD)
        client.ping()

    def test_again_with_the_same_method(self):
        for method in ("OTHER", METHOD.lower(), METHOD[:-1], METHOD + "S"):
            self.proves("MQTT-4.12.1-1")
            self.refused(says(AGAIN, b"ann", method), PROTOCOL_ERROR, 0x8C, client=self.accepted())

    def test_again_may_fail(self):
        topic = self.unique("will/")
        watcher, (client, challenge) = self.subscriber((topic, 1)), self.begun(will=m5.Will(topic, "gone", 1))
        client.send(says(CONTINUE, challenge.props["authentication_data"][::-1]))
        client.expect(m.CONNACK, reason=0)
        client.send(says(AGAIN, b"ann"))
        client.expect(m5.AUTH, reason=CONTINUE)
        client.send(says(CONTINUE, b"wrong"))
        self.proves("MQTT-4.12.1-2")
        client.expect_disconnect(0x87, 0x8C)
        watcher.expect_message(topic, "gone", 1)

    def test_again_as_another_user(self):
        client = self.accepted()
        client.send(says(AGAIN, b"bob"))
        challenge = client.expect(m5.AUTH, reason=CONTINUE)
        self.refused(says(CONTINUE, challenge.props["authentication_data"][::-1]), 0x87, client=client)

    def test_flags(self):
        for flags in (1, 2, 4, 8):
            self.proves("MQTT-3.15.1-1")
            self.refused(bytes([m5.AUTH << 4 | flags]) + says(AGAIN, b"ann")[1:], MALFORMED, client=self.accepted())

    def test_undefined_reasons(self):
        for reason in (0x01, 0x17, 0x1A, 0x80):
            self.refused(says(reason, b"ann"), PROTOCOL_ERROR, MALFORMED, client=self.accepted())

    def test_fits_into_the_packet_size(self):
        client = self.raw()
        client.send(m5.connect(self.unique("id"), props={"authentication_method": METHOD, "authentication_data": b"ann",
                                                         "maximum_packet_size": 60}))
        self.proves("MQTT-3.15.2-2", "MQTT-3.15.2-3")
        self.assertLessEqual(client.expect(m5.AUTH).size, 60)
