"""Conformance: subscriptions, wildcards, retained messages (MQTT 3.1.1 clauses 3.3.1.3, 3.8-3.11, 4.7)."""
import mqtt_raw as m
from conformance_base import Conformance, not_on_standin

# filter, topics that match, topics that don't
MATCHES = [
    ("a/b/c", ["a/b/c"], ["a/b", "a/b/c/d", "A/b/c", "a/b/C", "/a/b/c", "a/b/c/"]),
    ("+", ["a", "b"], ["a/b", "/a", "a/"]),
    ("/+", ["/a", "/"], ["a", "/a/b", "a/b"]),
    ("+/+", ["/a", "a/b", "a/", "/"], ["a", "a/b/c"]),
    ("a/+/c", ["a/b/c", "a//c", "a/$x/c"], ["a/b/d", "a/b/c/d", "a/c"]),
    ("a/#", ["a", "a/b", "a/b/c", "a/"], ["b", "ab", "/a"]),
    ("#", ["a", "/", "a/b", "/a/b/c"], []),
    ("/#", ["/", "/a", "/a/b"], ["a", "a/b"]),
    ("+/b/#", ["a/b", "a/b/c", "/b"], ["b", "a/c", "a"]),
    ("+/+/#", ["a/b", "a/b/c", "/a"], ["a"]),
    ("a/+", ["a/b", "a/"], ["a", "a/b/c"]),
    ("a//b", ["a//b"], ["a/b", "a///b"]),
    ("//", ["//"], ["/", "///"]),
    ("a[b]/+", ["a[b]/c"], ["ab/c", "aa/c"]),
    ("a*/+", ["a*/c"], ["ab/c", "a/c"]),
    ("a?/+", ["a?/c"], ["ab/c"]),
    ("\u00e9/\u6d77/+", ["\u00e9/\u6d77/\U0001f6a2"], ["e/\u6d77/x"]),
    (" /a b", [" /a b"], ["/a b", " /ab"]),
]
INVALID_FILTERS = ["", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "a/+b", "a/#b", "##", "++", "a/##", "#+", "a\0b"]
INVALID_TOPICS = ["", "a/+", "#", "a/#", "+", "a\0b"]


