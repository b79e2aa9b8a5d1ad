"""Conformance, MQTT 5.0: wills (chapters 3.1.2.5, 3.1.3.2 and 3.14.4); their delay is in conformance5_time.py."""
import mqtt5_raw as m5
from conformance5_base import Conformance5

PROPS = {"payload_format": 1, "content_type": "text/plain", "response_topic": "answer", "correlation_data": b"\0\1",
         "user_property": [("b", "1"), ("a", "2"), ("b", "0")]}


class WillTests(Conformance5):
    def watched(self, qos=1, **fields):
        """(topic, a watcher of it, its will)."""
        topic = self.unique("will/")
        return topic, self.subscriber((topic, 2)), m5.Will(topic, "gone", qos, **fields)

    def test_is_kept_for_the_connection(self):
        for qos in (0, 1, 2):
            topic, watcher, will = self.watched(qos)
            client = self.client(will=will)
            client.ping()
            client.abort()
            self.proves("MQTT-3.1.2-7")
            watcher.expect_message(topic, "gone", qos)

    def test_is_published_when_the_connection_ends(self):
        ends = {"close": lambda c: c.close(), "abort": lambda c: c.abort(), "malformed": lambda c: c.send(b"\0\0"),
                "protocol error": lambda c: c.send(m5.connect("x")), "with will": lambda c: c.send(m5.disconnect(4)),
                "reason 0x81": lambda c: c.send(m5.disconnect(0x81))}
        for name, end in ends.items():
            with self.subTest(name):
                topic, watcher, will = self.watched()
                client = self.client(will=will)
                end(client)
                watcher.expect_message(topic, "gone", 1)
                self.assert_quiet(watcher)

    def test_is_removed_once_published(self):
        topic, watcher, will = self.watched()
        name = self.unique("s")
        self.durable(name, will=will).abort()
        watcher.expect_message(topic, "gone", 1)
        self.durable(name).abort()
        self.durable(name).leave(4)
        self.proves("MQTT-3.1.2-10")
        self.assert_quiet(watcher)

    def test_is_not_retained(self):
        topic, watcher, will = self.watched()
        self.client(will=will).abort()
        watcher.expect_message(topic, "gone", 1)
        self.proves("MQTT-3.1.2-14")
        self.assert_quiet(self.subscriber((topic, 1)))

    def test_is_retained(self):
        topic, watcher, will = self.watched(retain=True)
        self.client(will=will).abort()
        watcher.expect_message(topic, "gone", 1, retain=False)
        self.proves("MQTT-3.1.2-15")
        self.subscriber((topic, 1)).expect_message(topic, "gone", 1, retain=True)

    def test_properties(self):
        topic, watcher, will = self.watched(**PROPS)
        self.client(will=will).abort()
        got = watcher.expect_message(topic, "gone", 1)
        self.proves("MQTT-3.1.3-10")
        self.assertEqual(got.user, PROPS["user_property"])
        self.assertEqual(got.props, PROPS)

    def test_disconnect_removes_it(self):
        for data in (b"\xe0\x00", m5.disconnect(0), m5.disconnect(0, {})):
            topic, watcher, will = self.watched()
            client = self.client(will=will)
            client.send(data)
            client.expect_closed()
            self.proves("MQTT-3.14.4-3")
            self.assert_quiet(watcher)

    def test_of_a_clean_takeover(self):
        """The former session ends and so its will comes, whatever its delay."""
        topic, watcher, will = self.watched(will_delay=300)
        name = self.unique("s")
        old = self.durable(name, will=will)
        new = self.client(name)
        old.expect_disconnect(0x8E)
        watcher.expect_message(topic, "gone", 1)
        new.ping()

    def test_of_a_takeover_without_a_delay(self):
        topic, watcher, will = self.watched()
        name = self.unique("s")
        self.durable(name, will=will)
        new = self.durable(name)
        new.publish(topic, "online", 1)
        watcher.expect_message(topic, "gone", 1)
        watcher.expect_message(topic, "online", 1)
        self.assert_quiet(watcher)

    def test_a_delay_is_not_longer_than_the_session(self):
        """Without a session expiry the session ends with the connection, and the will comes at once."""
        topic, watcher, will = self.watched(will_delay=300)
        self.client(will=will).abort()
        watcher.expect_message(topic, "gone", 1, timeout=5)

    def test_for_clients_of_3_1_1(self):
        topic = self.unique("will/")
        watcher = self.old_client()
        watcher.subscribe((topic, 1))
        self.client(will=m5.Will(topic, "gone", 1, **PROPS)).abort()
        watcher.expect_message(topic, "gone", 1)
