"""Conformance, MQTT 5.0: PUBLISH, its properties, retained messages, topic aliases (chapter 3.3)."""
import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import MALFORMED, PROTOCOL_ERROR, Conformance5

ALL = {"payload_format": 1, "message_expiry": 1000, "content_type": "text/plain; charset=\u00fc", "response_topic": "answers/to/me",
       "correlation_data": b"\0\xff\x01", "user_property": [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("b", "0")]}


class PublishTests(Conformance5):
    def test_dup_is_set_at_redelivery(self):
        for qos in (1, 2):
            name, topic = self.unique("d"), self.unique("t/")
            client = self.durable(name)
            client.subscribe((topic, qos))
            self.client().publish(topic, "x", qos)
            client.expect(m.PUBLISH, qos=qos, dup=False)
            client.abort()
            self.proves("MQTT-3.3.1-1")
            self.durable(name).expect(m.PUBLISH, qos=qos, dup=True, payload=b"x")

    def test_dup_is_0_at_qos_0(self):
        topic = self.unique("t/")
        client = self.subscriber((topic, 0))
        publisher = self.client()
        for payload, qos in (("x", 1), ("y", 0)):
            publisher.send(m5.publish(topic, payload, qos, 5, dup=qos == 1))
            self.proves("MQTT-3.3.1-2")
            client.expect(m.PUBLISH, payload=payload, qos=0, dup=False)

    def test_dup_of_the_publisher_is_not_passed_on(self):
        topic = self.unique("t/")
        client, publisher = self.subscriber((topic, 2)), self.client()
        self.proves("MQTT-3.3.1-3")
        for qos in (1, 2):
            publisher.send(m5.publish(topic, "x", qos, qos, dup=True))
            client.expect(m.PUBLISH, qos=qos, dup=False)

    def test_qos_3(self):
        self.proves("MQTT-3.3.1-4")
        self.refused(m.packet(m.PUBLISH, 6, m.text("a") + b"\0\1\0x"), MALFORMED)

    def test_topic_comes_first_and_is_utf8(self):
        self.proves("MQTT-3.3.2-1")
        self.refused(m5.publish(b"a\xff", "x"), MALFORMED)
        self.refused(m.packet(m.PUBLISH, 0, b"\0\7a"), MALFORMED)

    def test_topic_without_wildcards(self):
        for topic in ("a/+/b", "a/#"):
            self.proves("MQTT-3.3.2-2")
            self.refused(m5.publish(topic, "x", 1, 1), 0x90, MALFORMED, PROTOCOL_ERROR)

    def test_topic_matches_the_filter(self):
        base = self.unique("m/")
        client, publisher = self.subscriber((base + "/+/c", 1)), self.client()
        for name in ("/b/d", "/b/c", "/b/c/d", "/c"):
            publisher.publish(base + name, name, 1)
        self.proves("MQTT-3.3.2-3")
        client.expect_message(base + "/b/c", "/b/c", 1)
        self.assert_quiet(client)

    def passed_on(self, qos=1, **props):
        """The message with these properties as a subscriber gets it, and one whose session waited for it."""
        topic, name = self.unique("p/"), self.unique("later")
        with self.durable(name) as later:
            later.subscribe((topic, 2))
            later.leave()
        live = self.subscriber((topic, 2))
        self.client().publish(topic, "payload", qos, retain=True, props=props)
        fresh = self.subscriber((topic, 2))
        return [c.expect_message(topic, "payload", qos) for c in (live, self.durable(name), fresh)]

    def test_payload_format_is_passed_on(self):
        for value in (0, 1):
            for got in self.passed_on(payload_format=value):
                self.proves("MQTT-3.3.2-4")
                self.assertEqual(got.props, {"payload_format": value})

    def test_response_topic_is_passed_on(self):
        for got in self.passed_on(response_topic="an/swer/\u6d77"):
            self.proves("MQTT-3.3.2-15")
            self.assertEqual(got.props, {"response_topic": "an/swer/\u6d77"})

    def test_correlation_data_is_passed_on(self):
        for data in (b"", bytes(range(256)) * 8):
            for got in self.passed_on(correlation_data=data):
                self.proves("MQTT-3.3.2-16")
                self.assertEqual(got.props, {"correlation_data": data})

    def test_user_properties_are_passed_on(self):
        for got in self.passed_on(user_property=[("key", "value"), ("", ""), ("\u00fc", "v" * 5000)]):
            self.proves("MQTT-3.3.2-17")
            self.assertEqual(sorted(got.user), [("", ""), ("key", "value"), ("\u00fc", "v" * 5000)])

    def test_user_properties_keep_their_order(self):
        pairs = [("b", "2"), ("a", "1"), ("b", "2"), ("b", "1"), ("a", "0")]
        for qos in (1, 2):
            for got in self.passed_on(qos, user_property=pairs):
                self.proves("MQTT-3.3.2-18")
                self.assertEqual(got.user, pairs)

    def test_content_type_is_passed_on(self):
        for got in self.passed_on(content_type="application/x; y=\u00e9"):
            self.proves("MQTT-3.3.2-20")
            self.assertEqual(got.props, {"content_type": "application/x; y=\u00e9"})

    def test_all_properties_together(self):
        for got in self.passed_on(**ALL):
            self.assertIn(got.props.pop("message_expiry"), range(990, 1001))
            self.assertEqual(got.props, {name: value for name, value in ALL.items() if name != "message_expiry"})

    def test_response_topic_is_utf8(self):
        self.proves("MQTT-3.3.2-13")
        self.refused(m5.publish("a", "x", props={"response_topic": b"\xff"}), MALFORMED)

    def test_response_topic_has_no_wildcards(self):
        for topic in ("a/+", "#"):
            self.proves("MQTT-3.3.2-14")
            self.refused(m5.publish("a", "x", 1, 1, props={"response_topic": topic}), MALFORMED, PROTOCOL_ERROR, 0x90)

    def test_content_type_is_utf8(self):
        self.proves("MQTT-3.3.2-19")
        self.refused(m5.publish("a", "x", props={"content_type": b"\xff"}), MALFORMED)

    def test_to_clients_of_3_1_1_and_back(self):
        topic, old = self.unique("t/"), self.old_client()
        old.subscribe((topic, 1))
        new = self.subscriber((topic, 1))
        self.client().publish(topic, "from 5", 1, props=ALL)
        old.expect_message(topic, "from 5", 1)
        new.expect_message(topic, "from 5", 1)
        self.old_client().publish(topic, "from 3", 1)
        self.assertEqual(new.expect_message(topic, "from 3", 1).props, {})
        old.expect_message(topic, "from 3", 1)

    def test_answers_follow_the_qos(self):
        publisher, topic = self.client(), self.unique("t/")
        watcher = self.subscriber((topic, 0))
        publisher.send(m5.publish(topic, "0"))
        publisher.ping()
        watcher.expect_message(topic, "0")  # before the others: between QoS there is no order in a fleet
        self.proves("MQTT-3.3.4-1")
        publisher.send(m5.publish(topic, "1", 1, 1))
        publisher.expect(m.PUBACK, pid=1, reason=0)
        publisher.send(m5.publish(topic, "2", 2, 2))
        publisher.expect(m.PUBREC, pid=2, reason=0)

    def test_no_matching_subscribers_is_said(self):
        """0x10, when nobody in the whole fleet has a subscription for it."""
        publisher, topic, name = self.client(), self.unique("nobody/"), self.unique("s")
        for qos in (1, 2):
            self.assertEqual(publisher.publish(topic, "x", qos), 0x10)
        with self.durable(name) as client:
            client.subscribe((topic, 0))
            self.assertEqual(publisher.publish(topic, "x", 1), 0)
            client.expect_message(topic, "x")
            client.subscribe((topic, 1))
            client.leave()
        self.assertEqual(publisher.publish(topic, "x", 2), 0)

    def test_overlapping_subscriptions_at_the_highest_qos(self):
        base = self.unique("o/")
        client, publisher = self.subscriber((base + "/#", 0), (base + "/b", 2), (base + "/+", 1)), self.client()
        publisher.publish(base + "/b", "once", 2)
        self.proves("MQTT-3.3.4-2")
        client.expect_message(base + "/b", "once", 2)

    def test_the_identifier_comes_with_the_message(self):
        topic, publisher = self.unique("i/"), self.client()
        clients = self.client(), self.durable(self.unique("s"))
        for client in clients:
            client.subscribe((topic, 1), props={"subscription_id": 4711})
        for qos in (0, 1, 2):
            publisher.publish(topic, "x", qos)
            for client in clients:
                self.proves("MQTT-3.3.4-3")
                self.assertEqual(client.expect_message(topic, "x", min(qos, 1)).subscription_ids, [4711])

    def test_identifiers_of_overlapping_subscriptions(self):
        """One PUBLISH with all of them, or one for each; ours is one."""
        base, name = self.unique("i/"), self.unique("s")
        client = self.durable(name)
        for n, topic_filter in enumerate((base + "/#", base + "/+", base + "/b", base + "/c")):
            client.subscribe((topic_filter, 1), props={"subscription_id": n + 1})
        client.subscribe((base + "/b/#", 2))
        publisher = self.client()
        publisher.publish(base + "/b", "live", 2)
        self.proves("MQTT-3.3.4-4", "MQTT-3.3.4-5")
        self.assertEqual(client.expect_message(base + "/b", "live", 2).subscription_ids, [1, 2, 3])
        client.leave()
        publisher.publish(base + "/b", "later", 2)
        client = self.durable(name)
        self.assertEqual(client.expect_message(base + "/b", "later", 2).subscription_ids, [1, 2, 3])
        self.assert_quiet(client)

    def test_subscribing_again_changes_the_identifier(self):
        client, topic, publisher = self.client(), self.unique("i/"), self.client()
        for props, want in (({"subscription_id": 1}, [1]), ({"subscription_id": 2}, [2]), (None, [])):
            client.subscribe((topic, 1), props=props)
            publisher.publish(topic, "x", 1)
            self.assertEqual(client.expect_message(topic, "x", 1).subscription_ids, want)

    def test_identifiers_of_retained_messages(self):
        topic, client = self.unique("i/"), self.client()
        self.client().publish(topic, "kept", 1, retain=True)
        client.subscribe((topic, 1), props={"subscription_id": 9})
        self.assertEqual(client.expect_message(topic, "kept", 1, retain=True).subscription_ids, [9])

    def test_a_publisher_sends_no_identifier(self):
        self.proves("MQTT-3.3.4-6")
        self.refused(m5.publish("a", "x", props={"subscription_id": 3}), PROTOCOL_ERROR)

    def test_payload_that_is_not_utf8(self):
        """The indicator says text; a broker may check it, and then says 0x99."""
        publisher, topic = self.client(), self.unique("t/")
        publisher.send(m5.publish(topic, b"\xff", 1, 1, props={"payload_format": 1}))
        got = publisher.recv()
        self.assertIn((got.kind, got.reason), ((m.PUBACK, 0x10), (m.PUBACK, 0), (m.PUBACK, 0x99), (m.DISCONNECT, 0x99)))