class SubscriptionTests(Conformance):
    def test_wildcard_table(self):
        publisher = self.client()
        for topic_filter, hits, misses in MATCHES:
            with self.subTest(topic_filter):
                subscriber, prefix = self.client(), self.unique("w") + "/"
                if topic_filter == "#" or topic_filter.startswith("+"):
                    prefix = ""
                subscriber.subscribe((prefix + topic_filter, 1))
                for topic in misses:
                    publisher.publish(prefix + topic, "miss", 1)
                for topic in hits:
                    publisher.publish(prefix + topic, "hit", 1)
                for topic in hits:
                    self.proves("MQTT-3.3.2-3", "MQTT-3.8.3-2")
                    subscriber.expect_message(prefix + topic, "hit", 1)
                subscriber.unsubscribe(prefix + topic_filter)
                self.assert_quiet(subscriber)

    def test_leading_wildcards_do_not_match_dollar_topics(self):
        subscriber, publisher = self.client(), self.client()
        subscriber.subscribe(("#", 1), ("+/x", 1), ("+/#", 1))
        publisher.publish("$test/x", "hidden", 1)
        publisher.publish("seen/x/y", "seen", 1)
        self.proves("MQTT-4.7.2-1")
        subscriber.expect_message("seen/x/y", "seen", 1)
        level = self.unique("d")
        publisher.publish("$hidden/" + level, "retained", 1, retain=True)
        later = self.client()
        later.subscribe(("+/" + level, 1), ("+/%s/#" % level, 1))
        self.assert_quiet(later)

    def test_dollar_topics_match_when_named(self):
        subscriber, publisher = self.client(), self.client()
        subscriber.subscribe(("$test/+", 1))
        publisher.publish("$test/y", "named", 1)
        subscriber.expect_message("$test/y", "named", 1)

    def test_sys_topics_are_published(self):
        subscriber = self.client()
        subscriber.subscribe("$SYS/#")
        got = subscriber.expect(m.PUBLISH, timeout=30)
        self.assertTrue(got.topic.startswith("$SYS/"))

    def test_overlapping_subscriptions_deliver_once_at_the_highest_qos(self):
        subscriber, publisher, topic = self.client(), self.client(), self.unique("over/")
        subscriber.subscribe((topic + "/#", 0), (topic + "/b", 2), (topic + "/+", 1))
        publisher.publish(topic + "/b", "once", 2)
        self.proves("MQTT-3.3.5-1")
        subscriber.expect_message(topic + "/b", "once", 2)
        self.assert_quiet(subscriber)

    def test_overlapping_subscriptions_of_a_durable_session(self):
        name, publisher, topic = self.unique("d"), self.client(), self.unique("over/")
        with self.durable(name) as subscriber:
            subscriber.subscribe((topic + "/#", 1), (topic + "/b", 2))
            subscriber.disconnect()
        publisher.publish(topic + "/b", "once", 2)
        subscriber = self.durable(name)
        subscriber.expect_message(topic + "/b", "once", 2)
        self.assert_quiet(subscriber)

    def test_a_shared_subscription_is_one_more(self):
        client, publisher, t = self.client(), self.client(), self.unique("s/")
        self.assertEqual(client.subscribe((t, 1), ("$share/g/" + t, 2)), [1, 2])
        publisher.publish("$share/g/" + t, "nobody can ask for it", 1)
        publisher.publish(t, "twice", 2)
        got = client.collect(2)
        self.assertEqual(sorted((g.topic, g.payload, g.qos) for g in got), [(t, b"twice", 1), (t, b"twice", 2)])
        client.unsubscribe("$share/g/" + t)
        publisher.publish(t, "once", 2)
        client.expect_message(t, "once", 1)
        self.assert_quiet(client)

    @not_on_standin
    def test_shared_subscriptions_without_a_name_or_a_filter_are_refused(self):
        client = self.client()
        self.assertEqual(client.subscribe(("$share/g", 0), ("$share//a", 1), ("$share/+/a", 2)), [0x80] * 3)

    def test_other_dollar_topics_are_plain_topics(self):
        client, publisher = self.client(), self.client()
        for topic in ("$queue/t", "$exclusive/t", "$delayed/5/t", "$shared/g/t", "$share"):
            self.assertEqual(client.subscribe((topic, 1)), [1])
            publisher.publish(topic, "literally", 1)
            client.expect_message(topic, "literally", 1)

    @not_on_standin
    def test_client_of_31_is_closed_where_a_filter_is_refused(self):
        client, t = self.client(level=3), self.unique("s/")
        self.assertEqual(client.subscribe((t, 1)), [1])
        client.send(m.subscribe(9, (t, 1), ("$share//" + t, 1)))
        client.expect_closed()
        self.broker.wait_log("subscribe_refused.*shared subscription")

    def test_suback_lists_a_code_for_each_filter(self):
        client, t = self.client(), self.unique("s/")
        self.proves("MQTT-3.8.4-5", "MQTT-3.9.3-1")
        self.assertEqual(client.subscribe((t + "1", 2), (t + "2", 0), (t + "3", 1), (t + "1", 1)), [2, 0, 1, 1])

    def test_a_hundred_filters_in_one_packet(self):
        client, publisher, t = self.client(), self.client(), self.unique("s/")
        filters = [("%s/%d" % (t, i), i % 3) for i in range(100)]
        self.proves("MQTT-3.8.4-4")
        self.assertEqual(client.subscribe(*filters), [i % 3 for i in range(100)])
        for i in (0, 50, 98, 99):
            publisher.publish("%s/%d" % (t, i), "x", 2)
            client.expect_message("%s/%d" % (t, i), "x", i % 3)

    def test_subscribing_again_replaces_the_qos(self):
        client, publisher, topic = self.client(), self.client(), self.unique("s/")
        for qos in (0, 2, 1):
            client.subscribe((topic, qos))
            publisher.publish(topic, "x", 2)
            client.expect_message(topic, "x", qos)
        self.assert_quiet(client)

    def test_unsubscribe_ends_delivery_and_names_exactly(self):
        client, publisher, t = self.client(), self.client(), self.unique("u/")
        client.subscribe((t + "/a", 1), (t + "/+", 1), (t + "/b", 1))
        client.unsubscribe(t + "/a", t + "/+", t + "/unknown")
        publisher.publish(t + "/a", "no", 1)
        publisher.publish(t + "/b", "yes", 1)
        client.expect_message(t + "/b", "yes", 1)
        client.unsubscribe(t + "/#")
        publisher.publish(t + "/b", "still", 1)
        self.proves("MQTT-3.10.4-1")
        client.expect_message(t + "/b", "still", 1)

    def test_invalid_filters_end_the_connection(self):
        for topic_filter in INVALID_FILTERS:
            with self.subTest(topic_filter):
                client = self.client()
                client.send(m.subscribe(1, (topic_filter, 0)))
                self.proves("MQTT-4.7.1-2", "MQTT-4.7.1-3")
                client.expect_closed()

    def test_invalid_topics_end_the_connection(self):
        for topic in INVALID_TOPICS:
            with self.subTest(topic):
                client = self.client()
                client.send(m.publish(topic, "x"))
                self.proves("MQTT-3.3.2-2", "MQTT-4.7.1-1", "MQTT-4.7.3-1", "MQTT-4.7.3-2")
                client.expect_closed()

    def test_odd_but_valid_topics(self):
        publisher = self.client()
        for topic in ("/", "//", "a/", "/a", " ", "a b/c d", "\u6d77/\U0001f6a2", "x" * 1000, "a/b/c/d/e/f/g/h/i/j",
                      "{a}/{b}", "%d/%s"):
            with self.subTest(topic):
                client = self.client()
                client.subscribe((topic, 1))
                publisher.publish(topic, "x", 1)
                client.expect_message(topic, "x", 1)

    def test_two_clients_one_filter(self):
        first, second, publisher, topic = self.client(), self.client(), self.client(), self.unique("both/")
        first.subscribe((topic, 1))
        second.subscribe((topic, 0))
        publisher.publish(topic, "x", 1)
        first.expect_message(topic, "x", 1)
        second.expect_message(topic, "x", 0)
        first.unsubscribe(topic)
        publisher.publish(topic, "y", 1)
        second.expect_message(topic, "y", 0)
        self.proves("MQTT-3.10.4-2")
        self.assert_quiet(first)

    def test_hundred_subscribers(self):
        clients, publisher, topic = [self.client() for _ in range(100)], self.client(), self.unique("fan/")
        for i, client in enumerate(clients):
            client.subscribe((topic, i % 3))
        for qos in (2, 1, 0):
            publisher.publish(topic, "q%d" % qos, qos)
            for i, client in enumerate(clients):
                self.proves("MQTT-4.5.0-1")
                client.expect_message(topic, "q%d" % qos, min(qos, i % 3))


