"""Conformance: wills (MQTT 3.1.1 clauses 3.1.2.5-3.1.2.7, 3.14.4)."""
import mqtt_raw as m
import services
from conformance_base import Conformance


class WillTests(Conformance):
    def watcher(self, topic, qos=2):
        watcher = self.client()
        watcher.subscribe((topic, qos))
        return watcher

    def test_published_when_the_connection_just_ends(self):
        for how in ("close", "abort"):
            for qos in (0, 1, 2):
                topic = self.unique("will/")
                watcher = self.watcher(topic)
                client = self.client(will=m.Will(topic, "%s %d" % (how, qos), qos))
                getattr(client, how)()
                self.proves("MQTT-3.1.2-8")
                watcher.expect_message(topic, "%s %d" % (how, qos), qos, retain=False)
                self.assert_quiet(watcher)

    def test_not_published_after_disconnect(self):
        topic = self.unique("will/")
        watcher = self.watcher(topic)
        self.client(will=m.Will(topic, "no", 1)).disconnect()
        self.proves("MQTT-3.14.4-3")
        self.assert_quiet(watcher)

    def test_published_when_keep_alive_runs_out(self):
        topic = self.unique("will/")
        watcher = self.watcher(topic)
        client = self.client(keepalive=1, will=m.Will(topic, "late", 1))
        watcher.expect_message(topic, "late", 1, timeout=6)
        client.expect_closed()

    def test_published_on_a_protocol_error(self):
        errors = {"malformed": b"\xf0\x00", "bad flags": bytes([m.SUBSCRIBE << 4]) + m.subscribe(1, ("a", 0))[1:],
                  "second connect": m.connect("x"), "bad topic": m.publish("a/#", "x"),
                  "packet of a server": m.packet(m.CONNACK, 0, b"\0\0")}
        if services.STANDIN_BROKER:
            del errors["second connect"]
        for name, data in errors.items():
            with self.subTest(name):
                topic = self.unique("will/")
                watcher = self.watcher(topic)
                client = self.client(will=m.Will(topic, name, 1))
                client.send(data)
                client.expect_closed()
                watcher.expect_message(topic, name, 1)

    def test_published_on_takeover_before_the_next_connack(self):
        topic, name = self.unique("will/"), self.unique("w")
        watcher = self.watcher(topic)
        old = self.client(name, will=m.Will(topic, "offline", 1))
        new = self.client(name, will=m.Will(topic, "offline again", 1))
        new.publish(topic, "online", 1)
        watcher.expect_message(topic, "offline", 1)
        watcher.expect_message(topic, "online", 1)
        old.expect_closed()
        new.disconnect()
        self.assert_quiet(watcher)

    def test_retained(self):
        topic = self.unique("will/")
        watcher = self.watcher(topic)
        self.client(will=m.Will(topic, "gone", 1, retain=True)).close()
        watcher.expect_message(topic, "gone", 1, retain=False)
        late = self.client()
        late.subscribe((topic, 1))
        self.proves("MQTT-3.1.2-17")
        late.expect_message(topic, "gone", 1, retain=True)

    def test_not_retained(self):
        topic = self.unique("will/")
        watcher = self.watcher(topic)
        self.client(will=m.Will(topic, "gone", 1, retain=False)).close()
        watcher.expect_message(topic, "gone", 1)
        self.proves("MQTT-3.1.2-16")
        self.assert_quiet(self.watcher(topic))

    def test_empty_and_binary_payload(self):
        for payload in (b"", bytes(range(256))):
            topic = self.unique("will/")
            watcher = self.watcher(topic)
            self.client(will=m.Will(topic, payload, 1)).close()
            watcher.expect_message(topic, payload, 1)

    def test_waits_for_a_durable_session(self):
        topic, name = self.unique("will/"), self.unique("d")
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.disconnect()
        watcher = self.watcher(topic)
        self.client(will=m.Will(topic, "kept", 1)).close()
        watcher.expect_message(topic, "kept", 1)
        self.durable(name).expect_message(topic, "kept", 1)

    def test_of_a_durable_session_is_published_at_its_end_of_connection(self):
        topic, name = self.unique("will/"), self.unique("d")
        watcher = self.watcher(topic)
        self.durable(name, will=m.Will(topic, "one", 1)).close()
        watcher.expect_message(topic, "one", 1)
        self.durable(name).close()
        with self.durable(name, will=m.Will(topic, "two", 1)) as client:
            client.disconnect()
        self.durable(name).close()
        self.proves("MQTT-3.1.2-10", "MQTT-3.1.2-12")
        self.assert_quiet(watcher)

    def test_of_the_last_connect_counts(self):
        topic, name = self.unique("will/"), self.unique("w")
        watcher = self.watcher(topic)
        self.client(name, will=m.Will(topic, "one", 1)).disconnect()
        self.client(name, will=m.Will(topic, "two", 1)).close()
        watcher.expect_message(topic, "two", 1)
        self.assert_quiet(watcher)

    def test_topic_with_wildcards_is_refused(self):
        for topic in ("a/+", "#", ""):
            with self.subTest(topic):
                client = self.raw()
                client.send(m.connect("w", will=m.Will(topic, "x")))
                got = client.drain_until_closed()
                self.assertTrue(all(p.kind == m.CONNACK and p.return_code != 0 for p in got), got)