class RetainTests(Conformance5):
    def keep(self, topic, payload="kept", qos=1):
        self.client().publish(topic, payload, qos, retain=True)

    def test_the_last_one_stays(self):
        topic = self.unique("r/")
        for payload in ("one", "two", "three"):
            self.keep(topic, payload)
        client = self.subscriber((topic, 1))
        self.proves("MQTT-3.3.1-5")
        client.expect_message(topic, "three", 1, retain=True)
        self.assert_quiet(client)

    def test_no_payload_removes_it(self):
        topic = self.unique("r/")
        live = self.subscriber((topic, 1))
        self.keep(topic)
        live.expect_message(topic, "kept", 1)
        self.keep(topic, "")
        self.proves("MQTT-3.3.1-6")
        live.expect_message(topic, "", 1, retain=False)
        self.assert_quiet(self.subscriber((topic, 1)))

    def test_no_payload_is_not_kept(self):
        topic = self.unique("r/")
        self.keep(topic, "")
        self.proves("MQTT-3.3.1-7")
        self.assert_quiet(self.subscriber((topic, 1)))

    def test_without_the_flag_nothing_is_kept(self):
        topic, publisher = self.unique("r/"), self.client()
        publisher.publish(topic + "/new", "passing", 1)
        self.keep(topic)
        publisher.publish(topic, "passing", 1)
        publisher.publish(topic, "", 1)
        client = self.subscriber((topic + "/#", 1))
        self.proves("MQTT-3.3.1-8")
        client.expect_message(topic, "kept", 1, retain=True)
        self.assert_quiet(client)

    def test_handling_0_sends_at_each_subscribe(self):
        topic, client = self.unique("r/"), self.client()
        self.keep(topic)
        self.proves("MQTT-3.3.1-9")
        for _ in range(3):
            client.subscribe((topic, m5.options(1, retain_handling=0)))
            client.expect_message(topic, "kept", 1, retain=True)

    def test_handling_1_sends_at_a_new_subscription(self):
        topic, client = self.unique("r/"), self.client()
        self.keep(topic)
        client.subscribe((topic, m5.options(1, retain_handling=1)))
        self.proves("MQTT-3.3.1-10")
        client.expect_message(topic, "kept", 1, retain=True)
        client.subscribe((topic, m5.options(2, retain_handling=1)))
        self.assert_quiet(client)
        client.unsubscribe(topic)
        client.subscribe((topic, m5.options(1, retain_handling=1)))
        client.expect_message(topic, "kept", 1, retain=True)

    def test_handling_1_knows_the_subscription_of_a_session(self):
        topic, name = self.unique("r/"), self.unique("s")
        self.keep(topic)
        client = self.durable(name)
        client.subscribe((topic, m5.options(1, retain_handling=1)))
        client.expect_message(topic, "kept", 1, retain=True)
        client.ping()
        client.leave()
        client = self.durable(name)
        client.subscribe((topic, m5.options(1, retain_handling=1)))
        self.assert_quiet(client)

    def test_handling_2_sends_nothing(self):
        topic, client = self.unique("r/"), self.client()
        self.keep(topic)
        client.subscribe((topic, m5.options(1, retain_handling=2)))
        self.proves("MQTT-3.3.1-11")
        self.assert_quiet(client)

    def test_not_as_published_has_no_flag(self):
        topic, live, name = self.unique("r/"), self.client(), self.unique("s")
        with self.durable(name) as later:
            for client in (live, later):
                client.subscribe((topic, 1))
            later.leave()
        self.keep(topic)
        for client in (live, self.durable(name)):
            self.proves("MQTT-3.3.1-12")
            client.expect_message(topic, "kept", 1, retain=False)

    def test_as_published_has_the_flag_that_came(self):
        topic, name = self.unique("r/"), self.unique("s")
        live = self.subscriber((topic, m5.options(1, as_published=True)))
        with self.durable(name) as later:
            later.subscribe((topic, m5.options(1, as_published=True)))
            later.leave()
        publisher = self.client()
        publisher.publish(topic, "with", 1, retain=True)
        publisher.publish(topic, "without", 1)
        for client in (live, self.durable(name)):
            self.proves("MQTT-3.3.1-13")
            client.expect_message(topic, "with", 1, retain=True)
            client.expect_message(topic, "without", 1, retain=False)

    def test_each_filter_of_a_packet_has_its_own_handling(self):
        base, client = self.unique("r/"), self.client()
        for n in range(3):
            self.keep("%s/%d" % (base, n), "%d" % n)
        client.subscribe(*(("%s/%d" % (base, n), m5.options(1, retain_handling=n)) for n in range(3)))
        got = client.collect(2)
        self.assertEqual(sorted(g.payload for g in got), [b"0", b"1"])
        self.assert_quiet(client)

    def test_properties_are_kept(self):
        topic, publisher = self.unique("r/"), self.client()
        publisher.publish(topic, "kept", 1, retain=True, props=ALL)
        got = self.subscriber((topic, 1)).expect_message(topic, "kept", 1, retain=True)
        self.assertIn(got.props.pop("message_expiry"), range(990, 1001))
        self.assertEqual(got.user, ALL["user_property"])
        publisher.publish(topic, "plain", 1, retain=True)
        self.assertEqual(self.subscriber((topic, 1)).expect_message(topic, "plain", 1, retain=True).props, {})


