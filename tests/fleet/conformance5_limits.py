"""Conformance, MQTT 5.0: what the configuration turns off or bounds, and how clients are told (chapters 3.2.2.3, 4.9, 4.11)."""
import mqtt5_raw as m5
import mqtt_raw as m
import passwords
from conformance5_base import FOREVER, Conformance5

ACL = "user ann\ntopic read allowed/#\ntopic write allowed/#\ntopic readwrite quiet/#\ntopic read listen/#\ntopic write speak/#\n"


class LimitsTests(Conformance5):
    @staticmethod
    def broker_config(scope):
        return {"mqtt": {"max_qos": 1, "retain": False, "topic_alias_maximum": 2, "response_information": "answers/here/"},
                "limits": {"max_packet_size": 2000, "max_unacknowledged": 10, "max_open_qos2": 10, "max_keep_alive": "90s",
                           "session_expiry": "100s", "max_topic_levels": 8, "max_subscriptions": 3}}

    def test_maximum_qos_is_told(self):
        self.proves("MQTT-3.2.2-9")
        self.assertEqual(self.client().connack.props["maximum_qos"], 1)

    def test_subscriptions_above_are_granted_less(self):
        client, topic = self.client(), self.unique("t/")
        self.proves("MQTT-3.2.2-10")
        self.assertEqual(client.subscribe((topic, 2), (topic + "/1", 1)), [1, 1])

    def test_publishing_above_ends_the_connection(self):
        self.proves("MQTT-3.2.2-11")
        self.refused(m5.publish("t", "x", 2, 1), 0x9B)

    def test_a_will_above_is_refused(self):
        self.proves("MQTT-3.2.2-12")
        self.refused_connect(m5.connect("x", will=m5.Will("w", "p", 2)), 0x9B)

    def test_retain_not_available_is_told(self):
        self.assertEqual(self.client().connack.props["retain_available"], 0)

    def test_a_retained_will_is_refused(self):
        self.proves("MQTT-3.2.2-13")
        self.refused_connect(m5.connect("x", will=m5.Will("w", "p", retain=True)), 0x9A)

    def test_retaining_ends_the_connection(self):
        self.proves("MQTT-3.2.2-14")
        self.refused(m5.publish("t", "x", retain=True), 0x9A)

    def test_packets_that_are_too_large(self):
        size = self.client().connack.props["maximum_packet_size"]
        self.assertEqual(size, 2000)
        client, topic = self.client(), self.unique("nobody/")
        fits = size - len(m5.publish(topic, b"", 1, 1)) - 1  # the remaining length takes two bytes
        client.send(m5.publish(topic, b"x" * fits, 1, 1))
        client.expect(m.PUBACK, pid=1)
        self.proves("MQTT-3.2.2-15")
        self.refused(m5.publish(topic, b"x" * (fits + 1), 1, 1), 0x95, client=client)

    def test_a_connect_that_is_too_large(self):
        self.refused_connect(m5.connect("x", username="u" * 2000), 0x95, silent=True)

    def test_aliases_above_the_maximum(self):
        self.assertEqual(self.client().connack.props["topic_alias_maximum"], 2)
        self.refused(m5.publish("t", "x", props={"topic_alias": 3}), 0x94)

    def test_keep_alive_is_cut(self):
        for asked, told in ((0, 60), (61, 60), (60, None), (5, None)):
            self.assertEqual(self.client(keepalive=asked).connack.props.get("server_keep_alive"), told)

    def test_session_expiry_is_cut(self):
        for asked, told in ((FOREVER, 100), (101, 100), (100, None), (0, None)):
            self.assertEqual(self.client(props={"session_expiry": asked}).connack.props.get("session_expiry"), told)

    def test_response_information_is_told_to_who_asks(self):
        client = self.client(props={"request_response_information": 1})
        self.assertEqual(client.connack.props["response_information"], "answers/here/")
        for props in ({}, {"request_response_information": 0}):
            self.proves("MQTT-3.1.2-28")
            self.assertNotIn("response_information", self.client(props=props).connack.props)

    def test_too_many_unanswered_messages(self):
        """Receive maximum 10: ten may be open, whoever sends the eleventh is closed."""
        client, topic = self.client(), self.unique("nobody/")
        self.assertEqual(client.connack.props["receive_maximum"], 10)
        for _ in range(30):  # those that are answered don't count
            client.publish(topic, "x", 1)

    def test_a_topic_that_is_too_deep(self):
        self.assertEqual(self.client().publish("/".join("abcdefghij"), "x", 1), 0x90)
        self.assertEqual(self.client().subscribe(("/".join("abcdefghij"), 1)), [0x8F])

    def test_too_many_subscriptions(self):
        client, topic = self.client(), self.unique("t/")
        self.assertEqual(client.subscribe(*((topic + "/%d" % n, 0) for n in range(4))), [0, 0, 0, 0x97])


