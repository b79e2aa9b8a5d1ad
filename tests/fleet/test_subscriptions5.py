"""Subscriptions of 5.0 in a fleet: identifiers and options follow a session from broker to broker, also past kill -9."""
import harness
import mqtt5_raw as m5
import mqtt_raw as m
from services import Fleet

COUNT = 200


class Subscriptions(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def client(self, broker, name=None, **fields):
        client = m5.Client.connected(self.fleet[broker].address, name or self.unique("c"), **fields)
        self.addCleanup(client.close)
        return client

    def durable(self, broker, name):
        return self.client(broker, name, clean=False, props={"session_expiry": 600})

    def assert_quiet(self, client, broker):
        topic = self.unique("quiet/")
        client.subscribe((topic, 1))
        self.client(broker).publish(topic, "now", 1)
        client.expect_message(topic, "now", 1)

    def test_identifiers_survive_the_death_of_brokers(self):
        name, base = self.unique("d"), self.unique("t")
        client = self.durable(0, name)
        client.subscribe((base + "/+", 1), props={"subscription_id": 1})
        client.subscribe((base + "/#", 2), props={"subscription_id": 268435455})
        client.subscribe((base + "/a", 0))
        publisher = self.client(1)
        publisher.publish(base + "/a", "before", 1)
        publisher.publish(base, "before, too", 1)
        for want in ([1, 268435455], [268435455]):  # sent, and not acknowledged
            self.assertEqual(client.expect(m.PUBLISH).subscription_ids, want)
        self.fleet[0].kill()
        publisher.publish_many(((base + "/a", "%d" % n) for n in range(COUNT)), 2)
        self.fleet[1].kill()
        client = self.durable(2, name)
        self.assertTrue(client.session_present)
        got = client.collect(COUNT + 2)
        self.assertEqual([g.payload for g in got], [b"before", b"before, too"] + [b"%d" % n for n in range(COUNT)])
        self.assertEqual([g.dup for g in got[:2]], [True, True])
        self.assertEqual([g.subscription_ids for g in got],
                         [[1, 268435455], [268435455]] + [[1, 268435455]] * COUNT)
        self.assertEqual({g.qos for g in got[2:]}, {2})

    def test_a_session_has_its_options_at_its_next_broker(self):
        name, base = self.unique("d"), self.unique("t")
        other = self.client(1)
        other.publish(base + "/own", "kept", 1, retain=True)
        with self.durable(0, name) as client:
            client.subscribe((base + "/own", m5.options(1, no_local=True, retain_handling=2)), props={"subscription_id": 3})
            client.subscribe((base + "/flag", m5.options(1, as_published=True)), props={"subscription_id": 4})
            client.subscribe((base + "/gone", 1))
            client.leave()
        client = self.durable(2, name)
        client.publish(base + "/own", "mine", 1)
        other.publish(base + "/own", "another's", 1, retain=True)
        other.publish(base + "/flag", "retained", 1, retain=True)
        for topic, payload, ident, retain in ((base + "/own", "another's", 3, False), (base + "/flag", "retained", 4, True)):
            got = client.expect_message(topic, payload, 1, retain=retain)
            self.assertEqual(got.subscription_ids, [ident])
        # It is there already; replaced, it has what was said last.
        client.subscribe((base + "/own", m5.options(1, retain_handling=1)), props={"subscription_id": 5})
        self.assert_quiet(client, 0)
        client.publish(base + "/own", "mine again", 1)
        self.assertEqual(client.expect_message(base + "/own", "mine again", 1).subscription_ids, [5])
        self.assertEqual(client.unsubscribe(base + "/gone", base + "/gone", base + "/never"), [0, 0x11, 0x11])

    def test_receivers_at_three_brokers_have_their_own(self):
        topic, receivers = self.unique("t/"), []
        for broker in range(3):
            client = self.client(broker)
            client.subscribe((topic, broker), props={"subscription_id": broker + 1})
            client.subscribe((topic + "/#", 0), props={"subscription_id": 9})
            old = m.Client.connected(self.fleet[broker].address, self.unique("old"))
            self.addCleanup(old.close)
            old.subscribe((topic, broker))
            receivers.append((client, old))
        self.client(1).publish(topic, "x", 2)
        for broker, (client, old) in enumerate(receivers):
            self.assertEqual(client.expect_message(topic, "x", broker).subscription_ids, [broker + 1, 9])
            old.expect_message(topic, "x", broker)


if __name__ == "__main__":
    harness.main()