class AliasTests(Conformance5):
    def incoming(self):
        """(maximum, a publisher): what the broker takes. A broker may take none."""
        publisher = self.client()
        return publisher.connack.props.get("topic_alias_maximum", 0), publisher

    def test_the_broker_takes_aliases(self):
        self.assertGreater(self.incoming()[0], 0)

    def test_all_up_to_the_maximum_are_taken(self):
        most, publisher = self.incoming()
        base = self.unique("a/")
        client = self.subscriber((base + "/+", 1))
        some = sorted({1, 2, most // 2 + 1, most})
        self.proves("MQTT-3.3.2-12")
        for alias in some:
            publisher.publish("%s/%d" % (base, alias), "named", 1, props={"topic_alias": alias})
            client.expect_message("%s/%d" % (base, alias), "named", 1)
        for alias in some:
            publisher.publish("", "short", 1, props={"topic_alias": alias})
            self.assertEqual(client.expect_message("%s/%d" % (base, alias), "short", 1).props, {})

    def test_an_alias_can_be_given_anew(self):
        _, publisher = self.incoming()
        base = self.unique("a/")
        client = self.subscriber((base + "/#", 1))
        for name in ("/one", "/two"):
            publisher.publish(base + name, "named", 1, props={"topic_alias": 1})
            publisher.publish("", "short", 1, props={"topic_alias": 1})
            client.expect_message(base + name, "named", 1)
            client.expect_message(base + name, "short", 1)

    def test_above_the_maximum(self):
        most, publisher = self.incoming()
        if most < 65535:
            self.proves("MQTT-3.3.2-9", "MQTT-3.2.2-17")
            self.refused(m5.publish("a", "x", props={"topic_alias": most + 1}), 0x94, client=publisher)

    def test_alias_0(self):
        self.proves("MQTT-3.3.2-8")
        self.refused(m5.publish("a", "x", props={"topic_alias": 0}), 0x94, PROTOCOL_ERROR)

    def test_an_unknown_alias(self):
        self.refused(m5.publish("", "x", props={"topic_alias": 1}), 0x94, PROTOCOL_ERROR)

    def test_aliases_end_with_the_connection(self):
        name, topic = self.unique("s"), self.unique("a/")
        client = self.durable(name)
        client.publish(topic, "x", 1, props={"topic_alias": 1})
        client.leave()
        self.proves("MQTT-3.3.2-7")
        self.refused(m5.publish("", "x", 1, 1, props={"topic_alias": 1}), 0x94, PROTOCOL_ERROR, client=self.durable(name))

    def test_aliases_of_both_directions_are_their_own(self):
        topic = self.unique("a/")
        client = self.client(props={"topic_alias_maximum": 5})
        client.subscribe((topic, 1))
        publisher = self.client()
        for _ in range(3):
            publisher.publish(topic, "x", 1)
            client.expect_message(topic, "x", 1)
        self.refused(m5.publish("", "x", props={"topic_alias": 1}), 0x94, PROTOCOL_ERROR, client=client)

    def outgoing(self, most, topics, times=3):
        base = self.unique("a/")
        client = self.client(props={} if most is None else {"topic_alias_maximum": most})
        client.subscribe((base + "/#", 0))
        publisher, got = self.client(), []
        for n in range(times):
            for topic in range(topics):
                publisher.publish("%s/%d" % (base, topic), "%d" % n, 1)
                got.append(client.expect_message("%s/%d" % (base, topic), "%d" % n))
        return got

    def test_the_broker_keeps_to_the_maximum(self):
        self.proves("MQTT-3.1.2-26", "MQTT-3.3.2-11")
        for most in (1, 3):
            aliases = {g.alias for g in self.outgoing(most, 5) if g.alias}
            self.assertLessEqual(max(aliases, default=0), most)

    def test_the_broker_uses_aliases(self):
        self.assertTrue(any(not g.named for g in self.outgoing(10, 2, 10)))

    def test_no_alias_unless_wanted(self):
        self.proves("MQTT-3.1.2-27")
        for most in (None, 0):
            self.assertEqual({g.alias for g in self.outgoing(most, 2)}, {None})

    def test_aliases_of_the_broker_end_with_the_connection(self):
        name, topic, publisher = self.unique("s"), self.unique("a/"), self.client()
        for _ in range(2):
            client = self.durable(name, props={"topic_alias_maximum": 5})
            client.subscribe((topic, 1))
            for _ in range(3):  # the client fails at an alias that this connection doesn't know
                publisher.publish(topic, "x", 1)
                client.expect_message(topic, "x", 1)
            client.leave()
            publisher.publish(topic, "away", 1)
            client = self.durable(name)
            self.assertIsNone(client.expect_message(topic, "away", 1).alias)
            client.leave()