class RetainedTests(Conformance):
    def test_a_new_subscriber_gets_the_value_with_the_flag(self):
        publisher, topic = self.client(), self.unique("r/")
        publisher.publish(topic, "value", 1, retain=True)
        client = self.client()
        client.subscribe((topic, 1))
        self.proves("MQTT-3.3.1-6", "MQTT-3.3.1-8")
        client.expect_message(topic, "value", 1, retain=True)
        self.assert_quiet(client)

    def test_a_live_subscriber_gets_it_without_the_flag(self):
        publisher, client, topic = self.client(), self.client(), self.unique("r/")
        client.subscribe((topic, 1))
        publisher.publish(topic, "value", 1, retain=True)
        self.proves("MQTT-3.3.1-9")
        client.expect_message(topic, "value", 1, retain=False)

    def test_the_last_value_stays(self):
        publisher, topic = self.client(), self.unique("r/")
        for value in ("one", "two", "three"):
            publisher.publish(topic, value, 1, retain=True)
        publisher.publish(topic, "not retained", 1)
        client = self.client()
        client.subscribe((topic, 1))
        self.proves("MQTT-3.3.1-12")
        client.expect_message(topic, "three", 1, retain=True)
        self.assert_quiet(client)

    def test_an_empty_payload_clears(self):
        publisher, live, topic = self.client(), self.client(), self.unique("r/")
        publisher.publish(topic, "value", 1, retain=True)
        live.subscribe((topic, 1))
        live.expect_message(topic, "value", 1, retain=True)
        publisher.publish(topic, "", 1, retain=True)
        self.proves("MQTT-3.3.1-10")
        live.expect_message(topic, "", 1, retain=False)
        client = self.client()
        client.subscribe((topic, 1))
        self.assert_quiet(client)
        publisher.publish(topic, "", 1, retain=True)
        publisher.publish(topic, "again", 1, retain=True)
        client = self.client()
        client.subscribe((topic, 1))
        client.expect_message(topic, "again", 1, retain=True)

    def test_subscribing_again_sends_it_again(self):
        publisher, client, topic = self.client(), self.client(), self.unique("r/")
        publisher.publish(topic, "value", 1, retain=True)
        for _ in range(3):
            client.subscribe((topic, 1))
            client.expect_message(topic, "value", 1, retain=True)

    def test_qos_is_the_lower_of_both(self):
        publisher = self.client()
        for qos in (0, 1, 2):
            topic = self.unique("r/")
            publisher.publish(topic, "q", qos, retain=True)
            publisher.ping()
            for granted in (0, 1, 2):
                client = self.client()
                client.subscribe((topic, granted))
                self.proves("MQTT-3.3.1-5")
                client.expect_message(topic, "q", min(qos, granted), retain=True)

    def test_outlives_its_publisher(self):
        topic = self.unique("r/")
        with self.client() as publisher:
            publisher.publish(topic, "stays", 1, retain=True)
            publisher.disconnect()
        client = self.client()
        client.subscribe(topic)
        self.proves("MQTT-3.1.2-7")
        client.expect_message(topic, "stays", 0, retain=True)

    def test_wildcards_find_all(self):
        publisher, base = self.client(), self.unique("rw") + "/"
        topics = [base + "a/%d/%s" % (i, leaf) for i in range(150) for leaf in ("x", "y")]
        publisher.publish_many(((t, t) for t in topics), 1, retain=True)
        for topic_filter, wanted in ((base + "#", topics), (base + "a/+/x", topics[::2]), (base + "a/7/+", topics[14:16]),
                                     (base + "+/9/x", topics[18:19]), (base + "a/#", topics)):
            client = self.client()
            client.subscribe((topic_filter, 1))
            got = client.collect(len(wanted))
            self.assertEqual(sorted(g.topic for g in got), sorted(wanted))
            self.assertTrue(all(g.retain and g.payload == g.topic.encode() for g in got))
            client.unsubscribe(topic_filter)
            self.assert_quiet(client)

    def test_leading_wildcards_do_not_find_dollar_topics(self):
        publisher, name = self.client(), self.unique("hidden")
        publisher.publish("$test/" + name, "hidden", 1, retain=True)
        client = self.client()
        client.subscribe(("+/" + name, 1))
        self.assert_quiet(client)
        client.subscribe(("$test/" + name, 1))
        client.expect_message("$test/" + name, "hidden", 1, retain=True)

    def test_a_durable_session_that_comes_back_gets_no_repeat(self):
        publisher, name, topic = self.client(), self.unique("d"), self.unique("r/")
        publisher.publish(topic, "value", 1, retain=True)
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.expect_message(topic, "value", 1, retain=True)
            client.ping()
            client.disconnect()
        client = self.durable(name)
        self.assert_quiet(client)

    def test_a_message_that_waited_has_no_flag(self):
        publisher, name, topic = self.client(), self.unique("d"), self.unique("r/")
        with self.durable(name) as client:
            client.subscribe((topic, 1))
            client.disconnect()
        publisher.publish(topic, "value", 1, retain=True)
        self.durable(name).expect_message(topic, "value", 1, retain=False)

    def test_large_and_binary_values(self):
        publisher, topic = self.client(), self.unique("r/")
        value = bytes(range(256)) * 800
        publisher.publish(topic, value, 1, retain=True)
        client = self.client()
        client.subscribe((topic, 1))
        client.expect_message(topic, value, 1, retain=True)

    def test_glob_characters_are_plain_in_topics(self):
        publisher, base = self.client(), self.unique("g")
        for name in ("a[b]", "ab", "a*", "axx", "a?", "a\\b"):
            publisher.publish("%s/%s/v" % (base, name), name, 1, retain=True)
        for name in ("a[b]", "a*", "a?", "a\\b"):
            client = self.client()
            client.subscribe(("%s/%s/+" % (base, name), 1))
            client.expect_message("%s/%s/v" % (base, name), name, 1, retain=True)
            client.unsubscribe("%s/%s/+" % (base, name))
            self.assert_quiet(client)