class OpenQos2Tests(Conformance5):
    @staticmethod
    def broker_config(scope):
        return {"limits": {"max_open_qos2": 10}}

    def test_one_open_message_too_many(self):
        client, topic = self.client(), self.unique("nobody/")
        most = client.connack.props["receive_maximum"]
        self.assertEqual(most, 10)
        for pid in range(1, most + 1):
            client.send(m5.publish(topic, "x", 2, pid))
            client.expect(m.PUBREC, pid=pid, reason=0x10)
        self.proves("MQTT-3.3.4-8")
        client.send(m.PINGREQ_BYTES + m5.subscribe(1, (topic + "/x", 0)))
        client.expect(m.PINGRESP)
        client.expect(m.SUBACK)
        self.refused(m5.publish(topic, "x", 2, most + 1), 0x93, client=client)


class AccessTests(Conformance5):
    """What a client may not do is said in the answer, and nothing else happens."""

    @staticmethod
    def broker_config(scope):
        return {"auth": {"anonymous": False, "password_file": scope.write("passwd", passwords.line("ann", "right")),
                         "acl_file": scope.write("acl", ACL)}}

    def test_a_connect_without_rights(self):
        self.proves("MQTT-3.1.4-2")
        self.refused_connect(m5.connect("x", username="ann", password="wrong"), 0x87)
        self.refused_connect(m5.connect("x"), 0x86, 0x87)

    def user(self):
        return self.client(username="ann", password="right")

    def test_publishing_without_rights(self):
        client = self.user()
        client.subscribe(("allowed/x", 2))
        for qos in (1, 2):
            self.assertEqual(client.publish("listen/x", "no", qos), 0x87)
        client.ping()

    def test_an_id_whose_message_was_refused_is_free(self):
        client = self.user()
        client.subscribe(("allowed/x", 2))
        client.send(m5.publish("listen/x", "no", 2, 5))
        client.expect(m.PUBREC, pid=5, reason=0x87)
        client.send(m5.publish("allowed/x", "yes", 2, 5))
        self.proves("MQTT-4.3.3-9")
        client.await_pid(m.PUBREC, 5)
        client.send(m5.ack(m.PUBREL, 5))
        client.await_pid(m.PUBCOMP, 5)
        client.expect_message("allowed/x", "yes", 2)

    def test_reading_without_rights(self):
        """Refused, if nothing of it may be read; else granted, and each message is checked."""
        client = self.user()
        self.assertEqual(client.subscribe(("speak/x", 1), ("$share/g/speak/#", 1), ("+/x", 1)), [0x87, 0x87, 1])
        self.assertEqual(client.publish("speak/x", "no", 1), 0)
        client.send(m5.publish("allowed/x", "yes", 0))
        client.expect_message("allowed/x", "yes")

    def test_a_will_without_rights_is_not_published(self):
        watcher = self.user()
        watcher.subscribe(("listen/will", 1))
        client = m5.Client.connected(self.broker.address, self.unique("id"), username="ann", password="right",
                                     will=m5.Will("listen/will", "no", 1))
        client.abort()
        other = self.user()
        other.subscribe(("allowed/quiet", 1))
        self.user().publish("allowed/quiet", "now", 1)
        other.expect_message("allowed/quiet", "now", 1)
        watcher.ping()


class RedirectTests(Conformance5):
    """Not shared: the broker is ended."""

    shared = False

    @staticmethod
    def broker_config(scope):
        return {"mqtt": {"drain": "use_another_server", "server_reference": "other.example:1883"}}

    def test_who_is_connected_at_a_drain_is_told_where_to_go(self):
        client = self.client()
        self.broker.signal(15)
        got = client.expect_disconnect(0x9C)
        self.assertEqual(got.props["server_reference"], "other.example:1883")
        self.broker.wait()
