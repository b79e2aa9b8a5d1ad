"""Rule 5, publish at QoS 1 and 2: acknowledged when it is stored for all whom it concerns."""

import harness
import mqtt_raw as m
from harness import eventually
from rule_case import RuleCase


class Publish(RuleCase, harness.FleetTest):
    def offline(self, name, topic, qos=2):
        with self.b.connect(name, clean=False) as client:
            client.subscribe((topic, qos))
            client.disconnect()

    def test_acknowledged_only_when_stored(self):
        self.offline("keeper", "s/#")
        publisher = self.connect(self.a)
        self.proxy.hold("replies")
        publisher.send(m.publish("s/1", "one", 1, 1) + m.publish("s/2", "two", 2, 2) + m.PINGREQ_BYTES)
        publisher.expect(m.PINGRESP)
        with self.assertRaises(m.TimedOut):
            publisher.recv(timeout=0.6)
        self.proxy.release()
        self.assertEqual({publisher.recv().kind for _ in range(2)}, {m.PUBACK, m.PUBREC})

    def test_what_was_acknowledged_survives_all_brokers(self):
        self.offline("keeper", "s/#")
        publisher = self.connect(self.a)
        acked = []
        publisher.send(b"".join(m.publish("s/x", "%d" % n, 1, n + 1) for n in range(3000)))
        while len(acked) < 700:
            acked.append(publisher.expect(m.PUBACK).pid)
        self.a.kill()
        self.b.kill()
        acked += [p.pid for p in publisher.drain_until_closed() if p.kind == m.PUBACK]
        self.b.start()
        client = self.connect(self.b, "keeper", clean=False)
        self.assertTrue(client.session_present)
        got = client.collect(lambda seen: len(seen) >= len(acked))
        self.assertEqual([g.payload for g in got[:len(acked)]], [b"%d" % n for n in range(len(acked))])

    def resend_elsewhere(self, hold, is_done):
        """The first broker did something of a QoS 2 publish and died before its PUBREC."""
        self.offline("keeper", "s/#")
        live = self.connect(self.b)
        live.subscribe(("s/#", 2))
        publisher = self.connect(self.a, "sender", clean=False)
        for n in range(1, 21):
            publisher.publish("s/x", "%d" % n, 2)
        self.assertEqual(len(live.collect(20)), 20)
        hold()
        publisher.send(m.publish("s/x", "21", 2, 500))
        eventually(is_done, 10, "so much is done")
        self.assertTrue(publisher.is_quiet())
        self.a.kill()
        again = self.b.connect("sender", clean=False, timeout=15)
        self.addCleanup(again.close)
        self.assertTrue(again.session_present)
        again.send(m.publish("s/x", "21", 2, 500, dup=True))
        again.expect(m.PUBREC, pid=500)
        again.send(m.ack(m.PUBREL, 500))
        again.expect(m.PUBCOMP, pid=500)
        keeper = self.connect(self.b, "keeper", clean=False)
        self.assertEqual([g.payload for g in keeper.collect(21)], [b"%d" % n for n in range(1, 22)])
        self.assert_quiet(keeper)

    def in_redis(self, command, pattern, *words):
        """Of the one key of this pattern; of none, if it isn't there yet."""
        key, = self.redis.command("KEYS", pattern) or [pattern]
        return self.redis.command(command, key, *words)

    def test_a_qos_2_resend_on_another_broker_is_the_same_message(self):
        self.resend_elsewhere(lambda: self.proxy.hold_replies_from(b"\x03s/x\x0221"),
                              lambda: self.in_redis("XLEN", "*:q:keeper") == 21)

    def test_a_qos_2_resend_is_the_same_message_when_only_its_id_was_stored(self):
        self.resend_elsewhere(lambda: self.proxy.hold("replies"),
                              lambda: self.in_redis("HEXISTS", "*:in2:sender", 500))

    def test_pubrel_on_another_broker_frees_the_packet_id(self):
        live = self.connect(self.b)
        live.subscribe(("s/#", 2))
        publisher = self.connect(self.a, "sender", clean=False)
        publisher.send(m.publish("s/x", "one", 2, 7))
        publisher.expect(m.PUBREC, pid=7)
        publisher.abort()
        again = self.connect(self.b, "sender", clean=False)
        again.send(m.ack(m.PUBREL, 7))
        again.expect(m.PUBCOMP, pid=7)
        again.send(m.publish("s/x", "two", 2, 7))
        again.expect(m.PUBREC, pid=7)
        again.send(m.ack(m.PUBREL, 7))
        again.expect(m.PUBCOMP, pid=7)
        self.assertEqual([g.payload for g in live.collect(2)], [b"one", b"two"])

    def test_one_slow_session_holds_up_nobody(self):
        slow, fast = self.connect(self.b, "slow", clean=False), self.connect(self.b, "fast", clean=False)
        for c in (slow, fast):
            c.subscribe(("s/#", 1))
        publisher = self.connect(self.a)
        publisher.publish_many((("s/x", "%d" % n) for n in range(600)), 1)
        self.assertEqual([g.payload for g in fast.collect(600)], [b"%d" % n for n in range(600)])
        self.assertEqual([g.payload for g in slow.collect(600)], [b"%d" % n for n in range(600)])


if __name__ == "__main__":
    harness.main()
