"""What every MQTT client is to see, whichever it is: one list of scenarios, run for each client (test_clients*.py).

A case has `self.client`, the adapter of one client (client_adapter.py), and `self.places`, where it may connect
(client_places.py). Both ends of a scenario are that client, in every combination of the versions that it speaks.
"""
import collections
import itertools
import shutil
import time

from client_adapter import Will
from foreign import mosquitto_pub
from harness import eventually, stays
from services import metric, program

LARGE = "0123456789abcdef" * 12000  # more than a frame, a TLS record and a socket's buffer


class Scenarios:
    """The list. For MQTT 5.0 alone: those whose name says so."""

    shared = True

    @classmethod
    def setUpClass(cls):
        cls.client = cls.adapter()  # skips the class where the client isn't installed
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.expect_nothing_refused()
        finally:
            cls.client.end()
            super().tearDownClass()

    @classmethod
    def expect_nothing_refused(cls):
        """No broker found fault with a packet of these clients, and they say DISCONNECT."""
        for broker in cls.brokers:
            left = metric(broker.metrics(), "flotilla_broker_connections_closed_total", reason="disconnect")
            assert left, "%s: nobody said DISCONNECT" % broker.name
            for reason in ("malformed", "protocol"):
                found = metric(broker.metrics(), "flotilla_broker_connections_closed_total", reason=reason)
                assert found == 0, "%s: %s connections closed as %s" % (broker.name, found, reason)

    def connect(self, *filters, version=4, transport="tcp", **settings):
        settings.setdefault("client_id", self.unique("client"))
        session = self.client.connect(self.places[transport], version, filters, **settings)
        self.addCleanup(session.close)
        return session

    def versions(self):
        return itertools.product(self.client.versions, repeat=2)

    def test_every_transport_at_every_version(self):
        for version, transport in itertools.product(self.client.versions, self.client.transports):
            with self.subTest(version=version, transport=transport):
                topic = self.unique("by/")
                subscriber = self.connect((topic, 1), version=version, transport=transport)
                publisher = self.connect(version=version, transport=transport)
                publisher.publish(topic, "hello", 1)
                publisher.publish(topic, LARGE, 1)
                got = subscriber.wait(2)
                self.assertEqual([g[:4] for g in got], [(topic, "hello", 1, False), (topic, LARGE, 1, False)])

    def test_bursts_by_every_transport(self):
        """A subscriber takes what comes faster than it reads."""
        if shutil.which(program("mosquitto_pub")) is None:
            self.skipTest("needs mosquitto_pub (Debian: mosquitto-clients)")
        for qos, transport in itertools.product((0, 1), self.client.transports):
            with self.subTest(qos=qos, transport=transport):
                topic, payloads = self.unique("burst/"), ["%d" % n for n in range(1000)]
                subscriber = self.connect((topic, qos), transport=transport)
                mosquitto_pub(self.places["tcp"].address, "-q", str(qos), "-t", topic, lines=payloads)
                self.assertEqual([g.payload for g in subscriber.wait(1000)], payloads)

    def test_each_quality_of_service(self):
        for of_publisher, of_subscriber in self.versions():
            base = self.unique("qos/")
            subscriber = self.connect((base + "/#", 2), version=of_subscriber)
            publisher = self.connect(version=of_publisher)
            for qos in (0, 1, 2):
                with self.subTest(publisher=of_publisher, subscriber=of_subscriber, qos=qos):
                    topic, payloads = "%s/%d" % (base, qos), ["%d" % n for n in range(30)]
                    publisher.publish_all(topic, payloads, qos)
                    got = subscriber.wait(30 * (qos + 1))[30 * qos:]
                    self.assertEqual([g[:4] for g in got], [(topic, p, qos, False) for p in payloads])

    def test_a_subscription_lowers_the_quality_of_service(self):
        for version in self.client.versions:
            with self.subTest(version=version):
                topic = self.unique("granted/")
                subscriber = self.connect((topic, 0), version=version)
                self.connect(version=version).publish(topic, "x", 2)
                self.assertEqual([g[:4] for g in subscriber.wait(1)], [(topic, "x", 0, False)])

    def test_retained_values(self):
        for of_publisher, of_subscriber in self.versions():
            with self.subTest(publisher=of_publisher, subscriber=of_subscriber):
                base = self.unique("kept/")
                early = self.connect((base + "/#", 1), version=of_subscriber)
                publisher = self.connect(version=of_publisher)
                publisher.publish(base + "/a", "value", 1, retain=True)
                self.assertEqual(early.wait(1)[0][:4], (base + "/a", "value", 1, False))
                late = self.connect((base + "/#", 1), version=of_subscriber)
                self.assertEqual(late.wait(1)[0][:4], (base + "/a", "value", 1, True))
                publisher.publish(base + "/a", "", 1, retain=True)
                self.assertEqual(late.wait(2)[1][:4], (base + "/a", "", 1, False))
                after = self.connect((base + "/#", 1), version=of_subscriber)
                publisher.publish(base + "/b", "mark", 1)
                self.assertEqual(after.wait(1)[0][:4], (base + "/b", "mark", 1, False))

    def test_wills(self):
        for version, watching in self.versions():
            with self.subTest(version=version, watching=watching):
                base = self.unique("will")
                watcher = self.connect((base + "/#", 2), version=watching)
                polite = self.connect((base + "-polite", 0), version=version, will=Will(base + "/polite", "gone", 1))
                lost = self.connect((base + "-lost", 0), version=version,
                                    will=Will(base + "/lost", "gone", 2, retain=True))
                polite.close()
                lost.cut()
                self.assertEqual(watcher.wait(1)[0][:4], (base + "/lost", "gone", 2, False))
                late = self.connect((base + "/#", 2), version=watching)
                self.assertEqual(late.wait(1)[0][:4], (base + "/lost", "gone", 2, True))
                late.publish(base + "/mark", "", 1)
                self.assertEqual([g.topic for g in watcher.wait(2)], [base + "/lost", base + "/mark"])

    def test_delayed_wills_of_mqtt_5(self):
        self.needs_5()
        base, delay = self.unique("later"), 3
        watcher = self.connect((base + "/#", 1), version=5)

        def connect(name):
            return self.connect((base + "-" + name, 0), version=5, client_id=base + name, clean=False,
                                expiry=60, will=Will(base + "/" + name, "gone", 1, delay=delay))
        stays_away, returns = connect("away"), connect("back")
        cut_at = time.monotonic()
        stays_away.cut()
        returns.cut()
        connect("back")
        stays(lambda: not watcher.messages, delay - 0.3 - (time.monotonic() - cut_at), "no will yet")
        self.assertEqual(watcher.wait(1)[0][:4], (base + "/away", "gone", 1, False))
        self.assertLess(time.monotonic() - cut_at, delay + 4)
        stays(lambda: len(watcher.messages) == 1, 1, "only the will of who stays away")

    def test_durable_sessions(self):
        for of_publisher, of_subscriber in self.versions():
            with self.subTest(publisher=of_publisher, subscriber=of_subscriber):
                topic, name = self.unique("durable/"), self.unique("device")
                durable = {"client_id": name, "clean": False, "expiry": 60, "version": of_subscriber}
                first = self.connect((topic, 2), **durable)
                self.assertIn(first.present, (False, None))
                publisher = self.connect(version=of_publisher)
                publisher.publish(topic, "online", 1)
                first.wait(1)
                first.close()
                payloads = ["%d" % n for n in range(10)]
                publisher.publish_all(topic, payloads, 2)
                again = self.connect((topic, 2), **durable)
                self.assertIn(again.present, (True, None))
                self.assertEqual([g[:4] for g in again.wait(10)], [(topic, p, 2, False) for p in payloads])
                publisher.publish(topic, "live", 1)
                self.assertEqual(again.wait(11)[10][:2], (topic, "live"))
                again.close()
                clean = self.connect((topic, 2), client_id=name, version=of_subscriber)
                self.assertIn(clean.present, (False, None))

    def test_shared_subscriptions(self):
        for of_publisher in self.client.versions:
            with self.subTest(publisher=of_publisher):
                topic, count = self.unique("shared/"), 100
                members = [self.connect(("$share/group/" + topic, 1), version=v) for v in self.client.versions * 2]
                self.connect(version=of_publisher).publish_all(topic, ["%d" % n for n in range(count)], 1)
                eventually(lambda: sum(len(m.messages) for m in members) >= count, 30, "all messages")
                stays(lambda: sum(len(m.messages) for m in members) == count, 0.3, "one member for each message")
                got = collections.Counter(int(g.payload) for m in members for g in m.messages)
                self.assertEqual(got, collections.Counter(range(count)))
                self.assertGreater(sum(bool(m.messages) for m in members), 1, "the members share")

    def test_requests_and_responses(self):
        """In MQTT 5.0 the response topic and the correlation data come with the request."""
        for version in self.client.versions:
            with self.subTest(version=version):
                base = self.unique("ask/")
                responder = self.connect((base + "/question", 1), version=version)
                answer = self.client.request(self.places["tcp"], version, self.unique("asks"), base + "/question",
                                             base + "/answer", "how much?", "number-7")
                question = responder.wait(1)[0]
                self.assertEqual(question[:4], (base + "/question", "how much?", 1, False))
                reply_to, properties = base + "/answer", {}
                if version == 5:
                    reply_to = question.properties["response_topic"]
                    properties = {"correlation": question.properties["correlation"]}
                    self.assertEqual(properties, {"correlation": "number-7"})
                self.assertEqual(reply_to, base + "/answer")
                responder.publish(reply_to, "this much", 1, **properties)
                self.assertEqual(answer.result(30), ("this much", "number-7" if version == 5 else None))

    def test_properties_of_mqtt_5(self):
        self.needs_5()
        topic, user = self.unique("about/"), [["a", "1"], ["b", "2"]]
        subscriber = self.connect((topic, 1), version=5)
        self.connect(version=5).publish(topic, "x", 1, content_type="text/plain", user=user)
        self.assertEqual(subscriber.wait(1)[0].properties, {"content_type": "text/plain", "user": user})

    def needs_5(self):
        if 5 not in self.client.versions:
            self.skipTest("the client doesn't speak MQTT 5.0")


